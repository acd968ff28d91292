//! The operations of the networks.

use crate::catalogue::{
    cam_weight, concat, conv2d, flatten, norm_apply, norm_coefficients, pointwise, reduce, resample,
    resample_grad, scale, sum_channels, sum_splits,
};
use crate::error::{Error, Result};
use crate::graph::{Activation, Conv2d, Graph, Node, NodeId, Norm, NormKind, Op, Operand};
use crate::shader::Shader;

use super::super::Bound;
use super::super::layout::{Layout, quads};
use super::super::select;
use super::divided::Divided;
use super::row::rows;
use super::{Lowering, Reduction, Value, activation_code, multiply_adds};

/// A launch of `conv2d.wgsl`, or of a kernel like it: one convolution, or several of one shape.
pub(super) struct Products {
    /// Without the channels and the phases.
    pub(super) params: conv2d::Params,
    /// How many convolutions.
    pub(super) phases: usize,
    /// x, w, bias, the divisors, y.
    pub(super) bindings: [Bound; 6],
    /// Results of one of them, of all samples.
    pub(super) pixels: usize,
    pub(super) c: usize,
    pub(super) o: usize,
    pub(super) taps: usize,
    pub(super) label: String,
}

impl Lowering<'_> {
    pub(super) fn conv2d(&mut self, id: NodeId, node: &Node, conv: &Conv2d) -> Result<()> {
        #[cfg(feature = "training")]
        if self.absorbed.is_to_divide(id) {
            return Ok(());
        }
        let divided = self.divided(node.inputs[1])?;
        self.convolve(id, node, conv, node.inputs.get(2).copied(), divided)
    }

    /// The convolution `node` with that bias and the activation of `conv`, as the result of `id`.
    pub(super) fn convolve(
        &mut self,
        id: NodeId,
        node: &Node,
        conv: &Conv2d,
        bias: Option<NodeId>,
        Divided { weight, divisors, divides }: Divided,
    ) -> Result<()> {
        // The fast algorithms read a weight that was divided.
        if divides == 0 && self.fast_conv2d(id, node, conv)? {
            return Ok(());
        }
        let ([n, c, h, w], [_, o, oh, ow]) = (self.image(node.inputs[0])?, self.image(id)?);
        let [_, _, kh, kw] = self.image(node.inputs[1])?;
        let x = self.operand(node.inputs[0])?;
        let has_bias = u32::from(bias.is_some());
        let bias = bias.map_or(Ok(weight), |bias| self.operand(bias))?;
        let y = self.result(id)?;
        let (activation, slope) = activation_code(conv.activation);
        let params = conv2d::Params {
            batch: n as u32,
            in_height: h as u32,
            in_width: w as u32,
            out_height: oh as u32,
            out_width: ow as u32,
            kernel_height: kh as u32,
            kernel_width: kw as u32,
            stride: conv.stride as u32,
            pad: conv.pad as u32,
            upsample: u32::from(conv.upsample),
            has_bias,
            activation,
            slope,
            divides,
            ..conv2d::Params::default()
        };
        let bindings = [x, weight, bias, divisors[0], divisors[1], self.whole(y)];
        self.products(Products {
            params,
            phases: 1,
            bindings,
            pixels: n * oh * ow,
            c,
            o,
            taps: kh * kw,
            label: format!("conv2d {kh}x{kw} {c}→{o} {oh}x{ow}"),
        })
    }

    /// A launch of the kernel for what [`Products`] says, and one to add the parts that it was cut into.
    pub(super) fn products(&mut self, work: Products) -> Result<()> {
        let Products { mut params, phases, bindings: [x, w, bias, d, e, y], pixels, c, o, taps, label } =
            work;
        let kernel = select::conv2d(self.target, phases * pixels, quads(c), quads(o));
        let (tile_pixels, tile_quads) = kernel.tile();
        let [x_groups, z_groups, _] = self.spread(pixels.div_ceil(tile_pixels));
        let mut workgroups = [x_groups, quads(o).div_ceil(tile_quads), z_groups * phases];
        let total = phases * pixels * quads(o);
        let cut = self.cut(kernel.forward, workgroups, taps * quads(c), total);
        let sum = sum_splits::Params {
            total: total as u32,
            splits: cut.splits as u32,
            quads: quads(o) as u32,
            has_bias: params.has_bias,
            activation: params.activation,
            slope: params.slope,
            ..sum_splits::Params::default()
        };
        if cut.splits > 1 {
            (params.has_bias, params.activation) = (0, activation_code(Activation::Identity).0);
        }
        let params = conv2d::Params {
            in_quads: quads(c) as u32,
            out_quads: quads(o) as u32,
            phases: phases as u32,
            splits: cut.splits as u32,
            split_depth: cut.depth as u32,
            split_stride: total as u32,
            ..params
        };
        workgroups[2] *= cut.splits;
        let flops = multiply_adds(&[phases, pixels, c, o, taps]);
        if cut.splits == 1 {
            return self.launch(kernel.forward, params, &[x, w, bias, d, e, y], workgroups, label, flops);
        }
        let parts = self.scratch_quads(cut.splits * total)?;
        let parts = self.whole(parts);
        self.launch(kernel.forward, params, &[x, w, bias, d, e, parts], workgroups, label, flops)?;
        let bias = if sum.has_bias == 0 { parts } else { bias };
        self.sum_splits(sum, parts, bias, y)
    }

    pub(super) fn norm(&mut self, id: NodeId, node: &Node, norm: &Norm) -> Result<()> {
        let [n, c, h, w] = self.image(id)?;
        let (pixels, q) = (h * w, quads(c));
        let moments = self.moments(node.inputs[0])?;
        // The gradient reads the channels' moments, which then lie in front.
        let keep = norm_keeps(self.graph, node, norm);
        let coefficients = self.scratch_quads((1 + usize::from(keep)) * 3 * n * q)?;
        self.coefficients(node, norm, moments, coefficients, keep)?;

        let x = self.operand(node.inputs[0])?;
        let residual = match norm.residual {
            true => self.operand(node.inputs[node.inputs.len() - 1])?,
            false => x,
        };
        let y = self.result(id)?;
        let stride = self.apply_stride(pixels, q);
        let (activation, slope) = activation_code(norm.activation);
        let params = norm_apply::Params {
            pixels: pixels as u32,
            quads: q as u32,
            stride: stride as u32,
            has_residual: u32::from(norm.residual),
            activation,
            slope,
            first: if keep { (3 * n * q) as u32 } else { 0 },
            reserved_1: 0,
        };
        let bindings = [x, self.whole(coefficients), residual, self.whole(y)];
        let workgroups = [(stride * q).div_ceil(256), n, 1];
        self.launch(
            &norm_apply::NORM_APPLY,
            params,
            &bindings,
            workgroups,
            format!("norm apply {c} {h}x{w}"),
            0,
        )
    }

    pub(super) fn norm_coefficients(&mut self, id: NodeId, node: &Node, norm: &Norm) -> Result<()> {
        let [n, c, ..] = self.image(node.inputs[0])?;
        let moments = self.moments(node.inputs[0])?;
        let y = self.result_in(id, Layout::NormCoefficients { n, c })?;
        self.coefficients(node, norm, moments, y, false)
    }

    /// From the moments of a normalisation's input to what it does to each channel, into `y`; behind the
    /// moments of the channels if these are to be kept.
    fn coefficients(
        &mut self,
        node: &Node,
        norm: &Norm,
        moments: Reduction,
        y: Value,
        keep: bool,
    ) -> Result<()> {
        let [n, c, h, w] = self.image(node.inputs[0])?;
        let q = quads(c);
        let mut bindings = vec![self.whole(moments.partials)];
        let mut params = norm_coefficients::Params {
            pixels: (h * w) as u32,
            channels: c as u32,
            quads: q as u32,
            chunks: moments.chunks as u32,
            chunk: moments.chunk as u32,
            gamma_stride: 0,
            eps: norm.eps,
            unbiased: u32::from(norm.unbiased),
            keep: u32::from(keep),
            ..norm_coefficients::Params::default()
        };
        if keep {
            self.channel_moments.insert(node.inputs[0], y);
        }
        let (shader, groups) = match norm.kind {
            NormKind::Group { groups } => {
                return self.group_coefficients(node, norm, y, c / groups);
            }
            NormKind::Instance => {
                let variants = [
                    &norm_coefficients::NORM_COEFFICIENTS_INSTANCE,
                    &norm_coefficients::NORM_COEFFICIENTS_INSTANCE_SERIAL,
                ];
                let shader = select::joined_or_serial(self.target.class, variants);
                (shader, q.div_ceil(shader.workgroup_size[0] as usize))
            }
            NormKind::LayerInstance => {
                for &input in &node.inputs[1..4] {
                    bindings.push(self.operand(input)?);
                }
                params.gamma_stride = self.gamma_stride(node.inputs[2], q);
                let variants = [
                    &norm_coefficients::NORM_COEFFICIENTS_LAYER,
                    &norm_coefficients::NORM_COEFFICIENTS_LAYER_SERIAL,
                ];
                (select::joined_or_serial(self.target.class, variants), 1)
            }
        };
        bindings.push(self.whole(y));
        self.launch(shader, params, &bindings, [groups, n, 1], format!("norm coefficients {c}"), 0)
    }

    /// From one sample's gamma to the next, in vec4s: 0 where the samples share it.
    pub(super) fn gamma_stride(&self, gamma: NodeId, q: usize) -> u32 {
        if self.graph.shape(gamma).rank() == 2 { q as u32 } else { 0 }
    }

    /// The pixels that one turn of a kernel covers which applies a normalisation (or its
    /// gradient): a quarter of all, or as many as one launch can.
    pub(super) fn apply_stride(&self, pixels: usize, q: usize) -> usize {
        let most = 256 * u64::from(self.target.max_workgroups) / q as u64;
        pixels.div_ceil(4).min(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// The moments of each channel of `x`, in chunks; computed once for all that ask.
    pub(super) fn moments(&mut self, x: NodeId) -> Result<Reduction> {
        if let Some(&reduction) = self.moments.get(&x) {
            return Ok(reduction);
        }
        let [n, c, h, w] = self.image(x)?;
        let variants =
            [&reduce::REDUCE_MOMENTS_16, &reduce::REDUCE_MOMENTS_4, &reduce::REDUCE_MOMENTS_SERIAL];
        let reduction = self.reduce(self.operand(x)?, [n, c, h * w], 3, variants, "norm moments")?;
        self.moments.insert(x, reduction);
        Ok(reduction)
    }

    pub(super) fn resample(&mut self, id: NodeId, node: &Node, pad: usize, upsample: usize) -> Result<()> {
        let ([_, c, h, w], [n, _, oh, ow]) = (self.image(node.inputs[0])?, self.image(id)?);
        let x = self.operand(node.inputs[0])?;
        let y = self.result(id)?;
        let total = n * oh * ow * quads(c);
        let params = resample::Params {
            in_height: h as u32,
            in_width: w as u32,
            quads: quads(c) as u32,
            pad: pad as u32,
            upsample: upsample as u32,
            out_height: oh as u32,
            out_width: ow as u32,
            total: total as u32,
        };
        let bindings = [x, self.whole(y)];
        self.launch(&resample::RESAMPLE, params, &bindings, self.spread(total.div_ceil(256)), "resample", 0)
    }

    pub(super) fn pointwise(&mut self, id: NodeId, node: &Node, activation: Activation) -> Result<()> {
        let layout = self.layout(node.inputs[0])?;
        for &other in &node.inputs[1..] {
            let found = self.layout(other)?;
            if found != layout {
                return Err(Error::Internal(format!("a sum of {layout:?} and {found:?}")));
            }
        }
        let total = layout.floats() / 4;
        let mut bindings = node.inputs.iter().map(|&i| self.operand(i)).collect::<Result<Vec<_>>>()?;
        let y = self.result_in(id, layout)?;
        bindings.push(self.whole(y));
        let shader =
            if node.op == Op::Add { &pointwise::POINTWISE_ADD } else { &pointwise::POINTWISE_ACTIVATION };
        let (activation, slope) = activation_code(activation);
        let params = pointwise::Params { total: total as u32, activation, slope, reserved: 0 };
        self.launch(shader, params, &bindings, self.spread(total.div_ceil(256)), "pointwise", 0)
    }

    pub(super) fn sum_channels(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [n, c, h, w] = self.image(node.inputs[0])?;
        let x = self.operand(node.inputs[0])?;
        let y = self.result(id)?;
        let pixels = n * h * w;
        let params = sum_channels::Params {
            pixels: pixels as u32,
            quads: quads(c) as u32,
            reserved_0: 0,
            reserved_1: 0,
        };
        let bindings = [x, self.whole(y)];
        let workgroups = self.spread(pixels.div_ceil(16));
        self.launch(
            &sum_channels::SUM_CHANNELS,
            params,
            &bindings,
            workgroups,
            format!("sum channels {c}"),
            0,
        )
    }

    pub(super) fn concat(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let columns = |i: usize| self.graph.shape(node.inputs[i]).dims()[1];
        let (a_columns, b_columns, n) = (columns(0), columns(1), rows(&node.shape));
        let (a, b) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);
        let y = self.result(id)?;
        let total = n * quads(a_columns + b_columns);
        let params = concat::Params {
            a_columns: a_columns as u32,
            b_columns: b_columns as u32,
            a_quads: quads(a_columns) as u32,
            b_quads: quads(b_columns) as u32,
            y_quads: quads(a_columns + b_columns) as u32,
            total: total as u32,
            reserved_0: 0,
            reserved_1: 0,
        };
        let bindings = [a, b, self.whole(y)];
        let workgroups = self.spread(total.div_ceil(256));
        self.launch(&concat::CONCAT, params, &bindings, workgroups, "concat", 0)
    }

    pub(super) fn resample_grad(
        &mut self,
        id: NodeId,
        node: &Node,
        pad: usize,
        upsample: usize,
    ) -> Result<()> {
        let g = self.operand(node.inputs[0])?;
        let [n, c, h, w] = self.image(id)?;
        let total = n * h * w * quads(c);
        let params = resample_grad::Params {
            height: h as u32,
            width: w as u32,
            quads: quads(c) as u32,
            pad: pad as u32,
            upsample: upsample as u32,
            total: total as u32,
            splits: 1,
            ..resample_grad::Params::default()
        };
        let y = self.result(id)?;
        let (bindings, workgroups) = ([g, self.whole(y)], self.spread(total.div_ceil(256)));
        self.launch(&resample_grad::RESAMPLE_GRAD, params, &bindings, workgroups, "resample grad", 0)
    }

    /// A kernel of `scale.wgsl` with one number.
    pub(super) fn scale(
        &mut self,
        id: NodeId,
        node: &Node,
        shader: &'static Shader,
        factor: f32,
    ) -> Result<()> {
        let layout = self.layout(node.inputs[0])?;
        let x = self.operand(node.inputs[0])?;
        let y = self.result_in(id, layout)?;
        let total = layout.floats() / 4;
        let params = scale::Params { total: total as u32, factor, ..scale::Params::default() };
        let workgroups = self.spread(total.div_ceil(256));
        self.launch(shader, params, &[x, self.whole(y)], workgroups, "scale", 0)
    }

    /// Launches nothing where only linear layers and the gradients of their weights read the
    /// result: they read the features themselves.
    pub(super) fn flatten(&mut self, id: NodeId, node: &Node, outputs: &[NodeId]) -> Result<()> {
        let copied = |reader: &Node| {
            let operands = reader.op.traits().operands;
            reader.inputs.iter().zip(operands).any(|(input, what)| *input == id && *what != Operand::Features)
        };
        if !outputs.contains(&id) && !self.graph.nodes().iter().any(copied) {
            return Ok(());
        }
        let [n, c, h, w] = self.image(node.inputs[0])?;
        let x = self.operand(node.inputs[0])?;
        let y = self.result(id)?;
        let y_quads = quads(c * h * w);
        let params = flatten::Params {
            pixels: (h * w) as u32,
            channels: c as u32,
            quads: quads(c) as u32,
            y_quads: y_quads as u32,
            total: (n * y_quads) as u32,
            reserved_0: 0,
            reserved_1: 0,
            reserved_2: 0,
        };
        let bindings = [x, self.whole(y)];
        let workgroups = self.spread((n * y_quads).div_ceil(256));
        self.launch(&flatten::FLATTEN, params, &bindings, workgroups, "flatten", 0)
    }

    pub(super) fn cam_weight(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [o, c, ..] = self.image(id)?;
        let mut bindings = node.inputs.iter().map(|&i| self.operand(i)).collect::<Result<Vec<_>>>()?;
        let y = self.result_in(id, Layout::ConvWeight { o, i: c, taps: 1 })?;
        bindings.push(self.whole(y));
        let total = c.next_multiple_of(4) * quads(o);
        let params = cam_weight::Params {
            channels: c as u32,
            out_quads: quads(o) as u32,
            total: total as u32,
            reserved: 0,
        };
        self.launch(&cam_weight::CAM_WEIGHT, params, &bindings, [total.div_ceil(64), 1, 1], "cam weight", 0)
    }
}

/// Whether the gradient of a normalisation will read the moments of its channels, of which groups have no use.
fn norm_keeps(graph: &Graph, node: &Node, norm: &Norm) -> bool {
    let reads =
        |reader: &Node| matches!(reader.op, Op::NormGrad { .. }) && reader.inputs[1] == node.inputs[0];
    !matches!(norm.kind, NormKind::Group { .. }) && graph.nodes().iter().any(reads)
}
