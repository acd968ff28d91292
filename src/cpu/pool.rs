//! Reductions over pixels and over channels. Sums are accumulated in `f64`.

use super::{Real, parallel};

/// Accumulators side by side, so that the compiler can use vector registers.
const LANES: usize = 8;

#[inline(always)]
fn is_nan<T: Real>(x: T) -> bool {
    x.partial_cmp(&x).is_none()
}

/// The sum, in `f64`.
pub(super) fn sum<T: Real>(x: &[T]) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|x| x.to_f64()).sum();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x.to_f64();
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// `y[n, c] = mean over pixels of x[n, c, ..]`
pub(super) fn global_average<T: Real>(x: &[T], pixels: usize, y: &mut [T]) {
    parallel::chunks(y, 1, pixels, |plane, y| {
        y[0] = T::from_f64(sum(&x[plane * pixels..][..pixels]) / pixels as f64);
    });
}

/// `y[n, c] = maximum over pixels of x[n, c, ..]`; NaN where one of them is, as in PyTorch.
pub(super) fn global_maximum<T: Real>(x: &[T], pixels: usize, y: &mut [T]) {
    parallel::chunks(y, 1, pixels, |plane, y| {
        let x = &x[plane * pixels..][..pixels];
        let larger = |a: T, b: T| if b > a || is_nan(b) { b } else { a };
        let mut lanes = [x[0]; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = chunks.remainder().iter().copied().fold(x[0], larger);
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = larger(*lane, x);
            }
        }
        y[0] = lanes.into_iter().fold(rest, larger);
    });
}

/// `y[n, 0, ..] = sum over channels of x[n, c, ..]`
pub(super) fn sum_channels<T: Real>(x: &[T], channels: usize, pixels: usize, y: &mut [T]) {
    for (sample, y) in y.chunks_mut(pixels).enumerate() {
        let x = &x[sample * channels * pixels..][..channels * pixels];
        const CHUNK: usize = 256;
        parallel::chunks(y, CHUNK, CHUNK * channels, |i, y| {
            let mut sums = [0.0; CHUNK];
            for plane in x.chunks(pixels) {
                for (sum, x) in sums.iter_mut().zip(&plane[i * CHUNK..][..y.len()]) {
                    *sum += x.to_f64();
                }
            }
            for (y, sum) in y.iter_mut().zip(sums) {
                *y = T::from_f64(sum);
            }
        });
    }
}

/// `y[n, c, ..] = g[n, c] / pixels`
pub(super) fn global_average_grad<T: Real>(g: &[T], pixels: usize, y: &mut [T]) {
    parallel::chunks(y, pixels, pixels, |plane, y| y.fill(T::from_f64(g[plane].to_f64() / pixels as f64)));
}

/// Where the gradient of a maximum goes: to the first one, or to the last NaN if there is one, as in PyTorch.
fn place_of_maximum<T: Real>(x: &[T]) -> usize {
    let better = |best: usize, i: usize| x[i] > x[best] || is_nan(x[i]);
    (1..x.len()).fold(0, |best, i| if better(best, i) { i } else { best })
}

/// `y[n, c] = u[n, c, ..]` at the place of the maximum of `x[n, c, ..]`
pub(super) fn at_maximum<T: Real>(u: &[T], x: &[T], pixels: usize, y: &mut [T]) {
    parallel::chunks(y, 1, pixels, |plane, y| {
        let start = plane * pixels;
        y[0] = u[start + place_of_maximum(&x[start..][..pixels])];
    });
}

/// `g[n, c]` at the place of the maximum of `x[n, c, ..]`, else 0.
pub(super) fn global_maximum_grad<T: Real>(g: &[T], x: &[T], pixels: usize, y: &mut [T]) {
    parallel::chunks(y, pixels, 2 * pixels, |plane, y| {
        y.fill(T::default());
        y[place_of_maximum(&x[plane * pixels..][..pixels])] = g[plane];
    });
}

/// `y[n, c, ..] = g[n, 0, ..]`
pub(super) fn broadcast_channels<T: Real>(g: &[T], channels: usize, pixels: usize, y: &mut [T]) {
    parallel::chunks(y, pixels, pixels, |plane, y| {
        y.copy_from_slice(&g[plane / channels * pixels..][..pixels]);
    });
}
