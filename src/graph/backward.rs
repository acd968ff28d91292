//! Reverse-mode differentiation: one rule for each operation.
//!
//! The gradients are ordinary nodes of the same graph, behind the nodes that they belong to.
//! Only what somebody asked for is built. Activations are differentiated from their results,
//! so that nothing has to be kept for them but what other gradients read anyway.

use crate::error::{Error, Result};

use super::{Activation, CamInput, Conv2d, Graph, Node, NodeId, Norm, NormInput, NormKind, Op};

/// Where a gradient comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seed {
    /// The node is a scalar loss that counts with this weight.
    Weight(f32),
    /// The gradient at the node, of the same shape.
    Node(NodeId),
}

/// Appends to `graph` the gradients of what the `seeds` weigh, at each node of `wrt`; `None`
/// where no path leads from a seed to the node. Gradients from several readers are summed.
///
/// The graph may be fused already, and gradients may be among its nodes: those that a discriminator's
/// gradient at its picture is made of have a rule of their own. What is detached by definition (the vectors
/// of the power iteration) lets no gradient through, nor does what is constant but for jumps (the slope of
/// a leaky relu, the place of a maximum).
///
/// # Errors
/// [`Error::Shape`] where a seed does not fit its node, [`Error::Config`] where the path leads
/// through an operation that has no derivative here (most gradients, or a loss whose seed is a tensor).
pub fn backward(graph: &mut Graph, seeds: &[(NodeId, Seed)], wrt: &[NodeId]) -> Result<Vec<Option<NodeId>>> {
    let needed = needed(graph, wrt);
    let mut gradients: Vec<Option<Seed>> = vec![None; needed.len()];
    for &(id, seed) in seeds {
        let shape = graph.shape(id);
        match seed {
            Seed::Weight(_) if shape.rank() > 0 => {
                return Err(Error::Shape(format!(
                    "a weight seeds a scalar, but this node has the shape {shape}; seed it with a node"
                )));
            }
            Seed::Node(g) if graph.shape(g) != shape => {
                return Err(Error::Shape(format!(
                    "a node of shape {shape} is seeded with a gradient of shape {}",
                    graph.shape(g)
                )));
            }
            _ => accumulate(graph, &mut gradients[id.index()], seed)?,
        }
    }
    for i in (0..needed.len()).rev() {
        let id = NodeId(i as u32);
        let (true, Some(g)) = (needed[i], gradients[i]) else { continue };
        let node = graph.node(id).clone();
        let open = open_inputs(&node);
        let wanted: Vec<bool> =
            node.inputs.iter().enumerate().map(|(k, input)| k < open && needed[input.index()]).collect();
        if wanted.contains(&true) {
            let mut rule = Rule { graph, node: &node, id, wanted: &wanted, given: vec![] };
            rule.apply(g)?;
            for (input, g) in rule.given {
                accumulate(graph, &mut gradients[input.index()], g)?;
            }
        }
    }
    let result = wrt.iter().map(|id| match gradients[id.index()] {
        Some(Seed::Weight(_)) => {
            Err(Error::Config("the gradient at a loss is its weight; ask for that of a tensor".into()))
        }
        Some(Seed::Node(g)) => Ok(Some(g)),
        None => Ok(None),
    });
    result.collect()
}

/// For each node whether a gradient that reaches it goes on to one of `wrt`.
fn needed(graph: &Graph, wrt: &[NodeId]) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes().len()];
    for id in wrt {
        needed[id.index()] = true;
    }
    for (i, node) in graph.nodes().iter().enumerate() {
        needed[i] |= node.inputs[..open_inputs(node)].iter().any(|input| needed[input.index()]);
    }
    needed
}

/// Into how many of a node's inputs, the first ones, gradients go on: not into what is detached
/// by definition.
fn open_inputs(node: &Node) -> usize {
    match node.op {
        Op::PowerIterationV | Op::PowerIterationU | Op::SpectralSigma | Op::NormCoefficients(_) => 0,
        // Constant in their input, but for jumps.
        Op::MeanGrad { .. } | Op::HingeGrad { .. } | Op::L1Grad { .. } => 0,
        // The vectors u and v, and sigma, whose gradient is part of that of the weight.
        Op::SpectralNorm => 1,
        // In the second they are constant, but for jumps.
        Op::ActivationGrad(Activation::Identity | Activation::Relu | Activation::LeakyRelu(_))
        | Op::GlobalMaxPoolGrad
        | Op::AtMaximum => 1,
        _ => node.inputs.len(),
    }
}

fn accumulate(graph: &mut Graph, sum: &mut Option<Seed>, g: Seed) -> Result<()> {
    *sum = Some(match (*sum, g) {
        (None, g) => g,
        (Some(Seed::Weight(a)), Seed::Weight(b)) => Seed::Weight(a + b),
        (Some(Seed::Node(a)), Seed::Node(b)) => Seed::Node(graph.add(Op::Add, &[a, b])?),
        (Some(_), _) => {
            return Err(Error::Config(
                "a scalar is seeded with a weight and with a node; use one kind".into(),
            ));
        }
    });
    Ok(())
}

/// The rule of one node, and the gradients that it gives.
struct Rule<'a> {
    graph: &'a mut Graph,
    node: &'a Node,
    id: NodeId,
    /// For each input whether its gradient is needed.
    wanted: &'a [bool],
    given: Vec<(NodeId, Seed)>,
}

impl Rule<'_> {
    /// Gives input `k` the gradient `op(operands)`, if it is needed.
    fn give(&mut self, k: usize, op: Op, operands: &[NodeId]) -> Result<()> {
        if self.wanted[k] {
            let g = self.graph.add(op, operands)?;
            self.pass(k, Seed::Node(g));
        }
        Ok(())
    }

    /// Gives input `k` the gradient `g`, if it is needed.
    fn pass(&mut self, k: usize, g: Seed) {
        if self.wanted[k] {
            self.given.push((self.node.inputs[k], g));
        }
    }

    /// The gradient before `activation`, from that behind it and its result `y`.
    fn before(&mut self, activation: Activation, g: NodeId, y: NodeId) -> Result<NodeId> {
        match activation {
            Activation::Identity => Ok(g),
            _ => self.graph.add(Op::ActivationGrad(activation), &[g, y]),
        }
    }

    fn apply(&mut self, g: Seed) -> Result<()> {
        match g {
            Seed::Weight(weight) => self.apply_scalar(weight),
            Seed::Node(g) => self.apply_tensor(g),
        }
    }

    /// The losses, and what may be done to them.
    fn apply_scalar(&mut self, weight: f32) -> Result<()> {
        let node = self.node;
        match node.op {
            Op::Mse { target } => self.give(0, Op::MseGrad { target, scale: weight }, &node.inputs),
            Op::BceWithLogits { target } => {
                self.give(0, Op::BceWithLogitsGrad { target, scale: weight }, &node.inputs)
            }
            Op::Mean => self.give(0, Op::MeanGrad { scale: weight }, &node.inputs),
            Op::Hinge { target } => self.give(0, Op::HingeGrad { target, scale: weight }, &node.inputs),
            Op::GradientPenalty { one_sided } => {
                self.give(0, Op::GradientPenaltyGrad { one_sided, scale: weight }, &node.inputs)
            }
            Op::L1 => {
                self.give(0, Op::L1Grad { scale: weight }, &node.inputs)?;
                self.give(1, Op::L1Grad { scale: -weight }, &node.inputs)
            }
            Op::Scale(factor) => {
                self.pass(0, Seed::Weight(factor * weight));
                Ok(())
            }
            Op::Add => {
                self.pass(0, Seed::Weight(weight));
                self.pass(1, Seed::Weight(weight));
                Ok(())
            }
            _ => Err(Error::Config(format!("{:?} is no loss; seed it with a node", node.op))),
        }
    }

    fn apply_tensor(&mut self, g: NodeId) -> Result<()> {
        let node = self.node;
        let x = node.inputs.first().copied().unwrap_or(self.id);
        let image = |graph: &Graph| graph.shape(x).nchw().unwrap_or_default();
        match node.op {
            Op::Input | Op::Parameter => Ok(()),
            Op::ReflectionPad2d(p) => self.give(0, Op::ReflectionPad2dGrad(p), &[g]),
            Op::UpsampleNearest2x => self.give(0, Op::UpsampleNearest2xGrad, &[g]),
            Op::Conv2d(conv) => self.conv2d(conv, g),
            Op::Linear { bias, activation } => {
                let g = self.before(activation, g, self.id)?;
                self.give(0, Op::LinearGradInput, &[g, node.inputs[1]])?;
                self.give(1, Op::LinearGradWeight, &[x, g])?;
                if bias { self.give(2, Op::SumRows, &[g]) } else { Ok(()) }
            }
            Op::Norm(norm) => self.norm(norm, g),
            Op::Activation(activation) => {
                let g = self.before(activation, g, self.id)?;
                self.pass(0, Seed::Node(g));
                Ok(())
            }
            Op::Add => {
                self.pass(0, Seed::Node(g));
                self.pass(1, Seed::Node(g));
                Ok(())
            }
            Op::AddScalar => {
                self.pass(0, Seed::Node(g));
                self.give(1, Op::SumColumns, &[g])
            }
            Op::Scale(factor) => self.give(0, Op::Scale(factor), &[g]),
            Op::Above(_) => self.give(0, Op::ActivationGrad(Activation::Relu), &[g, self.id]),
            Op::UpsampleNearest2xGrad => self.give(0, Op::UpsampleNearest2x, &[g]),
            Op::GlobalAvgPool => {
                let [_, _, height, width] = image(self.graph);
                self.give(0, Op::GlobalAvgPoolGrad { height, width }, &[g])
            }
            Op::GlobalMaxPool => self.give(0, Op::GlobalMaxPoolGrad, &[g, x]),
            Op::SumChannels => {
                let [_, channels, ..] = image(self.graph);
                self.give(0, Op::BroadcastChannels(channels), &[g])
            }
            Op::Concat => {
                let columns = |graph: &Graph, k: usize| graph.shape(node.inputs[k]).dims()[1];
                let (a, b) = (columns(self.graph, 0), columns(self.graph, 1));
                self.give(0, Op::SliceColumns { start: 0, len: a }, &[g])?;
                self.give(1, Op::SliceColumns { start: a, len: b }, &[g])
            }
            Op::Stack => {
                let samples = |graph: &Graph, k: usize| graph.shape(node.inputs[k]).dims()[0];
                let (n, m) = (samples(self.graph, 0), samples(self.graph, 1));
                self.give(0, Op::Samples { first: 0, count: n }, &[g])?;
                self.give(1, Op::Samples { first: n, count: m }, &[g])
            }
            Op::Samples { first, .. } => {
                let total = self.graph.shape(x).dims()[0];
                self.give(0, Op::SamplesGrad { first, total }, &[g])
            }
            Op::Flatten => {
                let [_, channels, height, width] = image(self.graph);
                self.give(0, Op::Unflatten { channels, height, width }, &[g])
            }
            Op::CamWeight => {
                let operands = [g, node.inputs[0], node.inputs[1], node.inputs[2]];
                for (k, wrt) in [CamInput::Mix, CamInput::Gap, CamInput::Gmp].into_iter().enumerate() {
                    self.give(k, Op::CamWeightGrad(wrt), &operands)?;
                }
                Ok(())
            }
            Op::SpectralNorm => {
                let [w, sigma, u, v] = [0, 1, 2, 3].map(|k| node.inputs[k]);
                self.give(0, Op::SpectralNormGrad, &[g, w, sigma, u, v])
            }
            Op::Mse { .. }
            | Op::L1
            | Op::BceWithLogits { .. }
            | Op::Mean
            | Op::Hinge { .. }
            | Op::GradientPenalty { .. } => {
                Err(Error::Config(format!("{:?} is a loss; seed it with a weight", node.op)))
            }
            _ => self.of_gradient(g),
        }
    }

    /// Gradients, most of which are bilinear: the rule of one is made of the others of its operation.
    fn of_gradient(&mut self, g: NodeId) -> Result<()> {
        let node = self.node;
        let linear = Op::Linear { bias: false, activation: Activation::Identity };
        match node.op {
            Op::Conv2dGradInput { conv, .. } => {
                let [upstream, weight] = [node.inputs[0], node.inputs[1]];
                let [_, _, kh, kw] = self.graph.shape(weight).nchw().unwrap_or_default();
                let bare = Conv2d { bias: false, activation: Activation::Identity, ..conv };
                self.give(0, Op::Conv2d(bare), &[g, weight])?;
                self.give(1, Op::Conv2dGradWeight { conv: bare, kernel: [kh, kw] }, &[g, upstream])
            }
            Op::Conv2dGradWeight { conv, .. } => {
                let [x, upstream] = [node.inputs[0], node.inputs[1]];
                let [_, _, height, width] = self.graph.shape(x).nchw().unwrap_or_default();
                let bare = Conv2d { bias: false, activation: Activation::Identity, ..conv };
                self.give(0, Op::Conv2dGradInput { conv: bare, height, width }, &[upstream, g])?;
                self.give(1, Op::Conv2d(bare), &[x, g])
            }
            Op::LinearGradInput => {
                let [upstream, weight] = [node.inputs[0], node.inputs[1]];
                self.give(0, linear, &[g, weight])?;
                self.give(1, Op::LinearGradWeight, &[g, upstream])
            }
            Op::LinearGradWeight => {
                let [x, upstream] = [node.inputs[0], node.inputs[1]];
                self.give(0, Op::LinearGradInput, &[upstream, g])?;
                self.give(1, linear, &[x, g])
            }
            // Of tanh the derivative at the result is wanted too, which there is not.
            Op::ActivationGrad(activation) if !self.wanted[1] => {
                self.give(0, Op::ActivationGrad(activation), &[g, node.inputs[1]])
            }
            Op::ReflectionPad2dGrad(p) => self.give(0, Op::ReflectionPad2d(p), &[g]),
            Op::GlobalAvgPoolGrad { .. } => self.give(0, Op::GlobalAvgPool, &[g]),
            Op::GlobalMaxPoolGrad => self.give(0, Op::AtMaximum, &[g, node.inputs[1]]),
            Op::AtMaximum => self.give(0, Op::GlobalMaxPoolGrad, &[g, node.inputs[1]]),
            Op::BroadcastChannels(_) => self.give(0, Op::SumChannels, &[g]),
            Op::Unflatten { .. } => self.give(0, Op::Flatten, &[g]),
            Op::SamplesGrad { first, .. } => {
                let count = self.graph.shape(node.inputs[0]).dims()[0];
                self.give(0, Op::Samples { first, count }, &[g])
            }
            Op::MseGrad { scale, .. } => {
                let count = self.graph.shape(g).elements();
                self.give(0, Op::Scale(2.0 * scale / count as f32), &[g])
            }
            _ => Err(Error::Config(format!(
                "{:?} is detached or itself a gradient, and has no derivative here",
                node.op
            ))),
        }
    }

    fn conv2d(&mut self, conv: Conv2d, g: NodeId) -> Result<()> {
        let (x, weight) = (self.node.inputs[0], self.node.inputs[1]);
        let g = self.before(conv.activation, g, self.id)?;
        let bare = Conv2d { bias: false, activation: Activation::Identity, ..conv };
        let [_, _, height, width] = self.graph.shape(x).nchw().unwrap_or_default();
        let [_, _, kh, kw] = self.graph.shape(weight).nchw().unwrap_or_default();
        self.give(0, Op::Conv2dGradInput { conv: bare, height, width }, &[g, weight])?;
        self.give(1, Op::Conv2dGradWeight { conv: bare, kernel: [kh, kw] }, &[x, g])?;
        if conv.bias { self.give(2, Op::SumPixels, &[g]) } else { Ok(()) }
    }

    fn norm(&mut self, norm: Norm, g: NodeId) -> Result<()> {
        let mut inputs = self.node.inputs.as_slice();
        let bare = Norm { activation: Activation::Identity, residual: false, ..norm };
        let mut y = self.id;
        if norm.residual {
            let last = inputs.len() - 1;
            self.pass(last, Seed::Node(g));
            inputs = &inputs[..last];
            if !self.wanted[..last].contains(&true) {
                return Ok(());
            }
            if norm.activation != Activation::Identity {
                // The result of the activation is not kept, only the sum.
                y = self.graph.add(Op::Norm(Norm { residual: false, ..norm }), inputs)?;
            }
        }
        let g = self.before(norm.activation, g, y)?;
        let mut operands = vec![g, inputs[0]];
        operands.extend(&inputs[1..inputs.len().max(2) - 1]);
        let wrt: &[NormInput] = match norm.kind {
            NormKind::Instance => &[NormInput::X],
            NormKind::LayerInstance => &[NormInput::X, NormInput::Rho, NormInput::Gamma, NormInput::Beta],
            NormKind::Group { .. } => &[NormInput::X, NormInput::Gamma, NormInput::Beta],
        };
        for (k, &wrt) in wrt.iter().enumerate() {
            self.give(k, Op::NormGrad { norm: bare, wrt }, &operands)?;
        }
        Ok(())
    }
}
