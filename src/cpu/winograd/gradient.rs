//! The gradients of a 3x3 convolution by the adjoint of Winograd's algorithm, with the same number of products:
//!
//! ```text
//! gx = Σ B [ Σ_o (G w Gᵀ) ⊙ (A g Aᵀ) ] Bᵀ,   gw = Gᵀ [ Σ_tiles (A g Aᵀ) ⊙ (Bᵀ d B) ] G
//! ```
//!
//! `g` being the 4x4 gradients of a tile, and the first sum over the tiles that read a pixel. Behind nearest doubling
//! the four phases are so many more output channels of the small picture.

use super::super::matmul::{Matrix, Shared};
use super::super::vector::vectorized;
use super::super::{Real, parallel};
use super::adjoint::{Phase, spread, transform_gradient, weight_of_products};
use super::transforms::transform_weights;
use super::{APART, BLOCK, Chunk, Gradient, PRODUCTS, REACH, SIDE, Winograd, with_memory};

impl Winograd {
    /// Output channels of the convolutions that this one is made of.
    fn rows(&self) -> usize {
        self.e.outputs * self.phases
    }

    /// The distance between the 36 matrices of a transformed gradient.
    fn gradients(&self) -> usize {
        self.rows() * self.tiles + APART
    }

    /// Input channels that a thread takes at a time.
    fn input_block(&self) -> usize {
        let share = self.e.channels.div_ceil(parallel::threads()).next_multiple_of(8);
        share.min(BLOCK).min(self.e.channels)
    }

    /// The elements of the memory that one of the gradients works in.
    pub(in super::super) fn gradient_scratch(&self, gradient: Gradient) -> usize {
        let block = self.input_block();
        let workers = parallel::threads().min(self.e.channels.div_ceil(block));
        PRODUCTS
            * (self.gradients()
                + match gradient {
                    Gradient::Input => workers * (block * self.rows() + block * self.tiles + 2 * APART),
                    Gradient::Weight => self.pixels + self.e.channels * self.rows() + APART,
                })
    }

    /// `A g Aᵀ` of a chunk, as 36 matrices `[phase, output channel, tile]`.
    fn transform_gradient<T: Real>(&self, g: &[T], chunk: Chunk, into: &mut [T]) {
        let (e, rows, across) = (self.e, chunk.rows, self.across);
        let (matrix, step) = (self.gradients(), if self.phases == 1 { 1 } else { 2 });
        let into = Shared::new(into);
        let scratch = || {
            let slab = vec![T::default(); SIDE * SIDE * rows * across];
            (slab, vec![T::default(); REACH * SIDE * rows * across])
        };
        parallel::tasks(e.outputs, scratch, |(slab, mixed), o| {
            for s in 0..chunk.samples {
                let g = &g[((chunk.sample + s) * e.outputs + o) * e.oh * e.ow..][..e.oh * e.ow];
                for phase in 0..self.phases {
                    // SAFETY: each task writes the tiles of its own channel.
                    let to = |product: usize, row: usize| unsafe {
                        let tile = (phase * e.outputs + o) * self.tiles + (s * rows + row) * across;
                        into.piece(product * matrix + tile, across)
                    };
                    let phase = Phase { row: phase / 2, column: phase % 2, step, width: e.ow };
                    vectorized(
                        #[inline(always)]
                        || transform_gradient(g, phase, (chunk.first, rows, across), slab, mixed, to),
                    );
                }
            }
        });
    }

    /// The gradient at the input, from that at the output.
    pub(in super::super) fn grad_input<T: Real>(
        &self,
        g: &[T],
        weight: &[T],
        gx: &mut [T],
        scratch: &mut [T],
    ) {
        let (gradients, rest) = scratch.split_at_mut(PRODUCTS * self.gradients());
        gx.fill(T::default());
        let gx = Shared::new(gx);
        for chunk in self.chunks() {
            self.transform_gradient(g, chunk, gradients);
            self.spread(weight, chunk, gradients, rest, &gx);
        }
    }

    /// From the transformed gradient to that of the pixels.
    fn spread<T: Real>(
        &self,
        weight: &[T],
        chunk: Chunk,
        gradients: &[T],
        rest: &mut [T],
        gx: &Shared<'_, T>,
    ) {
        let (e, across, outputs) = (self.e, self.across, self.e.outputs);
        let (block, window) = (self.input_block(), self.window());
        let (weights, products) = (block * self.rows() + APART, block * self.tiles + APART);
        let height = SIDE * chunk.rows + 2;
        with_memory(
            e.channels.div_ceil(block),
            rest,
            PRODUCTS * (weights + products),
            || {
                let lines = vec![T::default(); (REACH * height + 2 * REACH) * across + 8];
                (vec![T::default(); 21 * outputs], lines)
            },
            |own, (taps, lines), task| {
                let first = task * block;
                let count = block.min(e.channels - first);
                let (transformed, own) = own.split_at_mut(PRODUCTS * weights);
                for i in 0..count {
                    let each = |o: usize| &weight[(o * e.channels + first + i) * 9..][..9];
                    for phase in 0..self.phases {
                        let row = &mut transformed[i * self.rows() + phase * outputs..];
                        let phase = (self.phases > 1).then_some(phase);
                        vectorized(
                            #[inline(always)]
                            || transform_weights((0..outputs).map(each), phase, taps, row, weights, outputs),
                        );
                    }
                }
                for product in 0..PRODUCTS {
                    let gradients = Matrix {
                        data: &gradients[product * self.gradients()..][..self.gradients()],
                        rows: chunk.samples * chunk.rows * across,
                        columns: self.rows(),
                        row_stride: 1,
                        column_stride: self.tiles,
                    };
                    let weights = Matrix {
                        data: &transformed[product * weights..][..weights],
                        rows: self.rows(),
                        columns: count,
                        row_stride: 1,
                        column_stride: self.rows(),
                    };
                    // SAFETY: the products belong to this thread.
                    unsafe {
                        Shared::new(own).product(product * products, self.tiles, false, gradients, weights);
                    }
                }
                for (i, s) in (0..count).flat_map(|i| (0..chunk.samples).map(move |s| (i, s))) {
                    let plane = (chunk.sample + s) * e.channels + first + i;
                    // SAFETY: each task writes the planes of its own channels.
                    let x = unsafe { gx.piece(plane * e.h * e.w, e.h * e.w) };
                    let own = &own[i * self.tiles + s * chunk.rows * across..];
                    vectorized(
                        #[inline(always)]
                        || spread(own, products, (chunk.first, chunk.rows, across), &window, lines, x),
                    );
                }
            },
        );
    }

    /// The gradient at the weight, from the input and the gradient at the output.
    pub(in super::super) fn grad_weight<T: Real>(&self, x: &[T], g: &[T], gw: &mut [T], scratch: &mut [T]) {
        let (e, rows) = (self.e, self.rows());
        let (gradients, rest) = scratch.split_at_mut(PRODUCTS * self.gradients());
        let (pixels, sums) = rest.split_at_mut(PRODUCTS * self.pixels);
        let matrix = e.channels * rows + APART;
        let shared = Shared::new(sums);
        for (number, chunk) in self.chunks().enumerate() {
            self.transform_gradient(g, chunk, gradients);
            self.transform_pixels(x, chunk, pixels);
            let tiles = chunk.samples * chunk.rows * self.across;
            parallel::tasks(
                PRODUCTS,
                || (),
                |(), product| {
                    let pixels = Matrix {
                        data: &pixels[product * self.pixels..][..self.pixels],
                        rows: e.channels,
                        columns: tiles,
                        row_stride: self.tiles,
                        column_stride: 1,
                    };
                    let gradients = Matrix {
                        data: &gradients[product * self.gradients()..][..self.gradients()],
                        rows: tiles,
                        columns: rows,
                        row_stride: 1,
                        column_stride: self.tiles,
                    };
                    // SAFETY: each task writes a matrix of its own.
                    unsafe { shared.product(product * matrix, e.channels, number > 0, pixels, gradients) };
                },
            );
        }
        let sums = &*sums;
        let gw = Shared::new(gw);
        let scratch = || (vec![T::default(); 27 * e.channels], vec![T::default(); 9 * e.channels]);
        parallel::tasks(e.outputs, scratch, |(mixed, taps), o| {
            // SAFETY: each task writes the weights of its own channel.
            let gw = unsafe { gw.piece(o * 9 * e.channels, 9 * e.channels) };
            taps.fill(T::default());
            for phase in 0..self.phases {
                let products = &sums[(phase * e.outputs + o) * e.channels..];
                let phase = (self.phases > 1).then_some(phase);
                vectorized(
                    #[inline(always)]
                    || weight_of_products(products, matrix, phase, e.channels, mixed, taps),
                );
            }
            for (c, gw) in gw.chunks_exact_mut(9).enumerate() {
                for (tap, gw) in gw.iter_mut().enumerate() {
                    *gw = taps[tap * e.channels + c];
                }
            }
        });
    }
}
