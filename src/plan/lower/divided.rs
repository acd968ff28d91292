//! Weights under spectral normalisation: what is divided are the sums.

use crate::error::Result;
use crate::graph::NodeId;

use super::super::Bound;
use super::Lowering;

/// A weight, and what the results of a convolution or a linear layer with it are divided by: those of the first `divides`
/// samples by the first of `divisors`, the others by the second; where that is 0 none.
pub(super) struct Divided {
    pub(super) weight: Bound,
    pub(super) divisors: [Bound; 2],
    pub(super) divides: u32,
}

impl Lowering<'_> {
    /// A weight. One that spectral normalisation divides is not written: the results are divided.
    pub(super) fn divided(&self, weight: NodeId) -> Result<Divided> {
        #[cfg(feature = "training")]
        if self.absorbed.is_division(weight) {
            let inputs = &self.graph.node(weight).inputs;
            let (weight, sigma) = (self.operand(inputs[0])?, self.operand(inputs[1])?);
            return Ok(Divided { weight, divisors: [sigma; 2], divides: u32::MAX });
        }
        let weight = self.operand(weight)?;
        Ok(Divided { weight, divisors: [weight; 2], divides: 0 })
    }

    /// The same of a linear layer's weight, which may lie in blocks of rows.
    pub(super) fn divided_rows(&self, weight: NodeId) -> Result<Vec<Divided>> {
        let blocks = self.operands(weight);
        if !matches!(&blocks, Ok(blocks) if blocks.len() > 1) {
            return Ok(vec![self.divided(weight)?]);
        }
        let undivided = |weight: Bound| Divided { weight, divisors: [weight; 2], divides: 0 };
        Ok(blocks?.into_iter().map(undivided).collect())
    }
}
