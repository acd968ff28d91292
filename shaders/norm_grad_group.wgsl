// From the sums of norm_grad_reduce.wgsl to what the gradient of a group normalisation does to each channel:
//
//   gx = a g + b (x - shift) + d
//
// With m pixels, K channels in a group, M = K m, G1 = sum g, G2 = sum g (x - mu), s = 1 / sqrt(var_G + eps),
// L1 = sum over the group of gamma G1, L2 = sum over the group of gamma (G2 + (mu - mu_G) G1):
//
//   gx = s (gamma g - L1 / M - s^2 (x - mu_G) L2 / M)
//
//   moments [N, C/4, 3]: shift, mu - shift, squared deviations; partials [N, chunks, C/4, 2], gamma [N or 1, C/4],
//   record [N, C/4, 7]: shift, a, b, d, G2, sum of g l (l: x normalised), G1
//
// Launch: one workgroup per sample in x.
#import shared/group.wgsl
#import shared/inverse_root.wgsl

struct Params {
    pixels: u32,
    channels: u32,
    quads: u32,
    chunks: u32,
    gamma_stride: u32,
    eps: f32,
    group: u32, // channels of a group
    reserved_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> moments: array<vec4f>;
@group(0) @binding(2) var<storage, read> partials: array<vec4f>;
@group(0) @binding(3) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> record: array<vec4f>;

// gamma G1 and gamma (G2 + (mu - mu_G) G1) of four channels, `total` being the moments of their group.
fn terms(n: u32, quad: u32, total: Moments) -> array<vec4f, 2> {
    let own = of_quad(n, quad);
    let from_group = (own.shift - total.shift) + (own.offset - total.offset);
    let at = 7u * (n * params.quads + quad);
    let g = gamma[n * params.gamma_stride + quad];
    return array<vec4f, 2>(g * record[at + 6u], g * (record[at + 4u] + from_group * record[at + 6u]));
}

// L1 and L2 of the group that begins with channel `first`; `total` are its moments, in every component.
fn sums(n: u32, first: u32, total: Moments) -> vec2f {
    var result = vec2f(0.0);
    let end = first + params.group;
    if (whole_quads()) {
        for (var quad = first / 4u; quad < end / 4u; quad += 1u) {
            let t = terms(n, quad, total);
            result += vec2f(dot(t[0], vec4f(1.0)), dot(t[1], vec4f(1.0)));
        }
        return result;
    }
    for (var c = first; c < end; c += 1u) {
        let t = terms(n, c / 4u, total);
        result += vec2f(t[0][c % 4u], t[1][c % 4u]);
    }
    return result;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n = workgroup.x;
    for (var quad = lane; quad < params.quads; quad += 256u) {
        var sum = vec4f(0.0);
        var product = vec4f(0.0);
        for (var i = 0u; i < params.chunks; i += 1u) {
            let at = 2u * ((n * params.chunks + i) * params.quads + quad);
            sum += partials[at];
            product += partials[at + 1u];
        }
        let own = of_quad(n, quad);
        let at = 7u * (n * params.quads + quad);
        record[at] = own.shift;
        record[at + 4u] = product - own.offset * sum;
        record[at + 6u] = sum;
    }
    // Now those of all channels are there, and stay.
    storageBarrier();
    let elements = f32(params.pixels) * f32(params.group);
    for (var quad = lane; quad < params.quads; quad += 256u) {
        var l_1 = vec4f(0.0);
        var l_2 = vec4f(0.0);
        for (var c = 0u; c < 4u; c += 1u) {
            let first = first_of_group(4u * quad + c);
            let l = sums(n, first, of_group(n, first));
            if (whole_quads()) {
                l_1 = vec4f(l.x);
                l_2 = vec4f(l.y);
                break;
            }
            l_1[c] = l.x;
            l_2[c] = l.y;
        }
        let own = of_quad(n, quad);
        let total = groups_of_quad(n, quad);
        let from_group = (own.shift - total.shift) + (own.offset - total.offset);
        let s = inverse_root(total.squares / elements + params.eps);
        let b = -s * s * s * l_2 / elements;
        let is_channel = channel_mask(quad) > vec4f(0.0);
        let at = 7u * (n * params.quads + quad);
        record[at + 1u] = select(vec4f(0.0), s * gamma[n * params.gamma_stride + quad], is_channel);
        record[at + 2u] = select(vec4f(0.0), b, is_channel);
        let rest = -s * l_1 / elements + b * (from_group - own.offset);
        record[at + 3u] = select(vec4f(0.0), rest, is_channel);
        record[at + 5u] = s * (record[at + 4u] + from_group * record[at + 6u]);
    }
}
