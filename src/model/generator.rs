//! The generator (paper, section 2.1.1 and appendix B; official `ResnetGenerator`), in every
//! [`Dialect`](super::Dialect).

use crate::error::Result;
use crate::graph::{Activation, Graph, NodeId, Op};

use super::builder::Builder;
use super::cam::{Classifier, cam};
use super::config::GeneratorConfig;
use super::decoder_norm::DecoderNorm;
use super::dialect::Classifiers;

/// What "smoothing" takes from rho (official TensorFlow `adaptive_instance_layer_norm`).
const SMOOTHING: f32 = 0.1;

/// The nodes of a generator in a graph.
#[derive(Clone, Debug)]
pub struct Generator {
    /// `[N, img_ch, H, W]` in -1..1.
    pub image: NodeId,
    /// `[N, 2]`: the auxiliary classifier's raw logits, average pooling first; none without attention.
    pub cam_logit: Option<NodeId>,
    /// `[N, 1, H/4, W/4]`, not negative; none without attention.
    pub heatmap: Option<NodeId>,
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
        let (form, decoder_norm) = (config.dialect.form(), config.decoder_norm);
        let mut net = Builder { graph, form, decoder_norm, prefix, stages: vec![] };
        let (ch, features) = (config.ch, config.features());

        let (y, contents) = net.encoder(config, x)?;
        let mut attended = y;
        let attention = if config.cam {
            let classifiers = net.classifiers(features)?;
            let mix = net.parameter("conv1x1.weight", [features, 2 * features, 1, 1]);
            let bias = net.parameter("conv1x1.bias", [features]);
            let attention = cam(net.graph, y, classifiers, [mix, bias], Activation::Relu)?;
            attended = attention.features;
            Some(attention)
        } else {
            None
        };
        let style = decoder_norm.is_adaptive().then(|| net.style(config, attended)).transpose()?;
        let mut y = net.adaptive_blocks(config, attended, style, &contents)?;

        // Two upsamplings, 7x7.
        let names = &net.form.names;
        for ((module, at), width) in names.up.into_iter().zip([2 * ch, ch]) {
            y = net.graph.add(Op::UpsampleNearest2x, &[y])?;
            y = net.decoder_conv(y, &format!("{module}.{at}"), [width, 2 * width, 3, 3])?;
            let norm = format!("{module}.{}", at + 1);
            y = match decoder_norm {
                DecoderNorm::AdaLin => net.own_norm(y, &norm, width)?,
                _ => net.decoder_norm(y, &norm, width, None)?,
            };
            y = net.relu(y)?;
        }
        let mut width = ch;
        if net.form.hourglasses {
            y = net.hourglass(y, "HourGlass3", ch, true)?;
            y = net.hourglass(y, "HourGlass4", ch, false)?;
            width = net.graph.shape(y).dims()[1];
        }
        let (module, at) = names.last;
        y = net.decoder_conv(y, &format!("{module}.{at}"), [config.img_ch, width, 7, 7])?;
        let image = net.graph.add(Op::Activation(Activation::Tanh), &[y])?;

        let stages = net.stages;
        let (cam_logit, heatmap) = attention.map(|attention| (attention.logit, attention.heatmap)).unzip();
        Ok(Self { image, cam_logit, heatmap, stages })
    }
}

impl Builder<'_> {
    /// 7x7, two strided 3x3, residual blocks. The features, and their averages behind each block where the
    /// dialect wants them.
    fn encoder(&mut self, config: &GeneratorConfig, x: NodeId) -> Result<(NodeId, Vec<NodeId>)> {
        let (ch, features, names) = (config.ch, config.features(), &self.form.names);
        let layers = std::iter::once((names.stem, [ch, config.img_ch, 7, 7], 1));
        let layers = layers.chain(
            names
                .down
                .into_iter()
                .zip([ch, 2 * ch])
                .map(|(layer, width)| (layer, [2 * width, width, 3, 3], 2)),
        );
        let mut y = x;
        for (i, ((module, at), shape, stride)) in layers.enumerate() {
            y = self.conv(y, &format!("{module}.{at}"), shape, stride)?;
            y = self.encoder_norm(y, &format!("{module}.{}", at + 1), shape[0])?;
            y = self.stage(&format!("{module}.{}", at + 2), Op::Activation(Activation::Relu), &[y])?;
            if i == 0 && self.form.hourglasses {
                y = self.hourglass(y, "HourGlass1", ch, true)?;
                y = self.hourglass(y, "HourGlass2", ch, true)?;
            }
        }
        let mut contents = vec![];
        for block in 1..=config.n_res {
            let name = (names.encode)(block);
            let module = |layer: usize| format!("{name}.conv_block.{layer}");
            let mut z = self.conv(y, &module(1), [features, features, 3, 3], 1)?;
            z = self.encoder_norm(z, &module(2), features)?;
            z = self.relu(z)?;
            z = self.conv(z, &module(5), [features, features, 3, 3], 1)?;
            z = self.encoder_norm(z, &module(6), features)?;
            y = self.stage(&name, Op::Add, &[y, z])?;
            if self.form.soft {
                contents.push(self.graph.add(Op::GlobalAvgPool, &[y])?);
            }
        }
        if names.stem.0 == "DownBlock" {
            self.stages.push(("DownBlock".into(), y));
        }
        Ok((y, contents))
    }

    /// The auxiliary classifiers, that of average pooling first. The features are weighted by the same
    /// tensors that classify them.
    fn classifiers(&mut self, features: usize) -> Result<[Classifier; 2]> {
        let form = self.form.classifiers;
        let mut layer = |name: &str| {
            let weight = self.parameter(&format!("{name}.weight"), [1, features]);
            let bias = (form != Classifiers::Two).then(|| self.parameter(&format!("{name}.bias"), [1]));
            (weight, bias)
        };
        if form != Classifiers::One {
            return Ok(["gap_fc", "gmp_fc"].map(|name| {
                let (weight, bias) = layer(name);
                Classifier { features: weight, logit: weight, sigmas: None, bias }
            }));
        }
        let (logit, bias) = layer("cam_fc");
        let operands: Vec<NodeId> = std::iter::once(logit).chain(bias).collect();
        let features = self.graph.add(Op::AddScalar, &operands)?;
        Ok([Classifier { features, logit, sigmas: None, bias }; 2])
    }

    /// What gamma and beta are made of, `[N, 4 ch]`.
    fn style(&mut self, config: &GeneratorConfig, y: NodeId) -> Result<NodeId> {
        let features = config.features();
        let (pooled, inputs) = if config.light {
            (self.graph.add(Op::GlobalAvgPool, &[y])?, features)
        } else {
            (self.graph.add(Op::Flatten, &[y])?, config.img_size / 4 * (config.img_size / 4) * features)
        };
        let mut z = self.linear(pooled, "FC.0", [features, inputs])?;
        z = self.relu(z)?;
        z = self.linear(z, "FC.2", [features, features])?;
        self.stage("FC", Op::Activation(Activation::Relu), &[z])
    }

    /// The residual blocks of the decoder, adaptive where there is a `style`. `contents` are the encoder's averages,
    /// the last block's for the first here.
    fn adaptive_blocks(
        &mut self,
        config: &GeneratorConfig,
        x: NodeId,
        style: Option<NodeId>,
        contents: &[NodeId],
    ) -> Result<NodeId> {
        let (features, names) = (config.features(), &self.form.names);
        // One pair for all layers.
        let shared = match style.filter(|_| !self.form.soft) {
            None => None,
            Some(style) => {
                let [gamma, beta] =
                    ["gamma", "beta"].map(|name| self.linear(style, name, [features, features]));
                let (gamma, beta) = (gamma?, beta?);
                self.stages.extend([("gamma".into(), gamma), ("beta".into(), beta)]);
                Some([gamma, beta])
            }
        };
        let mut y = x;
        for block in 1..=config.n_res_decoder {
            let name = (names.decode)(block);
            let mut z = y;
            for layer in 1..=2 {
                let norm = format!("{name}.norm{layer}");
                z = self.decoder_conv(z, &format!("{name}.conv{layer}"), [features, features, 3, 3])?;
                let pair = match (shared, style) {
                    (None, Some(style)) => {
                        let content = contents[contents.len() - block];
                        Some([
                            self.softly(style, content, &norm, "gamma", features)?,
                            self.softly(style, content, &norm, "beta", features)?,
                        ])
                    }
                    _ => shared,
                };
                z = match pair.filter(|_| self.decoder_norm == DecoderNorm::AdaLin) {
                    Some([gamma, beta]) => {
                        let rho = self.parameter(&format!("{norm}.{}", names.rho), [1, features, 1, 1]);
                        let rho = match config.smoothing {
                            true => self.graph.add(Op::Above(SMOOTHING), &[rho])?,
                            false => rho,
                        };
                        self.layer_instance_norm(z, rho, gamma, beta)?
                    }
                    None => self.decoder_norm(z, &norm, features, pair)?,
                };
                if layer == 1 {
                    z = self.relu(z)?;
                }
            }
            y = self.stage(&name, Op::Add, &[y, z])?;
        }
        Ok(y)
    }

    /// A gamma or beta of Soft-AdaLIN: `(1 - w) S(style) + w C(relu(C0(content)))` with layers S, C and C0 and
    /// a weight w for each channel. w, S and C are one layer over both, `NORM.gamma`.
    fn softly(
        &mut self,
        style: NodeId,
        content: NodeId,
        norm: &str,
        which: &str,
        features: usize,
    ) -> Result<NodeId> {
        let hidden = self.linear(content, &format!("{norm}.c_{which}.0"), [features, features])?;
        let hidden = self.relu(hidden)?;
        let both = self.graph.add(Op::Concat, &[style, hidden])?;
        self.linear(both, &format!("{norm}.{which}"), [features, 2 * features])
    }
}
