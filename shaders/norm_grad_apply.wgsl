// gx = a g + b (x - shift) + d, with the record of norm_grad_coefficients.wgsl. If an activation followed, g is behind
// it, and `result` is its result; else that is not read.
//
//   g, x, result, y [N, H W, C/4]; record [N, C/4, 7]
//
// Launch: as norm_apply.wgsl.
#import shared/activation_grad.wgsl

struct Params {
    pixels: u32,
    quads: u32,
    stride: u32,
    activation: u32,
    slope: f32,
    accumulate: u32, // 1: added to what y holds
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
#tensor read x 2
@group(0) @binding(3) var<storage, read> record: array<vec4f>;
#tensor read result 4
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= params.stride * params.quads) {
        return;
    }
    let quad = id.x % params.quads;
    let at = 7u * (id.y * params.quads + quad);
    let shift = record[at];
    let a = record[at + 1u];
    let b = record[at + 2u];
    let d = record[at + 3u];
    for (var p = id.x / params.quads; p < params.pixels; p += params.stride) {
        let i = (id.y * params.pixels + p) * params.quads + quad;
        var g_i = g[i];
        if (params.activation != 0u) {
            g_i = before_activation(g_i, load_result(i), params.activation, params.slope);
        }
        var v = fma(a, g_i, fma(b, load_x(i) - shift, d));
        if (params.accumulate != 0u) {
            v += y[i];
        }
        y[i] = v;
    }
}
