//! Convolution as matrix products of unfolded patches (im2col).
//!
//! The output of one sample is cut into chunks of whole rows, the input channels into blocks;
//! a thread unfolds one block for one chunk into its scratch, which stays in the second-level
//! cache, and multiplies it with that block of the weight. Reflection padding and nearest
//! upsampling are index tables of the unfolding.

use crate::graph::Conv2d;

use super::matmul::{Matrix, Shared};
use super::spatial::axis;
use super::vector::vectorized;
use super::{Real, parallel, pointwise};

/// Output pixels of a chunk, unless a row is longer.
pub(super) const CHUNK_PIXELS: usize = 512;
/// Pixels whose products with all taps a thread holds at a time.
const SHIFTED_PIXELS: usize = 8192;
/// Bytes of unfolded patches that a thread works on at a time.
pub(super) const SCRATCH_BYTES: usize = 512 << 10;

/// The extents of a convolution: x `[n, channels, h, w]`, weight `[outputs, channels, kh, kw]`,
/// y `[n, outputs, oh, ow]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extents {
    pub(super) n: usize,
    pub(super) channels: usize,
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) outputs: usize,
    pub(super) kh: usize,
    pub(super) kw: usize,
    pub(super) oh: usize,
    pub(super) ow: usize,
}

/// `y = activation(weight ⋆ pad(upsample(x)) + bias)`
pub(super) fn conv2d<T: Real>(
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    e: Extents,
    op: Conv2d,
    y: &mut [T],
) {
    let pixels = e.oh * e.ow;
    if op.stride == 1 && op.pad == 0 && !op.upsample && e.kh * e.kw == 1 {
        pointwise_product(x, weight, e, y);
    } else if op.stride == 1 && !op.upsample && 4 * e.outputs <= e.channels {
        shifted_product(x, weight, e, op, y);
    } else {
        unfolded_product(x, weight, e, op, y);
    }
    match bias {
        Some(bias) => pointwise::add_bias(y, pixels, bias, op.activation),
        None => pointwise::activate(y, op.activation),
    }
}

/// Pixels for each chunk: enough chunks for every thread, none larger than the scratch wants.
fn chunk_pixels(e: Extents) -> usize {
    let share = (e.n * e.oh * e.ow).div_ceil(2 * parallel::threads());
    share.clamp(64, CHUNK_PIXELS)
}

/// A 1x1 convolution: the input is its own unfolding.
#[cfg_attr(target_arch = "wasm32", inline(never))]
fn pointwise_product<T: Real>(x: &[T], weight: &[T], e: Extents, y: &mut [T]) {
    let pixels = e.h * e.w;
    let size = chunk_pixels(e);
    let chunks = pixels.div_ceil(size);
    let y = Shared::new(y);
    parallel::tasks(
        e.n * chunks,
        || (),
        |(), task| {
            let (sample, first) = (task / chunks, task % chunks * size);
            let patches = Matrix {
                data: &x[sample * e.channels * pixels + first..],
                rows: size.min(pixels - first),
                columns: e.channels,
                row_stride: 1,
                column_stride: pixels,
            };
            let weight = Matrix {
                data: weight,
                rows: e.channels,
                columns: e.outputs,
                row_stride: 1,
                column_stride: e.channels,
            };
            // SAFETY: each task writes the pixels of its own chunk.
            unsafe { y.product(sample * e.outputs * pixels + first, pixels, false, patches, weight) };
        },
    );
}

/// A convolution with few outputs: the pixels are multiplied with every tap's weights, then the
/// results of the taps are shifted and summed. To unfold the many channels would take longer.
#[cfg_attr(target_arch = "wasm32", inline(never))]
fn shifted_product<T: Real>(x: &[T], weight: &[T], e: Extents, op: Conv2d, y: &mut [T]) {
    let (pixels, window) = (e.oh * e.ow, e.kh * e.kw);
    let (rows, columns) = (axis(e.h, false, op.pad), axis(e.w, false, op.pad));
    let share = e.oh.div_ceil(2 * parallel::threads());
    let chunk_rows = (SHIFTED_PIXELS / e.ow).min(share).max(4 * e.kh).min(e.oh);
    let chunks = e.oh.div_ceil(chunk_rows);
    let y = Shared::new(y);
    let scratch = || vec![T::default(); window * (chunk_rows + e.kh - 1) * e.w];
    parallel::tasks(e.n * chunks * e.outputs, scratch, |products, task| {
        let (part, o) = (task / e.outputs, task % e.outputs);
        let (sample, row) = (part / chunks, part % chunks * chunk_rows);
        let count = chunk_rows.min(e.oh - row);
        let read = &rows[row..row + count + e.kh - 1];
        let (Some(&top), Some(&bottom)) = (read.iter().min(), read.iter().max()) else { return };
        let size = (bottom + 1 - top) * e.w;
        let x = Matrix {
            data: &x[sample * e.channels * e.h * e.w + top * e.w..],
            rows: size,
            columns: e.channels,
            row_stride: 1,
            column_stride: e.h * e.w,
        };
        let taps = Matrix {
            data: &weight[o * e.channels * window..][..e.channels * window],
            rows: e.channels,
            columns: window,
            row_stride: window,
            column_stride: 1,
        };
        // SAFETY: the products belong to this thread.
        unsafe { Shared::new(products).product(0, size, false, x, taps) };
        // SAFETY: each task writes rows of its own.
        let y = unsafe { y.piece((sample * e.outputs + o) * pixels + row * e.ow, count * e.ow) };
        vectorized(
            #[inline(always)]
            || {
                for (i, y) in y.chunks_exact_mut(e.ow).enumerate() {
                    y.fill(T::default());
                    for (tap, products) in products.chunks_exact(size).take(window).enumerate() {
                        let line = &products[(read[i + tap / e.kw] - top) * e.w..][..e.w];
                        add_shifted(y, line, &columns[tap % e.kw..], (tap % e.kw, op.pad));
                    }
                }
            },
        );
    });
}

/// `y[j] += line[columns[j]]`, where `columns[j]` is `j + shift - pad` but for the border.
#[inline(always)]
fn add_shifted<T: Real>(y: &mut [T], line: &[T], columns: &[usize], (shift, pad): (usize, usize)) {
    let start = pad.saturating_sub(shift).min(y.len());
    let from = (start + shift).saturating_sub(pad);
    let inside = line.len().saturating_sub(from).min(y.len() - start);
    for (y, &product) in y[start..start + inside].iter_mut().zip(&line[from..]) {
        *y += product;
    }
    for j in (0..start).chain(start + inside..y.len()) {
        y[j] += line[columns[j]];
    }
}

#[cfg_attr(target_arch = "wasm32", inline(never))]
fn unfolded_product<T: Real>(x: &[T], weight: &[T], e: Extents, op: Conv2d, y: &mut [T]) {
    let (pixels, window) = (e.oh * e.ow, e.kh * e.kw);
    let unfold = Unfold::new(e, op);
    let chunk_rows = (chunk_pixels(e) / e.ow).clamp(1, e.oh);
    let chunks = e.oh.div_ceil(chunk_rows);
    // The same whatever the number of threads is, and so the order of each sum: that of the largest chunk.
    let most_rows = (CHUNK_PIXELS / e.ow).clamp(1, e.oh);
    let block = (SCRATCH_BYTES / size_of::<T>() / (window * most_rows * e.ow)).clamp(1, e.channels);

    let y = Shared::new(y);
    let scratch = || {
        let patches = vec![T::default(); block * window * chunk_rows * e.ow];
        let slab = vec![T::default(); unfold.slab_rows(chunk_rows) * unfold.columns.len()];
        (patches, slab)
    };
    parallel::tasks(e.n * chunks, scratch, |(patches, slab), task| {
        let (sample, row) = (task / chunks, task % chunks * chunk_rows);
        let rows = chunk_rows.min(e.oh - row);
        for first in (0..e.channels).step_by(block) {
            let count = block.min(e.channels - first);
            for c in 0..count {
                let x = &x[(sample * e.channels + first + c) * e.h * e.w..][..e.h * e.w];
                let size = window * rows * e.ow;
                unfold.channel(x, row, rows, slab, &mut patches[c * size..][..size]);
            }
            let patches = Matrix {
                data: patches,
                rows: rows * e.ow,
                columns: count * window,
                row_stride: 1,
                column_stride: rows * e.ow,
            };
            let weight = Matrix {
                data: &weight[first * window..],
                rows: count * window,
                columns: e.outputs,
                row_stride: 1,
                column_stride: e.channels * window,
            };
            let start = sample * e.outputs * pixels + row * e.ow;
            // SAFETY: each task writes the rows of its own chunk.
            unsafe { y.product(start, pixels, first > 0, patches, weight) };
        }
    });
}

/// How a plane becomes rows of patches.
pub(super) struct Unfold {
    /// Where each row of the padded plane is read from.
    pub(super) rows: Vec<usize>,
    /// Where each column of the padded plane is read from.
    pub(super) columns: Vec<usize>,
    pub(super) e: Extents,
    pub(super) stride: usize,
    pad: usize,
}

impl Unfold {
    pub(super) fn new(e: Extents, op: Conv2d) -> Self {
        let axis = |len: usize| axis(len, op.upsample, op.pad);
        Self { rows: axis(e.h), columns: axis(e.w), e, stride: op.stride, pad: op.pad }
    }

    /// Rows of the padded plane under `rows` output rows.
    pub(super) fn slab_rows(&self, rows: usize) -> usize {
        (rows - 1) * self.stride + self.e.kh
    }

    /// `patches[ky, kx, r, c] = padded(x)[(row + r) * stride + ky, c * stride + kx]` for `rows`
    /// output rows from `row` on. `slab` holds the padded rows meanwhile.
    pub(super) fn channel<T: Real>(
        &self,
        x: &[T],
        row: usize,
        rows: usize,
        slab: &mut [T],
        patches: &mut [T],
    ) {
        vectorized(
            #[inline(always)]
            || self.unfold(x, row, rows, slab, patches),
        );
    }

    #[inline(always)]
    fn unfold<T: Real>(&self, x: &[T], row: usize, rows: usize, slab: &mut [T], patches: &mut [T]) {
        let (e, stride, width) = (self.e, self.stride, self.columns.len());
        let sources = &self.rows[row * stride..][..self.slab_rows(rows)];
        for (padded, &source) in slab.chunks_mut(width).zip(sources) {
            self.pad_row(&x[source * e.w..][..e.w], padded);
        }
        for (tap, patches) in patches.chunks_exact_mut(rows * e.ow).enumerate() {
            let slab = &slab[tap / e.kw * width + tap % e.kw..];
            for (line, padded) in patches.chunks_exact_mut(e.ow).zip(slab.chunks(stride * width)) {
                if stride == 1 {
                    copy(&padded[..e.ow], line);
                } else if stride == 2 {
                    take_every_other(line, padded);
                } else {
                    for (p, &value) in line.iter_mut().zip(padded.iter().step_by(stride)) {
                        *p = value;
                    }
                }
            }
        }
    }

    /// A row of the padded plane.
    #[inline(always)]
    fn pad_row<T: Real>(&self, x: &[T], padded: &mut [T]) {
        let gather = |padded: &mut [T], columns: &[usize]| {
            for (padded, &column) in padded.iter_mut().zip(columns) {
                *padded = x[column];
            }
        };
        if self.columns.len() != x.len() + 2 * self.pad {
            return gather(padded, &self.columns);
        }
        // But for the border it is the row itself.
        let (left, rest) = padded.split_at_mut(self.pad);
        let (middle, right) = rest.split_at_mut(x.len());
        gather(left, &self.columns);
        copy(x, middle);
        gather(right, &self.columns[self.pad + x.len()..]);
    }

    /// The adjoint of [`Self::channel`]: adds the patches to the elements of `x` that they were
    /// read from.
    pub(super) fn fold<T: Real>(&self, patches: &[T], row: usize, rows: usize, slab: &mut [T], x: &mut [T]) {
        let (e, stride, width) = (self.e, self.stride, self.columns.len());
        let slab = &mut slab[..self.slab_rows(rows) * width];
        slab.fill(T::default());
        let mut lines = patches.chunks_exact(e.ow);
        for ky in 0..e.kh {
            for kx in 0..e.kw {
                for (r, line) in lines.by_ref().take(rows).enumerate() {
                    let padded = &mut slab[(r * stride + ky) * width + kx..];
                    if stride == 1 {
                        for (p, &value) in padded.iter_mut().zip(line) {
                            *p += value;
                        }
                    } else {
                        for (p, &value) in padded.iter_mut().step_by(stride).zip(line) {
                            *p += value;
                        }
                    }
                }
            }
        }
        for (padded, &target) in slab.chunks(width).zip(&self.rows[row * stride..]) {
            let x = &mut x[target * e.w..][..e.w];
            for (&padded, &column) in padded.iter().zip(&self.columns) {
                x[column] += padded;
            }
        }
    }
}

/// What is as long in `from` as in `to`. Lines of a few vectors are copied sooner so than by a call of `memcpy`.
#[inline(always)]
fn copy<T: Real>(from: &[T], to: &mut [T]) {
    const LANES: usize = 16;
    let (from, from_rest) = from.as_chunks::<LANES>();
    let (to, to_rest) = to.as_chunks_mut::<LANES>();
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    for (to, &from) in to_rest.iter_mut().zip(from_rest) {
        *to = from;
    }
}

/// `line[i] = padded[2 i]`
#[inline(always)]
fn take_every_other<T: Real>(line: &mut [T], padded: &[T]) {
    let whole = line.len().min(padded.len() / 2);
    for (p, pair) in line.iter_mut().zip(padded.chunks_exact(2)) {
        *p = pair[0];
    }
    for (p, &value) in line[whole..].iter_mut().zip(&padded[2 * whole..]) {
        *p = value;
    }
}
