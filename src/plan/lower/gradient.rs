//! The gradients of the networks' operations but the convolution.

use crate::catalogue::{
    activation_grad, broadcast, cam_weight_grad, linear_grad_input, linear_grad_weight, max_pool_grad,
    norm_grad_apply, norm_grad_coefficients, norm_grad_group, norm_grad_parameter, norm_grad_reduce, pool,
    reduce, samples, slice_columns, unflatten,
};
use crate::error::Result;
use crate::graph::{Activation, CamInput, Node, NodeId, Norm, NormInput, NormKind, Op};
use crate::shader::Shader;

use super::super::layout::{Layout, quads};
use super::row::rows;
use super::{Lowering, Value, activation_code, multiply_adds};

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
        let variants = [&reduce::REDUCE_SUM_16, &reduce::REDUCE_SUM_4, &reduce::REDUCE_SUM_SERIAL];
        let reduction = self.reduce(x, [1, c, pixels], 1, variants, "sum")?;
        let y = self.result(id)?;
        self.pool(&pool::POOL_SUM, reduction, [1, c], 1.0, y)
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
        let (g, x) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);

        let chunks = self.moments(node.inputs[1])?;
        let moments = self.channel_moments(node.inputs[1], chunks)?;

        let shader = match q {
            16.. => &norm_grad_reduce::NORM_GRAD_REDUCE_16,
            _ => &norm_grad_reduce::NORM_GRAD_REDUCE_4,
        };
        let partials = self.scratch_quads(2 * n * chunks.chunks * q)?;
        let params = norm_grad_reduce::Params {
            pixels: pixels as u32,
            quads: q as u32,
            chunk: chunks.chunk as u32,
            reserved: 0,
        };
        let workgroups = [q.div_ceil(shader.workgroup_size[0] as usize), chunks.chunks, n];
        let bindings = [g, x, self.whole(moments), self.whole(partials)];
        self.step(shader, params, &bindings, workgroups, format!("norm grad sums {c} of {pixels}"), 0)?;

        let record = self.scratch_quads(7 * n * q)?;
        let [moments, partials] = [moments, partials].map(|value| self.whole(value));
        let label = format!("norm grad coefficients {c}");
        if let NormKind::Group { groups } = norm.kind {
            let params = norm_grad_group::Params {
                pixels: pixels as u32,
                channels: c as u32,
                quads: q as u32,
                chunks: chunks.chunks as u32,
                gamma_stride: self.gamma_stride(node.inputs[2], q),
                eps: norm.eps,
                group: (c / groups) as u32,
                ..norm_grad_group::Params::default()
            };
            let bindings = [moments, partials, self.operand(node.inputs[2])?, self.whole(record)];
            let shader = &norm_grad_group::NORM_GRAD_GROUP;
            self.step(shader, params, &bindings, [n, 1, 1], label, 0)?;
            self.records.insert(key, record);
            return Ok(record);
        }
        let mut params = norm_grad_coefficients::Params {
            pixels: pixels as u32,
            channels: c as u32,
            quads: q as u32,
            chunks: chunks.chunks as u32,
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
        self.step(shader, params, &bindings, [n, 1, 1], label, 0)?;
        self.records.insert(key, record);
        Ok(record)
    }

    pub(super) fn norm_grad_input(&mut self, id: NodeId, node: &Node, norm: &Norm) -> Result<()> {
        let record = self.norm_record(node, norm)?;
        let [n, c, h, w] = self.image(id)?;
        let (q, pixels) = (quads(c), h * w);
        let (g, x) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);
        let y = self.result(id)?;
        let stride = self.apply_stride(pixels, q);
        let params = norm_grad_apply::Params {
            pixels: pixels as u32,
            quads: q as u32,
            stride: stride as u32,
            reserved_0: 0,
        };
        let bindings = [g, x, self.whole(record), self.whole(y)];
        let workgroups = [(stride * q).div_ceil(256), n, 1];
        self.step(&norm_grad_apply::NORM_GRAD_APPLY, params, &bindings, workgroups, "norm grad apply", 0)
    }

    pub(super) fn norm_grad_parameter(
        &mut self,
        id: NodeId,
        node: &Node,
        norm: &Norm,
        wrt: NormInput,
    ) -> Result<()> {
        let record = self.norm_record(node, norm)?;
        let [n, c, ..] = self.image(node.inputs[1])?;
        let q = quads(c);
        // Groups have no rho, and nobody reads it.
        let last = node.inputs[node.inputs.len() - 1];
        let (rho, gamma) = (self.operand(node.inputs[2])?, self.operand(last)?);
        let y = self.result(id)?;
        let gamma_stride = self.gamma_stride(last, q);
        let (shader, shared) = match wrt {
            NormInput::Rho => (&norm_grad_parameter::NORM_GRAD_RHO, true),
            NormInput::Gamma if norm.kind != NormKind::LayerInstance => {
                (&norm_grad_parameter::NORM_GRAD_GROUP_GAMMA, gamma_stride == 0)
            }
            NormInput::Gamma => (&norm_grad_parameter::NORM_GRAD_GAMMA, gamma_stride == 0),
            _ => (&norm_grad_parameter::NORM_GRAD_BETA, gamma_stride == 0),
        };
        let (total, samples) = if shared { (q, n) } else { (n * q, 1) };
        let params = norm_grad_parameter::Params {
            total: total as u32,
            quads: q as u32,
            samples: samples as u32,
            gamma_stride,
        };
        let bindings = [self.whole(record), rho, gamma, self.whole(y)];
        self.step(shader, params, &bindings, [total.div_ceil(64), 1, 1], "norm grad parameter", 0)
    }

    pub(super) fn activation_grad(&mut self, id: NodeId, node: &Node, activation: Activation) -> Result<()> {
        let layout = self.layout(node.inputs[0])?;
        let (g, result) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);
        let y = self.result_in(id, layout)?;
        let total = layout.floats() / 4;
        let (activation, slope) = activation_code(activation);
        let params = activation_grad::Params { total: total as u32, activation, slope, reserved_0: 0 };
        let (bindings, workgroups) = ([g, result, self.whole(y)], self.spread(total.div_ceil(256)));
        self.step(&activation_grad::ACTIVATION_GRAD, params, &bindings, workgroups, "activation grad", 0)
    }

    /// The gradients of average pooling (over pixels) and of a sum over channels.
    pub(super) fn broadcast(&mut self, id: NodeId, node: &Node, shader: &'static Shader) -> Result<()> {
        let [n, c, h, w] = self.image(id)?;
        let x = self.operand(node.inputs[0])?;
        let y = self.result(id)?;
        let total = n * h * w * quads(c);
        let params = broadcast::Params {
            total: total as u32,
            pixels: (h * w) as u32,
            channels: c as u32,
            quads: quads(c) as u32,
            scale: 1.0 / (h * w) as f32,
            ..broadcast::Params::default()
        };
        let (bindings, workgroups) = ([x, self.whole(y)], self.spread(total.div_ceil(256)));
        self.step(shader, params, &bindings, workgroups, "broadcast", 0)
    }

    pub(super) fn max_pool_grad(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [n, c, h, w] = self.image(id)?;
        let (g, x) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);
        let y = self.result(id)?;
        let params = max_pool_grad::Params {
            pixels: (h * w) as u32,
            quads: quads(c) as u32,
            ..max_pool_grad::Params::default()
        };
        let bindings = [g, x, self.whole(y)];
        self.step(&max_pool_grad::MAX_POOL_GRAD, params, &bindings, [n * quads(c), 1, 1], "max pool grad", 0)
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
        self.step(&max_pool_grad::AT_MAXIMUM, params, &bindings, [n * quads(c), 1, 1], "at maximum", 0)
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
        self.step(&slice_columns::SLICE_COLUMNS, params, &bindings, workgroups, "slice", 0)
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
        self.step(&unflatten::UNFLATTEN, params, &bindings, workgroups, "unflatten", 0)
    }

    pub(super) fn linear_grad_input(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let ([n, m], weight) = (self.matrix(node.inputs[0])?, self.layout(node.inputs[1])?);
        let layout = match weight {
            Layout::FlattenedWeight { c, pixels, .. } => Layout::Image { n, c, pixels },
            _ => Layout::activation(&node.shape),
        };
        let in_quads = layout.floats() / 4 / n;
        let g = self.operand(node.inputs[0])?;
        let blocks = self.operands(node.inputs[1])?;
        let y = self.result_in(id, layout)?;
        let mut first_row = 0;
        for block in blocks {
            let rows = ((block.bytes / 16) as usize / in_quads).min(m - first_row);
            let params = linear_grad_input::Params {
                in_quads: in_quads as u32,
                g_quads: quads(m) as u32,
                rows: rows as u32,
                first_row: first_row as u32,
                accumulate: u32::from(first_row > 0),
                ..linear_grad_input::Params::default()
            };
            self.times_matrix(params, [g, block, self.whole(y)], n, "linear grad input")?;
            first_row += rows;
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
        let y = self.result_in(id, layout)?;
        let total = layout.floats() / 4;
        let params = linear_grad_weight::Params {
            total: total as u32,
            batch: n as u32,
            in_quads: in_quads as u32,
            g_quads: quads(m) as u32,
        };
        let (bindings, workgroups) = ([g, x, self.whole(y)], self.spread(total.div_ceil(256)));
        let shader = &linear_grad_weight::LINEAR_GRAD_WEIGHT;
        let flops = multiply_adds(&[n, m, 4 * in_quads]);
        self.step(shader, params, &bindings, workgroups, "linear grad weight", flops)
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
        let y = self.result_in(id, layout)?;
        bindings.push(self.whole(y));
        let total = layout.floats() / 4;
        let params = cam_weight_grad::Params {
            total: total as u32,
            channels: c as u32,
            out_quads: quads(o) as u32,
            columns: quads(c) as u32,
            first_row: first_row as u32,
            ..cam_weight_grad::Params::default()
        };
        let workgroups = self.spread(if wrt == CamInput::Mix { total.div_ceil(256) } else { total });
        self.step(shader, params, &bindings, workgroups, "cam weight grad", 0)
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
        let params =
            samples::Params { total: total as u32, start: start as u32, count: a as u32, reserved: 0 };
        let mut bindings = node.inputs.iter().map(|&x| self.operand(x)).collect::<Result<Vec<_>>>()?;
        let y = self.result(id)?;
        bindings.push(self.whole(y));
        self.step(shader, params, &bindings, self.spread(total.div_ceil(256)), "samples", 0)
    }
}
