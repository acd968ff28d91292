//! What gradients share.

use crate::graph::{NodeId, Norm, NormKind};

use super::norm_grad::Plane;

/// The operands of a normalisation's gradient, its kind, the bits of eps, and whether variances are unbiased.
type NormKey = (Vec<NodeId>, NormKind, u32, bool);

/// What the last operation of a kind has worked out beside its result, for the next one on the same operands.
#[derive(Default)]
pub(super) struct Kept {
    planes: Option<(NormKey, Vec<Plane>)>,
    product: Option<([NodeId; 2], Vec<f64>)>,
}

impl Kept {
    /// What all gradients of this normalisation with these operands share.
    pub(super) fn planes(
        &mut self,
        operands: &[NodeId],
        norm: Norm,
        make: impl FnOnce() -> Vec<Plane>,
    ) -> &[Plane] {
        again(&mut self.planes, (operands.to_vec(), norm.kind, norm.eps.to_bits(), norm.unbiased), make)
    }

    /// `W v`, which the power iteration and sigma both need.
    pub(super) fn product(&mut self, operands: [NodeId; 2], make: impl FnOnce() -> Vec<f64>) -> &[f64] {
        again(&mut self.product, operands, make)
    }
}

fn again<K: PartialEq, V>(kept: &mut Option<(K, Vec<V>)>, key: K, make: impl FnOnce() -> Vec<V>) -> &[V] {
    let value = match kept.take() {
        Some((known, value)) if known == key => value,
        _ => make(),
    };
    &kept.insert((key, value)).1
}
