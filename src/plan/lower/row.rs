//! A linear layer's weight of one row as a vector, by kernels that others have.

use crate::catalogue::{broadcast, pointwise, sum_channels};
use crate::error::Result;
use crate::graph::{Activation, Node, NodeId, Shape};

use super::super::layout::quads;
use super::{Lowering, activation_code};

/// The rows of a matrix; of pictures the pixels of all samples, which lie one after the other with
/// their channels side by side.
pub(super) fn rows(shape: &Shape) -> usize {
    shape.nchw().map_or(shape.dims()[0], |[n, _, h, w]| n * h * w)
}

impl Lowering<'_> {
    /// `w + b`: b spread over a row, then a sum. Of a weight only the first row is looked at, which is
    /// the only one that there is.
    pub(super) fn add_scalar(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [_, k] = self.matrix(id)?;
        let [w, b] = [self.operand(node.inputs[0])?, self.operand(node.inputs[1])?];
        let total = quads(k);
        let spread = self.scratch_quads(total)?;
        let params = broadcast::Params {
            total: total as u32,
            pixels: 1,
            channels: k as u32,
            quads: total as u32,
            scale: 1.0,
            ..broadcast::Params::default()
        };
        let workgroups = self.spread(total.div_ceil(256));
        let bindings = [b, self.whole(spread)];
        self.launch(&broadcast::BROADCAST_CHANNELS, params, &bindings, workgroups, "spread", 0)?;

        let y = self.result(id)?;
        let (activation, slope) = activation_code(Activation::Identity);
        let params = pointwise::Params { total: total as u32, activation, slope, reserved: 0 };
        let bindings = [w, self.whole(spread), self.whole(y)];
        self.launch(&pointwise::POINTWISE_ADD, params, &bindings, workgroups, "add scalar", 0)
    }

    /// The sum of one row: that of the channels of one pixel.
    pub(super) fn sum_columns_of_row(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [_, k] = self.matrix(node.inputs[0])?;
        let x = self.operand(node.inputs[0])?;
        let y = self.result(id)?;
        let params = sum_channels::Params { pixels: 1, quads: quads(k) as u32, reserved_0: 0, reserved_1: 0 };
        let bindings = [x, self.whole(y)];
        self.launch(&sum_channels::SUM_CHANNELS, params, &bindings, [1, 1, 1], "sum columns", 0)
    }
}
