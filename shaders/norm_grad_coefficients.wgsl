// From the sums of norm_grad_reduce.wgsl to what the gradient of a normalisation does to each
// channel:
//
//   gx = a g + b (x - shift) + d
//
// With m pixels, G1 = sum g, G2 = sum g (x - mu_I), s = 1 / sqrt(var + eps):
//
//   LAYER 0 (biased variance):  a = s, b = -s^3 G2 / m, and -s G1 / m in d.
//   LAYER 1 (unbiased variances; of biased ones without the `- 1`): with p = gamma rho, q = gamma (1 - rho), M = C m,
//     L1 = sum over c of q G1, L2 = sum over c of q (G2 + (mu_I - mu_L) G1),
//     gx = p s_I (g - G1 / m - s_I^2 (x - mu_I) G2 / (m - 1))
//        + s_L (q g - L1 / M - s_L^2 (x - mu_L) L2 / (M - 1)).
//
//   moments [N, C/4, 3]: shift, mu_I - shift, squared deviations; partials [N, chunks, C/4, 2],
//   rho [C/4], gamma [N or 1, C/4],
//   record [N, C/4, 7]: shift, a, b, d, sum of g i, sum of g l (i, l: x normalised), sum of g
//
// Launch: one workgroup per sample in x.
//
// LOOPS = 1: FXC unrolls a loop whose length it knows, merges and all, and takes minutes. It does not
// know that `reserved_0` is 0.
#import shared/channel_mask.wgsl
#import shared/inverse_root.wgsl
#if LAYER
#import shared/moments.wgsl
#endif

struct Params {
    pixels: u32,
    channels: u32,
    quads: u32,
    chunks: u32,
    gamma_stride: u32,
    eps: f32,
    reserved_0: u32,
    unbiased: u32, // of LAYER: 1 or 0, what is taken from the number of values
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> moments: array<vec4f>;
@group(0) @binding(2) var<storage, read> partials: array<vec4f>;
#if LAYER
@group(0) @binding(3) var<storage, read> rho: array<vec4f>;
@group(0) @binding(4) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> record: array<vec4f>;

var<workgroup> shifts: array<vec4f, 256>;
var<workgroup> offsets: array<vec4f, 256>;
var<workgroup> squares: array<vec4f, 256>;
var<workgroup> counts: array<f32, 256>;

fn store(at: u32, m: Moments) {
    shifts[at] = m.shift;
    offsets[at] = m.offset;
    squares[at] = m.squares;
    counts[at] = m.count;
}

fn load(at: u32) -> Moments {
    return Moments(shifts[at], offsets[at], squares[at], counts[at]);
}
#else
@group(0) @binding(3) var<storage, read_write> record: array<vec4f>;
#endif

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n = group.x;
    let pixels = f32(params.pixels);
#if LAYER
    var layer = Moments(vec4f(0.0), vec4f(0.0), vec4f(0.0), 0.0);
#endif
    for (var quad = lane; quad < params.quads; quad += 256u) {
        var sum = vec4f(0.0);
        var product = vec4f(0.0);
        for (var i = 0u; i < params.chunks; i += 1u) {
            let at = 2u * ((n * params.chunks + i) * params.quads + quad);
            sum += partials[at];
            product += partials[at + 1u];
        }
        let from_moments = 3u * (n * params.quads + quad);
        let shift = moments[from_moments];
        let lost = moments[from_moments + 1u];
        let squared = moments[from_moments + 2u];
        product -= lost * sum;
        let at = 7u * (n * params.quads + quad);
        record[at] = shift;
        record[at + 6u] = sum;
#if LAYER
        // Until the layer's statistics are known: the centred product.
        record[at + 4u] = product;
        for (var c = 0u; c < min(4u, params.channels - 4u * quad); c += 1u) {
            layer = merge(layer, Moments(vec4f(shift[c]), vec4f(lost[c]), vec4f(squared[c]), pixels));
        }
#else
        let s = inverse_root(squared / pixels + params.eps);
        let b = -s * s * s * product / pixels;
        record[at + 1u] = s;
        record[at + 2u] = b;
        record[at + 3u] = -s * sum / pixels - b * lost;
        record[at + 4u] = s * product;
        record[at + 5u] = vec4f(0.0);
#endif
    }
#if LAYER
    store(lane, layer);
    workgroupBarrier();
#if LOOPS
    for (var half = 128u + params.reserved_0; half > 0u; half /= 2u) {
#else
    for (var half = 128u; half > 0u; half /= 2u) {
#endif
        if (lane < half) {
            store(lane, merge(load(lane), load(lane + half)));
        }
        workgroupBarrier();
    }
    let total = load(0u);
    workgroupBarrier();
    let elements = pixels * f32(params.channels);
    let fewer = f32(params.unbiased);
    let s_l = inverse_root(total.squares / (elements - fewer) + params.eps);

    // L1 in shifts, L2 in offsets.
    var l_1 = vec4f(0.0);
    var l_2 = vec4f(0.0);
    for (var quad = lane; quad < params.quads; quad += 256u) {
        let at = 7u * (n * params.quads + quad);
        let lost = moments[3u * (n * params.quads + quad) + 1u];
        let from_layer = (record[at] - total.shift) + (lost - total.offset);
        let q = gamma[n * params.gamma_stride + quad] * (1.0 - rho[quad]) * channel_mask(quad);
        l_1 += q * record[at + 6u];
        l_2 += q * (record[at + 4u] + from_layer * record[at + 6u]);
    }
    shifts[lane] = l_1;
    offsets[lane] = l_2;
    workgroupBarrier();
#if LOOPS
    for (var half = 128u + params.reserved_0; half > 0u; half /= 2u) {
#else
    for (var half = 128u; half > 0u; half /= 2u) {
#endif
        if (lane < half) {
            shifts[lane] += shifts[lane + half];
            offsets[lane] += offsets[lane + half];
        }
        workgroupBarrier();
    }
    let sum_1 = dot(shifts[0], vec4f(1.0));
    let sum_2 = dot(offsets[0], vec4f(1.0));
    let b_l = -s_l * s_l * s_l * sum_2 / (elements - fewer);

    for (var quad = lane; quad < params.quads; quad += 256u) {
        let at = 7u * (n * params.quads + quad);
        let from_moments = 3u * (n * params.quads + quad);
        let lost = moments[from_moments + 1u];
        let s_i = inverse_root(moments[from_moments + 2u] / (pixels - fewer) + params.eps);
        let from_layer = (record[at] - total.shift) + (lost - total.offset);
        let g_1 = record[at + 6u];
        let g_2 = record[at + 4u];
        let p = gamma[n * params.gamma_stride + quad] * rho[quad];
        let q = gamma[n * params.gamma_stride + quad] * (1.0 - rho[quad]);
        let b_i = -p * s_i * s_i * s_i * g_2 / (pixels - fewer);
        let mask = channel_mask(quad);
        record[at + 1u] = mask * (p * s_i + q * s_l);
        record[at + 2u] = mask * (b_i + b_l);
        record[at + 3u] = mask
            * (-p * s_i * g_1 / pixels - s_l * sum_1 / elements - b_i * lost + b_l * (from_layer - lost));
        record[at + 4u] = s_i * g_2;
        record[at + 5u] = s_l * (g_2 + from_layer * g_1);
    }
#endif
}
