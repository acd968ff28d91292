//! The gradients of the networks' operations but the convolution.

use crate::catalogue::{
    activation_grad, broadcast, cam_weight_grad, linear_grad_input, linear_grad_weight, max_pool_grad,
    norm_grad_apply, norm_grad_coefficients, norm_grad_group, norm_grad_parameter, norm_grad_reduce, samples,
    slice_columns, unflatten,
};
use crate::error::Result;
use crate::graph::{Activation, CamInput, Node, NodeId, Norm, NormInput, NormKind, Op};
use crate::shader::Shader;

use super::super::Bound;
use super::super::layout::{Layout, quads};
use super::divided::Divided;
use super::pool::chunks;
use super::row::rows;
use super::{Lowering, Value, activation_code, multiply_adds};

/// A gradient behind an activation and that one's result, if there is one.
struct Behind {
    g: Bound,
    /// Where there is none it is not read.
    result: Bound,
    activation: u32,
    slope: f32,
}

impl Lowering<'_> {
    /// All samples' pixels lie one after the other: one long picture.
    pub(super) fn sum_pixels(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [n, c, h, w] = self.image(node.inputs[0])?;
        self.sum_columns(id, node, c, n * h * w)
    }

    pub(super) fn sum_rows(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [n, k] = self.matrix(node.inputs[0])?;
        self.sum_columns(id, node, k, n)
    }

    fn sum_columns(&mut self, id: NodeId, node: &Node, c: usize, pixels: usize) -> Result<()> {
        let x = self.operand(node.inputs[0])?;
        self.pool(true, x, [1, c, pixels], 1.0, |this| this.summed(id), "sum")
    }

    /// What all gradients of one normalisation share (see norm_grad_coefficients.wgsl), computed
    /// once. The operands are those of [`Op::NormGrad`].
    fn norm_record(&mut self, node: &Node, norm: &Norm) -> Result<Value> {
        let key = (node.inputs.clone(), norm.kind, norm.eps.to_bits(), norm.unbiased);
        if let Some(&record) = self.records.get(&key) {
            return Ok(record);
        }
        let [n, c, h, w] = self.image(node.inputs[1])?;
        let (q, pixels) = (quads(c), h * w);
        let behind = self.behind_activation(node.inputs[0])?;
        let x = self.operand(node.inputs[1])?;
        let moments = self.channel_moments(node.inputs[1])?;

        let shader = match q {
            16.. => &norm_grad_reduce::NORM_GRAD_REDUCE_16,
            _ => &norm_grad_reduce::NORM_GRAD_REDUCE_4,
        };
        let (chunk, chunks) = chunks(shader, pixels);
        let partials = self.scratch_quads(2 * n * chunks * q)?;
        let params = norm_grad_reduce::Params {
            pixels: pixels as u32,
            quads: q as u32,
            chunk: chunk as u32,
            activation: behind.activation,
            slope: behind.slope,
            ..norm_grad_reduce::Params::default()
        };
        let workgroups = [q.div_ceil(shader.workgroup_size[0] as usize), chunks, n];
        let bindings = [behind.g, x, self.whole(moments), behind.result, self.whole(partials)];
        self.launch(shader, params, &bindings, workgroups, format!("norm grad sums {c} of {pixels}"), 0)?;

        let record = self.scratch_quads(7 * n * q)?;
        let [moments, partials] = [moments, partials].map(|value| self.whole(value));
        let label = format!("norm grad coefficients {c}");
        if let NormKind::Group { groups } = norm.kind {
            let params = norm_grad_group::Params {
                pixels: pixels as u32,
                channels: c as u32,
                quads: q as u32,
                chunks: chunks as u32,
                gamma_stride: self.gamma_stride(node.inputs[2], q),
                eps: norm.eps,
                group: (c / groups) as u32,
                ..norm_grad_group::Params::default()
            };
            let bindings = [moments, partials, self.operand(node.inputs[2])?, self.whole(record)];
            let shader = &norm_grad_group::NORM_GRAD_GROUP;
            self.launch(shader, params, &bindings, [n, 1, 1], label, 0)?;
            self.records.insert(key, record);
            return Ok(record);
        }
        let mut params = norm_grad_coefficients::Params {
            pixels: pixels as u32,
            channels: c as u32,
            quads: q as u32,
            chunks: chunks as u32,
            gamma_stride: 0,
            eps: norm.eps,
            unbiased: u32::from(norm.unbiased),
            ..norm_grad_coefficients::Params::default()
        };
        let mut bindings = vec![moments, partials];
        let mut shader = &norm_grad_coefficients::NORM_GRAD_COEFFICIENTS_INSTANCE;
        if norm.kind == NormKind::LayerInstance {
            bindings.extend([self.operand(node.inputs[2])?, self.operand(node.inputs[3])?]);
            params.gamma_stride = self.gamma_stride(node.inputs[3], q);
            shader = &norm_grad_coefficients::NORM_GRAD_COEFFICIENTS_LAYER;
        }
        bindings.push(self.whole(record));
        self.launch(shader, params, &bindings, [n, 1, 1], label, 0)?;
        self.records.insert(key, record);
        Ok(record)
    }

    pub(super) fn norm_grad_input(&mut self, id: NodeId, node: &Node, norm: &Norm) -> Result<()> {
        let record = self.norm_record(node, norm)?;
        let [n, c, h, w] = self.image(id)?;
        let (q, pixels) = (quads(c), h * w);
        let behind = self.behind_activation(node.inputs[0])?;
        let x = self.operand(node.inputs[1])?;
        let (y, accumulate) = self.summed(id)?;
        let stride = self.apply_stride(pixels, q);
        let params = norm_grad_apply::Params {
            pixels: pixels as u32,
            quads: q as u32,
            stride: stride as u32,
            activation: behind.activation,
            slope: behind.slope,
            accumulate,
            ..norm_grad_apply::Params::default()
        };
        let bindings = [behind.g, x, self.whole(record), behind.result, self.whole(y)];
        let workgroups = [(stride * q).div_ceil(256), n, 1];
        self.launch(&norm_grad_apply::NORM_GRAD_APPLY, params, &bindings, workgroups, "norm grad apply", 0)
    }

    /// The gradients of a normalisation at its parameters, all that the graph has in one launch.
    pub(super) fn norm_grad_parameters(&mut self, id: NodeId, node: &Node, norm: &Norm) -> Result<()> {
        if self.computed.contains(&id) {
            return Ok(());
        }
        let record = self.norm_record(node, norm)?;
        let [n, c, ..] = self.image(node.inputs[1])?;
        let q = quads(c);
        let last = node.inputs[node.inputs.len() - 1];
        let (mut at, mut accumulates) = (vec![], 0);
        for (bit, wrt) in [NormInput::Rho, NormInput::Gamma, NormInput::Beta].into_iter().enumerate() {
            let of_graph = self.graph.iter().find(|(other, of)| {
                let asked = Op::NormGrad { norm: *norm, wrt };
                of.op == asked && of.inputs == node.inputs && (*other == id || self.is_addable(*other, id))
            });
            let (y, accumulate) = match of_graph {
                Some((other, _)) => {
                    self.computed.insert(other);
                    self.summed(other)?
                }
                None if wrt == NormInput::Rho => (self.scratch_quads(q)?, 0),
                None => (self.scratch_quads(n * q)?, 0),
            };
            at.push(self.whole(y));
            accumulates |= accumulate << bit;
        }
        let params = norm_grad_parameter::Params {
            quads: q as u32,
            samples: n as u32,
            gamma_stride: self.gamma_stride(last, q),
            accumulate: accumulates,
        };
        let mut bindings = vec![self.whole(record)];
        let shader = match norm.kind {
            NormKind::LayerInstance => {
                bindings.extend([self.operand(node.inputs[2])?, self.operand(last)?]);
                &norm_grad_parameter::NORM_GRAD_PARAMETER_LAYER
            }
            _ => {
                at.remove(0);
                &norm_grad_parameter::NORM_GRAD_PARAMETER_GROUP
            }
        };
        bindings.extend(at);
        self.launch(shader, params, &bindings, [q.div_ceil(64), 1, 1], "norm grad parameters", 0)
    }

    /// A gradient before an activation, as the kernels that compute it on the way read it.
    fn behind_activation(&self, g: NodeId) -> Result<Behind> {
        match self.graph.node(g) {
            Node { op: Op::ActivationGrad(activation), inputs, .. } if self.absorbed.is_activation(g) => {
                let (activation, slope) = activation_code(*activation);
                let [g, result] = [0, 1].map(|k| self.operand(inputs[k]));
                Ok(Behind { g: g?, result: result?, activation, slope })
            }
            _ => {
                let g = self.operand(g)?;
                Ok(Behind { g, result: g, activation: 0, slope: 0.0 })
            }
        }
    }

    pub(super) fn activation_grad(&mut self, id: NodeId, node: &Node, activation: Activation) -> Result<()> {
        if self.absorbed.is_activation(id) || self.computed.contains(&id) {
            return Ok(());
        }
        let layout = self.layout(node.inputs[0])?;
        let (g, result) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);
        let y = self.result_in(id, layout)?;
        let total = layout.floats() / 4;
        let (activation, slope) = activation_code(activation);
        let params = activation_grad::Params { total: total as u32, activation, slope, reserved_0: 0 };
        let (bindings, workgroups) = ([g, result, self.whole(y)], self.spread(total.div_ceil(256)));
        self.launch(&activation_grad::ACTIVATION_GRAD, params, &bindings, workgroups, "activation grad", 0)
    }

    /// The gradients of average pooling (over pixels) and of a sum over channels.
    pub(super) fn broadcast(&mut self, id: NodeId, node: &Node, shader: &'static Shader) -> Result<()> {
        let [n, c, h, w] = self.image(id)?;
        let x = self.operand(node.inputs[0])?;
        let (y, accumulate) = self.summed(id)?;
        let total = n * h * w * quads(c);
        let params = broadcast::Params {
            accumulate,
            total: total as u32,
            pixels: (h * w) as u32,
            channels: c as u32,
            quads: quads(c) as u32,
            scale: 1.0 / (h * w) as f32,
            ..broadcast::Params::default()
        };
        let (bindings, workgroups) = ([x, self.whole(y)], self.spread(total.div_ceil(256)));
        self.launch(shader, params, &bindings, workgroups, "broadcast", 0)
    }

    pub(super) fn max_pool_grad(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [n, c, h, w] = self.image(id)?;
        let (g, x) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);
        let (y, accumulate) = self.summed(id)?;
        let params = max_pool_grad::Params {
            pixels: (h * w) as u32,
            quads: quads(c) as u32,
            accumulate,
            ..max_pool_grad::Params::default()
        };
        let bindings = [g, x, self.whole(y)];
        self.launch(
            &max_pool_grad::MAX_POOL_GRAD,
            params,
            &bindings,
            [n * quads(c), 1, 1],
            "max pool grad",
            0,
        )
    }

    /// What another tensor has at the place of the maximum.
    pub(super) fn at_maximum(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [n, c, h, w] = self.image(node.inputs[1])?;
        let (u, x) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);
        let y = self.result(id)?;
        let params = max_pool_grad::Params {
            pixels: (h * w) as u32,
            quads: quads(c) as u32,
            ..max_pool_grad::Params::default()
        };
        let bindings = [u, x, self.whole(y)];
        self.launch(&max_pool_grad::AT_MAXIMUM, params, &bindings, [n * quads(c), 1, 1], "at maximum", 0)
    }

    pub(super) fn slice_columns(&mut self, id: NodeId, node: &Node, start: usize, len: usize) -> Result<()> {
        let (n, columns) = (rows(&node.shape), self.graph.shape(node.inputs[0]).dims()[1]);
        let x = self.operand(node.inputs[0])?;
        let y = self.result(id)?;
        let total = n * quads(len);
        let params = slice_columns::Params {
            total: total as u32,
            x_quads: quads(columns) as u32,
            y_quads: quads(len) as u32,
            start: start as u32,
            len: len as u32,
            ..slice_columns::Params::default()
        };
        let (bindings, workgroups) = ([x, self.whole(y)], self.spread(total.div_ceil(256)));
        self.launch(&slice_columns::SLICE_COLUMNS, params, &bindings, workgroups, "slice", 0)
    }

    /// Launches nothing where the rows already lie as features.
    pub(super) fn unflatten(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let source = self.values[node.inputs[0].index()];
        if let Some((_, Layout::Image { .. })) = source {
            self.values[id.index()] = source;
            return Ok(());
        }
        let [n, c, h, w] = self.image(id)?;
        let x = self.operand(node.inputs[0])?;
        let y = self.result(id)?;
        let total = n * h * w * quads(c);
        let params = unflatten::Params {
            total: total as u32,
            pixels: (h * w) as u32,
            channels: c as u32,
            quads: quads(c) as u32,
            x_quads: quads(c * h * w) as u32,
            ..unflatten::Params::default()
        };
        let (bindings, workgroups) = ([x, self.whole(y)], self.spread(total.div_ceil(256)));
        self.launch(&unflatten::UNFLATTEN, params, &bindings, workgroups, "unflatten", 0)
    }

    pub(super) fn linear_grad_input(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let ([n, m], weight) = (self.matrix(node.inputs[0])?, self.layout(node.inputs[1])?);
        let layout = match weight {
            Layout::FlattenedWeight { c, pixels, .. } => Layout::Image { n, c, pixels },
            _ => Layout::activation(&node.shape),
        };
        let in_quads = layout.floats() / 4 / n;
        let g = self.operand(node.inputs[0])?;
        let blocks = self.divided_rows(node.inputs[1])?;
        let (y, mut accumulate) = self.summed_in(id, layout)?;
        let mut first_row = 0;
        for Divided { weight: block, divisors: [divisor, _], divides } in blocks {
            let rows = ((block.bytes / 16) as usize / in_quads).min(m - first_row);
            let params = linear_grad_input::Params {
                in_quads: in_quads as u32,
                g_quads: quads(m) as u32,
                rows: rows as u32,
                first_row: first_row as u32,
                accumulate,
                divides,
                ..linear_grad_input::Params::default()
            };
            self.times_matrix(params, [g, block, divisor, self.whole(y)], n, "linear grad input")?;
            first_row += rows;
            accumulate = 1;
        }
        Ok(())
    }

    pub(super) fn linear_grad_weight(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let ([n, k], [_, m]) = (self.matrix(node.inputs[0])?, self.matrix(node.inputs[1])?);
        // Over flattened features the gradient lies as the weight does, and they are read as
        // they lie.
        let source = self.graph.node(node.inputs[0]);
        let (x, layout) = if source.op == Op::Flatten {
            let [_, c, h, w] = self.image(source.inputs[0])?;
            (source.inputs[0], Layout::FlattenedWeight { m, c, pixels: h * w })
        } else {
            (node.inputs[0], Layout::LinearWeight { m, k })
        };
        let in_quads = layout.floats() / 4 / m.next_multiple_of(4);
        let (x, g) = (self.operand(x)?, self.operand(node.inputs[1])?);
        let (y, accumulate) = self.summed_in(id, layout)?;
        let total = layout.floats() / 4;
        let params = linear_grad_weight::Params {
            accumulate,
            total: total as u32,
            batch: n as u32,
            in_quads: in_quads as u32,
            g_quads: quads(m) as u32,
            ..linear_grad_weight::Params::default()
        };
        let (bindings, workgroups) = ([g, x, self.whole(y)], self.spread(total.div_ceil(256)));
        let shader = &linear_grad_weight::LINEAR_GRAD_WEIGHT;
        let flops = multiply_adds(&[n, m, 4 * in_quads]);
        self.launch(shader, params, &bindings, workgroups, "linear grad weight", flops)
    }

    pub(super) fn cam_weight_grad(&mut self, id: NodeId, node: &Node, wrt: CamInput) -> Result<()> {
        let [o, c, ..] = self.image(node.inputs[0])?;
        let mut bindings = node.inputs.iter().map(|&i| self.operand(i)).collect::<Result<Vec<_>>>()?;
        let (shader, layout, first_row) = match wrt {
            CamInput::Mix => {
                let layout = Layout::ConvWeight { o, i: 2 * c, taps: 1 };
                (&cam_weight_grad::CAM_WEIGHT_GRAD_MIX, layout, 0)
            }
            _ => {
                let first_row = if wrt == CamInput::Gmp { c } else { 0 };
                (&cam_weight_grad::CAM_WEIGHT_GRAD_POOLED, Layout::LinearWeight { m: 1, k: c }, first_row)
            }
        };
        let (y, accumulate) = self.summed_in(id, layout)?;
        bindings.push(self.whole(y));
        let total = layout.floats() / 4;
        let params = cam_weight_grad::Params {
            accumulate,
            total: total as u32,
            channels: c as u32,
            out_quads: quads(o) as u32,
            columns: quads(c) as u32,
            first_row: first_row as u32,
            ..cam_weight_grad::Params::default()
        };
        let workgroups = self.spread(if wrt == CamInput::Mix { total.div_ceil(256) } else { total });
        self.launch(shader, params, &bindings, workgroups, "cam weight grad", 0)
    }

    /// Samples put one after the other, the second ones from the sample `first` of the result on, or taken out
    /// from there on.
    pub(super) fn samples(
        &mut self,
        id: NodeId,
        node: &Node,
        shader: &'static Shader,
        first: usize,
    ) -> Result<()> {
        let vec4s = |this: &Self, id: NodeId| Layout::activation(this.graph.shape(id)).floats() / 4;
        let (a, total) = (vec4s(self, node.inputs[0]), vec4s(self, id));
        let start = first * (total / node.shape.dims()[0]);
        let mut bindings = node.inputs.iter().map(|&x| self.operand(x)).collect::<Result<Vec<_>>>()?;
        let (y, accumulate) = self.summed(id)?;
        let params =
            samples::Params { total: total as u32, start: start as u32, count: a as u32, accumulate };
        bindings.push(self.whole(y));
        self.launch(shader, params, &bindings, self.spread(total.div_ceil(256)), "samples", 0)
    }
}
