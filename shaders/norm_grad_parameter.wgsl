// The gradients of a layer-instance or group normalisation at its parameters, from the record of
// norm_grad_coefficients.wgsl:
//
//   RHO:   y[c] = sum over n of gamma[n, c] (sum of g i - sum of g l)
//   GAMMA 1: y[n, c] = rho (sum of g i) + (1 - rho) (sum of g l)
//   GAMMA 2, of groups (record of norm_grad_group.wgsl): y[n, c] = sum of g l; rho is not read
//   else beta: y[n, c] = sum of g
//
// gamma's and beta's are summed over the samples where these share them (`samples` = N).
//
//   record [N, C/4, 7], rho [C/4], gamma [N or 1, C/4], y [N or 1, C/4]
//
// Launch: one invocation per vec4 of y; each adds `samples` samples.
struct Params {
    total: u32,
    quads: u32,
    samples: u32,
    gamma_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> record: array<vec4f>;
@group(0) @binding(2) var<storage, read> rho: array<vec4f>;
@group(0) @binding(3) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= params.total) {
        return;
    }
    let quad = id.x % params.quads;
    let first = id.x / params.quads;
    var sum = vec4f(0.0);
    for (var n = first; n < first + params.samples; n += 1u) {
        let at = 7u * (n * params.quads + quad);
#if RHO
        sum += gamma[n * params.gamma_stride + quad] * (record[at + 4u] - record[at + 5u]);
#else
#if GAMMA == 2
        sum += record[at + 5u];
#else
#if GAMMA
        let r = rho[quad];
        sum += r * record[at + 4u] + (1.0 - r) * record[at + 5u];
#else
        sum += record[at + 6u];
#endif
#endif
#endif
    }
    y[id.x] = sum;
}
