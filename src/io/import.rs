//! Checkpoints of other programs as models.

use std::path::Path;

use crate::error::{Error, Result};
use crate::model::{DecoderNorm, Dialect, Direction};

use super::architecture::{Networks, Source, Told, assemble, infer};
use super::model_file::{Model, ModelMetadata, USUAL_SIZE, choose, direction_in_name, file_name};
use super::tensorflow::{self, is_tensorflow_checkpoint};

/// What a checkpoint does not say about itself.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Height and width of the training pictures. A light checkpoint does not tell (256 is
    /// assumed), a full one does, and this must agree with it.
    pub img_size: Option<usize>,
    /// Of a TensorFlow checkpoint: whether "smoothing" was on in training. Without it the folder's name
    /// tells, else it is the program's default, on.
    pub smoothing: Option<bool>,
    /// What normalises the decoder, where it is neither AdaLIN nor AdaIN, which a checkpoint tells.
    pub decoder_norm: Option<DecoderNorm>,
    /// Domain names and licence. A missing provenance is filled with the file's name.
    pub metadata: ModelMetadata,
}

/// Reads the generators of a checkpoint: both, or the one of `direction`. It is one of UGATIT-pytorch or
/// photo2cartoon (`.pt`, feature `pytorch`), or of the authors' own program in TensorFlow (a folder, its index,
/// or its name without an ending). Full models are better read one direction at a time.
///
/// A bare `state_dict` of one generator is taken too: its direction is `direction`, or what
/// the file's name says, or A2B. Weights of f16, bf16 and f64 are converted to f32.
///
/// # Errors
/// [`Error::UnsafeCheckpoint`] where a pickle would run a program or code in Python;
/// [`Error::ModelFile`], [`Error::MissingTensor`], [`Error::TensorShape`],
/// [`Error::NonFiniteWeights`] or [`Error::Config`] where the file is damaged or of another
/// kind; [`Error::Direction`] where it lacks `direction`; [`Error::Io`] where it cannot be read.
pub fn read_checkpoint(
    path: impl AsRef<Path>,
    direction: Option<Direction>,
    options: &ImportOptions,
) -> Result<Vec<Model>> {
    read(path.as_ref(), direction, false, options)
}

/// The directions that a checkpoint holds generators of; nothing of them is read.
///
/// # Errors
/// As [`read_checkpoint`].
pub fn checkpoint_directions(path: impl AsRef<Path>) -> Result<Vec<Direction>> {
    let path = path.as_ref();
    Ok(Checkpoint::open(path, None)?.sorted(path, None).1)
}

/// Reads one generator of a checkpoint: that of `direction`, or else the first that is there.
///
/// # Errors
/// As [`read_checkpoint`].
pub(super) fn read_one(path: &Path, direction: Option<Direction>) -> Result<Model> {
    let models = read(path, direction, true, &ImportOptions::default())?;
    models
        .into_iter()
        .next()
        .ok_or_else(|| Error::ModelFile { path: path.into(), problem: "it holds no generator".into() })
}

/// A checkpoint that has been opened.
struct Checkpoint {
    /// Whose, for a provenance.
    program: &'static str,
    sources: Vec<(String, Source<'static>)>,
    /// What else there is to say of it, in words that follow a provenance.
    remark: String,
}

impl Checkpoint {
    fn open(path: &Path, smoothing: Option<bool>) -> Result<Self> {
        if is_tensorflow_checkpoint(path) {
            let (sources, remark) = tensorflow::sources(path, smoothing)?;
            return Ok(Self { program: "TensorFlow", sources, remark });
        }
        if smoothing.is_some() {
            return Err(Error::Config(format!(
                "{} is no TensorFlow checkpoint; only of those it is asked whether smoothing was on",
                path.display()
            )));
        }
        #[cfg(feature = "pytorch")]
        {
            let (sources, remark) = super::checkpoint::sources(path)?;
            Ok(Self { program: "PyTorch", sources: super::fold::fold(path, sources)?, remark })
        }
        #[cfg(not(feature = "pytorch"))]
        Err(Error::ModelFile {
            path: path.into(),
            problem: "this program was built without the reader of PyTorch checkpoints".into(),
        })
    }

    /// By network, and the directions that there are.
    fn sorted(self, path: &Path, direction: Option<Direction>) -> (Networks<'static>, Vec<Direction>) {
        let mut networks = Networks::sort(self.sources);
        let mut there = networks.directions();
        if there.is_empty() {
            let only = direction.unwrap_or_else(|| direction_in_name(path));
            *networks.generator_mut(only) = std::mem::take(&mut networks.bare);
            there = vec![only];
        }
        (networks, there)
    }
}

fn read(
    path: &Path,
    direction: Option<Direction>,
    only_one: bool,
    options: &ImportOptions,
) -> Result<Vec<Model>> {
    let mut checkpoint = Checkpoint::open(path, options.smoothing)?;
    let (program, remark) = (checkpoint.program, std::mem::take(&mut checkpoint.remark));
    let (mut networks, there) = checkpoint.sorted(path, direction);
    let wanted = if only_one || direction.is_some() { vec![choose(path, direction, &there)?] } else { there };
    wanted
        .into_iter()
        .map(|direction| {
            let sources = std::mem::take(networks.generator_mut(direction));
            let light_size = options.img_size.unwrap_or(USUAL_SIZE);
            let config = infer(path, &sources, Told { light_size, decoder_norm: options.decoder_norm })?;
            if let Some(size) = options.img_size.filter(|&size| size != config.img_size) {
                return Err(Error::Config(format!(
                    "{} holds a full model of {1}x{1} pictures; it cannot be imported as {size}x{size}",
                    path.display(),
                    config.img_size
                )));
            }
            let tensors = assemble(path, &config, sources)?;
            let mut metadata = options.metadata.clone();
            metadata.provenance.get_or_insert_with(|| {
                let told = options.img_size.is_some() || config.dialect == Dialect::Photo2cartoon;
                let size = if config.light && !told {
                    format!("; the size of its training pictures is not known, {USUAL_SIZE} is assumed")
                } else {
                    String::new()
                };
                format!(
                    "imported from {} of the {program} checkpoint {}{size}{remark}",
                    direction.network(),
                    file_name(path)
                )
            });
            Ok(Model { config, direction, metadata, tensors, quantized: None })
        })
        .collect()
}
