//! Fully connected layers, their weights as they are or quantised.

use std::ops::Range;

use crate::catalogue::linear;
use crate::error::{Error, Result};
use crate::graph::{Activation, Node, NodeId, Op};
use crate::quantized::Bits;

use super::super::layout::quads;
use super::super::{Bound, Memory, Storage, scales_of};
use super::divided::Divided;
use super::{Lowering, activation_code, multiply_adds};

impl Lowering<'_> {
    pub(super) fn linear(&mut self, id: NodeId, node: &Node, activation: Activation) -> Result<()> {
        #[cfg(feature = "training")]
        if self.absorbed.is_to_divide(id) {
            return Ok(());
        }
        let blocks = self.divided_rows(node.inputs[1])?;
        self.multiply_rows(id, node, activation, node.inputs.get(2).copied(), blocks)
    }

    /// The linear layer `node` with that bias and activation, as the result of `id`.
    pub(super) fn multiply_rows(
        &mut self,
        id: NodeId,
        node: &Node,
        activation: Activation,
        bias: Option<NodeId>,
        blocks: Vec<Divided>,
    ) -> Result<()> {
        // Over flattened features the weight's columns lie as the features do.
        let source = self.graph.node(node.inputs[0]);
        let (x, in_quads) = if source.op == Op::Flatten {
            let [_, c, h, w] = self.image(source.inputs[0])?;
            (self.operand(source.inputs[0])?, h * w * quads(c))
        } else {
            let [_, k] = self.matrix(node.inputs[0])?;
            (self.operand(node.inputs[0])?, quads(k))
        };
        let Some([n, m]) = node.shape.matrix() else {
            return Err(Error::Internal("a linear layer's result must be a matrix".into()));
        };
        let quantized = self.quantized(node.inputs[1])?;
        let has_bias = u32::from(bias.is_some());
        let bias = bias.map_or(Ok(x), |bias| self.operand(bias))?;
        let y = self.result(id)?;
        let shader = match quantized {
            Some((Bits::Eight, _)) => &linear::LINEAR_8_BITS,
            Some((Bits::Four, _)) => &linear::LINEAR_4_BITS,
            None if in_quads >= 256 => &linear::LINEAR_256,
            None => &linear::LINEAR_64,
        };
        let (activation, slope) = activation_code(activation);
        let mut first_quad = 0;
        for Divided { weight: block, divisors, divides } in blocks {
            let row_bytes = match quantized {
                Some((bits, _)) => in_quads * bits.number() / 2,
                None => in_quads * if block.half { 8 } else { 16 },
            };
            let block_quads = block.bytes as usize / row_bytes / 4;
            let params = linear::Params {
                in_quads: in_quads as u32,
                out_quads: quads(m) as u32,
                first_quad: first_quad as u32,
                has_bias,
                activation,
                slope,
                blocks: quantized.map_or(0, |(bits, _)| 4 * in_quads / bits.block()) as u32,
                divides,
            };
            let mut label = format!("linear {}→{m}", 4 * in_quads);
            let mut bindings = vec![x, block];
            match quantized {
                Some((bits, scales)) => {
                    label += &format!(", {bits} bits");
                    bindings.extend([scales, bias]);
                }
                None => bindings.extend([bias, divisors[0], divisors[1]]),
            }
            bindings.push(self.whole(y));
            let flops = multiply_adds(&[n, 4 * block_quads, 4 * in_quads]);
            self.launch(shader, params, &bindings, [block_quads, n, 1], label, flops)?;
            first_quad += block_quads;
        }
        Ok(())
    }

    /// Of a parameter that is quantised its bits and its scales.
    fn quantized(&self, id: NodeId) -> Result<Option<(Bits, Bound)>> {
        let name = &self.graph.node(id).name;
        let storage = |pieces: Range<usize>| self.parameters.pieces.get(pieces.start).map(|p| p.storage);
        let Some(Storage::Levels(bits)) = self.parameters.get(name).and_then(storage) else {
            return Ok(None);
        };
        let scales = self.parameters.get(&scales_of(name)).map(|pieces| pieces.start);
        let piece =
            scales.ok_or_else(|| Error::Shape(format!("`{name}` has no scales in the parameter map")))?;
        let bytes = self.parameters.pieces[piece].bytes();
        Ok(Some((bits, Bound { memory: Memory::Piece(piece), bytes, half: false })))
    }
}
