// The epilogue's pointwise function, by its code in constants.toml.
// relu'(0) = 0 and leaky'(0) = slope, as in PyTorch. All map 0 to 0, so that the channels
// which pad a tensor to a multiple of four stay zero. NaN stays NaN.
#import shared/nan.wgsl

fn activate(v: vec4f, kind: u32, slope: f32) -> vec4f {
    switch kind {
        case ${ACTIVATION_RELU}u: { return at_least_zero(v); }
        case ${ACTIVATION_LEAKY_RELU}u: { return select(slope * v, v, v > vec4f(0.0)); }
        // tanh is 1 to the last bit from 9.1 on; drivers that compute it from exp(2x) overflow.
        case ${ACTIVATION_TANH}u: { return select(tanh(clamp(v, vec4f(-10.0), vec4f(10.0))), v, is_nan(v)); }
        default: { return v; }
    }
}
