//! Fully connected layers, and what else works on matrices of a few rows.

use crate::graph::Activation;

use super::{Real, parallel, pointwise};

/// Columns that are summed in `T` before they join the `f64` sum.
const BLOCK: usize = 1024;
const LANES: usize = 16;

/// `y[n, m] = activation(sum over k of x[n, k] * weight[m, k] + bias[m])`
///
/// One or two rows of `x` against many of `weight`: bound by reading the weights once, so plain
/// dot products do.
pub(super) fn linear<T: Real>(
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    columns: usize,
    activation: Activation,
    y: &mut [T],
) {
    let outputs = weight.len() / columns;
    parallel::chunks(y, 1, columns, |i, y| {
        let (row, output) = (i / outputs, i % outputs);
        let product = dot(&x[row * columns..][..columns], &weight[output * columns..][..columns]);
        y[0] = T::from_f64(product + bias.map_or(0.0, |bias| bias[output].to_f64()));
    });
    pointwise::activate(y, activation);
}

fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut lanes = [T::default(); LANES];
        let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        for (&a, &b) in a_chunks.remainder().iter().zip(b_chunks.remainder()) {
            total += (a * b).to_f64();
        }
        for (a, b) in a_chunks.zip(b_chunks) {
            for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
                *lane += a * b;
            }
        }
        total += lanes.iter().map(|lane| lane.to_f64()).sum::<f64>();
    }
    total
}

/// `y[n, ..] = a[n, ..], b[n, ..]`: columns side by side.
pub(super) fn concat<T: Real>(a: &[T], b: &[T], rows: usize, y: &mut [T]) {
    let (a_columns, b_columns) = (a.len() / rows.max(1), b.len() / rows.max(1));
    for (row, y) in y.chunks_mut((a_columns + b_columns).max(1)).enumerate() {
        y[..a_columns].copy_from_slice(&a[row * a_columns..][..a_columns]);
        y[a_columns..].copy_from_slice(&b[row * b_columns..][..b_columns]);
    }
}

/// `y[o, c] = weight[o, c] * gap[c] + weight[o, C + c] * gmp[c]`
pub(super) fn cam_weight<T: Real>(weight: &[T], gap: &[T], gmp: &[T], y: &mut [T]) {
    let channels = gap.len();
    for (y, weight) in y.chunks_mut(channels).zip(weight.chunks(2 * channels)) {
        let (first, second) = weight.split_at(channels);
        for (c, y) in y.iter_mut().enumerate() {
            *y = first[c] * gap[c] + second[c] * gmp[c];
        }
    }
}
