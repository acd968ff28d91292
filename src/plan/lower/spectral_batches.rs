//! Layers of two batches whose sums spectral normalisation divides by a sigma for each.

use crate::catalogue::{spectral_divide, spectral_sigma_grad, spectral_sums, spectral_totals};
use crate::error::Result;
use crate::graph::{Activation, Conv2d, Node, NodeId, Op};
use crate::shader::Shader;

use super::super::Bound;
use super::super::layout::quads;
use super::super::select;
use super::divided::Divided;
use super::pool::chunks;
use super::{Lowering, Value, activation_code};

/// Pixels of a batch that one workgroup sums up on its way.
const FEW_PIXELS: usize = 32;

/// The tensors that [`Op::SpectralBiasGrad`] and [`Op::SpectralSigmaGrad`] are sums over.
struct Summed {
    d: NodeId,
    y: NodeId,
    bias: Option<NodeId>,
    activation: Activation,
}

impl Lowering<'_> {
    /// A division that the layer's launch does, or a launch of its own.
    pub(super) fn spectral_divide(
        &mut self,
        id: NodeId,
        node: &Node,
        has_bias: bool,
        activation: Activation,
    ) -> Result<()> {
        let bias = has_bias.then(|| node.inputs[2]);
        let [first, second] = [2, 5].map(|k| node.inputs[k + usize::from(has_bias)]);
        let layer = self.graph.node(node.inputs[0]);
        if self.absorbed.is_to_divide(node.inputs[0]) {
            let divisors = [self.operand(first)?, self.operand(second)?];
            let divides = node.shape.dims()[0] as u32 / 2;
            if let Op::Conv2d(conv) = &layer.op {
                let conv = Conv2d { bias: has_bias, activation, ..*conv };
                let weight = self.operand(layer.inputs[1])?;
                return self.convolve(id, layer, &conv, bias, Divided { weight, divisors, divides });
            }
            let blocks = self.operands(layer.inputs[1])?;
            let blocks = blocks.into_iter().map(|weight| Divided { weight, divisors, divides }).collect();
            return self.multiply_rows(id, layer, activation, bias, blocks);
        }
        let other = bias.unwrap_or(first);
        let operands = [node.inputs[0], other, first, second];
        self.divide(id, &spectral_divide::SPECTRAL_DIVIDE, operands, has_bias, activation)
    }

    pub(super) fn spectral_divide_grad(
        &mut self,
        id: NodeId,
        node: &Node,
        activation: Activation,
    ) -> Result<()> {
        if self.computed.contains(&id) {
            return Ok(());
        }
        let operands = [0, 1, 2, 3].map(|k| node.inputs[k]);
        self.divide(id, &spectral_divide::SPECTRAL_DIVIDE_GRAD, operands, false, activation)
    }

    /// A launch of `spectral_divide.wgsl`.
    fn divide(
        &mut self,
        id: NodeId,
        shader: &'static Shader,
        operands: [NodeId; 4],
        has_bias: bool,
        activation: Activation,
    ) -> Result<()> {
        let layout = self.layout(operands[0])?;
        let mut bindings = operands.into_iter().map(|x| self.operand(x)).collect::<Result<Vec<_>>>()?;
        let y = self.result_in(id, layout)?;
        bindings.push(self.whole(y));
        let total = layout.floats() / 4;
        let (activation, slope) = activation_code(activation);
        let params = spectral_divide::Params {
            total: total as u32,
            first: total as u32 / 2,
            quads: quads(self.graph.shape(id).dims()[1]) as u32,
            has_bias: u32::from(has_bias),
            activation,
            slope,
            ..spectral_divide::Params::default()
        };
        let workgroups = self.spread(total.div_ceil(256));
        self.launch(shader, params, &bindings, workgroups, "spectral divide", 0)
    }

    /// Together with what [`Op::SpectralSigmaGrad`] of the same tensors needs.
    pub(super) fn spectral_bias_grad(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let d = node.inputs[0];
        let sigmas = [self.operand(node.inputs[1])?, self.operand(node.inputs[2])?];
        let mut readers = self.graph.nodes().iter().filter_map(|reader| match reader.op {
            Op::SpectralSigmaGrad { bias: true, activation } if reader.inputs[0] == d => {
                Some(Summed { d, y: reader.inputs[1], bias: Some(reader.inputs[3]), activation })
            }
            _ => None,
        });
        let of = readers.next().unwrap_or(Summed { d, y: d, bias: None, activation: Activation::Identity });
        let factors = self.spectral_totals(&of, Some((id, sigmas)))?;
        self.spectral_factors.insert((of.d, of.y), factors);
        Ok(())
    }

    pub(super) fn spectral_sigma_grad(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let Op::SpectralSigmaGrad { bias, activation } = node.op else { return Ok(()) };
        let (d, y) = (node.inputs[0], node.inputs[1]);
        let factors = match self.spectral_factors.get(&(d, y)) {
            Some(&factors) => factors,
            None => {
                let bias = bias.then(|| node.inputs[3]);
                self.spectral_totals(&Summed { d, y, bias, activation }, None)?
            }
        };
        let w = self.spectral_matrix(node.inputs[2])?;
        let vectors = node.inputs[3 + usize::from(bias)..].iter().map(|&x| self.operand(x));
        let vectors = vectors.collect::<Result<Vec<_>>>()?;
        let (y, accumulate) = self.summed_in(id, w.layout)?;
        let mut bindings = vec![self.whole(factors)];
        for batch in vectors.chunks(2) {
            let (u, v) = (batch[0], batch[1]);
            bindings.extend(if w.rows_are_outputs { [u, v] } else { [v, u] });
        }
        let p_quads = (bindings[1].bytes / 16) as u32;
        bindings.push(self.whole(y));
        let total = w.layout.floats() / 4;
        let params = spectral_sigma_grad::Params {
            total: total as u32,
            columns: w.columns as u32,
            p_quads,
            accumulate,
        };
        let workgroups = self.spread(total.div_ceil(256));
        let shader = &spectral_sigma_grad::SPECTRAL_SIGMA_GRAD;
        self.launch(shader, params, &bindings, workgroups, "spectral sigma grad", 0)
    }

    /// What `spectral_totals.wgsl` finds for both sigmas; and with their values the gradient at the bias.
    fn spectral_totals(&mut self, of: &Summed, bias_grad: Option<(NodeId, [Bound; 2])>) -> Result<Value> {
        let c = self.graph.shape(of.d).dims()[1];
        let q = quads(c);
        // Pixels of all samples of a batch.
        let rows = self.layout(of.d)?.floats() / 4 / q / 2;
        let (d, y) = (self.operand(of.d)?, self.operand(of.y)?);
        let bias = of.bias.map_or(Ok(d), |bias| self.operand(bias))?;
        let has_bias = u32::from(of.bias.is_some());
        let (activation, slope) = activation_code(of.activation);
        let (mut bindings, rows, shader) = if rows <= FEW_PIXELS {
            (vec![d, y, bias], rows, &spectral_totals::SPECTRAL_TOTALS_DIRECT)
        } else {
            let variants = [
                &spectral_sums::SPECTRAL_SUMS_16,
                &spectral_sums::SPECTRAL_SUMS_4,
                &spectral_sums::SPECTRAL_SUMS_SERIAL,
            ];
            let shader = select::reduce(self.target.class, q, variants);
            let (chunk, chunks) = chunks(shader, rows);
            let partials = self.scratch_quads(4 * chunks * q)?;
            let params = spectral_sums::Params {
                pixels: rows as u32,
                quads: q as u32,
                chunk: chunk as u32,
                has_bias,
                activation,
                slope,
                ..spectral_sums::Params::default()
            };
            let workgroups = [q.div_ceil(shader.workgroup_size[0] as usize), chunks, 2];
            let bindings = [d, y, bias, self.whole(partials)];
            self.launch(shader, params, &bindings, workgroups, format!("spectral sums {c} of {rows}"), 0)?;
            (vec![self.whole(partials)], chunks, &spectral_totals::SPECTRAL_TOTALS)
        };
        let (to_bias, accumulate, sigmas) = match bias_grad {
            Some((id, sigmas)) => {
                let (y, accumulate) = self.summed(id)?;
                (y, accumulate, sigmas)
            }
            None => (self.scratch_quads(1)?, 0, [d; 2]),
        };
        let factors = self.scratch_quads(1)?;
        bindings.extend(sigmas);
        bindings.extend([self.whole(to_bias), self.whole(factors)]);
        let params = spectral_totals::Params {
            rows: rows as u32,
            quads: q as u32,
            has_bias,
            writes_bias: u32::from(bias_grad.is_some()),
            accumulate,
            activation,
            slope,
            reserved: 0,
        };
        self.launch(shader, params, &bindings, [1, 1, 1], format!("spectral totals {c}"), 0)?;
        Ok(factors)
    }
}
