//! What needs no launch of its own, since that of another operation does it.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::graph::{Activation, Graph, Node, NodeId, Op};

use super::super::Bound;
use super::super::layout::Layout;
use super::loss::sees_windows;
use super::{Lowering, Value, activation_code};

/// An operand that is added to where the other lies.
#[derive(Clone, Copy, Debug)]
struct Addition {
    sum: NodeId,
    first: NodeId,
    /// The last one that reads the first operand for itself, if anyone does.
    last_reader: Option<NodeId>,
}

/// What a launch does with its results beside writing them; by default nothing.
#[derive(Default)]
pub(super) struct Epilogue {
    /// 1: adds them to what is there.
    pub(super) accumulate: u32,
    /// That of an activation, whose gradient they are.
    pub(super) result: Option<Bound>,
    pub(super) activation: u32,
    pub(super) slope: f32,
}

/// Which operations those are.
#[derive(Debug, Default)]
pub(super) struct Absorbed {
    /// By the later operand of a sum.
    additions: HashMap<NodeId, Addition>,
    /// The sum that an operand's memory becomes.
    becomes: HashMap<NodeId, NodeId>,
    /// Gradients of activations that only gradients of normalisations read: these compute them.
    activations: HashSet<NodeId>,
    /// By the gradient at a convolution's input that of the activation before it, and of a division by sigmas, which the same
    /// launch computes.
    behind: HashMap<NodeId, NodeId>,
    /// Weights under spectral normalisation that only convolutions and linear layers read: these divide their results.
    divisions: HashSet<NodeId>,
    /// Sums of convolutions and linear layers that only [`Op::SpectralDivide`] reads: they are computed with it.
    to_divide: HashSet<NodeId>,
    /// Samples that only losses and their gradients read: they find them among all.
    windows: HashSet<NodeId>,
    /// By the gradient at some samples, that at all of them, which nothing else reads.
    window_grads: HashMap<NodeId, NodeId>,
}

impl Absorbed {
    pub(super) fn find(graph: &Graph, outputs: &[NodeId]) -> Self {
        let mut found = Self::default();
        let mut readers: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for (id, node) in graph.iter() {
            node.inputs.iter().for_each(|&input| readers.entry(input).or_default().push(id));
        }
        let read_by = |id: NodeId| readers.get(&id).map_or(&[][..], Vec::as_slice);
        for (id, node) in graph.iter() {
            let taken_in = |reader: &NodeId| {
                let reader = graph.node(*reader);
                matches!(reader.op, Op::NormGrad { .. }) && !reader.inputs[1..].contains(&id)
            };
            let divides = |reader: &NodeId| {
                let reader = graph.node(*reader);
                let is_product = matches!(
                    reader.op,
                    Op::Conv2d(_) | Op::Conv2dGradInput { .. } | Op::Linear { .. } | Op::LinearGradInput
                );
                is_product
                    && reader.inputs[1] == id
                    && !reader.inputs[2..].contains(&id)
                    && reader.inputs[0] != id
            };
            let is_division = node.op == Op::SpectralNorm && !outputs.contains(&id);
            if is_division && read_by(id).iter().all(divides) {
                found.divisions.insert(id);
            }
            let of_loss = |reader: &NodeId| {
                sees_windows(&graph.node(*reader).op) && !graph.node(*reader).inputs[1..].contains(&id)
            };
            // What lies at all samples must not become a sum meanwhile.
            let stays = |id: NodeId| {
                has_own_memory(graph.node(id))
                    && !read_by(id).iter().any(|reader| graph.node(*reader).op == Op::Add)
            };
            let is_window = matches!(node.op, Op::Samples { .. }) && stays(node.inputs[0]);
            if is_window && !outputs.contains(&id) && read_by(id).iter().all(of_loss) {
                found.windows.insert(id);
            }
            if let [reader] = read_by(id)
                && sees_windows(&node.op)
                && matches!(graph.node(*reader).op, Op::SamplesGrad { .. })
                && !outputs.contains(&id)
            {
                found.window_grads.insert(id, *reader);
            }
            if let [reader] = read_by(id)
                && is_bare(&node.op)
                && matches!(graph.node(*reader).op, Op::SpectralDivide { .. })
                && !graph.node(*reader).inputs[1..].contains(&id)
                && !outputs.contains(&id)
            {
                found.to_divide.insert(id);
            }
            let all = !outputs.contains(&id) && read_by(id).iter().all(taken_in);
            if all && matches!(node.op, Op::ActivationGrad(_)) {
                found.activations.insert(id);
            }
        }
        for (id, node) in graph.iter() {
            // The kernels divide once, and those of the fast algorithms not at all.
            let undivided = |weight: NodeId| {
                !found.divisions.contains(&weight) && !graph.shape(weight).dims().ends_with(&[3, 3])
            };
            let follows = match node.op {
                Op::ActivationGrad(_) => true,
                Op::SpectralDivideGrad(_) => {
                    graph.node(node.inputs[0]).inputs.get(1).copied().is_some_and(undivided)
                }
                _ => false,
            };
            if !follows {
                continue;
            }
            let (g, result) = (node.inputs[0], node.inputs[1]);
            let only = read_by(g) == [id] && !outputs.contains(&g) && !found.activations.contains(&id);
            if only && folds(graph.node(g)) && result < g && !found.activations.contains(&result) {
                found.behind.insert(g, id);
                found.becomes.insert(g, id);
            }
        }
        for (sum, node) in graph.iter().filter(|(_, node)| node.op == Op::Add) {
            let (first, second) = (node.inputs[0].min(node.inputs[1]), node.inputs[0].max(node.inputs[1]));
            let is_free = |id: NodeId| !outputs.contains(&id) && !found.activations.contains(&id);
            // What is added to must not be read any more, be it by way of an activation's gradient.
            let others = read_by(first).iter().filter(|reader| **reader != sum);
            let last_reader = others
                .flat_map(|reader| match found.activations.contains(reader) {
                    true => read_by(*reader),
                    false => std::slice::from_ref(reader),
                })
                .max()
                .copied();
            if first != second
                && is_free(first)
                && is_free(second)
                && has_own_memory(graph.node(first))
                && adds(graph.node(second))
                && last_reader.is_none_or(|reader| reader < second)
                && read_by(second) == [sum]
            {
                found.additions.insert(second, Addition { sum, first, last_reader });
                found.becomes.insert(first, sum);
                found.becomes.insert(second, sum);
            }
        }
        found
    }

    /// The node whose result lies in the end where that of `id` does.
    pub(super) fn end(&self, mut id: NodeId) -> NodeId {
        while let Some(&sum) = self.becomes.get(&id) {
            id = sum;
        }
        id
    }

    pub(super) fn is_activation(&self, id: NodeId) -> bool {
        self.activations.contains(&id)
    }

    pub(super) fn is_window(&self, id: NodeId) -> bool {
        self.windows.contains(&id)
    }

    pub(super) fn window_grad(&self, id: NodeId) -> Option<NodeId> {
        self.window_grads.get(&id).copied()
    }

    pub(super) fn is_to_divide(&self, id: NodeId) -> bool {
        self.to_divide.contains(&id)
    }

    pub(super) fn is_division(&self, id: NodeId) -> bool {
        self.divisions.contains(&id)
    }
}

/// Whether a node's result is written to memory of its own, and not where another's lies.
fn has_own_memory(node: &Node) -> bool {
    !matches!(node.op, Op::Input | Op::Parameter | Op::Flatten | Op::Unflatten { .. })
}

/// Whether an operation gives the sums of a layer as they are.
fn is_bare(op: &Op) -> bool {
    let plain = Activation::Identity;
    matches!(op, Op::Conv2d(conv) if !conv.bias && conv.activation == plain)
        || *op == Op::Linear { bias: false, activation: plain }
}

/// Whether a node is the gradient at a convolution's input with launches that have an [`Epilogue`].
fn folds(node: &Node) -> bool {
    matches!(node.op, Op::Conv2dGradInput { conv, .. } if conv.pad > 0 || conv.upsample)
}

/// Whether a node's launch can add its result to what is there.
fn adds(node: &Node) -> bool {
    matches!(
        node.op,
        Op::Conv2dGradInput { .. } if folds(node)
    ) || matches!(
        node.op,
        Op::Conv2dGradWeight { .. }
            | Op::NormGrad { .. }
            | Op::SumPixels
            | Op::SumRows
            | Op::LinearGradInput
            | Op::LinearGradWeight
            | Op::CamWeightGrad(_)
            | Op::GlobalAvgPoolGrad { .. }
            | Op::GlobalMaxPoolGrad
            | Op::SamplesGrad { .. }
            | Op::SpectralNormGrad
            | Op::SpectralBiasGrad
            | Op::SpectralSigmaGrad { .. }
    )
}

impl Lowering<'_> {
    /// The memory for a node's result, in the layout of an activation, and 1 where it is to be added to what is there.
    pub(super) fn summed(&mut self, id: NodeId) -> Result<(Value, u32)> {
        self.summed_in(id, Layout::activation(self.graph.shape(id)))
    }

    /// The memory for a node's result, and 1 where it is to be added to what is there.
    pub(super) fn summed_in(&mut self, id: NodeId, layout: Layout) -> Result<(Value, u32)> {
        let Some(&Addition { sum, first, .. }) = self.absorbed.additions.get(&id) else {
            return Ok((self.result_in(id, layout)?, 0));
        };
        let lies = self.values[first.index()];
        let (value, _) = lies
            .filter(|(_, found)| *found == layout)
            .ok_or_else(|| Error::Internal(format!("{layout:?} is added to what lies as {lies:?}")))?;
        self.values[sum.index()] = Some((value, layout));
        Ok((value, 1))
    }

    /// The memory for a gradient at a convolution's input, and what its launches do beside.
    pub(super) fn epilogue(&mut self, id: NodeId) -> Result<(Value, Epilogue)> {
        if let Some(&behind) = self.absorbed.behind.get(&id)
            && let Node {
                op: Op::ActivationGrad(activation) | Op::SpectralDivideGrad(activation),
                inputs,
                ..
            } = self.graph.node(behind)
        {
            let result = Some(self.operand(inputs[1])?);
            let (activation, slope) = activation_code(*activation);
            let y = self.result(behind)?;
            self.computed.insert(behind);
            return Ok((y, Epilogue { accumulate: 0, result, activation, slope }));
        }
        if !self.absorbed.additions.contains_key(&id) {
            return Ok((self.result(id)?, Epilogue::default()));
        }
        let (y, accumulate) = self.summed(id)?;
        Ok((y, Epilogue { accumulate, ..Epilogue::default() }))
    }

    /// What the launches of a gradient at a convolution's input divide by, beside its activation: the sigma of the first so many
    /// samples, and that of the others.
    pub(super) fn divisors_behind(&self, id: NodeId) -> Result<Option<([Bound; 2], u32)>> {
        match self.absorbed.behind.get(&id).map(|&behind| self.graph.node(behind)) {
            Some(Node { op: Op::SpectralDivideGrad(_), inputs, shape, .. }) => {
                let sigmas = [self.operand(inputs[2])?, self.operand(inputs[3])?];
                Ok(Some((sigmas, shape.dims()[0] as u32 / 2)))
            }
            _ => Ok(None),
        }
    }

    /// Whether a node's result can be computed when it is `now`'s turn: if it is added to something, that must be
    /// there, and nobody must read it any more.
    pub(super) fn is_addable(&self, id: NodeId, now: NodeId) -> bool {
        self.absorbed.additions.get(&id).is_none_or(|addition| {
            self.values[addition.first.index()].is_some()
                && addition.last_reader.is_none_or(|reader| reader < now)
        })
    }
}
