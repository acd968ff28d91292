//! What only training asks for: which step each operation is.

use crate::catalogue::{broadcast, gradient_penalty, interpolate, linear_grad_input, samples};
use crate::error::Result;
use crate::graph::{Node, NodeId, NormInput, Op, of_every_network};
use crate::shader::Shader;

use super::super::Bound;
use super::super::layout::Layout;
use super::super::select;
use super::{Cut, Lowering, multiply_adds};

impl Lowering<'_> {
    pub(super) fn lower_for_training(&mut self, id: NodeId, node: &Node) -> Result<()> {
        match &node.op {
            Op::Stack => {
                let first = self.graph.shape(node.inputs[0]).dims()[0];
                self.samples(id, node, &samples::SAMPLES_STACK, first)
            }
            Op::Samples { .. } if self.absorbed.is_window(id) => Ok(()),
            Op::Samples { first, .. } => self.samples(id, node, &samples::SAMPLES_SOME, *first),
            Op::SamplesGrad { .. } if self.computed.contains(&id) => Ok(()),
            Op::SamplesGrad { first, .. } => self.samples(id, node, &samples::SAMPLES_GRAD, *first),

            Op::Conv2dGradInput { conv, .. } => self.conv2d_grad_input(id, node, conv),
            Op::Conv2dGradWeight { conv, .. } => self.conv2d_grad_weight(id, node, conv),
            Op::SumPixels => self.sum_pixels(id, node),
            Op::SumRows => self.sum_rows(id, node),
            Op::SumColumns => self.sum_columns_of_row(id, node),
            Op::LinearGradInput => self.linear_grad_input(id, node),
            Op::LinearGradWeight => self.linear_grad_weight(id, node),
            Op::NormGrad { norm, wrt: NormInput::X } => self.norm_grad_input(id, node, norm),
            Op::NormGrad { norm, .. } => self.norm_grad_parameters(id, node, norm),
            Op::ActivationGrad(activation) => self.activation_grad(id, node, *activation),
            Op::ReflectionPad2dGrad(pad) => self.resample_grad(id, node, *pad, 0),
            Op::GlobalAvgPoolGrad { .. } => self.broadcast(id, node, &broadcast::BROADCAST_PIXELS),
            Op::BroadcastChannels(_) => self.broadcast(id, node, &broadcast::BROADCAST_CHANNELS),
            Op::GlobalMaxPoolGrad => self.max_pool_grad(id, node),
            Op::SliceColumns { start, len } => self.slice_columns(id, node, *start, *len),
            Op::Unflatten { .. } => self.unflatten(id, node),
            Op::CamWeightGrad(wrt) => self.cam_weight_grad(id, node, *wrt),

            Op::Mse { .. } | Op::L1 | Op::BceWithLogits { .. } | Op::Mean | Op::Hinge { .. } => {
                self.loss(id, node)
            }
            Op::MseGrad { .. }
            | Op::L1Grad { .. }
            | Op::BceWithLogitsGrad { .. }
            | Op::MeanGrad { .. }
            | Op::HingeGrad { .. } => self.loss_grad(id, node),
            Op::GradientPenalty { one_sided } => {
                self.gradient_penalty(id, node, &gradient_penalty::GRADIENT_PENALTY, *one_sided, 1.0)
            }
            Op::GradientPenaltyGrad { one_sided, scale } => {
                self.gradient_penalty(id, node, &gradient_penalty::GRADIENT_PENALTY_GRAD, *one_sided, *scale)
            }
            Op::Interpolate => self.interpolate(id, node),
            Op::AtMaximum => self.at_maximum(id, node),
            Op::PowerIterationV | Op::PowerIterationU => self.power_iteration(id, node),
            Op::SpectralSigma => self.spectral_sigma(id, node),
            Op::SpectralNorm => self.spectral_norm(id, node),
            Op::SpectralNormGrad => self.spectral_norm_grad(id, node),
            Op::SpectralDivide { bias, activation } => self.spectral_divide(id, node, *bias, *activation),
            Op::SpectralDivideGrad(activation) => self.spectral_divide_grad(id, node, *activation),
            Op::SpectralBiasGrad => self.spectral_bias_grad(id, node),
            Op::SpectralSigmaGrad { .. } => self.spectral_sigma_grad(id, node),

            // `Lowering::lower` has them.
            of_every_network!() => Ok(()),
        }
    }

    /// `y = g W` for `n` rows of `g` and `columns` vec4s of a row of `W`, or added to `y`.
    pub(super) fn times_matrix(
        &mut self,
        params: linear_grad_input::Params,
        [g, w, divisor, y]: [Bound; 4],
        n: usize,
        label: &str,
    ) -> Result<()> {
        let (rows, columns) = (params.rows as usize, params.in_quads as usize);
        let shader = select::joined_or_serial(
            self.target.class,
            [&linear_grad_input::LINEAR_GRAD_INPUT_16, &linear_grad_input::LINEAR_GRAD_INPUT_SERIAL],
        );
        let [width, height] = ["COLUMNS", "ROWS"].map(|name| shader.constant(name) as usize);
        let mut workgroups = [columns.div_ceil(width), n, 1];
        let cut = match params.accumulate {
            0 => self.cut(shader, workgroups, rows / height, n * columns),
            // Rows of a matrix too large for one binding: many columns.
            _ => Cut { splits: 1, depth: 0 },
        };
        workgroups[2] = cut.splits;
        let params = linear_grad_input::Params { split: rows.div_ceil(cut.splits) as u32, ..params };
        let flops = multiply_adds(&[n, rows, 4 * columns]);
        if cut.splits == 1 {
            return self.launch(shader, params, &[g, w, divisor, y], workgroups, label, flops);
        }
        let parts = self.scratch_quads(cut.splits * n * columns)?;
        let parts = self.whole(parts);
        self.launch(shader, params, &[g, w, divisor, parts], workgroups, label, flops)?;
        self.sum_parts(parts, cut.splits, n * columns, y, 0)
    }

    /// The penalty of the lengths of gradients, or its own gradient.
    fn gradient_penalty(
        &mut self,
        id: NodeId,
        node: &Node,
        shader: &'static Shader,
        one_sided: bool,
        scale: f32,
    ) -> Result<()> {
        let samples = self.graph.shape(node.inputs[0]).dims()[0];
        let quads = Layout::activation(self.graph.shape(node.inputs[0])).floats() / 4 / samples;
        let g = self.operand(node.inputs[0])?;
        let y = self.result(id)?;
        let params = gradient_penalty::Params {
            samples: samples as u32,
            sample_quads: quads as u32,
            one_sided: u32::from(one_sided),
            scale: scale / samples as f32,
        };
        let groups = if matches!(node.op, Op::GradientPenalty { .. }) { 1 } else { samples };
        self.launch(shader, params, &[g, self.whole(y)], [groups, 1, 1], "gradient penalty", 0)
    }

    fn interpolate(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [a, b, share] = [0, 1, 2].map(|k| self.operand(node.inputs[k]));
        let (a, b, share) = (a?, b?, share?);
        let total = Layout::activation(&node.shape).floats() / 4;
        let y = self.result(id)?;
        let params = interpolate::Params {
            total: total as u32,
            sample_quads: (total / node.shape.dims()[0]) as u32,
            ..interpolate::Params::default()
        };
        let bindings = [a, b, share, self.whole(y)];
        let workgroups = self.spread(total.div_ceil(256));
        self.launch(&interpolate::INTERPOLATE, params, &bindings, workgroups, "interpolate", 0)
    }
}
