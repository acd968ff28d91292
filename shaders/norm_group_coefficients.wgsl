// From the moments of each channel to what group normalisation (Wu & He, 2018) does to it:
//
//   y = gamma (x - mu_G) s_G + beta = a (x - shift) + b,  s_G = 1 / sqrt(var_G + eps)
//
// with mean and biased variance over the pixels and the channels of the group; one group is layer normalisation.
//
//   moments [N, C/4, 3]: shift, mean - shift, the sum of squared deviations (norm_coefficients.wgsl, MOMENTS);
//   gamma and beta [N or 1, C/4]; coefficients [N, C/4, 3]: shift, a, b
//
// Launch: one invocation per vec4 of channels in x, N in y. Each merges the moments of its group by itself.
#import shared/group.wgsl
#import shared/inverse_root.wgsl

struct Params {
    pixels: u32,
    channels: u32,
    quads: u32,
    group: u32, // channels of a group
    gamma_stride: u32, // from one sample's gamma and beta to the next: C/4, or 0 if they share them
    eps: f32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> moments: array<vec4f>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(3) var<storage, read> beta: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> coefficients: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x;
    if (quad >= params.quads) {
        return;
    }
    let own = of_quad(id.y, quad);
    let total = groups_of_quad(id.y, quad);
    let elements = f32(params.pixels) * f32(params.group);
    let from_group = (own.shift - total.shift) + (own.offset - total.offset);
    let at = id.y * params.gamma_stride + quad;
    let is_channel = channel_mask(quad) > vec4f(0.0);
    let a = select(vec4f(0.0), gamma[at] * inverse_root(total.squares / elements + params.eps), is_channel);
    let b = a * from_group + beta[at];
    let to = 3u * (id.y * params.quads + quad);
    coefficients[to] = own.shift;
    coefficients[to + 1u] = a;
    coefficients[to + 2u] = select(vec4f(0.0), b - a * own.offset, is_channel);
}
