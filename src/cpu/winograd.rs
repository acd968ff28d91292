//! A 3x3 convolution by Winograd's F(4x4, 3x3): 36 multiplications for 16 outputs instead of 144
//! (Winograd 1980; Lavin and Gray 2016, section 4.3).
//!
//! ```text
//! y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ d B) ] A
//! ```
//!
//! for every tile of 4x4 outputs, `d` being the 6x6 pixels that it reads, `w` the 3x3 weights, and
//! the sum over the input channels between the brackets. So there are 36 matrix products of tiles
//! and weights. The polynomials meet at 0, ±3/4, ±3/2 and infinity: in `f32` and with 256 channels the
//! result is then off by about 2e-6 of the largest output (at the usual ±1 and ±2 by 1e-5), where the
//! direct convolution is off by 4e-7.
//!
//! Behind nearest doubling a 3x3 convolution is four convolutions of the small picture, one for each
//! place in a 2x2 of outputs: where a tap meets the same pixel as its neighbour, their weights are
//! summed, and at the border the reflection becomes a repetition. So are they computed: with four
//! times the output channels, on a quarter of the pixels.
//!
//! The transformed pixels of up to [`CHUNK_TILES`] tiles are written once, for all threads; then
//! a thread takes a block of output channels from the weights to the finished pixels, with nothing
//! to wait for. The weights are transformed anew each time, which costs 3 to 7 % of the
//! convolution: kept, they would take four times the memory of the weights themselves.

#[cfg(feature = "training")]
mod adjoint;
#[cfg(feature = "training")]
mod gradient;
mod transforms;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::graph::{Arithmetic, Conv2d};

use super::conv::Extents;
use super::matmul::{Matrix, Shared};
use super::pointwise::with_activation;
use super::spatial::axis;
use super::vector::vectorized;
use super::{Real, parallel};
use transforms::{Products, Window, transform_plane, transform_weights, write_doubled};

/// Outputs of a tile a side.
const SIDE: usize = 4;
/// Pixels that a tile reads a side.
const REACH: usize = 6;
/// Matrix products.
const PRODUCTS: usize = REACH * REACH;
/// Tiles that are transformed at a time, at most, unless one row of tiles has more.
const CHUNK_TILES: usize = 256;
/// Output channels that a thread takes at a time, at most.
const BLOCK: usize = 64;
/// What keeps the 36 matrices from meeting in the same places of a cache, where their sizes are
/// powers of two.
const APART: usize = 16;

/// Below these the direct convolution is as fast: channels on either side, and tiles of a sample.
const FEW_CHANNELS: usize = 32;
#[cfg(not(target_arch = "wasm32"))]
const FEW_TILES: usize = 32;
/// Matrix products are slower there, beside everything else: with 16 tiles and 64 channels the direct
/// convolution takes 1.8 times as long.
#[cfg(target_arch = "wasm32")]
const FEW_TILES: usize = 4;

/// Which gradient of a convolution.
#[cfg(feature = "training")]
#[derive(Clone, Copy)]
pub(super) enum Gradient {
    Input,
    Weight,
}

/// How a convolution is cut.
pub(super) struct Winograd {
    e: Extents,
    op: Conv2d,
    /// Convolutions for each output channel: four behind nearest doubling, else one.
    phases: usize,
    /// Outputs of one of them.
    height: usize,
    width: usize,
    /// Tiles in a row, and rows of tiles.
    across: usize,
    down: usize,
    /// Rows of tiles in a chunk, and samples.
    chunk: usize,
    together: usize,
    /// Output channels in a block.
    block: usize,
    /// Distances between the rows of a matrix, and between the 36 matrices of pixels, weights and
    /// products.
    tiles: usize,
    pixels: usize,
    weights: usize,
    products: usize,
}

/// What is transformed at a time: tiles of several samples, or of a part of one.
#[derive(Clone, Copy)]
struct Chunk {
    sample: usize,
    samples: usize,
    /// The first row of tiles, and the rows, of each.
    first: usize,
    rows: usize,
}

impl Winograd {
    /// The way to compute this convolution or its gradients, if it is one that is faster so.
    pub(super) fn new(e: Extents, op: Conv2d, arithmetic: Arithmetic) -> Option<Self> {
        let fits = (e.kh, e.kw, op.stride) == (3, 3, 1) && (!op.upsample || op.pad == 1);
        let winograd = Self::cut(e, op);
        let pays = match arithmetic {
            Arithmetic::Exact => false,
            Arithmetic::Fewest => true,
            Arithmetic::Fast => {
                e.channels.min(e.outputs * winograd.phases) >= FEW_CHANNELS
                    && winograd.across * winograd.down >= FEW_TILES
            }
        };
        (fits && pays).then_some(winograd)
    }

    fn cut(e: Extents, op: Conv2d) -> Self {
        let phases = if op.upsample { 4 } else { 1 };
        let (height, width) = if op.upsample { (e.h, e.w) } else { (e.oh, e.ow) };
        let (across, down) = (width.div_ceil(SIDE), height.div_ceil(SIDE));
        // With few channels the pixels are large beside the weights, and so would be this memory.
        let tiles = (2 * e.channels).min(CHUNK_TILES);
        let chunk = (tiles / across).clamp(1, down);
        let together = (tiles / (across * down)).clamp(1, e.n);
        let tiles = together * chunk * across + APART;
        let share = e.outputs.div_ceil(parallel::threads()).next_multiple_of(8 / phases);
        let block = share.min(BLOCK / phases).min(e.outputs);
        Self {
            e,
            op,
            phases,
            height,
            width,
            across,
            down,
            chunk,
            together,
            block,
            tiles,
            pixels: e.channels * tiles + APART,
            weights: block * phases * e.channels + APART,
            products: block * phases * tiles + APART,
        }
    }

    fn workers(&self) -> usize {
        parallel::threads().min(self.e.outputs.div_ceil(self.block))
    }

    /// All tiles, in their order.
    fn chunks(&self) -> impl Iterator<Item = Chunk> {
        let each = |first: usize, len: usize, most: usize| (first, most.min(len - first));
        (0..self.e.n).step_by(self.together).flat_map(move |sample| {
            let (sample, samples) = each(sample, self.e.n, self.together);
            (0..self.down).step_by(self.chunk).map(move |first| {
                let (first, rows) = each(first, self.down, self.chunk);
                Chunk { sample, samples, first, rows }
            })
        })
    }

    /// The elements of the memory that [`Self::conv2d`] works in.
    pub(super) fn scratch(&self) -> usize {
        PRODUCTS * (self.pixels + self.workers() * (self.weights + self.products))
    }

    /// `y = activation(weight ⋆ pad(upsample(x)) + bias)`
    pub(super) fn conv2d<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        bias: Option<&[T]>,
        y: &mut [T],
        scratch: &mut [T],
    ) {
        let (pixels, rest) = scratch.split_at_mut(PRODUCTS * self.pixels);
        let y = Shared::new(y);
        for chunk in self.chunks() {
            self.transform_pixels(x, chunk, pixels);
            with_activation!(self.op.activation, f => self.multiply(weight, bias, chunk, pixels, rest, &y, f));
        }
    }

    /// Where the padded picture under the tiles is read from.
    fn window(&self) -> Window {
        let e = self.e;
        let axis = |len: usize| match self.op.upsample {
            true => repeated_axis(len),
            false => axis(len, false, self.op.pad),
        };
        Window { rows: axis(e.h), columns: axis(e.w), pad: self.op.pad, width: e.w }
    }

    /// `Bᵀ d B` of a chunk, as 36 matrices `[channel, tile]`.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    fn transform_pixels<T: Real>(&self, x: &[T], chunk: Chunk, pixels: &mut [T]) {
        /// Channels that a thread takes at a time.
        const CHANNELS: usize = 8;
        let (e, rows, window) = (self.e, chunk.rows, self.window());
        let line = self.across + 1;
        let pixels = Shared::new(pixels);
        let scratch = || {
            let padded = vec![T::default(); (SIDE * line).max(window.columns.len())];
            let slab = vec![T::default(); (SIDE * rows + 2) * SIDE * line];
            (padded, slab, vec![T::default(); REACH * rows * SIDE * line])
        };
        let run = |(padded, slab, mixed): &mut (Vec<T>, Vec<T>, Vec<T>), task: usize| {
            for channel in task * CHANNELS..((task + 1) * CHANNELS).min(e.channels) {
                for s in 0..chunk.samples {
                    let x = &x[((chunk.sample + s) * e.channels + channel) * e.h * e.w..][..e.h * e.w];
                    // SAFETY: each task writes the tiles of its own channels.
                    let to = |product: usize, row: usize| unsafe {
                        let tile = (s * rows + row) * self.across;
                        pixels.piece(product * self.pixels + channel * self.tiles + tile, self.across)
                    };
                    vectorized(
                        #[inline(always)]
                        || {
                            window.phases(x, SIDE * chunk.first, padded, slab, line);
                            transform_plane(slab, mixed, rows, self.across, to);
                        },
                    );
                }
            }
        };
        parallel::tasks(e.channels.div_ceil(CHANNELS), scratch, run);
    }

    /// From the transformed pixels to finished rows of `y`.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[expect(clippy::too_many_arguments, reason = "one call, whose arguments have nothing in common")]
    fn multiply<T: Real>(
        &self,
        weight: &[T],
        bias: Option<&[T]>,
        chunk: Chunk,
        pixels: &[T],
        rest: &mut [T],
        y: &Shared<'_, T>,
        f: impl Fn(T) -> T + Copy + Send + Sync,
    ) {
        let (e, across, phases) = (self.e, self.across, self.phases);
        let Chunk { first, rows, .. } = chunk;
        let own = PRODUCTS * (self.weights + self.products);
        let scratch = || {
            let lines = vec![T::default(); 2 * SIDE * (REACH * rows + 1) * across];
            (vec![T::default(); 21 * e.channels], lines)
        };
        with_memory(e.outputs.div_ceil(self.block), rest, own, scratch, |own, (taps, lines), task| {
            let start = task * self.block;
            let outputs = self.block.min(e.outputs - start);
            let (weights, products) = own.split_at_mut(PRODUCTS * self.weights);
            let filters = weight[start * 9 * e.channels..].chunks_exact(9 * e.channels).take(outputs);
            for (o, w) in filters.enumerate() {
                let w = || w.chunks_exact(9);
                for phase in 0..phases {
                    let row = &mut weights[(o * phases + phase) * e.channels..];
                    let phase = (phases > 1).then_some(phase);
                    vectorized(
                        #[inline(always)]
                        || transform_weights(w(), phase, taps, row, self.weights, e.channels),
                    );
                }
            }
            for product in 0..PRODUCTS {
                let pixels = Matrix {
                    data: &pixels[product * self.pixels..][..self.pixels],
                    rows: chunk.samples * rows * across,
                    columns: e.channels,
                    row_stride: 1,
                    column_stride: self.tiles,
                };
                let weights = Matrix {
                    data: &weights[product * self.weights..][..self.weights],
                    rows: e.channels,
                    columns: outputs * phases,
                    row_stride: 1,
                    column_stride: e.channels,
                };
                // SAFETY: the products belong to this thread.
                unsafe {
                    Shared::new(products).product(
                        product * self.products,
                        self.tiles,
                        false,
                        pixels,
                        weights,
                    );
                }
            }
            let scale = e.oh / self.height;
            let top = SIDE * first;
            let height = (SIDE * rows).min(self.height - top);
            for (o, s) in (0..outputs).flat_map(|o| (0..chunk.samples).map(move |s| (o, s))) {
                let offset = bias.map_or(T::default(), |bias| bias[start + o]);
                let f = |sum: T| f(sum + offset);
                let plane = (chunk.sample + s) * e.outputs + start + o;
                // SAFETY: each task writes the planes of its own channels.
                let y = unsafe { y.piece((plane * e.oh + scale * top) * e.ow, scale * height * e.ow) };
                let plane = |phase: usize| Products {
                    data: &products[(o * phases + phase) * self.tiles + s * rows * across..],
                    stride: self.products,
                    tiles: rows * across,
                    across,
                };
                vectorized(
                    #[inline(always)]
                    || match phases {
                        1 => plane(0).write(y, self.width, lines, f),
                        _ => {
                            for half in 0..2 {
                                let phases = [plane(2 * half), plane(2 * half + 1)];
                                write_doubled(phases, half, y, self.width, lines, f);
                            }
                        }
                    },
                );
            }
        });
    }
}

/// [`parallel::tasks`] whose threads also have a piece of `memory` each, of `own` elements.
fn with_memory<T: Real, S>(
    count: usize,
    memory: &mut [T],
    own: usize,
    scratch: impl Fn() -> S + Sync,
    run: impl Fn(&mut [T], &mut S, usize) + Sync,
) {
    let memory = Shared::new(memory);
    let next = AtomicUsize::new(0);
    let scratch = || {
        let worker = next.fetch_add(1, Ordering::Relaxed);
        // SAFETY: every worker has a number of its own, and so a piece of its own.
        (unsafe { memory.piece(worker * own, own) }, scratch())
    };
    parallel::tasks(count, scratch, |(own, scratch), task| run(own, scratch, task));
}

/// Where each element of an axis of `len` elements with one more at either end is read from, where
/// those repeat their neighbours.
fn repeated_axis(len: usize) -> Vec<usize> {
    (0..len + 2).map(|i| i.saturating_sub(1).min(len - 1)).collect()
}
