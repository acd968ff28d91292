//! The generator (paper, section 2.1.1 and appendix B; official `ResnetGenerator`).

use crate::error::Result;
use crate::graph::{Activation, Conv2d, Graph, NodeId, Norm, NormKind, Op};

use super::cam::cam;
use super::config::GeneratorConfig;

/// The variance's guard in every normalisation.
const EPS: f32 = 1e-5;

/// The nodes of a generator in a graph.
#[derive(Clone, Debug)]
pub struct Generator {
    /// `[N, img_ch, H, W]` in -1..1.
    pub image: NodeId,
    /// `[N, 2]`: the auxiliary classifier's raw logits, average pooling first.
    pub cam_logit: NodeId,
    /// `[N, 1, H/4, W/4]`, not negative.
    pub heatmap: NodeId,
    /// The results of the stages, by their official module names.
    pub stages: Vec<(String, NodeId)>,
}

impl Generator {
    /// Appends a generator that translates `x` `[N, img_ch, H, W]` in -1..1. Its parameters
    /// are named by the official `state_dict` keys after `prefix`.
    ///
    /// # Errors
    /// [`crate::Error::Config`] where the configuration cannot work or not with this size,
    /// [`crate::Error::Shape`] where `x` has another number of channels.
    pub fn build(graph: &mut Graph, config: &GeneratorConfig, prefix: &str, x: NodeId) -> Result<Self> {
        config.validate()?;
        if let Some([_, _, h, w]) = graph.shape(x).nchw() {
            config.check_size(h, w)?;
        }
        let mut net = Builder { graph, prefix, stages: vec![] };
        let (ch, features) = (config.ch, config.features());

        // Encoder: 7x7, two strided 3x3, residual blocks.
        let mut y = net.conv(x, "DownBlock.1.weight", [ch, config.img_ch, 7, 7], 1)?;
        y = net.instance_norm(y)?;
        y = net.stage("DownBlock.3", Op::Activation(Activation::Relu), &[y])?;
        for (i, (key, stage)) in
            [("DownBlock.5.weight", "DownBlock.7"), ("DownBlock.9.weight", "DownBlock.11")]
                .into_iter()
                .enumerate()
        {
            let width = ch << i;
            y = net.conv(y, key, [2 * width, width, 3, 3], 2)?;
            y = net.instance_norm(y)?;
            y = net.stage(stage, Op::Activation(Activation::Relu), &[y])?;
        }
        for block in 0..config.n_res {
            let name = format!("DownBlock.{}", 12 + block);
            let key = |layer: usize| format!("{name}.conv_block.{layer}.weight");
            let mut z = net.conv(y, &key(1), [features, features, 3, 3], 1)?;
            z = net.instance_norm(z)?;
            z = net.relu(z)?;
            z = net.conv(z, &key(5), [features, features, 3, 3], 1)?;
            z = net.instance_norm(z)?;
            y = net.stage(&name, Op::Add, &[y, z])?;
        }
        net.stages.push(("DownBlock".into(), y));

        // Attention. The features are weighted by the same tensors that classify them.
        let gap = net.parameter("gap_fc.weight", [1, features]);
        let gmp = net.parameter("gmp_fc.weight", [1, features]);
        let mix = net.parameter("conv1x1.weight", [features, 2 * features, 1, 1]);
        let bias = net.parameter("conv1x1.bias", [features]);
        let attention = cam(net.graph, y, gap, gmp, gap, gmp, mix, bias, Activation::Relu)?;
        y = attention.features;

        // gamma and beta, one pair for all adaptive layers.
        let (pooled, inputs) = if config.light {
            (net.graph.add(Op::GlobalAvgPool, &[y])?, features)
        } else {
            (net.graph.add(Op::Flatten, &[y])?, config.img_size / 4 * (config.img_size / 4) * features)
        };
        let mut z = net.linear(pooled, "FC.0.weight", [features, inputs])?;
        z = net.relu(z)?;
        z = net.linear(z, "FC.2.weight", [features, features])?;
        z = net.stage("FC", Op::Activation(Activation::Relu), &[z])?;
        let gamma = net.linear(z, "gamma.weight", [features, features])?;
        let beta = net.linear(z, "beta.weight", [features, features])?;
        net.stages.extend([("gamma".into(), gamma), ("beta".into(), beta)]);

        // Decoder: adaptive residual blocks, two upsamplings, 7x7.
        for block in 1..=config.n_res_decoder {
            let name = format!("UpBlock1_{block}");
            let mut z = net.conv(y, &format!("{name}.conv1.weight"), [features, features, 3, 3], 1)?;
            let rho = net.parameter(&format!("{name}.norm1.rho"), [1, features, 1, 1]);
            z = net.layer_instance_norm(z, rho, gamma, beta)?;
            z = net.relu(z)?;
            z = net.conv(z, &format!("{name}.conv2.weight"), [features, features, 3, 3], 1)?;
            let rho = net.parameter(&format!("{name}.norm2.rho"), [1, features, 1, 1]);
            z = net.layer_instance_norm(z, rho, gamma, beta)?;
            y = net.stage(&name, Op::Add, &[y, z])?;
        }
        for (conv, norm, width) in [(2, 3, 2 * ch), (7, 8, ch)] {
            y = net.graph.add(Op::UpsampleNearest2x, &[y])?;
            y = net.conv(y, &format!("UpBlock2.{conv}.weight"), [width, 2 * width, 3, 3], 1)?;
            let [rho, gamma, beta] = ["rho", "gamma", "beta"]
                .map(|name| net.parameter(&format!("UpBlock2.{norm}.{name}"), [1, width, 1, 1]));
            y = net.layer_instance_norm(y, rho, gamma, beta)?;
            y = net.relu(y)?;
        }
        y = net.conv(y, "UpBlock2.11.weight", [config.img_ch, ch, 7, 7], 1)?;
        let image = net.graph.add(Op::Activation(Activation::Tanh), &[y])?;

        let stages = net.stages;
        Ok(Self { image, cam_logit: attention.logit, heatmap: attention.heatmap, stages })
    }
}

/// The layers that the generator repeats.
struct Builder<'a> {
    graph: &'a mut Graph,
    prefix: &'a str,
    stages: Vec<(String, NodeId)>,
}

impl Builder<'_> {
    fn parameter<const N: usize>(&mut self, key: &str, shape: [usize; N]) -> NodeId {
        self.graph.parameter(format!("{}{key}", self.prefix), shape)
    }

    /// An operation whose result bears an official module's name.
    fn stage(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        let id = self.graph.add(op, inputs)?;
        self.stages.push((name.into(), id));
        Ok(id)
    }

    /// Reflection padding by half the window, then a convolution without bias.
    fn conv(&mut self, x: NodeId, key: &str, shape: [usize; 4], stride: usize) -> Result<NodeId> {
        let weight = self.parameter(key, shape);
        let padded = self.graph.add(Op::ReflectionPad2d(shape[2] / 2), &[x])?;
        let conv = Conv2d { stride, pad: 0, upsample: false, bias: false, activation: Activation::Identity };
        self.graph.add(Op::Conv2d(conv), &[padded, weight])
    }

    fn linear(&mut self, x: NodeId, key: &str, shape: [usize; 2]) -> Result<NodeId> {
        let weight = self.parameter(key, shape);
        self.graph.add(Op::Linear { bias: false, activation: Activation::Identity }, &[x, weight])
    }

    fn relu(&mut self, x: NodeId) -> Result<NodeId> {
        self.graph.add(Op::Activation(Activation::Relu), &[x])
    }

    fn instance_norm(&mut self, x: NodeId) -> Result<NodeId> {
        self.norm(NormKind::Instance, &[x])
    }

    fn layer_instance_norm(&mut self, x: NodeId, rho: NodeId, gamma: NodeId, beta: NodeId) -> Result<NodeId> {
        self.norm(NormKind::LayerInstance, &[x, rho, gamma, beta])
    }

    fn norm(&mut self, kind: NormKind, inputs: &[NodeId]) -> Result<NodeId> {
        let norm = Norm { kind, eps: EPS, activation: Activation::Identity, residual: false };
        self.graph.add(Op::Norm(norm), inputs)
    }
}
