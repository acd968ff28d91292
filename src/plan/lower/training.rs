//! What only training asks for: which step each operation is; losses and spectral normalisation.

use crate::catalogue::{
    broadcast, dot, gradient_penalty, interpolate, linear, linear_grad_input, loss, loss_grad, normalize,
    samples, scale, spectral_norm_grad,
};
use crate::error::{Error, Result};
use crate::graph::{Node, NodeId, NormInput, Op, of_every_network};
use crate::shader::Shader;

use super::super::Bound;
use super::super::layout::{Layout, quads};
use super::super::select;
use super::{Cut, Lowering, Value, multiply_adds};

/// Of which losses are means.
struct Elements {
    /// vec4s, padding included.
    total: usize,
    /// vec4s of one pixel or row.
    quads: usize,
    /// Of them so many floats are no padding.
    channels: usize,
    /// Without the padding.
    count: usize,
}

/// A weight under spectral normalisation as it lies in memory: a matrix of rows x columns.
struct Matrix {
    bound: Bound,
    layout: Layout,
    rows: usize,
    /// vec4s.
    columns: usize,
    /// Whether the rows are the outputs (of a linear layer), so that u goes with them.
    rows_are_outputs: bool,
}

impl Lowering<'_> {
    pub(super) fn lower_for_training(&mut self, id: NodeId, node: &Node) -> Result<()> {
        match &node.op {
            Op::Stack => {
                let first = self.graph.shape(node.inputs[0]).dims()[0];
                self.samples(id, node, &samples::SAMPLES_STACK, first)
            }
            Op::Samples { first, .. } => self.samples(id, node, &samples::SAMPLES_SOME, *first),
            Op::SamplesGrad { first, .. } => self.samples(id, node, &samples::SAMPLES_GRAD, *first),

            Op::Conv2dGradInput { conv, .. } => self.conv2d_grad_input(id, node, conv),
            Op::Conv2dGradWeight { conv, .. } => self.conv2d_grad_weight(id, node, conv),
            Op::SumPixels => self.sum_pixels(id, node),
            Op::SumRows => self.sum_rows(id, node),
            Op::SumColumns => self.sum_columns_of_row(id, node),
            Op::LinearGradInput => self.linear_grad_input(id, node),
            Op::LinearGradWeight => self.linear_grad_weight(id, node),
            Op::NormGrad { norm, wrt: NormInput::X } => self.norm_grad_input(id, node, norm),
            Op::NormGrad { norm, wrt } => self.norm_grad_parameter(id, node, norm, *wrt),
            Op::ActivationGrad(activation) => self.activation_grad(id, node, *activation),
            Op::ReflectionPad2dGrad(pad) => self.resample_grad(id, node, *pad, 0),
            Op::GlobalAvgPoolGrad { .. } => self.broadcast(id, node, &broadcast::BROADCAST_PIXELS),
            Op::BroadcastChannels(_) => self.broadcast(id, node, &broadcast::BROADCAST_CHANNELS),
            Op::GlobalMaxPoolGrad => self.max_pool_grad(id, node),
            Op::SliceColumns { start, len } => self.slice_columns(id, node, *start, *len),
            Op::Unflatten { .. } => self.unflatten(id, node),
            Op::CamWeightGrad(wrt) => self.cam_weight_grad(id, node, *wrt),

            Op::Mse { target } => self.loss(id, node, &loss::LOSS_MSE, *target),
            Op::L1 => self.loss(id, node, &loss::LOSS_L1, 0.0),
            Op::BceWithLogits { target } => self.loss(id, node, &loss::LOSS_BCE, *target),
            Op::Mean => self.loss(id, node, &loss::LOSS_MEAN, 0.0),
            Op::Hinge { target } => self.loss(id, node, &loss::LOSS_HINGE, *target),
            Op::MseGrad { target, scale } => {
                self.loss_grad(id, node, &loss_grad::LOSS_GRAD_MSE, *target, *scale)
            }
            Op::L1Grad { scale } => self.loss_grad(id, node, &loss_grad::LOSS_GRAD_L1, 0.0, *scale),
            Op::BceWithLogitsGrad { target, scale } => {
                self.loss_grad(id, node, &loss_grad::LOSS_GRAD_BCE, *target, *scale)
            }
            Op::MeanGrad { scale } => self.loss_grad(id, node, &loss_grad::LOSS_GRAD_MEAN, 0.0, *scale),
            Op::HingeGrad { target, scale } => {
                self.loss_grad(id, node, &loss_grad::LOSS_GRAD_HINGE, *target, *scale)
            }
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

            // `Lowering::lower` has them.
            of_every_network!() => Ok(()),
        }
    }

    /// `y = g W` for `n` rows of `g` and `columns` vec4s of a row of `W`, or added to `y`.
    pub(super) fn times_matrix(
        &mut self,
        params: linear_grad_input::Params,
        [g, w, y]: [Bound; 3],
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
            return self.step(shader, params, &[g, w, y], workgroups, label, flops);
        }
        let parts = self.scratch_quads(cut.splits * n * columns)?;
        let parts = self.whole(parts);
        self.step(shader, params, &[g, w, parts], workgroups, label, flops)?;
        self.sum_parts(parts, cut.splits, n * columns, y)
    }

    fn elements(&self, id: NodeId) -> Result<Elements> {
        let layout = self.layout(id)?;
        let channels = match layout {
            Layout::Image { c, .. } => c,
            Layout::Rows { k, .. } => k,
            _ => return Err(Error::Internal("a loss of a weight".into())),
        };
        let count = self.graph.shape(id).elements();
        Ok(Elements { total: layout.floats() / 4, quads: quads(channels), channels, count })
    }

    /// A kernel of `loss.wgsl`. That of one tensor reads it twice.
    fn loss(&mut self, id: NodeId, node: &Node, shader: &'static Shader, target_value: f32) -> Result<()> {
        let e = self.elements(node.inputs[0])?;
        let [x, t] = [node.inputs.first(), node.inputs.last()].map(|input| input.copied().unwrap_or(id));
        let [x, t] = [self.operand(x)?, self.operand(t)?];
        let y = self.result(id)?;
        let params = loss::Params {
            total: e.total as u32,
            quads: e.quads as u32,
            channels: e.channels as u32,
            target_value,
            scale: 1.0 / e.count as f32,
            ..loss::Params::default()
        };
        self.step(shader, params, &[x, t, self.whole(y)], [1, 1, 1], "loss", 0)
    }

    /// A kernel of `loss_grad.wgsl`, for a loss of that weight.
    fn loss_grad(
        &mut self,
        id: NodeId,
        node: &Node,
        shader: &'static Shader,
        target_value: f32,
        weight: f32,
    ) -> Result<()> {
        let e = self.elements(node.inputs[0])?;
        let [x, t] = [node.inputs.first(), node.inputs.last()].map(|input| input.copied().unwrap_or(id));
        let [x, t] = [self.operand(x)?, self.operand(t)?];
        let y = self.result(id)?;
        let params = loss_grad::Params {
            total: e.total as u32,
            quads: e.quads as u32,
            channels: e.channels as u32,
            target_value,
            scale: weight / e.count as f32,
            ..loss_grad::Params::default()
        };
        let workgroups = self.spread(e.total.div_ceil(256));
        self.step(shader, params, &[x, t, self.whole(y)], workgroups, "loss grad", 0)
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
        self.step(shader, params, &[g, self.whole(y)], [groups, 1, 1], "gradient penalty", 0)
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
        self.step(&interpolate::INTERPOLATE, params, &bindings, workgroups, "interpolate", 0)
    }

    // ---- spectral normalisation ----

    fn spectral_matrix(&self, id: NodeId) -> Result<Matrix> {
        let (layout, bound) = (self.layout(id)?, self.operand(id)?);
        Ok(match layout {
            Layout::ConvWeight { o, i, taps } => Matrix {
                bound,
                layout,
                rows: taps * i.next_multiple_of(4),
                columns: quads(o),
                rows_are_outputs: false,
            },
            Layout::LinearWeight { m, k } => Matrix {
                bound,
                layout,
                rows: m.next_multiple_of(4),
                columns: quads(k),
                rows_are_outputs: true,
            },
            _ => return Err(Error::Shape("spectral normalisation needs a weight".into())),
        })
    }

    /// The layout of v: it goes with the inputs.
    fn v_layout(&self, w: &Matrix, id: NodeId) -> Layout {
        match w.layout {
            Layout::ConvWeight { i, taps, .. } => Layout::ConvRows { i, taps },
            _ => Layout::activation(self.graph.shape(id)),
        }
    }

    /// `y = W x` where `x` goes with the columns of memory: one dot product per row.
    fn multiply(&mut self, w: &Matrix, x: Bound, y: Value) -> Result<()> {
        let params = linear::Params {
            in_quads: w.columns as u32,
            out_quads: (w.rows / 4) as u32,
            ..linear::Params::default()
        };
        let shader = if w.columns >= 256 { &linear::LINEAR_256 } else { &linear::LINEAR_64 };
        let bindings = [x, w.bound, x, self.whole(y)];
        self.step(
            shader,
            params,
            &bindings,
            [w.rows / 4, 1, 1],
            "spectral matrix product",
            multiply_adds(&[w.rows, 4 * w.columns]),
        )
    }

    /// `y = xᵀ W` where `x` goes with the rows of memory.
    fn multiply_transposed(&mut self, w: &Matrix, x: Bound, y: Value) -> Result<()> {
        let params = linear_grad_input::Params {
            in_quads: w.columns as u32,
            g_quads: (w.rows / 4) as u32,
            rows: w.rows as u32,
            ..linear_grad_input::Params::default()
        };
        self.times_matrix(params, [x, w.bound, self.whole(y)], 1, "spectral matrix product")
    }

    /// The product of W with the vector that goes with its inputs (`outputs` false: that goes
    /// with its outputs), and the vec4s of the result.
    fn product(&mut self, w: &Matrix, x: Bound, outputs: bool) -> Result<(Value, usize)> {
        let along_rows = w.rows_are_outputs == outputs;
        let total = if along_rows { w.columns } else { w.rows / 4 };
        let y = self.scratch_quads(total)?;
        if along_rows {
            self.multiply_transposed(w, x, y)?;
        } else {
            self.multiply(w, x, y)?;
        }
        Ok((y, total))
    }

    /// W, u → v, or W, v → u.
    pub(super) fn power_iteration(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let w = self.spectral_matrix(node.inputs[0])?;
        let x = self.operand(node.inputs[1])?;
        let from_u = node.op == Op::PowerIterationV;
        let (product, total) = self.product(&w, x, from_u)?;
        if !from_u {
            self.spectral_products.insert((node.inputs[0], node.inputs[1]), (product, total));
        }
        let layout = if from_u { self.v_layout(&w, id) } else { Layout::activation(&node.shape) };
        let y = self.result_in(id, layout)?;
        let params = normalize::Params { total: total as u32, ..normalize::Params::default() };
        let bindings = [self.whole(product), self.whole(y)];
        self.step(&normalize::NORMALIZE, params, &bindings, [1, 1, 1], "normalize", 0)
    }

    /// `u · (W v)`
    pub(super) fn spectral_sigma(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let w = self.spectral_matrix(node.inputs[0])?;
        let (u, v) = (self.operand(node.inputs[1])?, self.operand(node.inputs[2])?);
        // The power iteration for u has computed it.
        let (product, total) = match self.spectral_products.get(&(node.inputs[0], node.inputs[2])) {
            Some(&product) => product,
            None => self.product(&w, v, false)?,
        };
        let y = self.result(id)?;
        // The vector u may have fewer vec4s than the product, whose padding is zero.
        let total = total.min((u.bytes / 16) as usize);
        self.dot(u, self.whole(product), total, y)
    }

    /// The dot product of `total` vec4s of `a` and `b`.
    fn dot(&mut self, a: Bound, b: Bound, total: usize, y: Value) -> Result<()> {
        let groups = total.div_ceil(1024).clamp(1, 256);
        let partials = if groups == 1 { y } else { self.scratch_quads(groups)? };
        // `y` may be older than this scratch memory; both are written from here on.
        let launch =
            |this: &mut Self, shader: &'static Shader, total: usize, from: [Bound; 2], to, groups| {
                let params = dot::Params { total: total as u32, ..dot::Params::default() };
                let bindings = [from[0], from[1], this.whole(to)];
                this.step(shader, params, &bindings, [groups, 1, 1], "dot", 0)
            };
        launch(self, &dot::DOT_PARTIAL, total, [a, b], partials, groups)?;
        if groups == 1 {
            return Ok(());
        }
        let partials = self.whole(partials);
        launch(self, &dot::DOT_FINAL, groups, [partials, partials], y, 1)
    }

    /// `W / sigma`
    pub(super) fn spectral_norm(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let w = self.spectral_matrix(node.inputs[0])?;
        let sigma = self.operand(node.inputs[1])?;
        let y = self.result_in(id, w.layout)?;
        let total = w.layout.floats() / 4;
        let params = scale::Params { total: total as u32, ..scale::Params::default() };
        let workgroups = self.spread(total.div_ceil(256));
        self.step(&scale::DIVIDE, params, &[w.bound, sigma, self.whole(y)], workgroups, "spectral norm", 0)
    }

    pub(super) fn spectral_norm_grad(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let g = self.operand(node.inputs[0])?;
        let w = self.spectral_matrix(node.inputs[1])?;
        let [sigma, u, v] = [2, 3, 4].map(|k| self.operand(node.inputs[k]));
        let (sigma, u, v) = (sigma?, u?, v?);
        let total = w.layout.floats() / 4;
        let product = self.scratch_quads(1)?;
        self.dot(g, w.bound, total, product)?;
        let y = self.result_in(id, w.layout)?;
        let (p, q) = if w.rows_are_outputs { (u, v) } else { (v, u) };
        let params = spectral_norm_grad::Params {
            total: total as u32,
            columns: w.columns as u32,
            p_quads: (p.bytes / 16) as u32,
            ..spectral_norm_grad::Params::default()
        };
        let bindings = [g, sigma, self.whole(product), p, q, self.whole(y)];
        let workgroups = self.spread(total.div_ceil(256));
        self.step(
            &spectral_norm_grad::SPECTRAL_NORM_GRAD,
            params,
            &bindings,
            workgroups,
            "spectral norm grad",
            0,
        )
    }
}
