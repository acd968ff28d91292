//! Which pictures of a step of training lie in memory as f16.
//!
//! Those of the way forward, which are kept until the gradients read them: they are most of the memory. Gradients stay f32, as
//! they are too small for f16: losses are means over all elements, and with the usual weights the gradient of the cycle at a picture
//! of 256 pixels is 10 / (3 * 256²) = 5e-5, where f16 loses bits already. So no loss need be scaled. What losses read, and what one
//! quad of channels holds (what networks are given and give), stays f32 too.

use std::collections::HashSet;

use crate::graph::{Activation, Graph, NodeId, Op, of_training};

use super::super::layout::quads;
use super::absorbed::Absorbed;

/// The nodes of a step that stay f32; none of a graph without anything of training.
pub(super) fn wide(graph: &Graph, absorbed: &Absorbed) -> HashSet<NodeId> {
    let mut wide = HashSet::new();
    if !graph.nodes().iter().any(|node| is_of_training(&node.op)) {
        return wide;
    }
    let mut gradients = HashSet::new();
    for (id, node) in graph.iter() {
        if is_gradient_of_loss(&node.op) || node.inputs.iter().any(|input| gradients.contains(input)) {
            gradients.insert(id);
        }
        let is_small = node.shape.nchw().is_some_and(|[_, c, ..]| quads(c) == 1);
        // A layer's launch divides by sigma.
        let is_layer = node.inputs.first().is_some_and(|&sums| absorbed.is_to_divide(sums));
        let is_of_training = is_of_training(&node.op) && !is_layer;
        if is_small || gradients.contains(&id) || is_of_training || absorbed.end(id) != id {
            wide.insert(id);
        }
        wide.extend(
            node.inputs.iter().enumerate().filter(|(k, _)| !reads_half(&node.op, *k)).map(|(_, x)| x),
        );
    }
    wide
}

fn is_of_training(op: &Op) -> bool {
    matches!(op, of_training!())
}

/// What every gradient of a step is made of.
fn is_gradient_of_loss(op: &Op) -> bool {
    matches!(
        op,
        Op::MseGrad { .. }
            | Op::L1Grad { .. }
            | Op::BceWithLogitsGrad { .. }
            | Op::MeanGrad { .. }
            | Op::HingeGrad { .. }
            | Op::GradientPenaltyGrad { .. }
    )
}

/// Whether the kernels of an operation find its input `k` as f16 too, where that is a picture.
fn reads_half(op: &Op, k: usize) -> bool {
    match op {
        Op::Conv2dGradWeight { .. } | Op::LinearGradWeight => k == 0,
        // `1 - y²` of what is near 1 would be lost.
        Op::ActivationGrad(activation) | Op::SpectralDivideGrad(activation) => {
            k == 1 && *activation != Activation::Tanh
        }
        Op::SpectralSigmaGrad { .. } => k == 1,
        Op::NormGrad { .. } | Op::GlobalMaxPoolGrad | Op::AtMaximum => k == 1,
        other => !is_of_training(other),
    }
}
