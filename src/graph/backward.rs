//! Reverse-mode differentiation: one rule for each operation.
//!
//! The gradients are ordinary nodes of the same graph, behind the nodes that they belong to.
//! Only what somebody asked for is built. Activations are differentiated from their results,
//! so that nothing has to be kept for them but what other gradients read anyway.

use crate::error::{Error, Result};

use super::{Activation, CamInput, Conv2d, Graph, Node, NodeId, Norm, NormInput, NormKind, Op};

/// A linear layer without bias and activation.
const LINEAR: Op = Op::Linear { bias: false, activation: Activation::Identity };

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
        let open = node.op.traits().open;
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
        needed[i] |= node.inputs[..node.op.traits().open].iter().any(|input| needed[input.index()]);
    }
    needed
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

    fn apply(&mut self, seed: Seed) -> Result<()> {
        let node = self.node;
        let x = node.inputs.first().copied().unwrap_or(self.id);
        let dims = |graph: &Graph, k: usize| graph.shape(node.inputs[k]).dims().to_vec();
        let image = |graph: &Graph, k: usize| graph.shape(node.inputs[k]).nchw().unwrap_or_default();
        // What a loss is seeded with, and all else.
        let weight = || match seed {
            Seed::Weight(weight) => Ok(weight),
            Seed::Node(_) => Err(Error::Config(format!("{:?} is a loss; seed it with a weight", node.op))),
        };
        let tensor = || match seed {
            Seed::Node(g) => Ok(g),
            Seed::Weight(_) => Err(Error::Config(format!("{:?} is no loss; seed it with a node", node.op))),
        };
        match node.op {
            Op::Input | Op::Parameter => Ok(()),

            // ---- the network ----
            Op::ReflectionPad2d(p) => self.give(0, Op::ReflectionPad2dGrad(p), &[tensor()?]),
            Op::UpsampleNearest2x => self.give(0, Op::UpsampleNearest2xGrad, &[tensor()?]),
            Op::Conv2d(conv) => self.conv2d(conv, tensor()?),
            Op::Linear { bias, activation } => {
                let g = self.before(activation, tensor()?, self.id)?;
                self.give(0, Op::LinearGradInput, &[g, node.inputs[1]])?;
                self.give(1, Op::LinearGradWeight, &[x, g])?;
                if bias { self.give(2, Op::SumRows, &[g]) } else { Ok(()) }
            }
            Op::Norm(norm) => self.norm(norm, tensor()?),
            Op::Activation(activation) => {
                let g = self.before(activation, tensor()?, self.id)?;
                self.pass(0, Seed::Node(g));
                Ok(())
            }
            // Of losses too.
            Op::Add => {
                self.pass(0, seed);
                self.pass(1, seed);
                Ok(())
            }
            Op::Scale(factor) => match seed {
                Seed::Weight(weight) => {
                    self.pass(0, Seed::Weight(factor * weight));
                    Ok(())
                }
                Seed::Node(g) => self.give(0, Op::Scale(factor), &[g]),
            },
            Op::AddScalar => {
                let g = tensor()?;
                self.pass(0, Seed::Node(g));
                self.give(1, Op::SumColumns, &[g])
            }
            Op::Above(_) => self.give(0, Op::ActivationGrad(Activation::Relu), &[tensor()?, self.id]),
            Op::GlobalAvgPool => {
                let [_, _, height, width] = image(self.graph, 0);
                self.give(0, Op::GlobalAvgPoolGrad { height, width }, &[tensor()?])
            }
            Op::GlobalMaxPool => self.give(0, Op::GlobalMaxPoolGrad, &[tensor()?, x]),
            Op::SumChannels => {
                let [_, channels, ..] = image(self.graph, 0);
                self.give(0, Op::BroadcastChannels(channels), &[tensor()?])
            }
            Op::Concat => {
                let (g, a, b) = (tensor()?, dims(self.graph, 0)[1], dims(self.graph, 1)[1]);
                self.give(0, Op::SliceColumns { start: 0, len: a }, &[g])?;
                self.give(1, Op::SliceColumns { start: a, len: b }, &[g])
            }
            Op::Stack => {
                let (g, n, m) = (tensor()?, dims(self.graph, 0)[0], dims(self.graph, 1)[0]);
                self.give(0, Op::Samples { first: 0, count: n }, &[g])?;
                self.give(1, Op::Samples { first: n, count: m }, &[g])
            }
            Op::Samples { first, .. } => {
                let total = dims(self.graph, 0)[0];
                self.give(0, Op::SamplesGrad { first, total }, &[tensor()?])
            }
            Op::Flatten => {
                let [_, channels, height, width] = image(self.graph, 0);
                self.give(0, Op::Unflatten { channels, height, width }, &[tensor()?])
            }
            Op::CamWeight => {
                let operands = [tensor()?, node.inputs[0], node.inputs[1], node.inputs[2]];
                for (k, wrt) in [CamInput::Mix, CamInput::Gap, CamInput::Gmp].into_iter().enumerate() {
                    self.give(k, Op::CamWeightGrad(wrt), &operands)?;
                }
                Ok(())
            }
            Op::SpectralNorm => {
                let [w, sigma, u, v] = [0, 1, 2, 3].map(|k| node.inputs[k]);
                self.give(0, Op::SpectralNormGrad, &[tensor()?, w, sigma, u, v])
            }

            Op::SpectralDivide { bias, activation } => {
                let (g, y, parameters) = (tensor()?, self.id, 2 + usize::from(bias));
                let [first, second] = [0, 3].map(|k| &node.inputs[parameters + k..][..3]);
                let (sigmas, vectors) = ([first[0], second[0]], [&first[1..], &second[1..]].concat());
                let of_sums = [&[g, y][..], &sigmas].concat();
                let d = self.graph.add(Op::SpectralDivideGrad(activation), &of_sums)?;
                self.pass(0, Seed::Node(d));
                if bias {
                    self.give(2, Op::SpectralBiasGrad, &[&[d], &sigmas[..]].concat())?;
                }
                let operands = [&[d, y], &node.inputs[1..parameters], &vectors].concat();
                self.give(1, Op::SpectralSigmaGrad { bias, activation }, &operands)
            }

            // ---- losses ----
            Op::Mse { target } => self.give(0, Op::MseGrad { target, scale: weight()? }, &node.inputs),
            Op::L1 => {
                let scale = weight()?;
                self.give(0, Op::L1Grad { scale }, &node.inputs)?;
                self.give(1, Op::L1Grad { scale: -scale }, &node.inputs)
            }
            Op::BceWithLogits { target } => {
                self.give(0, Op::BceWithLogitsGrad { target, scale: weight()? }, &node.inputs)
            }
            Op::Mean => self.give(0, Op::MeanGrad { scale: weight()? }, &node.inputs),
            Op::Hinge { target } => self.give(0, Op::HingeGrad { target, scale: weight()? }, &node.inputs),
            Op::GradientPenalty { one_sided } => {
                self.give(0, Op::GradientPenaltyGrad { one_sided, scale: weight()? }, &node.inputs)
            }

            // ---- gradients, most of which are bilinear: the rule of one is made of the others of its operation ----
            Op::Conv2dGradInput { conv, .. } => {
                let (g, upstream, weight) = (tensor()?, node.inputs[0], node.inputs[1]);
                let [_, _, kh, kw] = image(self.graph, 1);
                let bare = Conv2d { bias: false, activation: Activation::Identity, ..conv };
                self.give(0, Op::Conv2d(bare), &[g, weight])?;
                self.give(1, Op::Conv2dGradWeight { conv: bare, kernel: [kh, kw] }, &[g, upstream])
            }
            Op::Conv2dGradWeight { conv, .. } => {
                let (g, upstream) = (tensor()?, node.inputs[1]);
                let [_, _, height, width] = image(self.graph, 0);
                let bare = Conv2d { bias: false, activation: Activation::Identity, ..conv };
                self.give(0, Op::Conv2dGradInput { conv: bare, height, width }, &[upstream, g])?;
                self.give(1, Op::Conv2d(bare), &[x, g])
            }
            Op::LinearGradInput => {
                let (g, upstream, weight) = (tensor()?, node.inputs[0], node.inputs[1]);
                self.give(0, LINEAR, &[g, weight])?;
                self.give(1, Op::LinearGradWeight, &[g, upstream])
            }
            Op::LinearGradWeight => {
                let (g, upstream) = (tensor()?, node.inputs[1]);
                self.give(0, Op::LinearGradInput, &[upstream, g])?;
                self.give(1, LINEAR, &[x, g])
            }
            // Of tanh the derivative at the result is wanted too, which there is not.
            Op::ActivationGrad(activation) if !self.wanted[1] => {
                self.give(0, Op::ActivationGrad(activation), &[tensor()?, node.inputs[1]])
            }
            Op::ReflectionPad2dGrad(p) => self.give(0, Op::ReflectionPad2d(p), &[tensor()?]),
            Op::UpsampleNearest2xGrad => self.give(0, Op::UpsampleNearest2x, &[tensor()?]),
            Op::GlobalAvgPoolGrad { .. } => self.give(0, Op::GlobalAvgPool, &[tensor()?]),
            Op::GlobalMaxPoolGrad => self.give(0, Op::AtMaximum, &[tensor()?, node.inputs[1]]),
            Op::AtMaximum => self.give(0, Op::GlobalMaxPoolGrad, &[tensor()?, node.inputs[1]]),
            Op::BroadcastChannels(_) => self.give(0, Op::SumChannels, &[tensor()?]),
            Op::Unflatten { .. } => self.give(0, Op::Flatten, &[tensor()?]),
            Op::SamplesGrad { first, .. } => {
                let count = dims(self.graph, 0)[0];
                self.give(0, Op::Samples { first, count }, &[tensor()?])
            }
            Op::MseGrad { scale, .. } => {
                let g = tensor()?;
                let count = self.graph.shape(g).elements();
                self.give(0, Op::Scale(2.0 * scale / count as f32), &[g])
            }

            // ---- detached: no gradient comes here, but from a seed ----
            Op::NormCoefficients(_)
            | Op::PowerIterationV
            | Op::PowerIterationU
            | Op::SpectralSigma
            | Op::MeanGrad { .. }
            | Op::HingeGrad { .. }
            | Op::L1Grad { .. } => {
                Err(Error::Config(format!("{:?} is detached: no gradient goes through it", node.op)))
            }
            // ---- nothing that is trained differentiates these ----
            Op::Interpolate
            | Op::SpectralNormGrad
            | Op::SpectralDivideGrad(_)
            | Op::SpectralBiasGrad
            | Op::SpectralSigmaGrad { .. }
            | Op::SumPixels
            | Op::SumRows
            | Op::SumColumns
            | Op::NormGrad { .. }
            | Op::ActivationGrad(_)
            | Op::SliceColumns { .. }
            | Op::CamWeightGrad(_)
            | Op::BceWithLogitsGrad { .. }
            | Op::GradientPenaltyGrad { .. } => Err(Error::Config(format!(
                "{:?} is made for gradients, and has itself no derivative here",
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
