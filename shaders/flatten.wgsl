// y[n, (c H + r) W + s] = x[n, r, s, c]: from channels last to the official C, H, W order.
// Only where no matrix product follows: one that does has its columns in this order already.
//
//   x [N, H W, C/4], y [N, C H W / 4]
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    pixels: u32,
    channels: u32,
    quads: u32,
    y_quads: u32,
    total: u32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    let n = i / params.y_quads;
    var v = vec4f(0.0);
    for (var k = 0u; k < 4u; k += 1u) {
        let j = 4u * (i % params.y_quads) + k;
        if (j < params.channels * params.pixels) {
            let c = j / params.pixels;
            v[k] = load_x((n * params.pixels + j % params.pixels) * params.quads + c / 4u)[c % 4u];
        }
    }
    y[i] = v;
}
