// The gradients of SpectralDivide at the bias, and what those at the two sigmas give of the weight's (spectral_sigma_grad.wgsl):
//
//   to_bias[c] = sum over both batches of sigma_n * sum of d    (added to what it holds if `accumulate`)
//   factors.x = -sum of d s of the first batch, .y of the second    s: see shared/spectral_sums.wgsl
//
// DIRECT 0: from spectral_sums.wgsl's partials [2, rows, quads, 2]
// DIRECT 1: where there are few pixels, from d, y [2, rows, quads] and bias [quads]
//
//   sigma_0, sigma_1 [1] in .x; to_bias [quads], written only if `writes_bias`; factors [1]
//
// Launch: one workgroup.
#if DIRECT
#import shared/spectral_sums.wgsl
#endif

struct Params {
    rows: u32, // chunks, or pixels, of a batch
    quads: u32,
    has_bias: u32,
    writes_bias: u32,
    accumulate: u32,
    activation: u32,
    slope: f32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#if DIRECT
@group(0) @binding(1) var<storage, read> d: array<vec4f>;
#tensor read y 2
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
#else
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
#endif
@group(0) @binding(${2 + 2 * DIRECT}) var<storage, read> sigma_0: array<vec4f>;
@group(0) @binding(${3 + 2 * DIRECT}) var<storage, read> sigma_1: array<vec4f>;
@group(0) @binding(${4 + 2 * DIRECT}) var<storage, read_write> to_bias: array<vec4f>;
@group(0) @binding(${5 + 2 * DIRECT}) var<storage, read_write> factors: array<vec4f>;

var<workgroup> totals: array<vec2f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var total = vec2f(0.0);
    for (var quad = lane; quad < params.quads; quad += 256u) {
        var of_bias = vec4f(0.0);
#if DIRECT
        let offset = offset_of(quad);
#endif
#for n in 0..2
        {
#if DIRECT
            var sums = Sums(vec4f(0.0), vec4f(0.0));
            for (var row = 0u; row < params.rows; row += 1u) {
                sums = added(sums, (${n}u * params.rows + row) * params.quads + quad, offset);
            }
            let sum = sums.d;
            let product = sums.product;
#else
            var sum = vec4f(0.0);
            var product = vec4f(0.0);
            for (var row = 0u; row < params.rows; row += 1u) {
                let at = 2u * ((${n}u * params.rows + row) * params.quads + quad);
                sum += partials[at];
                product += partials[at + 1u];
            }
#endif
            of_bias = fma(vec4f(sigma_${n}[0].x), sum, of_bias);
            total += vec2f(${1 - n}.0, ${n}.0) * dot(product, vec4f(1.0));
        }
#endfor
        if (params.writes_bias != 0u) {
            if (params.accumulate != 0u) {
                of_bias += to_bias[quad];
            }
            to_bias[quad] = of_bias;
        }
    }
    totals[lane] = total;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half) {
            totals[lane] += totals[lane + half];
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        factors[0] = vec4f(-totals[0], 0.0, 0.0);
    }
}
