//! Losses and their gradients. Means over all elements, in `f64`.

use super::Real;

fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// `1 / (1 + exp(-x))`, without overflow.
fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

fn mean<T: Real>(x: &[T], f: impl Fn(f64) -> f64) -> T {
    T::from_f64(x.iter().map(|x| f(x.to_f64())).sum::<f64>() / x.len() as f64)
}

fn map<T: Real>(x: &[T], y: &mut [T], f: impl Fn(f64) -> f64) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = T::from_f64(f(x.to_f64()));
    }
}

/// `mean((x - target)²)`
pub(super) fn mse<T: Real>(x: &[T], target: f32, y: &mut [T]) {
    y[0] = mean(x, |x| (x - f64::from(target)).powi(2));
}

/// `scale * 2 * (x - target) / n`
pub(super) fn mse_grad<T: Real>(x: &[T], target: f32, scale: f32, y: &mut [T]) {
    let factor = 2.0 * f64::from(scale) / x.len() as f64;
    map(x, y, |x| factor * (x - f64::from(target)));
}

/// `mean(|x - t|)`
pub(super) fn l1<T: Real>(x: &[T], t: &[T], y: &mut [T]) {
    let sum: f64 = x.iter().zip(t).map(|(x, t)| (x.to_f64() - t.to_f64()).abs()).sum();
    y[0] = T::from_f64(sum / x.len() as f64);
}

/// `scale * sign(x - t) / n`
pub(super) fn l1_grad<T: Real>(x: &[T], t: &[T], scale: f32, y: &mut [T]) {
    let factor = f64::from(scale) / x.len() as f64;
    for ((y, x), t) in y.iter_mut().zip(x).zip(t) {
        *y = T::from_f64(factor * sign(x.to_f64() - t.to_f64()));
    }
}

/// `mean(max(x, 0) - x * target + ln(1 + exp(-|x|)))`
pub(super) fn bce_with_logits<T: Real>(x: &[T], target: f32, y: &mut [T]) {
    y[0] = mean(x, |x| x.max(0.0) - x * f64::from(target) + (-x.abs()).exp().ln_1p());
}

/// `scale * (sigmoid(x) - target) / n`
pub(super) fn bce_with_logits_grad<T: Real>(x: &[T], target: f32, scale: f32, y: &mut [T]) {
    let factor = f64::from(scale) / x.len() as f64;
    map(x, y, |x| factor * (sigmoid(x) - f64::from(target)));
}

/// `mean(x)`
pub(super) fn average<T: Real>(x: &[T], y: &mut [T]) {
    y[0] = mean(x, |x| x);
}

/// `mean(max(0, 1 - target * x))`; NaN stays NaN.
pub(super) fn hinge<T: Real>(x: &[T], target: f32, y: &mut [T]) {
    let cost = |x: f64| 1.0 - f64::from(target) * x;
    y[0] = mean(x, |x| if cost(x) < 0.0 { 0.0 } else { cost(x) });
}

/// `-scale * target / n` where that costs, else 0.
pub(super) fn hinge_grad<T: Real>(x: &[T], target: f32, scale: f32, y: &mut [T]) {
    let target = f64::from(target);
    let slope = -f64::from(scale) * target / x.len() as f64;
    map(x, y, |x| if 1.0 - target * x <= 0.0 { 0.0 } else { slope });
}

/// By how much the length of one sample's gradient misses 1, as far as that costs; and the length.
fn excess<T: Real>(g: &[T], one_sided: bool) -> (f64, f64) {
    let length = g.iter().map(|g| g.to_f64().powi(2)).sum::<f64>().sqrt();
    let excess = length - 1.0;
    (if one_sided && excess < 0.0 { 0.0 } else { excess }, length)
}

/// The mean over `samples` of `(|g_n| - 1)²`, or of `max(0, |g_n| - 1)²`.
pub(super) fn gradient_penalty<T: Real>(g: &[T], samples: usize, one_sided: bool, y: &mut [T]) {
    let each = g.chunks(g.len() / samples).map(|g| excess(g, one_sided).0.powi(2));
    y[0] = T::from_f64(each.sum::<f64>() / samples as f64);
}

/// `scale * 2 * (|g_n| - 1) / N * g_n / |g_n|`
pub(super) fn gradient_penalty_grad<T: Real>(
    g: &[T],
    samples: usize,
    one_sided: bool,
    scale: f32,
    y: &mut [T],
) {
    let size = g.len() / samples;
    for (g, y) in g.chunks(size).zip(y.chunks_mut(size)) {
        let (excess, length) = excess(g, one_sided);
        let factor = match length == 0.0 || excess == 0.0 {
            true => 0.0,
            false => 2.0 * f64::from(scale) * excess / length / samples as f64,
        };
        map(g, y, |g| factor * g);
    }
}
