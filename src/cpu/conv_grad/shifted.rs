//! The gradients of a convolution with few outputs, stride 1 and no doubling. Its gradient is unfolded, each tap
//! shifting it over the padded picture,
//!
//! ```text
//! G[(o, ky, kx), (y, x)] = g[o, y - ky, x - kx], 0 outside
//! gw = G · pad(x)ᵀ,   gx = pad*(wᵀ · G)
//! ```
//!
//! which is as many numbers less than the picture's own unfolding as there are fewer outputs.

use crate::graph::Conv2d;

use super::super::conv::{Extents, SCRATCH_BYTES};
use super::super::matmul::{Matrix, Shared};
use super::super::spatial::{axis, scatter};
use super::super::{Real, parallel};

/// Parts into which the padded rows of a sample are cut at least, where there are so many: a sum over parts does not
/// depend on the threads that make them.
const PARTS: usize = 8;

/// The padded picture, cut into parts of whole rows.
struct Padded {
    rows: Vec<usize>,
    columns: Vec<usize>,
    /// Rows of a part.
    part: usize,
    /// Parts of a sample.
    parts: usize,
}

impl Padded {
    fn new<T>(e: Extents, op: Conv2d) -> Self {
        let (rows, columns) = (axis(e.h, false, op.pad), axis(e.w, false, op.pad));
        let lines = e.outputs * e.kh * e.kw + e.channels;
        let fits = SCRATCH_BYTES / size_of::<T>() / (lines * columns.len());
        let part = fits.clamp(1, rows.len().div_ceil(PARTS));
        let parts = rows.len().div_ceil(part);
        Self { rows, columns, part, parts }
    }

    /// The first row of a part, and its rows.
    fn rows_of(&self, part: usize) -> (usize, usize) {
        let first = part * self.part;
        (first, self.part.min(self.rows.len() - first))
    }
}

/// `unfolded[(o, ky, kx), (y, x)]` for `count` rows from `first` on, of one sample's gradient.
fn unfold<T: Real>(g: &[T], e: Extents, width: usize, (first, count): (usize, usize), unfolded: &mut [T]) {
    let mut lines = unfolded.chunks_exact_mut(width);
    for g in g.chunks_exact(e.oh * e.ow) {
        for ky in 0..e.kh {
            for kx in 0..e.kw {
                for (y, line) in (first..).zip(lines.by_ref().take(count)) {
                    match y.checked_sub(ky).filter(|&row| row < e.oh) {
                        None => line.fill(T::default()),
                        Some(row) => {
                            line[..kx].fill(T::default());
                            line[kx..][..e.ow].copy_from_slice(&g[row * e.ow..][..e.ow]);
                            line[kx + e.ow..].fill(T::default());
                        }
                    }
                }
            }
        }
    }
}

/// See [`super::weight`].
pub(super) fn weight<T: Real>(x: &[T], g: &[T], e: Extents, op: Conv2d, gw: &mut [T]) {
    let padded = Padded::new::<T>(e, op);
    let (width, taps, window) = (padded.columns.len(), e.outputs * e.kh * e.kw, e.kh * e.kw);
    let sum = taps * e.channels;
    let mut sums = vec![T::default(); e.n * padded.parts * sum];
    let shared = Shared::new(&mut sums);
    let most = padded.part * width;
    let scratch = || (vec![T::default(); taps * most], vec![T::default(); e.channels * most]);
    parallel::tasks(e.n * padded.parts, scratch, |(unfolded, picture), task| {
        let (sample, (first, count)) = (task / padded.parts, padded.rows_of(task % padded.parts));
        let len = count * width;
        let g = &g[sample * e.outputs * e.oh * e.ow..][..e.outputs * e.oh * e.ow];
        unfold(g, e, width, (first, count), unfolded);
        let planes = x[sample * e.channels * e.h * e.w..].chunks_exact(e.h * e.w).take(e.channels);
        for (x, picture) in planes.zip(picture.chunks_exact_mut(len)) {
            for (line, &row) in picture.chunks_exact_mut(width).zip(&padded.rows[first..]) {
                let x = &x[row * e.w..][..e.w];
                for (p, &column) in line.iter_mut().zip(&padded.columns) {
                    *p = x[column];
                }
            }
        }
        let unfolded = Matrix { data: unfolded, rows: taps, columns: len, row_stride: len, column_stride: 1 };
        let picture =
            Matrix { data: picture, rows: len, columns: e.channels, row_stride: 1, column_stride: len };
        // SAFETY: each task writes a sum of its own.
        unsafe { shared.product(task * sum, taps, false, unfolded, picture) };
    });
    for (o, gw) in gw.chunks_exact_mut(e.channels * window).enumerate() {
        for (c, gw) in gw.chunks_exact_mut(window).enumerate() {
            let start = c * taps + o * window;
            gw.copy_from_slice(&sums[start..][..window]);
            for sums in sums.chunks_exact(sum).skip(1) {
                for (gw, &sum) in gw.iter_mut().zip(&sums[start..]) {
                    *gw += sum;
                }
            }
        }
    }
}

/// See [`super::input`].
pub(super) fn input<T: Real>(g: &[T], weight: &[T], e: Extents, op: Conv2d, gx: &mut [T]) {
    let padded = Padded::new::<T>(e, op);
    let (width, taps, window) = (padded.columns.len(), e.outputs * e.kh * e.kw, e.kh * e.kw);
    // `[channel, (o, ky, kx)]`
    let mut weights = vec![T::default(); e.channels * taps];
    for (c, weights) in weights.chunks_exact_mut(taps).enumerate() {
        for (o, weights) in weights.chunks_exact_mut(window).enumerate() {
            weights.copy_from_slice(&weight[(o * e.channels + c) * window..][..window]);
        }
    }
    let plane = padded.rows.len() * width;
    let mut wide = vec![T::default(); e.n * e.channels * plane];
    let shared = Shared::new(&mut wide);
    let scratch = || vec![T::default(); taps * padded.part * width];
    parallel::tasks(e.n * padded.parts, scratch, |unfolded, task| {
        let (sample, (first, count)) = (task / padded.parts, padded.rows_of(task % padded.parts));
        let len = count * width;
        let g = &g[sample * e.outputs * e.oh * e.ow..][..e.outputs * e.oh * e.ow];
        unfold(g, e, width, (first, count), unfolded);
        let unfolded = Matrix { data: unfolded, rows: len, columns: taps, row_stride: 1, column_stride: len };
        let weights =
            Matrix { data: &weights, rows: taps, columns: e.channels, row_stride: 1, column_stride: taps };
        let start = sample * e.channels * plane + first * width;
        // SAFETY: each task writes rows of its own.
        unsafe { shared.product(start, plane, false, unfolded, weights) };
    });
    scatter(&wide, e.h * e.w, e.w, &padded.rows, &padded.columns, gx);
}
