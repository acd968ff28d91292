// A loss of one element, and its slope:
//
//   MODE 0: (x - target)^2                              2 (x - target)
//   MODE 1: |x - t|                                     sign(x - t), 0 at 0 and NaN
//   MODE 2: max(x, 0) - x target + ln(1 + exp(-|x|))    1 / (1 + exp(-x)) - target
//   MODE 3: x                                           1
//   MODE 4: max(1 - target x, 0)                        -target where 1 - target x > 0 or x is NaN, else 0
//
// Who imports this has `target_value` of `params`.
#if MODE == 1 || MODE == 4
#import shared/nan.wgsl
#endif

fn loss_of(x: vec4f, t: vec4f) -> vec4f {
#if MODE == 0
    return (x - params.target_value) * (x - params.target_value);
#endif
#if MODE == 1
    return abs(x - t);
#endif
#if MODE == 2
    return max(x, vec4f(0.0)) - x * params.target_value + log(1.0 + exp(-abs(x)));
#endif
#if MODE == 3
    return x;
#endif
#if MODE == 4
    return at_least_zero(1.0 - params.target_value * x);
#endif
}

fn slope_of(x: vec4f, t: vec4f) -> vec4f {
#if MODE == 0
    return 2.0 * (x - params.target_value);
#endif
#if MODE == 1
    return select(sign(x - t), vec4f(0.0), is_nan(x - t));
#endif
#if MODE == 2
    return 1.0 / (1.0 + exp(-x)) - params.target_value;
#endif
#if MODE == 3
    return vec4f(1.0);
#endif
#if MODE == 4
    let free = (1.0 - params.target_value * x <= vec4f(0.0)) & !is_nan(x);
    return select(vec4f(-params.target_value), vec4f(0.0), free);
#endif
}

// Which of vec4 i's channels are no padding.
fn is_channel(i: u32) -> vec4<bool> {
    return vec4u(4u * (i % params.quads)) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.channels);
}
