//! Spectral normalisation: the weight as a matrix `[out, rest]`. Sums are in `f64`.

use crate::graph::Activation;

use super::pointwise::with_activation;
use super::vector::{dot, vectorized};
use super::{Real, parallel, pool};

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

/// `y_n = activation(y_n / sigma_n + bias)` for planes of `pixels` elements, sigma being that of the first half of the planes or
/// that of the second; without `bias` there is none.
pub(super) fn divide<T: Real>(
    y: &mut [T],
    pixels: usize,
    sigmas: [&[T]; 2],
    bias: &[T],
    activation: Activation,
) {
    let inverse = sigmas.map(|sigma| 1.0 / sigma[0].to_f64());
    // Without a bias a batch is one plane.
    let planes = if bias.is_empty() { 2 } else { y.len() / pixels };
    let pixels = y.len() / planes;
    with_activation!(activation, f => for (y, (inverse, first)) in
        y.chunks_mut((planes / 2 * pixels).max(1)).zip(inverse.into_iter().zip([0, planes / 2]))
    {
        let size = if bias.is_empty() { CHUNK } else { pixels };
        parallel::chunks(y, size, size, |i, y| {
            let offset = if bias.is_empty() { T::default() } else { bias[(first + i) % bias.len()] };
            vectorized(
                #[inline(always)]
                || {
                    for y in y {
                        *y = f(T::from_f64(y.to_f64() * inverse) + offset);
                    }
                },
            );
        });
    });
}

/// The sum of `sigma_n * d` over samples and pixels.
pub(super) fn bias_grad<T: Real>(d: &[T], pixels: usize, sigmas: [&[T]; 2], y: &mut [T]) {
    let channels = y.len();
    parallel::chunks(y, 1, d.len() / channels, |c, y| {
        let of_batches = d.chunks(d.len() / 2).zip(sigmas).map(|(d, sigma)| {
            let planes = d.chunks(pixels).skip(c).step_by(channels);
            sigma[0].to_f64() * planes.map(pool::sum).sum::<f64>()
        });
        y[0] = T::from_f64(of_batches.sum());
    });
}

/// `-sum(d * s)` of both batches, where `s` is what the results `y` were before bias and activation.
pub(super) fn sigma_factors<T: Real>(
    [d, y]: [&[T]; 2],
    pixels: usize,
    bias: &[T],
    activation: Activation,
) -> [f64; 2] {
    let steepness = match activation {
        Activation::LeakyRelu(slope) => 1.0 / f64::from(slope),
        Activation::Identity | Activation::Relu | Activation::Tanh => 1.0,
    };
    let channels = bias.len().max(1);
    let planes = d.len() / 2 / pixels;
    let mut sums = vec![0.0; 2 * planes];
    parallel::chunks(&mut sums, 1, pixels, |plane, sum| {
        let of = plane * pixels..(plane + 1) * pixels;
        let bias = bias.get(plane % channels).map_or(0.0, |bias| bias.to_f64());
        sum[0] = d[of.clone()]
            .iter()
            .zip(&y[of])
            .map(|(d, y)| {
                let y = y.to_f64();
                d.to_f64() * (if y > 0.0 { y } else { steepness * y } - bias)
            })
            .sum();
    });
    [0, planes].map(|first| -sums[first..][..planes].iter().sum::<f64>())
}

/// `factor * u vᵀ`, the sum of both batches.
pub(super) fn sigma_grad<T: Real>(factors: [f64; 2], [first, second]: [[&[T]; 2]; 2], y: &mut [T]) {
    let columns = first[1].len();
    parallel::chunks(y, columns, columns, |row, y| {
        let [a, b] = [factors[0] * first[0][row].to_f64(), factors[1] * second[0][row].to_f64()];
        vectorized(
            #[inline(always)]
            || {
                for (y, (v, w)) in y.iter_mut().zip(first[1].iter().zip(second[1])) {
                    *y = T::from_f64(a * v.to_f64() + b * w.to_f64());
                }
            },
        );
    });
}
