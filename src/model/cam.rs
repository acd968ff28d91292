//! The class-activation-map attention block (paper, section 2.1.1; official `networks.py`).

use crate::error::Result;
use crate::graph::{Activation, Conv2d, Graph, NodeId, Op};

use super::weight::Weight;

/// One of the two auxiliary classifiers: that of the averages over pixels, or that of the maxima.
#[derive(Clone, Copy, Debug)]
pub struct Classifier {
    /// `[1, C]`: what the features are multiplied by.
    pub features: NodeId,
    /// `[1, C]`: what gives the logit. In a generator the same tensor, in a discriminator the
    /// spectrally normalised one.
    pub logit: NodeId,
    /// What the logits are still to be divided by, those of the first batch and those of the second: sigma, u and v of each
    /// ([`Op::SpectralDivide`]).
    pub sigmas: Option<[[NodeId; 3]; 2]>,
    /// `[1]`: added to the logit, where there is one.
    pub bias: Option<NodeId>,
}

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
/// `x` is `[N, C, H, W]`; the classifiers are those of average and of maximum pooling; `mix` are
/// the weight `[C, 2C, 1, 1]` and the bias `[C]` of `conv1x1`.
///
/// # Errors
/// [`crate::Error::Shape`] where these shapes do not fit.
pub fn cam(
    graph: &mut Graph,
    x: NodeId,
    [gap, gmp]: [Classifier; 2],
    [mix_weight, mix_bias]: [NodeId; 2],
    activation: Activation,
) -> Result<Cam> {
    let average = graph.add(Op::GlobalAvgPool, &[x])?;
    let maximum = graph.add(Op::GlobalMaxPool, &[x])?;
    let mut classify = |pooled: NodeId, Classifier { logit, sigmas, bias, .. }: Classifier| {
        let weight = Weight { raw: logit, used: logit, sigmas };
        weight.layer(graph, pooled, bias, |bias| Op::Linear { bias, activation: Activation::Identity })
    };
    let logits = [classify(average, gap)?, classify(maximum, gmp)?];
    let logit = graph.add(Op::Concat, &logits)?;

    let weight = graph.add(Op::CamWeight, &[mix_weight, gap.features, gmp.features])?;
    let conv = Conv2d { stride: 1, pad: 0, upsample: false, bias: true, activation: Activation::Identity };
    let mixed = graph.add(Op::Conv2d(conv), &[x, weight, mix_bias])?;
    let features = graph.add(Op::Activation(activation), &[mixed])?;
    let heatmap = graph.add(Op::SumChannels, &[features])?;
    Ok(Cam { features, logit, heatmap })
}
