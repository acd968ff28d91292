// NaN as PyTorch treats it, whatever a compiler assumes. WGSL lets `max`, `min` and `clamp` return
// the other operand, most hardware does, and some compilers take it that no number is NaN; so it is
// told by its bits.
fn is_nan(v: vec4f) -> vec4<bool> {
    return (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

// The larger of the two; NaN where either is.
fn larger(a: vec4f, b: vec4f) -> vec4f {
    return select(select(max(a, b), b, is_nan(b)), a, is_nan(a));
}

// max(v, 0); NaN stays NaN.
fn at_least_zero(v: vec4f) -> vec4f {
    return select(max(v, vec4f(0.0)), v, is_nan(v));
}
