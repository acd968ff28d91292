// gx = g * activation'(x), from the activation's result y (by its code in
// constants.toml): ReLU y > 0, leaky ReLU 1 or `slope`, tanh 1 - y^2.
//
//   g, result, gx [total] vec4
//
// Launch: one invocation per vec4, workgroups in x and y.
#import shared/nan.wgsl
#import shared/spread.wgsl

struct Params {
    total: u32,
    activation: u32,
    slope: f32,
    reserved_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read> result: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> gx: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    let y = result[i];
    var v = g[i];
    switch params.activation {
        // Chosen, not multiplied: an infinite gradient times 0 would be NaN.
        case ${ACTIVATION_RELU}u: { v = select(v, vec4f(0.0), (y <= vec4f(0.0)) & !is_nan(y)); }
        case ${ACTIVATION_LEAKY_RELU}u: { v = select(params.slope * v, v, (y > vec4f(0.0)) & !is_nan(y)); }
        case ${ACTIVATION_TANH}u: { v *= 1.0 - y * y; }
        default: {}
    }
    gx[i] = v;
}
