// The epilogue's pointwise function: 0 none, 1 ReLU, 2 leaky ReLU, 3 tanh.
// relu'(0) = 0 and leaky'(0) = slope, as in PyTorch. All map 0 to 0, so that the channels
// which pad a tensor to a multiple of four stay zero. NaN stays NaN.
#import shared/nan.wgsl

fn activate(v: vec4f, kind: u32, slope: f32) -> vec4f {
    switch kind {
        case 1u: { return at_least_zero(v); }
        case 2u: { return select(slope * v, v, v > vec4f(0.0)); }
        // tanh is 1 to the last bit from 9.1 on; drivers that compute it from exp(2x) overflow.
        case 3u: { return select(tanh(clamp(v, vec4f(-10.0), vec4f(10.0))), v, is_nan(v)); }
        default: { return v; }
    }
}
