// y = act(a (x - shift) + b) + residual, with the coefficients of norm_coefficients.wgsl.
//
//   x, y, residual [N, H W, C/4]; coefficients [N, C/4, 3] from vec4 `first` on; residual is read only if
//   `has_residual`.
//
// Launch: one invocation per vec4 of a `stride`-th of the pixels: `stride * quads` of them in
// x, N in y. Each goes over the pixels p, p + stride, … of its channels.
#import shared/activation.wgsl

struct Params {
    pixels: u32,
    quads: u32,
    stride: u32,
    has_residual: u32,
    activation: u32,
    slope: f32,
    first: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
@group(0) @binding(2) var<storage, read> coefficients: array<vec4f>;
#tensor read residual 3
#tensor write y 4

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= params.stride * params.quads) {
        return;
    }
    let quad = id.x % params.quads;
    let at = params.first + 3u * (id.y * params.quads + quad);
    let shift = coefficients[at];
    let a = coefficients[at + 1u];
    let b = coefficients[at + 2u];
    for (var p = id.x / params.quads; p < params.pixels; p += params.stride) {
        let i = (id.y * params.pixels + p) * params.quads + quad;
        var v = activate(fma(a, load_x(i) - shift, b), params.activation, params.slope);
        if (params.has_residual != 0u) {
            v += load_residual(i);
        }
        store_y(i, v);
    }
}
