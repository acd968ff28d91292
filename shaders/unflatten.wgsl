// y[n, p, c] = x[n, c pixels + p]: from the official C, H, W order to channels last.
//
//   x [N, C pixels / 4], y [N, pixels, C/4]
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    total: u32,
    pixels: u32,
    channels: u32,
    quads: u32,
    x_quads: u32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    let pixel = i / params.quads;
    var v = vec4f(0.0);
    for (var k = 0u; k < 4u; k += 1u) {
        let c = 4u * (i % params.quads) + k;
        if (c < params.channels) {
            let j = c * params.pixels + pixel % params.pixels;
            v[k] = x[pixel / params.pixels * params.x_quads + j / 4u][j % 4u];
        }
    }
    y[i] = v;
}
