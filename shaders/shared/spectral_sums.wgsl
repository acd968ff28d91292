// What spectral_sums.wgsl and spectral_totals.wgsl add up: d, and d times what the layer's sum was, divided by sigma but without
// bias and activation, which is found from its result y. `activation` is none, or a leaky ReLU. Who imports this has both of
// `params`, and declares d, the tensor y and bias.

struct Sums {
    d: vec4f,
    product: vec4f,
}

fn added(sums: Sums, at: u32, offset: vec4f) -> Sums {
    let v = d[at];
    var before = load_y(at);
    if (params.activation != ${ACTIVATION_IDENTITY}u) {
        before = select(before / params.slope, before, before > vec4f(0.0));
    }
    return Sums(sums.d + v, fma(v, before - offset, sums.product));
}

fn offset_of(quad: u32) -> vec4f {
    if (params.has_bias != 0u) {
        return bias[quad];
    }
    return vec4f(0.0);
}
