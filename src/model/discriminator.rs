//! The discriminators (paper, section 2.1.2 and appendix B; official `Discriminator`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::{Activation, Conv2d, Graph, NodeId, Op};

use super::cam::{Cam, Classifier, cam};
use super::weight::{Sigma, Weight};

/// Of every layer but the last.
const ACTIVATION: Activation = Activation::LeakyRelu(0.2);

/// The architecture of a discriminator (official `Discriminator(img_ch, ndf=ch, n_layers)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DiscriminatorConfig {
    /// Channels of the first layer (official 64).
    pub ch: usize,
    /// Layers, the last of the official count being the one that judges: 7 for the global
    /// discriminator, 5 for the local one.
    pub n_layers: usize,
    /// Channels of a picture (official 3).
    pub img_ch: usize,
    /// Whether there is the attention block, with its auxiliary classifiers (the paper's `D_CAM`). Without it the
    /// last layer judges the features as they are.
    pub cam: bool,
    /// Whether the weights are spectrally normalised (`sn` of the authors' TensorFlow program).
    pub sn: bool,
}

impl DiscriminatorConfig {
    /// Channels of the features: `2^(n_layers - 2) * ch`.
    pub fn features(&self) -> usize {
        self.ch << (self.n_layers - 2)
    }

    /// The smallest picture side: what is left of it after the halvings must be 3 pixels.
    pub fn min_size(&self) -> usize {
        3 << (self.n_layers - 2)
    }

    /// Checks that a network of this configuration can be built.
    ///
    /// # Errors
    /// [`Error::Config`] with the field and what it may be.
    pub fn validate(&self) -> Result<()> {
        for (what, value, low, high) in [
            ("the discriminator's ch", self.ch, 1, 1024),
            ("n_layers", self.n_layers, 3, 10),
            ("img_ch", self.img_ch, 1, 64),
        ] {
            if !(low..=high).contains(&value) {
                return Err(Error::Config(format!("{what} is {value}; it must be {low} to {high}")));
            }
        }
        Ok(())
    }

    /// Checks that the network can judge pictures of `height` x `width`.
    ///
    /// # Errors
    /// [`Error::Config`] where a side is smaller than [`Self::min_size`].
    pub fn check_size(&self, height: usize, width: usize) -> Result<()> {
        let min = self.min_size();
        if height < min || width < min {
            return Err(Error::Config(format!(
                "the picture size {width}x{height} is too small for a discriminator of {} layers, which needs {min} pixels on both sides; use larger pictures or fewer layers",
                self.n_layers
            )));
        }
        Ok(())
    }
}

/// The vectors `u` and `v` of every spectrally normalised weight, as they stand in a graph
/// while discriminators are appended to it.
///
/// In training each forward begins with one power iteration, so two forwards of one
/// discriminator use different vectors. Give both the same state.
#[derive(Clone, Debug)]
pub struct SpectralState {
    iterate: bool,
    /// By the weight's key without `_orig`.
    vectors: BTreeMap<String, [NodeId; 2]>,
}

impl SpectralState {
    /// One power iteration for each forward (official `train()`).
    pub fn train() -> Self {
        Self { iterate: true, vectors: BTreeMap::new() }
    }

    /// The stored vectors as they are (official `eval()`).
    pub fn eval() -> Self {
        Self { iterate: false, vectors: BTreeMap::new() }
    }

    /// The buffers' official keys (`...weight_u`, `...weight_v`), each with the node of its
    /// value after the last forward: what the next graph is to be fed with.
    pub fn updated(&self) -> impl Iterator<Item = (String, NodeId)> {
        self.vectors.iter().flat_map(|(key, [u, v])| [(format!("{key}_u"), *u), (format!("{key}_v"), *v)])
    }

    /// The weight's sigma, after a power iteration in training.
    fn sigma(&mut self, graph: &mut Graph, key: &str, weight: NodeId) -> Result<Sigma> {
        let [mut u, mut v] = match self.vectors.get(key) {
            Some(&vectors) => vectors,
            None => {
                let dims = graph.shape(weight).dims();
                let (out, rest) = (dims[0], dims[1..].iter().product::<usize>());
                [graph.parameter(format!("{key}_u"), [out]), graph.parameter(format!("{key}_v"), [rest])]
            }
        };
        if self.iterate {
            v = graph.add(Op::PowerIterationV, &[weight, u])?;
            u = graph.add(Op::PowerIterationU, &[weight, v])?;
        }
        self.vectors.insert(key.into(), [u, v]);
        let sigma = graph.add(Op::SpectralSigma, &[weight, u, v])?;
        Ok([sigma, u, v])
    }
}

/// The nodes of a discriminator in a graph.
#[derive(Clone, Copy, Debug)]
pub struct Discriminator {
    /// `[N, 1, h, w]`: the raw judgement of each patch, no sigmoid.
    pub judgement: NodeId,
    /// `[N, 2]`: the auxiliary classifier's raw logits, average pooling first; none without attention.
    pub cam_logit: Option<NodeId>,
    /// `[N, 1, h + 1, w + 1]`: the sum of the attended features over channels; none without attention.
    pub heatmap: Option<NodeId>,
}

impl Discriminator {
    /// Appends a discriminator that judges `x` `[N, img_ch, H, W]` in -1..1. Its parameters and
    /// buffers are named by the official `state_dict` keys after `prefix`; a second forward in
    /// the same graph shares them.
    ///
    /// As in the official code, the attention block multiplies the features by the raw
    /// classifier weights, while the logits use the normalised ones. Without spectral normalisation
    /// there is one form of each weight, `weight`.
    ///
    /// # Errors
    /// [`Error::Config`] where the configuration cannot work or not with this size,
    /// [`Error::Shape`] where `x` has another number of channels.
    pub fn build(
        graph: &mut Graph,
        config: &DiscriminatorConfig,
        prefix: &str,
        x: NodeId,
        state: &mut SpectralState,
    ) -> Result<Self> {
        Self::build_batches(graph, config, prefix, x, 1, state)
    }

    /// As [`Self::build`], where `x` is two batches of as many pictures, one behind the other. Each result is what two
    /// forwards give, first of the one batch and then of the other, one behind the other: with spectral normalisation in
    /// training there is a power iteration before each.
    ///
    /// # Errors
    /// As [`Self::build`], and [`Error::Shape`] where `x` has an odd number of samples.
    pub fn build_both(
        graph: &mut Graph,
        config: &DiscriminatorConfig,
        prefix: &str,
        x: NodeId,
        state: &mut SpectralState,
    ) -> Result<Self> {
        Self::build_batches(graph, config, prefix, x, 2, state)
    }

    fn build_batches(
        graph: &mut Graph,
        config: &DiscriminatorConfig,
        prefix: &str,
        x: NodeId,
        batches: usize,
        state: &mut SpectralState,
    ) -> Result<Self> {
        config.validate()?;
        if let Some([_, _, h, w]) = graph.shape(x).nchw() {
            config.check_size(h, w)?;
        }
        let mut net = Builder { graph, prefix, state, batches, sn: config.sn };
        let (layers, features) = (config.n_layers - 1, config.features());

        // Halvings, then one layer at full resolution; each doubles the channels.
        let (mut y, mut channels) = (x, config.img_ch);
        for layer in 0..layers {
            let (stride, outputs) = (if layer + 1 < layers { 2 } else { 1 }, config.ch << layer);
            let name = format!("model.{}", 1 + 3 * layer);
            y = net.conv(y, &name, [outputs, channels, 4, 4], stride, true)?;
            y = net.graph.add(Op::Activation(ACTIVATION), &[y])?;
            channels = outputs;
        }

        let attention = if config.cam { Some(net.attention(y, features)?) } else { None };
        y = attention.map_or(y, |attention| attention.features);
        let judgement = net.conv(y, "conv", [1, features, 4, 4], 1, false)?;
        let (cam_logit, heatmap) = attention.map(|attention| (attention.logit, attention.heatmap)).unzip();
        Ok(Self { judgement, cam_logit, heatmap })
    }
}
/// The layers that the discriminator repeats.
struct Builder<'a> {
    graph: &'a mut Graph,
    prefix: &'a str,
    state: &'a mut SpectralState,
    /// 1 or 2.
    batches: usize,
    sn: bool,
}

impl Builder<'_> {
    fn parameter<const N: usize>(&mut self, layer: &str, leaf: &str, shape: [usize; N]) -> NodeId {
        self.graph.parameter(format!("{}{layer}.{leaf}", self.prefix), shape)
    }

    /// A layer's weight.
    fn weight<const N: usize>(&mut self, layer: &str, shape: [usize; N]) -> Result<Weight> {
        if !self.sn {
            return Ok(Weight::plain(self.parameter(layer, "weight", shape)));
        }
        let raw = self.parameter(layer, "weight_orig", shape);
        let key = format!("{}{layer}.weight", self.prefix);
        let mut sigma = || self.state.sigma(self.graph, &key, raw);
        match self.batches {
            1 => {
                let sigma = sigma()?;
                Weight::divided(self.graph, raw, sigma)
            }
            _ => Ok(Weight::to_divide(raw, [sigma()?, sigma()?])),
        }
    }

    /// The attention block.
    fn attention(&mut self, x: NodeId, features: usize) -> Result<Cam> {
        let gap = self.weight("gap_fc", [1, features])?;
        let gmp = self.weight("gmp_fc", [1, features])?;
        let mix = self.parameter("conv1x1", "weight", [features, 2 * features, 1, 1]);
        let bias = self.parameter("conv1x1", "bias", [features]);
        let classifiers = [gap, gmp].map(|Weight { raw, used, sigmas }| Classifier {
            features: raw,
            logit: used,
            sigmas,
            bias: None,
        });
        cam(self.graph, x, classifiers, [mix, bias], ACTIVATION)
    }

    /// Reflection padding by one pixel, then a convolution.
    fn conv(
        &mut self,
        x: NodeId,
        layer: &str,
        shape: [usize; 4],
        stride: usize,
        bias: bool,
    ) -> Result<NodeId> {
        let weight = self.weight(layer, shape)?;
        let padded = self.graph.add(Op::ReflectionPad2d(1), &[x])?;
        let bias = bias.then(|| self.parameter(layer, "bias", [shape[0]]));
        weight.layer(self.graph, padded, bias, |bias| {
            Op::Conv2d(Conv2d { stride, pad: 0, upsample: false, bias, activation: Activation::Identity })
        })
    }
}
