//! Our model file: safetensors with the official `state_dict` keys, one generator a file,
//! its architecture and origin in the metadata.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::Tensor;
use crate::error::{Error, Result};
use crate::model::{DecoderNorm, Dialect, Direction, GeneratorConfig};
use crate::quantized::QuantizedMatrix;

use super::architecture::{
    Networks, Source, Sources, Told, assemble, assemble_without, check_finite, infer, parameters,
};
use super::fold::fold;
use super::quantize::{self, QUANTIZATION};
use super::safetensors::{self, Contents, Entry};
#[cfg(not(target_arch = "wasm32"))]
use super::training_state;

/// The newest version of the model file that is read. Written is the oldest that says all: 2 of a model with a
/// quantised matrix, else 1.
pub const FORMAT_VERSION: u32 = 2;
/// The size that a light generator is taken to be trained at where nothing says it.
pub(super) const USUAL_SIZE: usize = 256;

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelMetadata {
    /// What domain A shows, for example "selfie".
    pub domain_a: Option<String>,
    /// What domain B shows, for example "anime".
    pub domain_b: Option<String>,
    /// The licence of the weights, as an SPDX expression where there is one.
    pub license: Option<String>,
    /// Who made it, of what, and what is not known about it.
    pub provenance: Option<String>,
}

/// How weights are stored in a file. They are `f32` in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Exact.
    #[default]
    F32,
    /// Half the size, three decimal digits.
    F16,
}

/// One generator with its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The architecture.
    pub config: GeneratorConfig,
    /// Which way it translates.
    pub direction: Direction,
    /// Where it comes from.
    pub metadata: ModelMetadata,
    /// The weights by official `state_dict` key, of the shapes that the architecture asks for.
    pub tensors: BTreeMap<String, Tensor>,
    /// The full architecture's `FC.0.weight`, where it is quantised and not among the others.
    pub quantized: Option<QuantizedMatrix>,
}

impl Model {
    /// A generator of the given weights.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::NonFiniteWeights`] or
    /// [`Error::ModelFile`] where `tensors` are not those of `config`; [`Error::Config`]
    /// where `config` cannot work.
    pub fn new(
        config: GeneratorConfig,
        direction: Direction,
        metadata: ModelMetadata,
        tensors: BTreeMap<String, Tensor>,
    ) -> Result<Self> {
        let path = Path::new("the model in memory");
        let source = |t: Tensor| Source {
            shape: t.shape().dims().to_vec(),
            read: Box::new(move || Ok(t.data().to_vec())),
        };
        let sources: Sources<'_> = tensors.into_iter().map(|(k, t)| (k, source(t))).collect();
        let tensors = assemble(path, &config, sources)?;
        Ok(Self { config, direction, metadata, tensors, quantized: None })
    }

    /// The keys and shapes of a generator's tensors, in the order of the network.
    ///
    /// # Errors
    /// [`Error::Config`] where `config` cannot work.
    pub fn expected(config: &GeneratorConfig) -> Result<Vec<(String, crate::graph::Shape)>> {
        parameters(config)
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        let quantized = self.quantized.as_ref().map_or(0, |matrix| matrix.shape().elements());
        quantized + self.tensors.values().map(|t| t.data().len()).sum::<usize>()
    }

    /// The model in the bytes of a safetensors file; `path` is for messages.
    ///
    /// A file without our metadata, as `safetensors.torch.save_file` writes it from a
    /// `state_dict` (with the keys as they are, or after `genA2B.` or `genB2A.`), is taken
    /// too: the architecture is found from the tensors. Of a checkpoint that a training run keeps, natively, the moving
    /// average is taken. `direction` chooses where a file holds both, and names the one that a nameless `state_dict` is.
    ///
    /// # Errors
    /// [`Error::ModelFile`], [`Error::MissingTensor`], [`Error::TensorShape`],
    /// [`Error::NonFiniteWeights`] or [`Error::Config`] where the file is damaged or of
    /// another kind; [`Error::NewerVersion`]; [`Error::Direction`] where it lacks `direction`.
    pub fn from_bytes(path: impl AsRef<Path>, bytes: &[u8], direction: Option<Direction>) -> Result<Self> {
        Self::from_bytes_told(path, bytes, direction, None)
    }

    /// [`Self::from_bytes`], told what normalises the decoder where the file does not say it and its tensors cannot:
    /// instance, layer or group normalisation.
    ///
    /// # Errors
    /// As [`Self::from_bytes`].
    pub fn from_bytes_told(
        path: impl AsRef<Path>,
        bytes: &[u8],
        direction: Option<Direction>,
        decoder_norm: Option<DecoderNorm>,
    ) -> Result<Self> {
        let path = path.as_ref();
        of_contents(path, safetensors::parse(path, bytes)?, direction, decoder_norm, None)
    }

    /// [`Self::from_bytes`] of a file that is given away: a quantised matrix stays where it is in it, without a copy.
    ///
    /// # Errors
    /// As [`Self::from_bytes`].
    pub fn from_vec(path: impl AsRef<Path>, bytes: Vec<u8>, direction: Option<Direction>) -> Result<Self> {
        let path = path.as_ref();
        let file = Arc::new(bytes);
        of_contents(path, safetensors::parse(path, &file)?, direction, None, Some(&file))
    }

    /// All generators in the bytes of a safetensors file: both of a `state_dict` or training state that holds both.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn all_from_bytes(path: &Path, bytes: &[u8]) -> Result<Vec<Self>> {
        let contents = safetensors::parse(path, bytes)?;
        if !is_own(&contents) {
            let there = match training_state::is_one(&contents) {
                true => Direction::BOTH.to_vec(),
                false => Networks::sort(fold(path, sources(path, contents))?).directions(),
            };
            if there.len() > 1 {
                return there.into_iter().map(|each| Self::from_bytes(path, bytes, Some(each))).collect();
            }
        }
        Ok(vec![Self::from_bytes(path, bytes, None)?])
    }

    /// The bytes of the model's file.
    ///
    /// # Errors
    /// [`Error::Output`] where a weight is too large for f16.
    pub fn to_bytes(&self, precision: Precision) -> Result<Vec<u8>> {
        let mut bytes = vec![];
        self.check_range(Path::new("the model's bytes"), precision)?;
        self.write(&mut bytes, precision).map_err(Error::io("the model's bytes"))?;
        Ok(bytes)
    }

    /// Writes the model's file. It is there whole or not at all, and the same model gives
    /// the same bytes.
    ///
    /// # Errors
    /// [`Error::Output`] where it cannot be written, where it exists and `overwrite` is
    /// false, or where a weight is too large for f16.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn save(&self, path: impl AsRef<Path>, precision: Precision, overwrite: bool) -> Result<()> {
        let path = path.as_ref();
        self.check_range(path, precision)?;
        super::write_atomically(path, overwrite, |out| self.write(out, precision))
    }

    fn write(&self, out: &mut dyn std::io::Write, precision: Precision) -> std::io::Result<()> {
        let half = precision == Precision::F16;
        let floats =
            self.tensors.iter().map(|(key, t)| Entry::floats(key.clone(), t.shape(), t.data(), half));
        let mut entries: Vec<Entry<'_>> = floats.chain(self.quantized_entries()).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        safetensors::write(out, &self.header(), &entries)
    }

    pub(super) fn check_range(&self, path: &Path, precision: Precision) -> Result<()> {
        for (key, tensor) in &self.tensors {
            check_finite(path, key, tensor.data())?;
            let too_large = |v: &&f32| !half::f16::from_f32(**v).is_finite();
            if precision == Precision::F16
                && let Some(value) = tensor.data().iter().find(too_large)
            {
                return Err(Error::Output {
                    path: path.into(),
                    problem: format!("tensor `{key}` holds {value}, which f16 cannot; write it as f32"),
                });
            }
        }
        Ok(())
    }

    pub(super) fn header(&self) -> BTreeMap<String, String> {
        let c = &self.config;
        let mut header: BTreeMap<String, String> = [
            ("format", "ugatit".to_owned()),
            ("format_version", if self.quantized.is_none() { 1 } else { FORMAT_VERSION }.to_string()),
            ("architecture", c.architecture().to_owned()),
            ("ch", c.ch.to_string()),
            ("n_res", c.n_res.to_string()),
            ("n_res_decoder", c.n_res_decoder.to_string()),
            ("img_size", c.img_size.to_string()),
            ("img_ch", c.img_ch.to_string()),
            ("direction", self.direction.to_string()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
        // Older programs know the usual ones only.
        let usual = GeneratorConfig::default();
        for (key, value, unusual) in [
            ("dialect", c.dialect.to_string(), c.dialect != usual.dialect),
            ("decoder_norm", c.decoder_norm.to_string(), c.decoder_norm != usual.decoder_norm),
            ("cam", c.cam.to_string(), c.cam != usual.cam),
            ("smoothing", c.smoothing.to_string(), c.smoothing != usual.smoothing),
        ] {
            if unusual {
                header.insert(key.into(), value);
            }
        }
        if let Some(bits) = self.bits() {
            header.insert(QUANTIZATION.into(), bits.to_string());
        }
        let m = &self.metadata;
        for (key, value) in [
            ("domain_a", &m.domain_a),
            ("domain_b", &m.domain_b),
            ("license", &m.license),
            ("provenance", &m.provenance),
        ] {
            if let Some(value) = value {
                header.insert(key.into(), value.clone());
            }
        }
        header
    }
}

pub(super) fn is_own(contents: &Contents<'_>) -> bool {
    contents.metadata.get("format").is_some_and(|format| format == "ugatit")
}

/// What a file says of itself decides how it is read; `told` and `file` as in [`Model::from_bytes_told`] and
/// [`Model::from_vec`].
fn of_contents(
    path: &Path,
    contents: Contents<'_>,
    direction: Option<Direction>,
    told: Option<DecoderNorm>,
    file: Option<&Arc<Vec<u8>>>,
) -> Result<Model> {
    if is_own(&contents) {
        return own(path, contents, direction, file);
    }
    #[cfg(not(target_arch = "wasm32"))]
    if training_state::is_one(&contents) {
        return training_state::generator(path, contents, direction);
    }
    foreign(path, contents, direction, told)
}

/// A file that we wrote: its metadata says what it is, its tensors must fit.
fn own(
    path: &Path,
    contents: Contents<'_>,
    direction: Option<Direction>,
    file: Option<&Arc<Vec<u8>>>,
) -> Result<Model> {
    let refuse = |problem: String| Error::ModelFile { path: path.into(), problem };
    let field = |key: &str| {
        contents
            .metadata
            .get(key)
            .map(String::as_str)
            .ok_or_else(|| refuse(format!("its metadata has no `{key}`")))
    };
    let number = |key: &str| {
        let text = field(key)?;
        text.parse::<usize>().map_err(|_| refuse(format!("its metadata `{key}` is {text:?}, no number")))
    };
    let version = number("format_version")?;
    if version > FORMAT_VERSION as usize {
        return Err(Error::NewerVersion { path: path.into(), found: version as u64, read: FORMAT_VERSION });
    }
    let light = match field("architecture")? {
        "light" => true,
        "full" => false,
        other => return Err(refuse(format!("its architecture {other:?} is neither light nor full"))),
    };
    let flag = |key: &str, usual: bool| match contents.metadata.get(key).map(String::as_str) {
        None => Ok(usual),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(text) => Err(refuse(format!("its metadata `{key}` is {text:?}, neither true nor false"))),
    };
    let usual = GeneratorConfig::default();
    let config = GeneratorConfig {
        ch: number("ch")?,
        n_res: number("n_res")?,
        n_res_decoder: number("n_res_decoder")?,
        img_size: number("img_size")?,
        img_ch: number("img_ch")?,
        light,
        dialect: match contents.metadata.get("dialect") {
            None => Dialect::default(),
            Some(name) => name.parse().map_err(|e: Error| refuse(format!("its metadata `dialect`: {e}")))?,
        },
        decoder_norm: named_norm(&contents)
            .map_err(|e| refuse(format!("its metadata `decoder_norm`: {e}")))?
            .unwrap_or_default(),
        cam: flag("cam", usual.cam)?,
        smoothing: flag("smoothing", usual.smoothing)?,
    };
    let found: Direction = field("direction")?
        .parse()
        .map_err(|_| refuse("its metadata `direction` is neither A2B nor B2A".into()))?;
    if let Some(asked) = direction.filter(|&asked| asked != found) {
        return Err(lacks(path, asked, &[found]));
    }
    let metadata = ModelMetadata {
        domain_a: contents.metadata.get("domain_a").cloned(),
        domain_b: contents.metadata.get("domain_b").cloned(),
        license: contents.metadata.get("license").cloned(),
        provenance: contents.metadata.get("provenance").cloned(),
    };
    let quantized = quantize::read(path, &config, &contents, file)?;
    let rest = |key: &String| quantized.is_none() || !quantize::KEYS.contains(&key.as_str());
    let sources = sources(path, contents).into_iter().filter(|(key, _)| rest(key)).collect();
    let without = &quantize::KEYS[..usize::from(quantized.is_some())];
    let tensors = assemble_without(path, &config, without, sources)?;
    Ok(Model { config, direction: found, metadata, tensors, quantized })
}

/// The normalisation of the decoder that a file's metadata name.
fn named_norm(contents: &Contents<'_>) -> Result<Option<DecoderNorm>> {
    contents.metadata.get("decoder_norm").map(|name| name.parse()).transpose()
}

/// Somebody's `state_dict`: the tensors say what it is.
fn foreign(
    path: &Path,
    contents: Contents<'_>,
    direction: Option<Direction>,
    told: Option<DecoderNorm>,
) -> Result<Model> {
    let size = contents.metadata.get("img_size").and_then(|s| s.parse().ok());
    let decoder_norm = named_norm(&contents).ok().flatten().or(told);
    let mut networks = Networks::sort(fold(path, sources(path, contents))?);
    let there = networks.directions();
    let (direction, tensors) = if there.is_empty() {
        (direction.unwrap_or_else(|| direction_in_name(path)), networks.bare)
    } else {
        // What is neither a generator's nor a discriminator's has no place here.
        if let Some(name) = networks.bare.keys().next() {
            return Err(Error::ModelFile {
                path: path.into(),
                problem: format!(
                    "it has {} tensors that belong to no network, `{name}` first",
                    networks.bare.len()
                ),
            });
        }
        let chosen = choose(path, direction, &there)?;
        (chosen, std::mem::take(networks.generator_mut(chosen)))
    };
    let told = Told { light_size: size.unwrap_or(USUAL_SIZE), decoder_norm };
    let config = infer(path, &tensors, told)?;
    let unknown = if config.light && size.is_none() {
        format!("; the size of its training pictures is not known, {USUAL_SIZE} is assumed")
    } else {
        String::new()
    };
    let metadata = ModelMetadata {
        provenance: Some(format!("a state_dict without metadata, {}{unknown}", file_name(path))),
        ..ModelMetadata::default()
    };
    let tensors = assemble(path, &config, tensors)?;
    Ok(Model { config, direction, metadata, tensors, quantized: None })
}

/// The direction to use of those that a file has: the one asked for, or the first.
pub(super) fn choose(path: &Path, asked: Option<Direction>, there: &[Direction]) -> Result<Direction> {
    match asked {
        Some(asked) if !there.contains(&asked) => Err(lacks(path, asked, there)),
        Some(asked) => Ok(asked),
        None => Ok(there.first().copied().unwrap_or(Direction::A2B)),
    }
}

fn lacks(path: &Path, asked: Direction, there: &[Direction]) -> Error {
    let available: Vec<String> = there.iter().map(Direction::to_string).collect();
    Error::Direction { path: path.into(), asked: asked.to_string(), available: available.join(", ") }
}

/// A nameless generator's direction: what its file's name says, else A2B.
pub(super) fn direction_in_name(path: &Path) -> Direction {
    let name = file_name(path).to_ascii_uppercase();
    if name.contains("B2A") { Direction::B2A } else { Direction::A2B }
}

/// The last part of a path, for messages that travel with a file.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The tensors of a safetensors file, to be read when they are wanted.
pub(super) fn sources<'a>(path: &Path, contents: Contents<'a>) -> Vec<(String, Source<'a>)> {
    let each = |(name, view): (String, safetensors::View<'a>)| {
        let (path, key) = (path.to_path_buf(), name.clone());
        let shape = view.shape.clone();
        let read = move || match view.element {
            Some(element) => Ok(element.decode(view.bytes)),
            None => Err(Error::ModelFile {
                path: path.clone(),
                problem: format!("tensor `{key}` is of type {}; F32, F16, BF16 and F64 are read", view.dtype),
            }),
        };
        (name, Source { shape, read: Box::new(read) })
    };
    contents.tensors.into_iter().map(each).collect()
}
