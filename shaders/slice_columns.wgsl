// y[n, j] = x[n, start + j] for j < len, else 0. Of pictures n is a pixel of a sample, j a channel.
//
//   x [N, x_quads], y [N, y_quads]
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    total: u32,
    x_quads: u32,
    y_quads: u32,
    start: u32,
    len: u32,
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
    var v = vec4f(0.0);
    for (var c = 0u; c < 4u; c += 1u) {
        let j = 4u * (i % params.y_quads) + c;
        if (j < params.len) {
            let k = params.start + j;
            v[c] = x[i / params.y_quads * params.x_quads + k / 4u][k % 4u];
        }
    }
    y[i] = v;
}
