//! From named tensors to a checked generator: which architecture they are, whether all of
//! them are there, of the right shape and finite.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Tensor;
use crate::error::{Error, Result};
use crate::graph::{Graph, Shape};
use crate::model::{DecoderNorm, Dialect, Direction, Generator, GeneratorConfig};

/// The networks of an official checkpoint that are not generators.
const OTHERS: [&str; 4] = ["disGA", "disGB", "disLA", "disLB"];

/// What stands between the parts of a tensor's name.
const SEPARATORS: [char; 2] = ['.', '/'];
/// The tensor of the first layer, and the part that its name begins with, in every dialect.
const FIRST_KEYS: [(&str, &str); 2] =
    [("DownBlock.1.weight", "DownBlock"), ("ConvBlock1.1.weight", "ConvBlock1")];
/// Tensors that only the dialect of TensorFlow has: of the attention and, where there is none, of the encoder.
const TENSORFLOW_KEYS: [&str; 2] = ["cam_fc.weight", "DownBlock.2.gamma"];
/// A tensor of the attention block, in every dialect.
const ATTENTION_KEY: &str = "conv1x1.weight";
/// Of the normalisation behind the first upsampling.
const GAMMA_KEY: &str = "UpBlock2.3.gamma";
/// A tensor of what makes gamma and beta for AdaLIN and AdaIN.
pub(crate) const ADAPTIVE_KEY: &str = "FC.0.weight";

/// Parts of names that wrappers add: `torch.nn.DataParallel`, `torch.compile`, fully sharded training,
/// activation checkpointing; Lightning's and others' checkpoints. No key of a generator has such a part.
const WRAPPERS: [&str; 8] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
];

/// The wrappers that a discriminator's keys may lie behind: their own begin with `model.`.
const MODULE_WRAPPERS: [&str; 4] =
    ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// The network and the official key that a tensor's name stands for (`genA2B.` or `genA2B/`, then the key), without
/// what wrappers have put before or behind the network's name. `None` where it names no network.
pub(super) fn network_and_key(name: &str) -> Option<(&'static str, String)> {
    fn unwrapped<'a>(mut name: &'a str, wrappers: &[&str]) -> &'a str {
        while let Some((first, rest)) = name.split_once(SEPARATORS)
            && wrappers.contains(&first)
        {
            name = rest;
        }
        name
    }
    let (network, key) = unwrapped(name, &WRAPPERS).split_once(SEPARATORS)?;
    if let Some(direction) = Direction::BOTH.into_iter().find(|direction| direction.network() == network) {
        return Some((direction.network(), without_wrappers(key)));
    }
    let network = OTHERS.into_iter().find(|other| *other == network)?;
    Some((network, unwrapped(key, &MODULE_WRAPPERS).to_owned()))
}

/// A generator's tensor's name without the parts that wrappers add.
pub(super) fn without_wrappers(name: &str) -> String {
    let parts = name.split_inclusive(SEPARATORS);
    parts.filter(|part| !WRAPPERS.contains(&part.trim_end_matches(SEPARATORS))).collect()
}

/// A tensor of a file that can be read when it is known to be wanted.
pub(super) struct Source<'a> {
    pub(super) shape: Vec<usize>,
    pub(super) read: Box<dyn Fn() -> Result<Vec<f32>> + 'a>,
}

/// Tensors by `state_dict` key.
pub(super) type Sources<'a> = BTreeMap<String, Source<'a>>;

/// What a file holds, by network.
#[derive(Default)]
pub(super) struct Networks<'a> {
    pub(super) a2b: Sources<'a>,
    pub(super) b2a: Sources<'a>,
    /// Tensors that bear no known network's name: one generator's own `state_dict`, or
    /// things that we know nothing about.
    pub(super) bare: Sources<'a>,
}

impl<'a> Networks<'a> {
    /// Sorts tensors by the network that their names begin with, see [`network_and_key`]; those of
    /// discriminators are left out.
    pub(super) fn sort(tensors: impl IntoIterator<Item = (String, Source<'a>)>) -> Self {
        let mut networks = Self::default();
        for (name, source) in tensors {
            let (sources, key) = match network_and_key(&name) {
                None => (&mut networks.bare, name.clone()),
                Some((network, key)) if network == Direction::A2B.network() => (&mut networks.a2b, key),
                Some((network, key)) if network == Direction::B2A.network() => (&mut networks.b2a, key),
                Some(_) => continue,
            };
            // Of two tensors that would bear one name the second keeps its own, and is refused by it.
            let key = if sources.contains_key(&key) { name } else { key };
            sources.insert(key, source);
        }
        if networks.directions().is_empty() {
            networks.unwrap_bare();
        }
        networks
    }

    /// Takes what wrappers add from the names of a nameless generator's `state_dict`. Where that lay under a
    /// name of its own, what lies beside it (an optimiser's state) is left out.
    fn unwrap_bare(&mut self) {
        let within = |name: &String| {
            let plain = without_wrappers(name);
            let (_, segment) =
                FIRST_KEYS.into_iter().find(|(key, _)| name.as_str() != *key && plain == *key)?;
            Some((name.split(SEPARATORS).next().unwrap_or_default().to_owned(), segment))
        };
        let Some((first, segment)) = self.bare.keys().find_map(within) else { return };
        let beside = |name: &str| name.split(SEPARATORS).next() != Some(&first);
        for (name, source) in std::mem::take(&mut self.bare) {
            let plain = without_wrappers(&name);
            if first != segment && beside(&name) {
                continue;
            }
            let key = if self.bare.contains_key(&plain) { name } else { plain };
            self.bare.insert(key, source);
        }
    }

    pub(super) fn generator_mut(&mut self, direction: Direction) -> &mut Sources<'a> {
        match direction {
            Direction::A2B => &mut self.a2b,
            Direction::B2A => &mut self.b2a,
        }
    }

    /// The directions whose generators are there by name.
    pub(super) fn directions(&self) -> Vec<Direction> {
        let there = |d: &Direction| match d {
            Direction::A2B => !self.a2b.is_empty(),
            Direction::B2A => !self.b2a.is_empty(),
        };
        Direction::BOTH.into_iter().filter(there).collect()
    }
}

/// What tensors do not tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// The size of the training pictures, of a light generator.
    pub(super) light_size: usize,
    /// The decoder's normalisation, where it is none that is adaptive.
    pub(super) decoder_norm: Option<DecoderNorm>,
}

/// Finds the architecture that `tensors` belong to.
///
/// # Errors
/// [`Error::ModelFile`] where they are no generator's, [`Error::Config`] where they are one's
/// that cannot work.
pub(super) fn infer(path: &Path, tensors: &Sources<'_>, told: Told) -> Result<GeneratorConfig> {
    let refuse = |problem: String| Error::ModelFile { path: path.into(), problem };
    let shape = |key: &str| {
        tensors.get(key).map(|s| s.shape.as_slice()).ok_or_else(|| {
            let first = tensors.keys().next().map_or("none at all".into(), |k| format!("`{k}` first"));
            refuse(format!(
                "it has no tensor `{key}`, so it is no U-GAT-IT generator (it has {} tensors, {first})",
                tensors.len()
            ))
        })
    };
    let [(first, _), (portrait, _)] = FIRST_KEYS;
    let has = |key: &str| tensors.contains_key(key);
    let dialect = match [has(first), has(portrait), TENSORFLOW_KEYS.into_iter().any(has)] {
        [false, true, _] => Dialect::Photo2cartoon,
        [_, _, true] => Dialect::Tensorflow,
        _ => Dialect::Pytorch,
    };
    let first = if dialect == Dialect::Photo2cartoon { portrait } else { first };
    let &[ch, img_ch, 7, 7] = shape(first)? else {
        return Err(refuse(format!("tensor `{first}` is no 7x7 convolution")));
    };
    // The highest number tells: a block that is missing below it is reported as missing.
    let highest = |prefix: &str, suffix: &str| {
        let number = |key: &String| key.strip_prefix(prefix)?.strip_suffix(suffix)?.parse::<usize>().ok();
        tensors.keys().filter_map(number).max()
    };
    let (encoder, before, decoder) = match dialect {
        Dialect::Photo2cartoon => ("EncodeBlock", 0, "DecodeBlock"),
        Dialect::Pytorch | Dialect::Tensorflow => ("DownBlock.", 11, "UpBlock1_"),
    };
    let n_res = highest(encoder, ".conv_block.1.weight").map_or(0, |n| n.saturating_sub(before));
    let n_res_decoder = highest(decoder, ".conv1.weight").unwrap_or(0);

    let rho = |key: &String| key.starts_with("UpBlock") && key.ends_with(".rho");
    let decoder_norm = if has(GAMMA_KEY) && !tensors.keys().any(rho) {
        without_rho(has(ADAPTIVE_KEY), told).map_err(refuse)?
    } else {
        DecoderNorm::AdaLin
    };
    let cam = dialect == Dialect::Photo2cartoon || has(ATTENTION_KEY);
    let mut config = GeneratorConfig {
        ch,
        n_res,
        n_res_decoder,
        img_size: told.light_size,
        img_ch,
        light: true,
        dialect,
        decoder_norm,
        cam,
        smoothing: false,
    };
    if !decoder_norm.is_adaptive() {
        // Light and full are the same.
        config.validate()?;
        return Ok(config);
    }
    let features = ch.saturating_mul(4);
    let &[_, inputs] = shape(ADAPTIVE_KEY)? else {
        return Err(refuse("tensor `FC.0.weight` is no matrix".into()));
    };
    config.light = inputs == features;
    if !config.light {
        let side = inputs.checked_div(features).unwrap_or(0).isqrt();
        if side == 0 || side.checked_mul(side).and_then(|n| n.checked_mul(features)) != Some(inputs) {
            return Err(refuse(format!(
                "tensor `FC.0.weight` takes {inputs} inputs, which is neither {features} (light) nor {features} times a square (full)"
            )));
        }
        config.img_size = 4 * side;
    }
    config.validate()?;
    Ok(config)
}

/// The normalisation of a decoder that has no rho.
fn without_rho(adaptive: bool, told: Told) -> std::result::Result<DecoderNorm, String> {
    match told.decoder_norm {
        _ if adaptive => Ok(DecoderNorm::AdaIn),
        Some(told) if !told.is_adaptive() => Ok(told),
        _ => Err("its decoder has instance, layer or group normalisation, whose tensors are alike; say which when it is imported (`decoder_norm`: in, ln or gn), or name it so in the metadata `decoder_norm`".into()),
    }
}

/// The keys and shapes that `config` asks for, as the graph of the network names them.
///
/// # Errors
/// [`Error::Config`] where `config` cannot work.
pub(super) fn parameters(config: &GeneratorConfig) -> Result<Vec<(String, Shape)>> {
    config.validate()?;
    let mut graph = Graph::new();
    let x = graph.input("x", [1, config.img_ch, config.img_size, config.img_size]);
    Generator::build(&mut graph, config, "", x)?;
    Ok(graph.parameters().map(|(_, node)| (node.name.clone(), node.shape.clone())).collect())
}

/// Reads the tensors of a generator of architecture `config`.
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::NonFiniteWeights`], or
/// [`Error::ModelFile`] where there are tensors that the architecture does not have.
pub(super) fn assemble(
    path: &Path,
    config: &GeneratorConfig,
    sources: Sources<'_>,
) -> Result<BTreeMap<String, Tensor>> {
    assemble_without(path, config, &[], sources)
}

/// [`assemble`], but for the tensors of those names.
///
/// # Errors
/// As [`assemble`].
pub(super) fn assemble_without(
    path: &Path,
    config: &GeneratorConfig,
    without: &[&str],
    mut sources: Sources<'_>,
) -> Result<BTreeMap<String, Tensor>> {
    let mut expected = parameters(config)?;
    expected.retain(|(key, _)| !without.contains(&key.as_str()));
    // First everything that costs nothing to check, so that a wrong file is refused at once.
    for (key, shape) in &expected {
        let Some(source) = sources.get(key) else {
            return Err(Error::MissingTensor {
                path: path.into(),
                key: key.clone(),
                expected: shape.clone(),
            });
        };
        if source.shape != shape.dims() {
            return Err(Error::TensorShape {
                path: path.into(),
                key: key.clone(),
                expected: shape.clone(),
                found: source.shape.as_slice().into(),
            });
        }
    }
    if sources.len() > expected.len() {
        let known = |key: &&String| !expected.iter().any(|(k, _)| k == *key);
        let extra: Vec<&String> = sources.keys().filter(known).collect();
        let names: Vec<String> = extra.iter().take(5).map(|k| format!("`{k}`")).collect();
        let more = if extra.len() > 5 { format!(" and {} more", extra.len() - 5) } else { String::new() };
        return Err(Error::ModelFile {
            path: path.into(),
            problem: format!(
                "it has tensors that belong to no network of this architecture: {}{more}",
                names.join(", ")
            ),
        });
    }
    let mut tensors = BTreeMap::new();
    for (key, shape) in expected {
        let Some(source) = sources.remove(&key) else { continue };
        let data = (source.read)()?;
        check_finite(path, &key, &data)?;
        tensors.insert(key, Tensor::new(shape, data)?);
    }
    Ok(tensors)
}

/// # Errors
/// [`Error::NonFiniteWeights`].
pub(super) fn check_finite(path: &Path, key: &str, data: &[f32]) -> Result<()> {
    // The largest of the bits tells, in less time than counting takes.
    let largest = data.iter().fold(0, |most: u32, v| most.max(v.abs().to_bits()));
    if f32::from_bits(largest).is_finite() {
        return Ok(());
    }
    let count = data.iter().filter(|v| !v.is_finite()).count();
    Err(Error::NonFiniteWeights { path: path.into(), key: key.into(), count })
}
