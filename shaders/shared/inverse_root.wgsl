// 1 / sqrt(v) to the last bit or next to it. WGSL allows `inverseSqrt` to be off by several; in the gradient of a
// normalisation over few pixels, what is left of a difference of nearly equal numbers multiplies that. v > 0.
fn inverse_root(v: vec4f) -> vec4f {
    let root = inverseSqrt(v);
    let better = fma(0.5 * root, fma(-v * root, root, vec4f(1.0)), root);
    // Of infinity it is 0, which the step would make NaN.
    return select(better, root, root == vec4f(0.0));
}
