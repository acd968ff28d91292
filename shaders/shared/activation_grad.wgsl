// The gradient before an activation, from that behind it and its result y (by its code in
// constants.toml): ReLU y > 0, leaky ReLU 1 or `slope`, tanh 1 - y^2.
#import shared/nan.wgsl

fn before_activation(g: vec4f, y: vec4f, kind: u32, slope: f32) -> vec4f {
    switch kind {
        // Chosen, not multiplied: an infinite gradient times 0 would be NaN.
        case ${ACTIVATION_RELU}u: { return select(g, vec4f(0.0), (y <= vec4f(0.0)) & !is_nan(y)); }
        case ${ACTIVATION_LEAKY_RELU}u: { return select(slope * g, g, (y > vec4f(0.0)) & !is_nan(y)); }
        case ${ACTIVATION_TANH}u: { return g * (1.0 - y * y); }
        default: { return g; }
    }
}
