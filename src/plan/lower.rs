//! One graph node → its launches.

use bytemuck::NoUninit;

use crate::catalogue::{
    cam_weight, concat, conv2d, flatten, linear, norm_apply, norm_coefficients, pointwise, pool, reduce,
    resample, sum_channels,
};
use crate::error::{Error, Result};
use crate::graph::{Activation, Conv2d, Graph, Node, NodeId, Norm, NormKind, Op};
use crate::shader::Shader;

use super::layout::{Layout, quads};
use super::memory::{Demand, assign};
use super::select::{conv2d, conv2d_tile};
use super::{Bound, Memory, ParameterMap, Plan, Step, Target, Terminal};

/// A tensor while planning: before buffers are assigned, `Memory::Buffer` holds the index of
/// one of these.
type Value = usize;

pub(super) struct Lowering<'a> {
    graph: &'a Graph,
    parameters: &'a ParameterMap,
    target: &'a Target,
    /// Each value's memory and life, in order of birth.
    demands: Vec<Demand>,
    /// The value of each node; parameters have none.
    values: Vec<Option<Value>>,
    plan: Plan,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(graph: &'a Graph, parameters: &'a ParameterMap, target: &'a Target) -> Self {
        let values = vec![None; graph.nodes().len()];
        Self { graph, parameters, target, demands: vec![], values, plan: Plan::default() }
    }

    pub(super) fn run(mut self, outputs: &[NodeId]) -> Result<Plan> {
        // Inputs are written before the first step, in whatever order.
        for (id, node) in self.graph.inputs() {
            let layout = Layout::of_leaf(self.graph, id)?;
            let value = self.value(layout)?;
            self.demands[value].live = 0..=0;
            self.values[id.index()] = Some(value);
            let (name, shape) = (node.name.clone(), node.shape.clone());
            self.plan.inputs.push(Terminal { name, shape, layout, buffer: value });
        }
        for (id, node) in self.graph.iter() {
            self.lower(id, node, outputs)?;
        }
        for (i, &id) in outputs.iter().enumerate() {
            let layout = match self.graph.node(id).op {
                Op::Input => Layout::of_leaf(self.graph, id)?,
                // Channels in, output channels out: the layout of a convolution's weight.
                Op::CamWeight => self.weight_layout(id),
                _ => Layout::activation(self.graph.shape(id)),
            };
            let Some(value) = self.values[id.index()] else {
                return Err(Error::Shape(format!("output {i} is a parameter; read it from the model")));
            };
            self.demands[value].live = *self.demands[value].live.start()..=self.plan.steps.len() + 1;
            let shape = self.graph.shape(id).clone();
            self.plan.outputs.push(Terminal { name: i.to_string(), shape, layout, buffer: value });
        }

        let assignment = assign(&self.demands);
        for step in &mut self.plan.steps {
            for bound in &mut step.bindings {
                if let Memory::Buffer(value) = &mut bound.memory {
                    *value = assignment.of[*value];
                }
            }
        }
        for terminal in self.plan.inputs.iter_mut().chain(&mut self.plan.outputs) {
            terminal.buffer = assignment.of[terminal.buffer];
        }
        self.plan.buffers = assignment.buffers;
        Ok(self.plan)
    }

    // ---- values and operands ----

    fn value(&mut self, layout: Layout) -> Result<Value> {
        self.scratch(layout.bytes())
    }

    /// Memory that is born with the next step.
    fn scratch(&mut self, bytes: u64) -> Result<Value> {
        if bytes > self.target.max_binding {
            return Err(self.target.limit(format!(
                "a tensor of this picture size needs {} MiB in one binding, the adapter allows {} MiB; use a smaller --size, or --device cpu",
                bytes >> 20,
                self.target.max_binding >> 20
            )));
        }
        // Step i is counted as i + 1, so that inputs can be born at 0.
        let birth = self.plan.steps.len() + 1;
        self.demands.push(Demand { bytes: bytes.max(16), live: birth..=birth });
        Ok(self.demands.len() - 1)
    }

    /// The memory for a node's result.
    fn result(&mut self, id: NodeId) -> Result<Value> {
        let layout =
            if self.graph.node(id).op == Op::CamWeight { self.weight_layout(id) } else { self.layout(id) };
        let value = self.value(layout)?;
        self.values[id.index()] = Some(value);
        Ok(value)
    }

    fn layout(&self, id: NodeId) -> Layout {
        Layout::activation(self.graph.shape(id))
    }

    fn weight_layout(&self, id: NodeId) -> Layout {
        match *self.graph.shape(id).dims() {
            [o, i, kh, kw] => Layout::ConvWeight { o, i, taps: kh * kw },
            _ => self.layout(id),
        }
    }

    fn whole(&self, value: Value) -> Bound {
        Bound { memory: Memory::Buffer(value), bytes: self.demands[value].bytes }
    }

    /// The memory of an operand; of a parameter in several blocks: of each.
    fn operands(&self, id: NodeId) -> Result<Vec<Bound>> {
        if let Some(value) = self.values[id.index()] {
            return Ok(vec![self.whole(value)]);
        }
        let name = &self.graph.node(id).name;
        let pieces = self.parameters.get(name).ok_or_else(|| {
            Error::Shape(format!("parameter `{name}` of the graph is not in the parameter map"))
        })?;
        Ok(pieces
            .map(|i| Bound { memory: Memory::Piece(i), bytes: self.parameters.pieces[i].layout.bytes() })
            .collect())
    }

    fn operand(&self, id: NodeId) -> Result<Bound> {
        self.operands(id).map(|bounds| bounds[0])
    }

    // ---- steps ----

    fn step<P: NoUninit>(
        &mut self,
        shader: &'static Shader,
        params: P,
        bindings: &[Bound],
        workgroups: [usize; 3],
        label: impl Into<String>,
        flops: usize,
    ) -> Result<()> {
        if workgroups.iter().any(|&n| n > self.target.max_workgroups as usize) {
            return Err(self.target.limit(format!(
                "{} would need {workgroups:?} workgroups; use a smaller --size, or --device cpu",
                shader.name
            )));
        }
        let now = self.plan.steps.len() + 1;
        for bound in bindings {
            if let Memory::Buffer(value) = bound.memory {
                self.demands[value].live = *self.demands[value].live.start()..=now;
            }
        }
        let align = self.target.alignment as usize;
        let offset = self.plan.uniforms.len().next_multiple_of(align);
        self.plan.uniforms.resize(offset, 0);
        self.plan.uniforms.extend_from_slice(bytemuck::bytes_of(&params));
        self.plan.steps.push(Step {
            shader,
            bindings: bindings.to_vec(),
            uniform_offset: offset as u32,
            uniform_bytes: size_of::<P>() as u32,
            workgroups: workgroups.map(|n| n as u32),
            label: label.into(),
            flops: flops as u64,
        });
        Ok(())
    }

    /// `count` workgroups in x and y, for kernels that count them as y * width + x.
    fn spread(&self, count: usize) -> [usize; 3] {
        let rows = count.div_ceil(self.target.max_workgroups as usize).max(1);
        [count.div_ceil(rows), rows, 1]
    }

    fn lower(&mut self, id: NodeId, node: &Node, outputs: &[NodeId]) -> Result<()> {
        match &node.op {
            Op::Input | Op::Parameter => Ok(()),
            Op::Conv2d(conv) => self.conv2d(id, node, conv),
            Op::Norm(norm) => self.norm(id, node, norm),
            Op::Linear { bias, activation } => self.linear(id, node, *bias, *activation),
            Op::ReflectionPad2d(pad) => self.resample(id, node, *pad, 0),
            Op::UpsampleNearest2x => self.resample(id, node, 0, 1),
            Op::Activation(activation) => self.pointwise(id, node, *activation),
            Op::Add => self.pointwise(id, node, Activation::Identity),
            Op::GlobalAvgPool | Op::GlobalMaxPool => self.global_pool(id, node),
            Op::SumChannels => self.sum_channels(id, node),
            Op::Concat => self.concat(id, node),
            Op::Flatten => self.flatten(id, node, outputs),
            Op::CamWeight => self.cam_weight(id, node),
            _ => Err(Error::CpuOnly { op: format!("{:?}", node.op) }),
        }
    }

    fn conv2d(&mut self, id: NodeId, node: &Node, conv: &Conv2d) -> Result<()> {
        let ([n, c, h, w], [_, o, oh, ow]) = (self.image(node.inputs[0])?, self.image(id)?);
        let [_, _, kh, kw] = self.image(node.inputs[1])?;
        let pixels = n * oh * ow;
        let shader =
            self.target.conv2d.unwrap_or_else(|| conv2d(self.target.class, pixels, quads(c), quads(o)));
        let (x, weight) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);
        let bias = if conv.bias { self.operand(node.inputs[2])? } else { weight };
        let y = self.result(id)?;
        let (activation, slope) = activation_code(conv.activation);
        let params = conv2d::Params {
            batch: n as u32,
            in_height: h as u32,
            in_width: w as u32,
            in_quads: quads(c) as u32,
            out_height: oh as u32,
            out_width: ow as u32,
            out_quads: quads(o) as u32,
            kernel_height: kh as u32,
            kernel_width: kw as u32,
            stride: conv.stride as u32,
            pad: conv.pad as u32,
            upsample: u32::from(conv.upsample),
            has_bias: u32::from(conv.bias),
            activation,
            slope,
            reserved: 0,
        };
        let (tile_pixels, tile_quads) = conv2d_tile(shader);
        let [x_groups, z_groups, _] = self.spread(pixels.div_ceil(tile_pixels));
        let workgroups = [x_groups, quads(o).div_ceil(tile_quads), z_groups];
        let label = format!("conv2d {kh}x{kw} {c}→{o} {oh}x{ow}");
        let bindings = [x, weight, bias, self.whole(y)];
        self.step(shader, params, &bindings, workgroups, label, 2 * pixels * o * c * kh * kw)
    }

    fn norm(&mut self, id: NodeId, node: &Node, norm: &Norm) -> Result<()> {
        let [n, c, h, w] = self.image(id)?;
        let (pixels, q) = (h * w, quads(c));
        let x = self.operand(node.inputs[0])?;
        let (partial, chunk, chunks) = self.reduce(
            x,
            [n, c, pixels],
            3,
            [&reduce::REDUCE_MOMENTS_16, &reduce::REDUCE_MOMENTS_4],
            "norm moments",
        )?;

        let coefficients = self.scratch(16 * 3 * (n * q) as u64)?;
        let mut bindings = vec![self.whole(partial)];
        let mut params = norm_coefficients::Params {
            pixels: pixels as u32,
            channels: c as u32,
            quads: q as u32,
            chunks: chunks as u32,
            chunk: chunk as u32,
            gamma_stride: 0,
            eps: norm.eps,
            reserved: 0,
        };
        let (shader, groups) = match norm.kind {
            NormKind::Instance => {
                let shader = &norm_coefficients::NORM_COEFFICIENTS_INSTANCE;
                (shader, q.div_ceil(shader.workgroup_size[0] as usize))
            }
            NormKind::LayerInstance => {
                for &input in &node.inputs[1..4] {
                    bindings.push(self.operand(input)?);
                }
                if self.graph.shape(node.inputs[2]).rank() == 2 {
                    params.gamma_stride = q as u32;
                }
                (&norm_coefficients::NORM_COEFFICIENTS_LAYER, 1)
            }
        };
        bindings.push(self.whole(coefficients));
        self.step(shader, params, &bindings, [groups, n, 1], format!("norm coefficients {c}"), 0)?;

        let residual = match norm.residual {
            true => self.operand(node.inputs[node.inputs.len() - 1])?,
            false => x,
        };
        let y = self.result(id)?;
        let most = 256 * self.target.max_workgroups as usize / q;
        let stride = pixels.div_ceil(4).min(most);
        let (activation, slope) = activation_code(norm.activation);
        let params = norm_apply::Params {
            pixels: pixels as u32,
            quads: q as u32,
            stride: stride as u32,
            has_residual: u32::from(norm.residual),
            activation,
            slope,
            reserved_0: 0,
            reserved_1: 0,
        };
        let bindings = [x, self.whole(coefficients), residual, self.whole(y)];
        let workgroups = [(stride * q).div_ceil(256), n, 1];
        self.step(
            &norm_apply::NORM_APPLY,
            params,
            &bindings,
            workgroups,
            format!("norm apply {c} {h}x{w}"),
            0,
        )
    }

    /// The first half of a reduction over pixels: partial results of `width` vec4s per quad.
    fn reduce(
        &mut self,
        x: Bound,
        [n, c, pixels]: [usize; 3],
        width: usize,
        [wide, narrow]: [&'static Shader; 2],
        what: &str,
    ) -> Result<(Value, usize, usize)> {
        let q = quads(c);
        let chunk = pixels.div_ceil(64).max(256);
        let chunks = pixels.div_ceil(chunk);
        let shader = if q >= 16 { wide } else { narrow };
        let partial = self.scratch(16 * (width * n * chunks * q) as u64)?;
        let params =
            reduce::Params { pixels: pixels as u32, quads: q as u32, chunk: chunk as u32, reserved: 0 };
        let workgroups = [q.div_ceil(shader.workgroup_size[0] as usize), chunks, n];
        self.step(
            shader,
            params,
            &[x, self.whole(partial)],
            workgroups,
            format!("{what} {c} of {pixels}"),
            0,
        )?;
        Ok((partial, chunk, chunks))
    }

    fn global_pool(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [n, c, h, w] = self.image(node.inputs[0])?;
        let x = self.operand(node.inputs[0])?;
        let average = node.op == Op::GlobalAvgPool;
        let (first, second) = if average {
            ([&reduce::REDUCE_SUM_16, &reduce::REDUCE_SUM_4], &pool::POOL_SUM)
        } else {
            ([&reduce::REDUCE_MAX_16, &reduce::REDUCE_MAX_4], &pool::POOL_MAX)
        };
        let (partial, _, chunks) = self.reduce(x, [n, c, h * w], 1, first, "pool")?;
        let total = n * quads(c);
        let y = self.result(id)?;
        let params = pool::Params {
            total: total as u32,
            quads: quads(c) as u32,
            chunks: chunks as u32,
            scale: if average { 1.0 / (h * w) as f32 } else { 1.0 },
        };
        let bindings = [self.whole(partial), self.whole(y)];
        self.step(second, params, &bindings, [total.div_ceil(64), 1, 1], format!("pool {c}"), 0)
    }

    fn linear(&mut self, id: NodeId, node: &Node, has_bias: bool, activation: Activation) -> Result<()> {
        // Over flattened features the weight's columns lie as the features do.
        let source = self.graph.node(node.inputs[0]);
        let (x, in_quads) = match (&source.op, self.graph.shape(node.inputs[0]).matrix()) {
            (Op::Flatten, _) => {
                let [_, c, h, w] = self.image(source.inputs[0])?;
                (self.operand(source.inputs[0])?, h * w * quads(c))
            }
            (_, Some([_, k])) => (self.operand(node.inputs[0])?, quads(k)),
            _ => return Err(Error::Shape("a linear layer's input must be a matrix".into())),
        };
        let Some([n, m]) = node.shape.matrix() else {
            return Err(Error::Shape("a linear layer's result must be a matrix".into()));
        };
        let blocks = self.operands(node.inputs[1])?;
        let bias = if has_bias { self.operand(node.inputs[2])? } else { x };
        let y = self.result(id)?;
        let shader = if in_quads >= 256 { &linear::LINEAR_256 } else { &linear::LINEAR_64 };
        let (activation, slope) = activation_code(activation);
        let mut first_quad = 0;
        for block in blocks {
            let block_quads = (block.bytes / 16) as usize / in_quads / 4;
            let params = linear::Params {
                in_quads: in_quads as u32,
                out_quads: quads(m) as u32,
                first_quad: first_quad as u32,
                has_bias: u32::from(has_bias),
                activation,
                slope,
                reserved_0: 0,
                reserved_1: 0,
            };
            let bindings = [x, block, bias, self.whole(y)];
            let label = format!("linear {}→{m}", 4 * in_quads);
            let flops = 2 * n * 4 * block_quads * 4 * in_quads;
            self.step(shader, params, &bindings, [block_quads, n, 1], label, flops)?;
            first_quad += block_quads;
        }
        Ok(())
    }

    fn resample(&mut self, id: NodeId, node: &Node, pad: usize, upsample: usize) -> Result<()> {
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
        self.step(&resample::RESAMPLE, params, &bindings, self.spread(total.div_ceil(256)), "resample", 0)
    }

    fn pointwise(&mut self, id: NodeId, node: &Node, activation: Activation) -> Result<()> {
        let total = self.layout(id).floats() / 4;
        let mut bindings = node.inputs.iter().map(|&i| self.operand(i)).collect::<Result<Vec<_>>>()?;
        let y = self.result(id)?;
        bindings.push(self.whole(y));
        let shader =
            if node.op == Op::Add { &pointwise::POINTWISE_ADD } else { &pointwise::POINTWISE_ACTIVATION };
        let (activation, slope) = activation_code(activation);
        let params = pointwise::Params { total: total as u32, activation, slope, reserved: 0 };
        self.step(shader, params, &bindings, self.spread(total.div_ceil(256)), "pointwise", 0)
    }

    fn sum_channels(&mut self, id: NodeId, node: &Node) -> Result<()> {
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
        self.step(&sum_channels::SUM_CHANNELS, params, &bindings, workgroups, format!("sum channels {c}"), 0)
    }

    fn concat(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let columns = |i: usize| self.graph.shape(node.inputs[i]).dims()[1];
        let (a_columns, b_columns, n) = (columns(0), columns(1), node.shape.dims()[0]);
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
        self.step(&concat::CONCAT, params, &bindings, [total.div_ceil(64), 1, 1], "concat", 0)
    }

    /// Launches nothing where only linear layers read the result: they read the features
    /// themselves.
    fn flatten(&mut self, id: NodeId, node: &Node, outputs: &[NodeId]) -> Result<()> {
        let direct = |reader: &Node| matches!(reader.op, Op::Linear { .. }) || !reader.inputs.contains(&id);
        if !outputs.contains(&id) && self.graph.nodes().iter().all(direct) {
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
        self.step(&flatten::FLATTEN, params, &bindings, workgroups, "flatten", 0)
    }

    fn cam_weight(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [o, c, ..] = self.image(id)?;
        let mut bindings = node.inputs.iter().map(|&i| self.operand(i)).collect::<Result<Vec<_>>>()?;
        let y = self.result(id)?;
        bindings.push(self.whole(y));
        let total = c.next_multiple_of(4) * quads(o);
        let params = cam_weight::Params {
            channels: c as u32,
            out_quads: quads(o) as u32,
            total: total as u32,
            reserved: 0,
        };
        self.step(&cam_weight::CAM_WEIGHT, params, &bindings, [total.div_ceil(64), 1, 1], "cam weight", 0)
    }

    fn image(&self, id: NodeId) -> Result<[usize; 4]> {
        let shape = self.graph.shape(id);
        shape.nchw().ok_or_else(|| Error::Shape(format!("{shape} is no [N, C, H, W]")))
    }
}

/// The code and slope that `shared/activation.wgsl` knows the activation by.
fn activation_code(activation: Activation) -> (u32, f32) {
    match activation {
        Activation::Identity => (0, 0.0),
        Activation::Relu => (1, 0.0),
        Activation::LeakyRelu(slope) => (2, slope),
        Activation::Tanh => (3, 0.0),
    }
}
