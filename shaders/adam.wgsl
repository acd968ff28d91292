// Adam with L2 decay, over parameters that lie side by side (src/train/adam.rs):
//
//   g' = scale g + weight_decay p
//   m  = beta1 m + (1 - beta1) g'         v = beta2 v + (1 - beta2) g'^2
//   p -= rate m / (sqrt(v) correction + eps)
//
// What lies in one of the two ranges of rho is then brought into 0..1. With EMA = 1 also
// ema = p + decay (ema - p). Nothing moves where the report says that the run has halted.
// Padding is zero in all of them and stays zero.
//
//   g, p, m, v, ema [total] vec4; numbers [1]: rate, correction, decay; report: see
//   step_report.wgsl
//
// Launch: one invocation per vec4, workgroups in x and y.
#import shared/nan.wgsl
#import shared/spread.wgsl

struct Params {
    total: u32,
    rho_first_0: u32,
    rho_end_0: u32,
    rho_first_1: u32,
    rho_end_1: u32,
    scale: f32,
    weight_decay: f32,
    eps: f32,
    beta1: f32,
    rest1: f32, // 1 - beta1
    beta2: f32,
    rest2: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> numbers: array<vec4f>;
@group(0) @binding(2) var<storage, read> report: array<vec4f>;
@group(0) @binding(3) var<storage, read> g: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> p: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> v: array<vec4f>;
#if EMA
@group(0) @binding(7) var<storage, read_write> ema: array<vec4f>;
#endif

fn each(i: u32) {
    if (i >= params.total || report[0].x != 0.0) {
        return;
    }
    let now = numbers[0];
    let old = p[i];
    let gradient = fma(vec4f(params.weight_decay), old, params.scale * g[i]);
    let mean = fma(vec4f(params.beta1), m[i], params.rest1 * gradient);
    let square = fma(vec4f(params.beta2), v[i], params.rest2 * gradient * gradient);
    var moved = old - now.x * mean / fma(sqrt(square), vec4f(now.y), vec4f(params.eps));
    if ((i >= params.rho_first_0 && i < params.rho_end_0) || (i >= params.rho_first_1 && i < params.rho_end_1)) {
        moved = select(clamp(moved, vec4f(0.0), vec4f(1.0)), moved, is_nan(moved));
    }
    m[i] = mean;
    v[i] = square;
    p[i] = moved;
#if EMA
    ema[i] = fma(vec4f(now.z), ema[i] - moved, moved);
#endif
}
