//! How tensors lie in GPU memory.
//!
//! Everything is an array of `vec4<f32>`. Activations are channels-last with the channels
//! padded to a multiple of four ("quads"); the padding is always zero, and every kernel keeps
//! it so. Outside the engine all tensors are in the official layout.

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, NodeId, Op, Operand, Shape};
use crate::tensor::Tensor;

/// The vec4s that hold `n` floats.
pub const fn quads(n: usize) -> usize {
    n.div_ceil(4)
}

/// The layout of one tensor. Extents are those of the official shape, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// `[N, C, H, W]` → `[N, H, W, C/4]`.
    Image {
        /// Samples.
        n: usize,
        /// Channels.
        c: usize,
        /// Pixels, `H * W`.
        pixels: usize,
    },
    /// `[N, K]` → `[N, K/4]`. Vectors are one row.
    Rows {
        /// Rows.
        n: usize,
        /// Columns.
        k: usize,
    },
    /// `[O, I, KH, KW]` → `[KH, KW, I, O/4]`, `I` padded.
    ConvWeight {
        /// Output channels.
        o: usize,
        /// Input channels.
        i: usize,
        /// `KH * KW`.
        taps: usize,
    },
    /// `[I * taps]` → `[taps, I/4]`: a vector that goes with the rows of a convolution's weight
    /// (the `v` of spectral normalisation).
    ConvRows {
        /// Input channels.
        i: usize,
        /// `KH * KW`.
        taps: usize,
    },
    /// `[N, 3, C]` → `[N, C/4, 3]` vec4s: what a normalisation does to each channel.
    NormCoefficients {
        /// Samples.
        n: usize,
        /// Channels.
        c: usize,
    },
    /// `[M, K]` → `[M, K/4]`, `M` padded: the weight of a linear layer.
    LinearWeight {
        /// Rows.
        m: usize,
        /// Columns.
        k: usize,
    },
    /// `[M, C * pixels]` → `[M, pixels, C/4]`, `M` padded: the weight of a linear layer over
    /// flattened features, its columns in the order in which the features lie in memory.
    FlattenedWeight {
        /// Rows.
        m: usize,
        /// Channels of the features.
        c: usize,
        /// Pixels of the features.
        pixels: usize,
    },
}

impl Layout {
    /// The layout of an activation of `shape`.
    pub fn activation(shape: &Shape) -> Self {
        match *shape.dims() {
            [n, c, h, w] => Self::Image { n, c, pixels: h * w },
            [n, k] => Self::Rows { n, k },
            _ => Self::Rows { n: 1, k: shape.elements() },
        }
    }

    /// The layout that the readers of an input or parameter ask for.
    ///
    /// # Errors
    /// [`Error::Shape`] where two readers ask for different ones.
    pub fn of_leaf(graph: &Graph, leaf: NodeId) -> Result<Self> {
        let mut found: Option<Self> = None;
        for (_, reader) in graph.iter() {
            for position in (0..reader.inputs.len()).filter(|&i| reader.inputs[i] == leaf) {
                let Some(layout) = Self::asked_by(graph, reader, position) else { continue };
                if found.is_some_and(|f| f != layout) {
                    return Err(Error::Shape(format!(
                        "`{}` is read in two ways that lie differently in GPU memory: {found:?} and {layout:?}",
                        graph.node(leaf).name
                    )));
                }
                found = Some(layout);
            }
        }
        Ok(found.unwrap_or_else(|| Self::weight(graph.shape(leaf))))
    }

    /// The layout of a weight of `shape`: of a convolution, of a linear layer, or a vector.
    pub fn weight(shape: &Shape) -> Self {
        match *shape.dims() {
            [o, i, kh, kw] if (o, kh, kw) != (1, 1, 1) => Self::ConvWeight { o, i, taps: kh * kw },
            [m, k] => Self::LinearWeight { m, k },
            _ => Self::activation(shape),
        }
    }

    /// The layout in which `reader` reads its input at `position`; none where any will do.
    fn asked_by(graph: &Graph, reader: &Node, position: usize) -> Option<Self> {
        let shape = |k: usize| graph.shape(reader.inputs[k]);
        let conv = |shape: &Shape| match *shape.dims() {
            [o, i, kh, kw] => Self::ConvWeight { o, i, taps: kh * kw },
            _ => Self::activation(shape),
        };
        Some(match reader.op.traits().operands[position] {
            Operand::Tensor | Operand::Features => Self::activation(shape(position)),
            Operand::Kernel => conv(shape(position)),
            Operand::LinearWeight => {
                let x = graph.node(reader.inputs[0]);
                match (&x.op, x.inputs.first().and_then(|&i| graph.shape(i).nchw())) {
                    (Op::Flatten, Some([_, c, h, w])) => {
                        Self::FlattenedWeight { m: shape(position).dims()[0], c, pixels: h * w }
                    }
                    _ => Self::weight(shape(position)),
                }
            }
            // Whatever the layer itself asks for.
            Operand::SharedWeight => return None,
            // The first row of a linear layer's weight is a vector too.
            Operand::Row => Self::weight(shape(position)),
            // Also one with a single output.
            Operand::SpectralWeight if shape(position).rank() == 4 => conv(shape(position)),
            Operand::SpectralWeight => Self::weight(shape(position)),
            Operand::SpectralV(weight) => match *shape(weight).dims() {
                [_, i, kh, kw] => Self::ConvRows { i, taps: kh * kw },
                _ => Self::Rows { n: 1, k: shape(position).elements() },
            },
        })
    }

    /// Bytes in GPU memory, padding included. What cannot be counted is as good as endless: no
    /// adapter binds so much.
    pub fn bytes(&self) -> u64 {
        let sizes = match *self {
            Self::Image { n, c, pixels } => [n, pixels, quads(c)],
            Self::Rows { n, k } => [n, 1, quads(k)],
            Self::ConvWeight { o, i, taps } => [taps, i.next_multiple_of(4), quads(o)],
            Self::ConvRows { i, taps } => [taps, 1, quads(i)],
            Self::NormCoefficients { n, c } => [3, n, quads(c)],
            Self::LinearWeight { m, k } => [m.next_multiple_of(4), 1, quads(k)],
            Self::FlattenedWeight { m, c, pixels } => [m.next_multiple_of(4), pixels, quads(c)],
        };
        // In `u64` from the first factor: in a browser `usize` has 32 bits.
        sizes.iter().fold(16, |product: u64, &size| product.saturating_mul(size as u64))
    }

    /// The floats that the tensor takes in GPU memory, padding included; the largest number where
    /// this machine cannot count them, for they are more than it can hold.
    pub fn floats(&self) -> usize {
        usize::try_from(self.bytes() / 4).unwrap_or(usize::MAX)
    }

    /// Where each float of GPU memory comes from in the official layout: calls `copy(from, to,
    /// count, from_step, to_step)` for runs of `count` floats.
    fn runs(&self, mut copy: impl FnMut(usize, usize, usize, usize, usize)) {
        match *self {
            Self::Image { n, c, pixels } => {
                let width = 4 * quads(c);
                for s in 0..n {
                    for k in 0..c {
                        copy((s * c + k) * pixels, s * pixels * width + k, pixels, 1, width);
                    }
                }
            }
            Self::Rows { n, k } | Self::LinearWeight { m: n, k } => {
                for row in 0..n {
                    copy(row * k, row * 4 * quads(k), k, 1, 1);
                }
            }
            Self::ConvWeight { o, i, taps } => {
                let width = 4 * quads(o);
                for out in 0..o {
                    for tap in 0..taps {
                        let to = tap * i.next_multiple_of(4) * width + out;
                        copy(out * i * taps + tap, to, i, taps, width);
                    }
                }
            }
            Self::ConvRows { i, taps } => {
                for tap in 0..taps {
                    copy(tap, tap * 4 * quads(i), i, taps, 1);
                }
            }
            Self::NormCoefficients { n, c } => {
                for row in 0..3 * n {
                    for first in (0..c).step_by(4) {
                        let to = 4 * (row / 3 * 3 * quads(c) + 3 * (first / 4) + row % 3);
                        copy(row * c + first, to, (c - first).min(4), 1, 1);
                    }
                }
            }
            Self::FlattenedWeight { m, c, pixels } => {
                let width = 4 * quads(c);
                for row in 0..m {
                    for k in 0..c {
                        let from = (row * c + k) * pixels;
                        copy(from, row * pixels * width + k, pixels, 1, width);
                    }
                }
            }
        }
    }

    /// The tensor as it lies in GPU memory.
    pub fn pack(&self, data: &[f32]) -> Vec<f32> {
        let mut packed = vec![0.0; self.floats()];
        self.pack_into(data, &mut packed);
        packed
    }

    /// Writes the tensor as it lies in GPU memory; the padding in `packed` must be zero.
    pub fn pack_into(&self, data: &[f32], packed: &mut [f32]) {
        self.runs(|from, to, count, from_step, to_step| {
            for i in 0..count {
                packed[to + i * to_step] = data[from + i * from_step];
            }
        });
    }

    /// The tensor of `shape` out of GPU memory.
    ///
    /// # Errors
    /// [`Error::Shape`] where `shape` is not the layout's.
    pub fn unpack(&self, packed: &[f32], shape: &Shape) -> Result<Tensor> {
        let mut data = vec![0.0; shape.elements()];
        self.runs(|from, to, count, from_step, to_step| {
            for i in 0..count {
                data[from + i * from_step] = packed[to + i * to_step];
            }
        });
        Tensor::new(shape, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pack_and_unpack_are_inverse_and_padding_is_zero() {
        for layout in [
            Layout::Image { n: 2, c: 5, pixels: 6 },
            Layout::Rows { n: 3, k: 7 },
            Layout::ConvWeight { o: 5, i: 3, taps: 9 },
            Layout::ConvRows { i: 3, taps: 9 },
            Layout::NormCoefficients { n: 2, c: 6 },
            Layout::LinearWeight { m: 3, k: 6 },
            Layout::FlattenedWeight { m: 3, c: 5, pixels: 4 },
        ] {
            let count: usize = match layout {
                Layout::Image { n, c, pixels } => n * c * pixels,
                Layout::Rows { n, k } => n * k,
                Layout::ConvWeight { o, i, taps } => o * i * taps,
                Layout::ConvRows { i, taps } => i * taps,
                Layout::NormCoefficients { n, c } => 3 * n * c,
                Layout::LinearWeight { m, k } => m * k,
                Layout::FlattenedWeight { m, c, pixels } => m * c * pixels,
            };
            let data: Vec<f32> = (1..=count).map(|i| i as f32).collect();
            let packed = layout.pack(&data);
            assert_eq!(packed.iter().filter(|v| **v != 0.0).count(), count, "{layout:?}");
            assert_eq!(layout.unpack(&packed, &[count].into()).unwrap().data(), data, "{layout:?}");
        }
    }
}
