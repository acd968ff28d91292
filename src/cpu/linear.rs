//! Fully connected layers, and what else works on matrices of a few rows.

use crate::graph::{Activation, CamInput};
use crate::quantized::{Bits, QuantizedMatrix};

use super::matmul::{Matrix, Shared};
use super::vector::vectorized;
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
        let product = blocked_dot(&x[row * columns..][..columns], &weight[output * columns..][..columns]);
        y[0] = T::from_f64(product + bias.map_or(0.0, |bias| bias[output].to_f64()));
    });
    pointwise::activate(y, activation);
}

/// [`linear`] with a quantised weight: its numbers are unpacked a block at a time, as they are multiplied.
pub(super) fn quantized<T: Real>(
    x: &[T],
    weight: &QuantizedMatrix,
    bias: Option<&[T]>,
    activation: Activation,
    y: &mut [T],
) {
    let columns = weight.columns();
    let outputs = weight.shape().dims()[0];
    let x = weight.arranged(x);
    parallel::chunks(y, 1, columns, |i, y| {
        let (row, output) = (i / outputs, i % outputs);
        let x = &x[row * columns..][..columns];
        let product = vectorized(|| quantized_dot(x, weight, output));
        y[0] = T::from_f64(product + bias.map_or(0.0, |bias| bias[output].to_f64()));
    });
    pointwise::activate(y, activation);
}

/// [`blocked_dot`] of `x` and a row of a quantised matrix.
#[inline(always)]
fn quantized_dot<T: Real>(x: &[T], weight: &QuantizedMatrix, row: usize) -> f64 {
    let mut total = 0.0;
    let bits = weight.bits();
    let mut levels = [0; Bits::Eight.block()];
    let mut blocks = weight.row(row).zip(x.chunks_exact(bits.block()));
    for _ in (0..x.len()).step_by(BLOCK) {
        let mut lanes = [T::default(); LANES];
        for ((bytes, scale), x) in blocks.by_ref().take(BLOCK / bits.block()) {
            bits.unpack(bytes, &mut levels);
            let mut sums = [T::default(); LANES];
            for (x, levels) in x.as_chunks::<LANES>().0.iter().zip(levels.as_chunks::<LANES>().0) {
                for ((sum, &x), &level) in sums.iter_mut().zip(x).zip(levels) {
                    *sum += x * T::from_level(level);
                }
            }
            let scale = T::from_f32(scale);
            lanes.iter_mut().zip(sums).for_each(|(lane, sum)| *lane += sum * scale);
        }
        total += lanes.iter().map(|lane| lane.to_f64()).sum::<f64>();
    }
    total
}

/// The product of two vectors, summed in `T` within a block and in `f64` over the blocks: half the vector registers'
/// work of a sum in `f64` throughout ([`super::vector::dot`]), and as exact as a layer has to be.
fn blocked_dot<T: Real>(a: &[T], b: &[T]) -> f64 {
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

/// `y[k] = w[k] + b`
pub(super) fn add_scalar<T: Real>(w: &[T], b: T, y: &mut [T]) {
    y.iter_mut().zip(w).for_each(|(y, &w)| *y = w + b);
}

/// `y[o, c] = weight[o, c] * gap[c] + weight[o, C + c] * gmp[c]`
pub(super) fn cam_weight<T: Real>(weight: &[T], gap: &[T], gmp: &[T], y: &mut [T]) {
    let channels = gap.len();
    parallel::chunks(y, channels, 3 * channels, |o, y| {
        let (first, second) = weight[2 * o * channels..][..2 * channels].split_at(channels);
        for (((y, &a), &b), (&gap, &gmp)) in y.iter_mut().zip(first).zip(second).zip(gap.iter().zip(gmp)) {
            *y = a * gap + b * gmp;
        }
    });
}

/// `gx[n, k] = sum over m of g[n, m] * weight[m, k]`
pub(super) fn grad_input<T: Real>(g: &[T], weight: &[T], columns: usize, gx: &mut [T]) {
    /// Columns that one thread takes at a time.
    const CHUNK: usize = 2048;
    let (samples, outputs) = (gx.len() / columns, weight.len() / columns);
    let gx = Shared::new(gx);
    parallel::tasks(
        columns.div_ceil(CHUNK),
        || (),
        |(), task| {
            let first = task * CHUNK;
            let weight = Matrix {
                data: &weight[first..],
                rows: CHUNK.min(columns - first),
                columns: outputs,
                row_stride: 1,
                column_stride: columns,
            };
            let g =
                Matrix { data: g, rows: outputs, columns: samples, row_stride: 1, column_stride: outputs };
            // SAFETY: each task writes its own columns.
            unsafe { gx.product(first, columns, false, weight, g) };
        },
    );
}

/// `gw[m, k] = sum over n of g[n, m] * x[n, k]`
pub(super) fn grad_weight<T: Real>(x: &[T], g: &[T], columns: usize, gw: &mut [T]) {
    let outputs = gw.len() / columns;
    parallel::chunks(gw, columns, columns, |m, gw| {
        gw.fill(T::default());
        for (x, g) in x.chunks(columns).zip(g.chunks(outputs)) {
            for (gw, &x) in gw.iter_mut().zip(x) {
                *gw += g[m] * x;
            }
        }
    });
}

/// `y[m] = sum over n of x[n, m]`
pub(super) fn sum_rows<T: Real>(x: &[T], y: &mut [T]) {
    let columns = y.len();
    for (m, y) in y.iter_mut().enumerate() {
        *y = T::from_f64(x.iter().skip(m).step_by(columns).map(|x| x.to_f64()).sum());
    }
}

/// `y[n, ..] = x[n, start..start + len]`
pub(super) fn slice_columns<T: Real>(x: &[T], columns: usize, start: usize, len: usize, y: &mut [T]) {
    for (y, x) in y.chunks_mut(len.max(1)).zip(x.chunks(columns)) {
        y.copy_from_slice(&x[start..start + len]);
    }
}

/// The gradient of [`cam_weight`] at `wrt`, from that at its result.
pub(super) fn cam_weight_grad<T: Real>(
    g: &[T],
    weight: &[T],
    gap: &[T],
    gmp: &[T],
    wrt: CamInput,
    y: &mut [T],
) {
    let channels = gap.len();
    // The sums over outputs of g[o, c] * weight[o, first + c].
    let along = |first: usize, y: &mut [T]| {
        /// Channels that one thread takes at a time.
        const CHUNK: usize = 64;
        parallel::chunks(y, CHUNK, CHUNK * g.len() / channels, |i, y| {
            let (start, mut sums) = (i * CHUNK, [0.0; CHUNK]);
            for (g, weight) in g.chunks(channels).zip(weight.chunks(2 * channels)) {
                let (g, weight) = (&g[start..], &weight[first + start..]);
                for ((sum, g), w) in sums[..y.len()].iter_mut().zip(g).zip(weight) {
                    *sum += g.to_f64() * w.to_f64();
                }
            }
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = T::from_f64(sum));
        });
    };
    match wrt {
        CamInput::Mix => {
            parallel::chunks(y, 2 * channels, 3 * channels, |o, y| {
                let (first, second) = y.split_at_mut(channels);
                let g = &g[o * channels..][..channels];
                for (c, &g) in g.iter().enumerate() {
                    (first[c], second[c]) = (g * gap[c], g * gmp[c]);
                }
            });
        }
        CamInput::Gap => along(0, y),
        CamInput::Gmp => along(channels, y),
    }
}
