//! One graph node → its launches.

#[cfg(feature = "training")]
mod absorbed;
#[cfg(feature = "training")]
mod around;
#[cfg(feature = "training")]
mod conv_grad;
#[cfg(feature = "training")]
mod conv_grad_weight;
mod divided;
mod fast_conv;
mod forward;
#[cfg(feature = "training")]
mod given;
#[cfg(feature = "training")]
mod gradient;
mod group_norm;
#[cfg(feature = "training")]
mod halves;
#[cfg(test)]
#[cfg(feature = "training")]
mod lifetimes;
mod linear;
#[cfg(feature = "training")]
mod loss;
mod pool;
mod row;
#[cfg(feature = "training")]
mod spectral;
#[cfg(feature = "training")]
mod spectral_batches;
#[cfg(feature = "training")]
mod training;

use std::collections::{HashMap, HashSet};

use bytemuck::NoUninit;

use crate::catalogue::{constants, scale, sum_splits};
use crate::error::{Error, Result};
use crate::graph::{Activation, Graph, Node, NodeId, NormKind, Op, of_training};
use crate::shader::Shader;

#[cfg(feature = "training")]
use absorbed::Absorbed;

use super::layout::Layout;
use super::memory::{Assignment, Demand, assign};
use super::select;
use super::{Bound, Memory, ParameterMap, Plan, Storage, Target, Terminal, Wanted};

/// A tensor while planning: before buffers are assigned, `Memory::Buffer` holds the index of
/// one of these.
type Value = usize;

/// A launch whose sums are cut into parts, which another one adds, so that more invocations have work.
struct Cut {
    splits: usize,
    /// Of the summed dimension in each, vec4s: a multiple of 4.
    depth: usize,
}

/// The shortest part that sums are cut into, in vec4s: below, writing and adding the parts takes what was gained.
const SHORTEST_PART: usize = 64;

/// Sums that are shorter, in vec4s, are not cut: the launch that adds the parts takes some microseconds itself.
const SHORTEST_SUM: usize = 3 * SHORTEST_PART;

/// The most parts: one invocation adds them all.
const MOST_PARTS: usize = 64;

/// What all parts of one launch may take, bytes.
const MOST_BYTES_OF_PARTS: usize = 32 << 20;

/// What the first half of a reduction left: partial results of chunks of pixels.
#[derive(Clone, Copy)]
struct Reduction {
    partials: Value,
    /// Pixels in a chunk.
    chunk: usize,
    chunks: usize,
}

pub(super) struct Lowering<'a> {
    graph: &'a Graph,
    parameters: &'a ParameterMap,
    target: &'a Target,
    /// Each value's memory and life, in order of birth.
    demands: Vec<Demand>,
    /// The values that are tensors of f16.
    halves: HashSet<Value>,
    /// The nodes whose results somebody reads as f32.
    outputs: HashSet<NodeId>,
    /// With f16 the other nodes of a step of training whose results stay f32.
    #[cfg(feature = "training")]
    wide: HashSet<NodeId>,
    /// The values that lie in memory of the owner: by value its position.
    given: HashMap<Value, usize>,
    /// The nodes whose results are to lie there.
    destinations: HashMap<NodeId, (usize, Layout)>,
    /// The value and layout of each node; parameters have no value.
    values: Vec<Option<(Value, Layout)>>,
    /// The moments of what was normalised, in chunks.
    moments: HashMap<NodeId, Reduction>,
    /// Of each channel, for the gradient.
    channel_moments: HashMap<NodeId, Value>,
    /// What has no launch of its own.
    #[cfg(feature = "training")]
    absorbed: Absorbed,
    /// Nodes that a launch has computed before their turn, or with others.
    #[cfg(feature = "training")]
    computed: HashSet<NodeId>,
    /// The products of weight and v under spectral normalisation, with their vec4s: u and sigma both read them.
    #[cfg(feature = "training")]
    spectral_products: HashMap<(NodeId, NodeId), (Value, usize)>,
    /// The loss that a gradient computes too.
    #[cfg(feature = "training")]
    losses: HashMap<NodeId, NodeId>,
    /// What goes through both sigmas of a layer's, by the gradient at its sums and its result.
    #[cfg(feature = "training")]
    spectral_factors: HashMap<(NodeId, NodeId), Value>,
    /// The records of normalisations' gradients, by operands, kind, the bits of eps and whether variances
    /// are unbiased: several nodes read one.
    #[cfg(feature = "training")]
    records: HashMap<(Vec<NodeId>, NormKind, u32, bool), Value>,
    /// Of each node.
    #[cfg(feature = "training")]
    launches_before: Vec<usize>,
    plan: Plan,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(graph: &'a Graph, parameters: &'a ParameterMap, target: &'a Target) -> Self {
        Self {
            graph,
            parameters,
            target,
            demands: vec![],
            halves: HashSet::new(),
            outputs: HashSet::new(),
            #[cfg(feature = "training")]
            wide: HashSet::new(),
            given: HashMap::new(),
            destinations: HashMap::new(),
            values: vec![None; graph.nodes().len()],
            moments: HashMap::new(),
            channel_moments: HashMap::new(),
            #[cfg(feature = "training")]
            absorbed: Absorbed::default(),
            #[cfg(feature = "training")]
            computed: HashSet::new(),
            #[cfg(feature = "training")]
            spectral_products: HashMap::new(),
            #[cfg(feature = "training")]
            losses: HashMap::new(),
            #[cfg(feature = "training")]
            spectral_factors: HashMap::new(),
            #[cfg(feature = "training")]
            records: HashMap::new(),
            #[cfg(feature = "training")]
            launches_before: vec![],
            plan: Plan::default(),
        }
    }

    pub(super) fn run(mut self, outputs: &[NodeId]) -> Result<Plan> {
        self.prepare(outputs);
        self.launches(outputs)?;
        for (i, &id) in outputs.iter().enumerate() {
            let (value, layout) = self.output(id)?;
            let shape = self.graph.shape(id).clone();
            self.plan.outputs.push(Terminal { name: i.to_string(), shape, layout, buffer: value });
        }
        Ok(self.finish(&[]))
    }

    /// The node whose result lies in the end where that of `id` does.
    fn end(&self, id: NodeId) -> NodeId {
        #[cfg(feature = "training")]
        let id = self.absorbed.end(id);
        id
    }

    /// What is to be known of the whole graph before the first launch.
    fn prepare(&mut self, outputs: &[NodeId]) {
        self.outputs.extend(outputs);
        #[cfg(feature = "training")]
        {
            self.absorbed = Absorbed::find(self.graph, outputs);
            if self.target.f16 {
                self.wide = halves::wide(self.graph, &self.absorbed);
            }
        }
    }

    /// All launches.
    fn launches(&mut self, outputs: &[NodeId]) -> Result<()> {
        self.parameters.check(self.graph)?;
        // Inputs are written before the first step, in whatever order.
        for (id, node) in self.graph.inputs() {
            let layout = Layout::of_leaf(self.graph, id)?;
            let value = self.scratch(layout.bytes())?;
            self.demands[value].live = 0..=0;
            self.values[id.index()] = Some((value, layout));
            let (name, shape) = (node.name.clone(), node.shape.clone());
            self.plan.inputs.push(Terminal { name, shape, layout, buffer: value });
        }
        for (id, node) in self.graph.iter() {
            #[cfg(feature = "training")]
            self.launches_before.push(self.plan.launches.len());
            self.lower(id, node, outputs)?;
        }
        Ok(())
    }

    /// An output's value, which lives until the end.
    fn output(&mut self, id: NodeId) -> Result<(Value, Layout)> {
        let (value, layout) = self.values[id.index()].ok_or_else(|| {
            let name = &self.graph.node(id).name;
            Error::Shape(format!("an output is the parameter `{name}`; read it from the model"))
        })?;
        self.demands[value].live = *self.demands[value].live.start()..=self.plan.launches.len() + 1;
        Ok((value, layout))
    }

    /// Gives every value its memory.
    fn finish(self, pool: &[u64]) -> Plan {
        let demands: Vec<Demand> = self.own().map(|value| self.demands[value].clone()).collect();
        self.placed(assign(&demands, pool))
    }

    /// The values that lie in the plan's own buffers.
    fn own(&self) -> impl Iterator<Item = Value> {
        (0..self.demands.len()).filter(|value| !self.given.contains_key(value))
    }

    /// The plan, with the buffer of each of [`Self::own`] decided.
    fn placed(mut self, assignment: Assignment) -> Plan {
        let own: Vec<Value> = self.own().collect();
        let buffers: HashMap<Value, usize> = own.into_iter().zip(assignment.of).collect();
        let memory = |value: Value| match self.given.get(&value) {
            Some(&given) => Memory::Given(given),
            None => Memory::Buffer(buffers[&value]),
        };
        for bound in self.plan.launches.iter_mut().flat_map(|launch| &mut launch.bindings) {
            if let Memory::Buffer(value) = bound.memory {
                bound.memory = memory(value);
            }
        }
        for terminal in self.plan.inputs.iter_mut().chain(&mut self.plan.outputs) {
            terminal.buffer = buffers[&terminal.buffer];
        }
        for (value, ..) in &mut self.plan.copies {
            *value = buffers[value];
        }
        self.plan.buffers = assignment.buffers;
        self.plan
    }

    // ---- values and operands ----

    /// Memory that is born with the next step.
    fn scratch(&mut self, bytes: u64) -> Result<Value> {
        if bytes > self.target.max_binding {
            return Err(self.target.limit(format!(
                "a tensor of this picture size needs {} MiB in one binding, the adapter allows {} MiB; use a smaller picture, or the processor",
                bytes >> 20,
                self.target.max_binding >> 20
            )));
        }
        // Launch i is counted as i + 1, so that inputs can be born at 0.
        let birth = self.plan.launches.len() + 1;
        self.demands.push(Demand { bytes: bytes.max(16), live: birth..=birth });
        Ok(self.demands.len() - 1)
    }

    /// Memory of `count` vec4s that is born with the next step.
    fn scratch_quads(&mut self, count: usize) -> Result<Value> {
        self.scratch(16 * count as u64)
    }

    /// The memory for a node's result, in the layout of an activation.
    fn result(&mut self, id: NodeId) -> Result<Value> {
        self.result_in(id, Layout::activation(self.graph.shape(id)))
    }

    /// The memory for a node's result.
    fn result_in(&mut self, id: NodeId, layout: Layout) -> Result<Value> {
        // What has one pixel stands in for a parameter.
        let is_picture = matches!(layout, Layout::Image { pixels: 2.., .. });
        let half = self.target.f16 && is_picture && !self.outputs.contains(&id);
        #[cfg(feature = "training")]
        let half = half && !self.wide.contains(&id);
        let value = self.scratch(if half { layout.bytes() / 2 } else { layout.bytes() })?;
        if half {
            self.halves.insert(value);
        }
        if let Some(&(given, asked)) = self.destinations.get(&self.end(id))
            && asked == layout
        {
            self.given.insert(value, given);
        }
        self.values[id.index()] = Some((value, layout));
        Ok(value)
    }

    /// How a node's result lies.
    fn layout(&self, id: NodeId) -> Result<Layout> {
        match self.values[id.index()] {
            Some((_, layout)) => Ok(layout),
            None => Layout::of_leaf(self.graph, id),
        }
    }

    fn whole(&self, value: Value) -> Bound {
        let half = self.halves.contains(&value);
        Bound { memory: Memory::Buffer(value), bytes: self.demands[value].bytes, half }
    }

    /// The memory of an operand; of a parameter in several blocks: of each.
    fn operands(&self, id: NodeId) -> Result<Vec<Bound>> {
        if let Some((value, _)) = self.values[id.index()] {
            return Ok(vec![self.whole(value)]);
        }
        let name = &self.graph.node(id).name;
        let pieces = self.parameters.get(name).ok_or_else(|| {
            Error::Shape(format!("parameter `{name}` of the graph is not in the parameter map"))
        })?;
        Ok(pieces
            .map(|i| {
                let piece = &self.parameters.pieces[i];
                Bound { memory: Memory::Piece(i), bytes: piece.bytes(), half: piece.storage == Storage::F16 }
            })
            .collect())
    }

    /// The memory of an operand that one binding holds.
    fn operand(&self, id: NodeId) -> Result<Bound> {
        match self.operands(id)?[..] {
            [bound] => Ok(bound),
            _ => Err(self.target.limit(format!(
                "`{}` is larger than one binding, and this operation needs it whole; use the processor",
                self.graph.node(id).name
            ))),
        }
    }

    fn image(&self, id: NodeId) -> Result<[usize; 4]> {
        let shape = self.graph.shape(id);
        shape.nchw().ok_or_else(|| Error::Internal(format!("{shape} is no [N, C, H, W]")))
    }

    fn matrix(&self, id: NodeId) -> Result<[usize; 2]> {
        let shape = self.graph.shape(id);
        shape.matrix().ok_or_else(|| Error::Internal(format!("{shape} is no [rows, columns]")))
    }

    // ---- launches ----

    fn launch<P: NoUninit>(
        &mut self,
        shader: &'static Shader,
        params: P,
        bindings: &[Bound],
        workgroups: [usize; 3],
        label: impl Into<String>,
        flops: u64,
    ) -> Result<()> {
        let now = self.plan.launches.len() + 1;
        for bound in bindings {
            if let Memory::Buffer(value) = bound.memory {
                self.demands[value].live = *self.demands[value].live.start()..=now;
            }
        }
        let launch = Wanted { shader, bindings, workgroups, label: label.into(), flops };
        self.plan.push(self.target, params, launch)
    }

    /// `count` workgroups in x and y, for kernels that count them as y * width + x.
    fn spread(&self, count: usize) -> [usize; 3] {
        self.target.spread(count)
    }

    /// How the sums over `depth` vec4s of a launch with `total` vec4s of results are cut, so that the adapter's
    /// processors all have work.
    fn cut(&self, shader: &Shader, workgroups: [usize; 3], depth: usize, total: usize) -> Cut {
        let invocations: usize =
            workgroups.iter().product::<usize>() * shader.workgroup_size.iter().product::<u32>() as usize;
        let wanted = select::busy(self.target) / invocations.max(1);
        let most = (depth / SHORTEST_PART).min(MOST_PARTS).min(MOST_BYTES_OF_PARTS / 16 / total.max(1));
        let splits = if depth < SHORTEST_SUM { 1 } else { wanted.min(most).max(1) };
        let depth = depth.div_ceil(splits).next_multiple_of(4);
        Cut { splits, depth }
    }

    /// Adds `splits` parts of `total` vec4s, to what `y` holds if `accumulate` is 1.
    #[cfg(feature = "training")]
    fn sum_parts(
        &mut self,
        parts: Bound,
        splits: usize,
        total: usize,
        y: Bound,
        accumulate: u32,
    ) -> Result<()> {
        let params = sum_splits::Params {
            total: total as u32,
            splits: splits as u32,
            ..sum_splits::Params::default()
        };
        let shader = if accumulate == 1 { &sum_splits::SUM_SPLITS_MORE } else { &sum_splits::SUM_SPLITS };
        let workgroups = self.spread(total.div_ceil(256));
        // There is no bias to read.
        self.launch(shader, params, &[parts, parts, y], workgroups, "sum splits", 0)
    }

    /// Adds the parts of a launch that was cut, with bias and activation.
    fn sum_splits(&mut self, params: sum_splits::Params, parts: Bound, bias: Bound, y: Bound) -> Result<()> {
        let workgroups = self.spread((params.total as usize).div_ceil(256));
        self.launch(&sum_splits::SUM_SPLITS, params, &[parts, bias, y], workgroups, "sum splits", 0)
    }

    fn lower(&mut self, id: NodeId, node: &Node, outputs: &[NodeId]) -> Result<()> {
        match &node.op {
            Op::Input | Op::Parameter => Ok(()),
            Op::Conv2d(conv) => self.conv2d(id, node, conv),
            Op::Norm(norm) => self.norm(id, node, norm),
            Op::NormCoefficients(norm) => self.norm_coefficients(id, node, norm),
            Op::Linear { activation, .. } => self.linear(id, node, *activation),
            Op::ReflectionPad2d(pad) => self.resample(id, node, *pad, 0),
            Op::UpsampleNearest2x => self.resample(id, node, 0, 1),
            Op::Activation(activation) => self.pointwise(id, node, *activation),
            // Its later operand may have been added to the other.
            Op::Add if self.values[id.index()].is_some() => Ok(()),
            Op::Add => self.pointwise(id, node, Activation::Identity),
            Op::GlobalAvgPool | Op::GlobalMaxPool => self.global_pool(id, node),
            Op::SumChannels => self.sum_channels(id, node),
            Op::Concat => self.concat(id, node),
            Op::Flatten => self.flatten(id, node, outputs),
            Op::CamWeight => self.cam_weight(id, node),
            Op::AddScalar => self.add_scalar(id, node),
            Op::Scale(factor) => self.scale(id, node, &scale::SCALE, *factor),
            Op::Above(threshold) => self.scale(id, node, &scale::ABOVE, *threshold),
            Op::UpsampleNearest2xGrad => self.resample_grad(id, node, 0, 1),
            of_training!() => self.lower_for_training(id, node),
        }
    }

    /// A build without training has none of its kernels.
    #[cfg(not(feature = "training"))]
    fn lower_for_training(&mut self, _: NodeId, node: &Node) -> Result<()> {
        Err(node.op.needs_training())
    }
}

/// The floating-point operations of as many multiply-adds as the product of `sizes`. In `u64` from
/// the first factor: one layer at a usual picture size has more than `usize` counts in a browser.
fn multiply_adds(sizes: &[usize]) -> u64 {
    sizes.iter().fold(2, |product: u64, &size| product.saturating_mul(size as u64))
}

/// The code and slope that `shared/activation.wgsl` knows the activation by.
fn activation_code(activation: Activation) -> (u32, f32) {
    match activation {
        Activation::Identity => (constants::ACTIVATION_IDENTITY, 0.0),
        Activation::Relu => (constants::ACTIVATION_RELU, 0.0),
        Activation::LeakyRelu(slope) => (constants::ACTIVATION_LEAKY_RELU, slope),
        Activation::Tanh => (constants::ACTIVATION_TANH, 0.0),
    }
}
