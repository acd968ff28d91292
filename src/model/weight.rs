//! The weight of a layer that may be spectrally normalised.

use crate::error::Result;
use crate::graph::{Activation, Graph, NodeId, Op};

/// The sigma of a weight, with its vectors u and v.
pub(super) type Sigma = [NodeId; 3];

/// A layer's weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    /// As it is trained.
    pub(super) raw: NodeId,
    /// As the layer multiplies with it.
    pub(super) used: NodeId,
    /// What the layer's sums are still to be divided by, those of the first batch and those of the second.
    pub(super) sigmas: Option<[Sigma; 2]>,
}

impl Weight {
    /// One that is used as it is trained.
    pub(super) fn plain(raw: NodeId) -> Self {
        Self { raw, used: raw, sigmas: None }
    }

    /// One that is divided by its sigma.
    pub(super) fn divided(graph: &mut Graph, raw: NodeId, [sigma, u, v]: Sigma) -> Result<Self> {
        let used = graph.add(Op::SpectralNorm, &[raw, sigma, u, v])?;
        Ok(Self { raw, used, sigmas: None })
    }

    /// One that has another sigma for each of two batches.
    pub(super) fn to_divide(raw: NodeId, sigmas: [Sigma; 2]) -> Self {
        Self { raw, used: raw, sigmas: Some(sigmas) }
    }

    /// Appends the layer `op` of `x`, with a bias or without.
    pub(super) fn layer(
        self,
        graph: &mut Graph,
        x: NodeId,
        bias: Option<NodeId>,
        op: impl FnOnce(bool) -> Op,
    ) -> Result<NodeId> {
        let Some([first, second]) = self.sigmas else {
            let inputs: Vec<NodeId> = [x, self.used].into_iter().chain(bias).collect();
            return graph.add(op(bias.is_some()), &inputs);
        };
        let sums = graph.add(op(false), &[x, self.used])?;
        let inputs = [sums, self.raw].into_iter().chain(bias).chain(first).chain(second);
        let divide = Op::SpectralDivide { bias: bias.is_some(), activation: Activation::Identity };
        graph.add(divide, &inputs.collect::<Vec<_>>())
    }
}
