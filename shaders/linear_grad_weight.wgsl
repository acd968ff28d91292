// y[m, k] = sum over n of g[n, m] x[n, k]; rows of y that pad M are zero, as g's columns are.
//
//   g [N, M/4], x [N, K/4], y [M, K/4] (M padded)
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    total: u32,
    batch: u32,
    in_quads: u32,
    g_quads: u32,
    accumulate: u32, // 1: added to what y holds
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
#tensor read x 2
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    let m = i / params.in_quads;
    let k = i % params.in_quads;
    var sum = vec4f(0.0);
    for (var n = 0u; n < params.batch; n += 1u) {
        sum = fma(vec4f(g[n * params.g_quads + m / 4u][m % 4u]), load_x(n * params.in_quads + k), sum);
    }
    if (params.accumulate != 0u) {
        sum += y[i];
    }
    y[i] = sum;
}
