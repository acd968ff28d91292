//! Spectral normalisation: the weight as a matrix `[out, rest]`. Sums are in `f64`.

use super::vector::{dot, vectorized};
use super::{Real, parallel};

/// Below this a vector counts as zero (`torch.nn.functional.normalize`).
const EPS: f64 = 1e-12;
/// Elements of `v` that one thread sums at a time.
const CHUNK: usize = 1024;

fn normalise<T: Real>(y: &mut [T], exact: &[f64]) {
    let length = exact.iter().map(|x| x * x).sum::<f64>().sqrt();
    // Not `f64::max`, which makes EPS of NaN.
    let norm = if length < EPS { EPS } else { length };
    for (y, x) in y.iter_mut().zip(exact) {
        *y = T::from_f64(x / norm);
    }
}

/// `v = Wᵀu / |Wᵀu|`
pub(super) fn power_iteration_v<T: Real>(w: &[T], u: &[T], v: &mut [T]) {
    let columns = v.len();
    let mut exact = vec![0.0; columns];
    parallel::chunks(&mut exact, CHUNK, CHUNK * u.len(), |i, sums| {
        vectorized(
            #[inline(always)]
            || {
                for (w, u) in w.chunks(columns).zip(u) {
                    let u = u.to_f64();
                    for (sum, w) in sums.iter_mut().zip(&w[i * CHUNK..]) {
                        *sum += w.to_f64() * u;
                    }
                }
            },
        );
    });
    normalise(v, &exact);
}

/// `W v`
pub(super) fn product<T: Real>(w: &[T], v: &[T]) -> Vec<f64> {
    let mut exact = vec![0.0; w.len() / v.len()];
    parallel::chunks(&mut exact, 1, v.len(), |row, y| y[0] = dot(&w[row * v.len()..][..v.len()], v));
    exact
}

/// `u = Wv / |Wv|`, from `W v`
pub(super) fn power_iteration_u<T: Real>(product: &[f64], u: &mut [T]) {
    normalise(u, product);
}

/// `u · (W v)`, from `W v`
pub(super) fn sigma<T: Real>(product: &[f64], u: &[T], y: &mut [T]) {
    y[0] = T::from_f64(product.iter().zip(u).map(|(wv, u)| wv * u.to_f64()).sum());
}

/// `W / sigma`
pub(super) fn spectral_norm<T: Real>(w: &[T], sigma: &[T], y: &mut [T]) {
    let inverse = 1.0 / sigma[0].to_f64();
    parallel::chunks(y, CHUNK, CHUNK, |i, y| {
        vectorized(
            #[inline(always)]
            || {
                for (y, w) in y.iter_mut().zip(&w[i * CHUNK..]) {
                    *y = T::from_f64(w.to_f64() * inverse);
                }
            },
        );
    });
}

/// `g / sigma - sum(g * W) / sigma² * u vᵀ`
pub(super) fn spectral_norm_grad<T: Real>(g: &[T], w: &[T], sigma: &[T], u: &[T], v: &[T], y: &mut [T]) {
    let sigma = sigma[0].to_f64();
    let columns = v.len();
    let mut sums = vec![0.0; u.len()];
    parallel::chunks(&mut sums, 1, columns, |row, sum| {
        let row = row * columns..(row + 1) * columns;
        sum[0] = dot(&g[row.clone()], &w[row]);
    });
    let along = sums.iter().sum::<f64>() / (sigma * sigma);
    let inverse = 1.0 / sigma;
    parallel::chunks(y, columns, columns, |row, y| {
        let factor = along * u[row].to_f64();
        vectorized(
            #[inline(always)]
            || {
                for ((y, g), v) in y.iter_mut().zip(&g[row * columns..]).zip(v) {
                    *y = T::from_f64(g.to_f64() * inverse - factor * v.to_f64());
                }
            },
        );
    });
}
