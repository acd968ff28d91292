//! The gradients of a convolution, as matrix products of patches.
//!
//! A thread owns a block of input channels: for the weight it unfolds their patches (as the
//! convolution itself does) and multiplies them with the gradient; for the input it multiplies
//! gradient and weight to patches and folds them back, reflected borders and doubled pixels
//! included, because the same index tables say where each element came from.
//!
//! Where there are far fewer output than input channels, the gradient is unfolded instead of the
//! picture ([`shifted`]).

use crate::graph::Conv2d;

use super::conv::{CHUNK_PIXELS, Extents, SCRATCH_BYTES, Unfold};
use super::matmul::{Matrix, Shared};
use super::{Real, parallel, pool};

mod shifted;

/// Output pixels of all samples up to which [`weight`] is bound by its result.
const FEW_PIXELS: usize = 64;

/// How the work is cut: chunks of output rows, blocks of input channels.
struct Cut {
    chunk_rows: usize,
    block: usize,
    blocks: usize,
}

impl Cut {
    /// At least two blocks for each thread where the tasks are `copies` times the blocks, and
    /// patches that stay in the second-level cache.
    fn new<T>(e: Extents, copies: usize) -> Self {
        let chunk_rows = (CHUNK_PIXELS / e.ow).clamp(1, e.oh);
        let fits = SCRATCH_BYTES / size_of::<T>() / (e.kh * e.kw * chunk_rows * e.ow);
        let share = e.channels.div_ceil((2 * parallel::threads()).div_ceil(copies));
        // Fewer than four channels are not worth reading the gradient again.
        let block = fits.min(share).max(4).min(e.channels);
        Self { chunk_rows, block, blocks: e.channels.div_ceil(block) }
    }
}

/// Whether unfolding the gradient is less work than unfolding the picture.
fn has_few_outputs(e: Extents, op: Conv2d) -> bool {
    op.stride == 1 && !op.upsample && 4 * e.outputs <= e.channels && e.kh * e.kw > 1
}

/// `gx = pad*(upsample*(weightᵀ · g))`, the stars marking adjoints.
pub(super) fn input<T: Real>(g: &[T], weight: &[T], e: Extents, op: Conv2d, gx: &mut [T]) {
    if has_few_outputs(e, op) {
        return shifted::input(g, weight, e, op, gx);
    }
    let (pixels, window, plane) = (e.oh * e.ow, e.kh * e.kw, e.h * e.w);
    let unfold = Unfold::new(e, op);
    let Cut { chunk_rows, block, blocks } = Cut::new::<T>(e, e.n);
    let gx = Shared::new(gx);
    let scratch = || {
        let patches = vec![T::default(); block * window * chunk_rows * e.ow];
        let slab = vec![T::default(); unfold.slab_rows(chunk_rows) * unfold.columns.len()];
        (patches, slab)
    };
    parallel::tasks(e.n * blocks, scratch, |(patches, slab), task| {
        let (sample, first) = (task / blocks, task % blocks * block);
        let count = block.min(e.channels - first);
        // SAFETY: each task writes the planes of its own channels.
        let gx = unsafe { gx.piece((sample * e.channels + first) * plane, count * plane) };
        gx.fill(T::default());
        for row in (0..e.oh).step_by(chunk_rows) {
            let rows = chunk_rows.min(e.oh - row);
            let size = rows * e.ow;
            let g = Matrix {
                data: &g[sample * e.outputs * pixels + row * e.ow..],
                rows: size,
                columns: e.outputs,
                row_stride: 1,
                column_stride: pixels,
            };
            let weight = Matrix {
                data: &weight[first * window..],
                rows: e.outputs,
                columns: count * window,
                row_stride: e.channels * window,
                column_stride: 1,
            };
            // SAFETY: the patches belong to this thread.
            unsafe { Shared::new(patches).product(0, size, false, g, weight) };
            for (patches, gx) in patches.chunks(window * size).zip(gx.chunks_mut(plane)) {
                unfold.fold(patches, row, rows, slab, gx);
            }
        }
    });
}

/// `gw = g · patches(x)ᵀ`, summed over samples and pixels.
///
/// The matrix product gives the transpose, `gᵀ` being laid out once for all threads: so both
/// operands lie as the product wants to read them.
pub(super) fn weight<T: Real>(x: &[T], g: &[T], e: Extents, op: Conv2d, gw: &mut [T]) {
    if has_few_outputs(e, op) {
        return shifted::weight(x, g, e, op, gw);
    }
    if e.n * e.oh * e.ow <= FEW_PIXELS {
        return weight_of_few_pixels(x, g, e, op, gw);
    }
    let (pixels, window, plane) = (e.oh * e.ow, e.kh * e.kw, e.h * e.w);
    let unfold = Unfold::new(e, op);
    let Cut { chunk_rows, block, blocks } = Cut::new::<T>(e, 1);
    let g = transposed(g, e.outputs, pixels);
    let gw = Shared::new(gw);
    let scratch = || {
        let patches = vec![T::default(); block * window * chunk_rows * e.ow];
        let slab = vec![T::default(); unfold.slab_rows(chunk_rows) * unfold.columns.len()];
        (patches, slab, vec![T::default(); block * window * e.outputs])
    };
    parallel::tasks(blocks, scratch, |(patches, slab, sums), task| {
        let first = task * block;
        let count = block.min(e.channels - first);
        for sample in 0..e.n {
            for row in (0..e.oh).step_by(chunk_rows) {
                let rows = chunk_rows.min(e.oh - row);
                let size = rows * e.ow;
                for (c, patches) in patches.chunks_mut(window * size).take(count).enumerate() {
                    let x = &x[(sample * e.channels + first + c) * plane..][..plane];
                    unfold.channel(x, row, rows, slab, patches);
                }
                let g = Matrix {
                    data: &g[(sample * pixels + row * e.ow) * e.outputs..],
                    rows: e.outputs,
                    columns: size,
                    row_stride: 1,
                    column_stride: e.outputs,
                };
                let patches = Matrix {
                    data: patches,
                    rows: size,
                    columns: count * window,
                    row_stride: 1,
                    column_stride: size,
                };
                // SAFETY: the sums belong to this thread.
                unsafe { Shared::new(sums).product(0, e.outputs, sample > 0 || row > 0, g, patches) };
            }
        }
        for o in 0..e.outputs {
            // SAFETY: each task writes the columns of its own channels.
            let gw = unsafe { gw.piece((o * e.channels + first) * window, count * window) };
            for (gw, &sum) in gw.iter_mut().zip(sums[o..].iter().step_by(e.outputs)) {
                *gw = sum;
            }
        }
    });
}

/// [`weight`] for pictures so small that the weight is most of what is read and written: the product gives it
/// as it lies.
fn weight_of_few_pixels<T: Real>(x: &[T], g: &[T], e: Extents, op: Conv2d, gw: &mut [T]) {
    let (pixels, window, plane) = (e.oh * e.ow, e.kh * e.kw, e.h * e.w);
    let unfold = Unfold::new(e, op);
    let Cut { block, blocks, .. } = Cut::new::<T>(e, 1);
    let gw = Shared::new(gw);
    let scratch = || {
        let patches = vec![T::default(); block * window * pixels];
        (patches, vec![T::default(); unfold.slab_rows(e.oh) * unfold.columns.len()])
    };
    parallel::tasks(blocks, scratch, |(patches, slab), task| {
        let first = task * block;
        let count = block.min(e.channels - first);
        for sample in 0..e.n {
            for (c, patches) in patches.chunks_mut(window * pixels).take(count).enumerate() {
                let x = &x[(sample * e.channels + first + c) * plane..][..plane];
                unfold.channel(x, 0, e.oh, slab, patches);
            }
            let patches = Matrix {
                data: patches,
                rows: count * window,
                columns: pixels,
                row_stride: pixels,
                column_stride: 1,
            };
            let g = Matrix {
                data: &g[sample * e.outputs * pixels..],
                rows: pixels,
                columns: e.outputs,
                row_stride: 1,
                column_stride: pixels,
            };
            // SAFETY: each task writes the columns of its own channels.
            unsafe { gw.product(first * window, e.channels * window, sample > 0, patches, g) };
        }
    });
}

/// Each sample `[rows, columns]` of `x` as `[columns, rows]`.
fn transposed<T: Real>(x: &[T], rows: usize, columns: usize) -> Vec<T> {
    /// Columns that one thread takes at a time.
    const CHUNK: usize = 16;
    let mut y = vec![T::default(); x.len()];
    for (x, y) in x.chunks(rows * columns).zip(y.chunks_mut(rows * columns)) {
        parallel::chunks(y, CHUNK * rows, CHUNK * rows, |i, y| {
            for (row, x) in x.chunks(columns).enumerate() {
                for (y, &x) in y[row..].iter_mut().step_by(rows).zip(&x[i * CHUNK..]) {
                    *y = x;
                }
            }
        });
    }
    y
}

/// `y[c] = sum over samples and pixels of x[n, c, ..]`
pub(super) fn sum_pixels<T: Real>(x: &[T], pixels: usize, y: &mut [T]) {
    let channels = y.len();
    parallel::chunks(y, 1, x.len() / channels, |c, y| {
        let planes = x.chunks(pixels).skip(c).step_by(channels);
        y[0] = T::from_f64(planes.map(pool::sum).sum());
    });
}
