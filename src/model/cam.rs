//! The class-activation-map attention block (paper, section 2.1.1; official `networks.py`).

use crate::error::Result;
use crate::graph::{Activation, Conv2d, Graph, NodeId, Op};

/// What the attention block gives.
#[derive(Clone, Copy, Debug)]
pub struct Cam {
    /// `[N, C, H, W]`: the features, weighted by attention.
    pub features: NodeId,
    /// `[N, 2]`: the auxiliary classifier's raw logits, average pooling first.
    pub logit: NodeId,
    /// `[N, 1, H, W]`: the sum of `features` over channels.
    pub heatmap: NodeId,
}

/// Appends the attention block to `graph`.
///
/// `x` is `[N, C, H, W]`; `gap_weight` and `gmp_weight` `[1, C]` weigh the features,
/// `gap_logit_weight` and `gmp_logit_weight` `[1, C]` give the logits (the same tensors in a
/// generator; the spectrally normalised ones in a discriminator); `mix_weight` `[C, 2C, 1, 1]`
/// and `mix_bias` `[C]` are `conv1x1`.
///
/// # Errors
/// [`crate::Error::Shape`] where these shapes do not fit.
#[expect(
    clippy::too_many_arguments,
    reason = "six tensors and an activation, each with its own official name"
)]
pub fn cam(
    graph: &mut Graph,
    x: NodeId,
    gap_weight: NodeId,
    gmp_weight: NodeId,
    gap_logit_weight: NodeId,
    gmp_logit_weight: NodeId,
    mix_weight: NodeId,
    mix_bias: NodeId,
    activation: Activation,
) -> Result<Cam> {
    let linear = Op::Linear { bias: false, activation: Activation::Identity };
    let average = graph.add(Op::GlobalAvgPool, &[x])?;
    let maximum = graph.add(Op::GlobalMaxPool, &[x])?;
    let gap_logit = graph.add(linear.clone(), &[average, gap_logit_weight])?;
    let gmp_logit = graph.add(linear, &[maximum, gmp_logit_weight])?;
    let logit = graph.add(Op::Concat, &[gap_logit, gmp_logit])?;

    let weight = graph.add(Op::CamWeight, &[mix_weight, gap_weight, gmp_weight])?;
    let conv = Conv2d { stride: 1, pad: 0, upsample: false, bias: true, activation: Activation::Identity };
    let mixed = graph.add(Op::Conv2d(conv), &[x, weight, mix_bias])?;
    let features = graph.add(Op::Activation(activation), &[mixed])?;
    let heatmap = graph.add(Op::SumChannels, &[features])?;
    Ok(Cam { features, logit, heatmap })
}
