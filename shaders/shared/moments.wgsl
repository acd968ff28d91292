// Means and sums of squared deviations that survive a large mean and a tiny deviation: a set
// of `count` values has mean `shift + offset`, where `shift` is one of the values, and
// `squares` is the sum of squared deviations from the mean. Differences of shifts are exact
// where it matters, so nothing is lost when sets are merged (Chan et al., 1979).
struct Moments {
    shift: vec4f,
    offset: vec4f,
    squares: vec4f,
    count: f32,
}

// A number at most 2^-19 of the mean away from it; of values that are all the same that value, so that nothing is left
// of them less it. The mean itself will not do: a compiler may take (mean - a) - b for nought if it knows the mean as
// a + b, which NVIDIA's does, and the rounding that it was to bring back is lost. NaN stays NaN.
fn centre(m: Moments) -> vec4f {
    let near = bitcast<vec4f>(bitcast<vec4u>(m.shift + m.offset) & vec4u(0xfffffff0u));
    return select(near, m.shift, m.offset == vec4f(0.0));
}

fn merge(a: Moments, b: Moments) -> Moments {
    if (b.count == 0.0) {
        return a;
    }
    if (a.count == 0.0) {
        return b;
    }
    let count = a.count + b.count;
    let delta = (b.shift - a.shift) + (b.offset - a.offset);
    return Moments(
        a.shift,
        a.offset + delta * (b.count / count),
        a.squares + b.squares + delta * delta * (a.count * b.count / count),
        count,
    );
}
