// The gradients of a layer-instance or group normalisation at its parameters, from the record of
// norm_grad_coefficients.wgsl or norm_grad_group.wgsl:
//
//   rho:   y[c] = sum over n of gamma[n, c] (sum of g i - sum of g l)      (groups have none)
//   gamma: y[n, c] = rho (sum of g i) + (1 - rho) (sum of g l), of groups sum of g l
//   beta:  y[n, c] = sum of g
//
// gamma's and beta's are summed over the samples where these share them (`gamma_stride` = 0).
//
//   record [N, C/4, 7], rho [C/4], gamma [N or 1, C/4]; at_rho [C/4], at_gamma and at_beta [N or 1, C/4]
//
// Launch: one invocation per vec4 of channels.
struct Params {
    quads: u32,
    samples: u32,
    gamma_stride: u32,
    accumulate: u32, // bits 0, 1, 2: the gradients at rho, gamma, beta are added to what is there
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> record: array<vec4f>;
#if GROUP
@group(0) @binding(2) var<storage, read_write> at_gamma: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> at_beta: array<vec4f>;
#else
@group(0) @binding(2) var<storage, read> rho: array<vec4f>;
@group(0) @binding(3) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> at_rho: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> at_gamma: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> at_beta: array<vec4f>;
#endif

fn store(at: u32, of_gamma: vec4f, of_beta: vec4f) {
    var v = of_gamma;
    if ((params.accumulate & 2u) != 0u) {
        v += at_gamma[at];
    }
    at_gamma[at] = v;
    v = of_beta;
    if ((params.accumulate & 4u) != 0u) {
        v += at_beta[at];
    }
    at_beta[at] = v;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x;
    if (quad >= params.quads) {
        return;
    }
    var of_gamma = vec4f(0.0);
    var of_beta = vec4f(0.0);
#if !GROUP
    var of_rho = vec4f(0.0);
    let r = rho[quad];
#endif
    for (var n = 0u; n < params.samples; n += 1u) {
        let at = 7u * (n * params.quads + quad);
        let layer = record[at + 5u];
#if GROUP
        let own = layer;
#else
        let instance = record[at + 4u];
        let own = r * instance + (1.0 - r) * layer;
        of_rho += gamma[n * params.gamma_stride + quad] * (instance - layer);
#endif
        if (params.gamma_stride != 0u) {
            store(n * params.quads + quad, own, record[at + 6u]);
        } else {
            of_gamma += own;
            of_beta += record[at + 6u];
        }
    }
    if (params.gamma_stride == 0u) {
        store(quad, of_gamma, of_beta);
    }
#if !GROUP
    if ((params.accumulate & 1u) != 0u) {
        of_rho += at_rho[quad];
    }
    at_rho[quad] = of_rho;
#endif
}
