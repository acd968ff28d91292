// What the length of a gradient costs, |g_n| being that of sample n (WGAN-GP, WGAN-LP):
//
//   GRADIENT 0: y[0].x = scale sum over n of d^2    GRADIENT 1: y = scale 2 d g_n / |g_n|
//
// with d = |g_n| - 1, or max(|g_n| - 1, 0) if `one_sided`; where d or |g_n| is 0 the gradient is 0.
//
//   g [N, sample_quads] vec4, what pads it being zero; y [1], or as g
//
// Launch: one workgroup; for the gradient one per sample, in x.
struct Params {
    samples: u32,
    sample_quads: u32,
    one_sided: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

var<workgroup> sums: array<f32, 256>;

// |g_n|, the same for all lanes.
fn length_of(n: u32, lane: u32) -> f32 {
    var sum = 0.0;
    for (var i = lane; i < params.sample_quads; i += 256u) {
        let v = g[n * params.sample_quads + i];
        sum += dot(v, v);
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    let total = sums[0];
    workgroupBarrier();
    return sqrt(total);
}

// Compared, not clamped: NaN stays NaN.
fn excess(length: f32) -> f32 {
    let d = length - 1.0;
    return select(d, 0.0, params.one_sided != 0u && d < 0.0);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
#if GRADIENT
    let length = length_of(group.x, lane);
    let d = excess(length);
    let factor = select(2.0 * params.scale * d / length, 0.0, length == 0.0 || d == 0.0);
    for (var i = lane; i < params.sample_quads; i += 256u) {
        let at = group.x * params.sample_quads + i;
        y[at] = factor * g[at];
    }
#else
    var sum = 0.0;
    for (var n = 0u; n < params.samples; n += 1u) {
        let d = excess(length_of(n, lane));
        sum += d * d;
    }
    if (lane == 0u) {
        y[0] = vec4f(params.scale * sum, 0.0, 0.0, 0.0);
    }
#endif
}
