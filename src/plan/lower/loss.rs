//! Losses and their gradients.

use crate::catalogue::{loss, loss_grad};
use crate::error::{Error, Result};
use crate::graph::{Node, NodeId, Op};
use crate::shader::Shader;

use super::super::Bound;
use super::super::layout::{Layout, quads};
use super::Lowering;

/// Up to so many vec4s one workgroup writes the gradient too, while it sums up the loss.
const MOST_OF_ONE_WORKGROUP: usize = 16384;

/// A loss, or its gradient.
#[derive(Clone, Copy, PartialEq)]
struct Loss {
    kind: Kind,
    target: f32,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Mse,
    L1,
    Bce,
    Mean,
    Hinge,
}

impl Kind {
    /// The kernels of its value, of its gradient, and of both.
    fn shaders(self) -> [&'static Shader; 3] {
        match self {
            Self::Mse => [&loss::LOSS_MSE, &loss_grad::LOSS_GRAD_MSE, &loss::LOSS_AND_GRAD_MSE],
            Self::L1 => [&loss::LOSS_L1, &loss_grad::LOSS_GRAD_L1, &loss::LOSS_AND_GRAD_L1],
            Self::Bce => [&loss::LOSS_BCE, &loss_grad::LOSS_GRAD_BCE, &loss::LOSS_AND_GRAD_BCE],
            Self::Mean => [&loss::LOSS_MEAN, &loss_grad::LOSS_GRAD_MEAN, &loss::LOSS_AND_GRAD_MEAN],
            Self::Hinge => [&loss::LOSS_HINGE, &loss_grad::LOSS_GRAD_HINGE, &loss::LOSS_AND_GRAD_HINGE],
        }
    }
}

/// The loss that an operation computes.
fn loss_of(op: &Op) -> Option<Loss> {
    let (kind, target) = match *op {
        Op::Mse { target } => (Kind::Mse, target),
        Op::L1 => (Kind::L1, 0.0),
        Op::BceWithLogits { target } => (Kind::Bce, target),
        Op::Mean => (Kind::Mean, 0.0),
        Op::Hinge { target } => (Kind::Hinge, target),
        _ => return None,
    };
    Some(Loss { kind, target })
}

/// The loss that an operation is the gradient of at its first input, and its weight.
fn gradient_of(op: &Op) -> Option<(Loss, f32)> {
    let (kind, target, weight) = match *op {
        Op::MseGrad { target, scale } => (Kind::Mse, target, scale),
        Op::L1Grad { scale } => (Kind::L1, 0.0, scale),
        Op::BceWithLogitsGrad { target, scale } => (Kind::Bce, target, scale),
        Op::MeanGrad { scale } => (Kind::Mean, 0.0, scale),
        Op::HingeGrad { target, scale } => (Kind::Hinge, target, scale),
        _ => return None,
    };
    Some((Loss { kind, target }, weight))
}

/// Whether an operation reads its first input as [`Lowering::seen`] gives it.
pub(super) fn sees_windows(op: &Op) -> bool {
    loss_of(op).is_some() || gradient_of(op).is_some()
}

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

/// What a loss reads.
struct Seen {
    elements: Elements,
    x: Bound,
    /// From that vec4 of x on.
    first: usize,
    /// Of a loss of one tensor x itself, which is not read.
    t: Bound,
}

impl Seen {
    /// Of `loss.wgsl`, without what the gradient needs beside.
    fn params(&self, target_value: f32) -> loss::Params {
        let e = &self.elements;
        loss::Params {
            total: e.total as u32,
            quads: e.quads as u32,
            channels: e.channels as u32,
            target_value,
            scale: 1.0 / e.count as f32,
            first: self.first as u32,
            ..loss::Params::default()
        }
    }
}

impl Lowering<'_> {
    fn elements(&self, id: NodeId) -> Result<Elements> {
        let shape = self.graph.shape(id);
        let (layout, channels) = match Layout::activation(shape) {
            layout @ Layout::Image { c, .. } => (layout, c),
            layout @ Layout::Rows { k, .. } => (layout, k),
            _ => return Err(Error::Internal("a loss of a weight".into())),
        };
        let total = layout.floats() / 4;
        Ok(Elements { total, quads: quads(channels), channels, count: shape.elements() })
    }

    /// The operands of a loss. Some samples of more are read where those lie.
    fn seen(&self, node: &Node) -> Result<Seen> {
        let x = node.inputs[0];
        let elements = self.elements(x)?;
        let (x, first) = match self.graph.node(x) {
            Node { op: Op::Samples { first, count }, inputs, .. } if self.absorbed.is_window(x) => {
                (inputs[0], elements.total / count * first)
            }
            _ => (x, 0),
        };
        let x = self.operand(x)?;
        let t = node.inputs.get(1).map_or(Ok(x), |&t| self.operand(t))?;
        Ok(Seen { elements, x, first, t })
    }

    /// The gradient that computes the loss too: the only one at the same inputs, where nothing else reads the loss.
    fn with_gradient(&self, id: NodeId, node: &Node) -> Option<NodeId> {
        let is_small = |id: NodeId| self.elements(id).is_ok_and(|e| e.total <= MOST_OF_ONE_WORKGROUP);
        let wanted = loss_of(&node.op)?;
        let is_gradient = |other: &Node| {
            other.inputs == node.inputs && gradient_of(&other.op).is_some_and(|(loss, _)| loss == wanted)
        };
        let mut gradients = self.graph.iter().skip(id.index()).filter(|(_, other)| is_gradient(other));
        let (gradient, _) = gradients.next()?;
        let is_only = gradients.next().is_none();
        let is_read = self.graph.nodes().iter().any(|other| other.inputs.contains(&id));
        (is_only && !is_read && is_small(node.inputs[0])).then_some(gradient)
    }

    /// A loss: with its gradient, when it is that one's turn, or alone.
    pub(super) fn loss(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let Some(Loss { kind, target }) = loss_of(&node.op) else { return Ok(()) };
        if let Some(gradient) = self.with_gradient(id, node) {
            self.losses.insert(gradient, id);
            return Ok(());
        }
        let seen = self.seen(node)?;
        let y = self.result(id)?;
        let [shader, ..] = kind.shaders();
        let bindings = [seen.x, seen.t, self.whole(y)];
        self.launch(shader, seen.params(target), &bindings, [1, 1, 1], "loss", 0)
    }

    pub(super) fn loss_grad(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let Some((Loss { kind, target }, weight)) = gradient_of(&node.op) else { return Ok(()) };
        let seen = self.seen(node)?;
        let Seen { elements: e, x, first, t } = &seen;
        let [_, of_gradient, of_both] = kind.shaders();
        let scale = weight / e.count as f32;
        let Some(loss) = self.losses.get(&id).copied() else {
            let y = self.result(id)?;
            let params = loss_grad::Params {
                total: e.total as u32,
                quads: e.quads as u32,
                channels: e.channels as u32,
                target_value: target,
                scale,
                first: *first as u32,
                ..loss_grad::Params::default()
            };
            let workgroups = self.spread(e.total.div_ceil(256));
            return self.launch(of_gradient, params, &[*x, *t, self.whole(y)], workgroups, "loss grad", 0);
        };
        // Where only some samples are judged, the gradient at all of them.
        let all = self.absorbed.window_grad(id).filter(|&all| self.is_addable(all, id));
        let mut params = loss::Params { grad_scale: scale, whole: e.total as u32, ..seen.params(target) };
        let y = match all.map(|all| (all, self.graph.node(all))) {
            Some((all, Node { op: Op::SamplesGrad { first, total }, .. })) => {
                let count = self.graph.shape(id).dims()[0];
                params.to = (e.total / count * first) as u32;
                params.whole = (e.total / count * total) as u32;
                let (y, accumulate) = self.summed(all)?;
                params.accumulate = accumulate;
                self.computed.insert(all);
                y
            }
            _ => self.result(id)?,
        };
        let value = self.result(loss)?;
        let bindings = [*x, *t, self.whole(y), self.whole(value)];
        self.launch(of_both, params, &bindings, [1, 1, 1], "loss and its gradient", 0)
    }
}
