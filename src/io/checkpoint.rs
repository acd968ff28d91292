//! Official PyTorch checkpoints (`.pt`): `torch.save({"genA2B": state_dict, …})`, as
//! znxlwm/UGATIT-pytorch writes them, in every container that `torch.save` has had.
//!
//! A pickle is a program. It is parsed here and never run: what it would call is kept as a
//! name only, and a file that would call anything but the rebuilding of tensors is refused.

use std::fs;
use std::io::Read;
use std::path::Path;

use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader};

use crate::error::{Error, Result};
use crate::model::Direction;

use super::architecture::{Networks, Source, assemble, infer};
use super::model_file::{Model, ModelMetadata, USUAL_SIZE, choose, direction_in_name, file_name};
use super::safetensors::Element;

/// What a checkpoint does not say about itself.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Height and width of the training pictures. A light checkpoint does not tell (256 is
    /// assumed), a full one does, and this must agree with it.
    pub img_size: Option<usize>,
    /// Domain names and licence. A missing provenance is filled with the file's name.
    pub metadata: ModelMetadata,
}

/// Reads the generators of an official checkpoint: both, or the one of `direction`.
///
/// A bare `state_dict` of one generator is taken too: its direction is `direction`, or what
/// the file's name says, or A2B. Weights of f16, bf16 and f64 are converted to f32.
///
/// # Errors
/// [`Error::UnsafeCheckpoint`] where the pickle would call something;
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

fn read(
    path: &Path,
    direction: Option<Direction>,
    only_one: bool,
    options: &ImportOptions,
) -> Result<Vec<Model>> {
    let mut networks = Networks::sort(sources(path)?);
    let mut there = networks.directions();
    if there.is_empty() {
        let only = direction.unwrap_or_else(|| direction_in_name(path));
        *networks.generator_mut(only) = std::mem::take(&mut networks.bare);
        there = vec![only];
    }
    let wanted = if only_one || direction.is_some() { vec![choose(path, direction, &there)?] } else { there };
    wanted
        .into_iter()
        .map(|direction| {
            let sources = std::mem::take(networks.generator_mut(direction));
            let config = infer(path, &sources, options.img_size.unwrap_or(USUAL_SIZE))?;
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
                let size = if config.light && options.img_size.is_none() {
                    format!("; the size of its training pictures is not known, {USUAL_SIZE} is assumed")
                } else {
                    String::new()
                };
                format!(
                    "imported from {} of the PyTorch checkpoint {}{size}",
                    direction.network(),
                    file_name(path)
                )
            });
            Ok(Model { config, direction, metadata, tensors })
        })
        .collect()
}

/// The tensors of a checkpoint, by network and key as the file names them.
///
/// # Errors
/// [`Error::UnsafeCheckpoint`] where the pickle would call something; [`Error::ModelFile`] where it
/// is damaged, [`Error::Io`] where it cannot be read.
pub(super) fn sources(path: &Path) -> Result<Vec<(String, Source<'static>)>> {
    let length = fs::metadata(path).map_err(Error::io(path))?.len();
    refuse_calls(path)?;
    let tensors = PytorchReader::new(path).map_err(|e| damaged(path, &e))?.into_tensors();
    let sources = tensors.into_iter().map(|(name, tensor)| {
        let path = path.to_path_buf();
        let shape = tensor.shape().to_vec();
        let read = move || {
            let refuse = |problem: String| Error::ModelFile { path: path.clone(), problem };
            let element = match tensor.dtype() {
                DType::F64 => Element::F64,
                DType::F32 => Element::F32,
                DType::F16 => Element::F16,
                DType::BF16 => Element::Bf16,
                other => {
                    return Err(refuse(format!(
                        "tensor `{}` is of type {other:?}; F32, F16, BF16 and F64 are read",
                        tensor.name
                    )));
                }
            };
            // A view may repeat its elements, so that a small file asks for gigabytes.
            if tensor.byte_len() as u64 > length {
                return Err(refuse(format!("tensor `{}` is larger than the file", tensor.name)));
            }
            let mut bytes =
                tensor.read().map_err(|e| refuse(format!("it is damaged ({e}); fetch it again")))?;
            if cfg!(target_endian = "big") {
                bytes.chunks_mut(element.size()).for_each(<[u8]>::reverse);
            }
            Ok(element.decode(&bytes))
        };
        let read: Box<dyn Fn() -> Result<Vec<f32>>> = Box::new(read);
        (name, Source { shape, read })
    });
    Ok(sources.collect())
}

/// Whether the bytes that a file begins with are those of a `torch.save` container: a zip
/// archive, a pickle, or (at byte 257) a tar archive.
pub(super) fn is_checkpoint(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04")
        || matches!(start, [0x80, 1..=5, ..])
        || start.get(257..262).is_some_and(|magic| magic == b"ustar")
}

/// # Errors
/// [`Error::UnsafeCheckpoint`] where the pickle would call anything but torch's rebuilding.
fn refuse_calls(path: &Path) -> Result<()> {
    fn find(value: &PickleValue) -> Option<&str> {
        match value {
            PickleValue::Unsupported(name) if !name.starts_with("torch.") => Some(name),
            PickleValue::List(items) => items.iter().find_map(find),
            PickleValue::Dict(items) => items.values().find_map(find),
            _ => None,
        }
    }
    let value = PytorchReader::read_pickle_data(path, None).map_err(|e| damaged(path, &e))?;
    match find(&value) {
        Some(object) => Err(Error::UnsafeCheckpoint { path: path.into(), object: object.into() }),
        None => Ok(()),
    }
}

fn damaged(path: &Path, error: &PytorchError) -> Error {
    // A safetensors file: the header's length in eight bytes, then JSON.
    let begins_with_json = fs::File::open(path)
        .and_then(|mut file| {
            let mut start = [0; 9];
            file.read_exact(&mut start).map(|()| start[8] == b'{')
        })
        .unwrap_or(false);
    if begins_with_json {
        let problem =
            "it is a safetensors file, not a PyTorch checkpoint; it needs no import, name it with --model"
                .into();
        return Error::ModelFile { path: path.into(), problem };
    }
    Error::ModelFile {
        path: path.into(),
        problem: format!(
            "it cannot be read as a PyTorch checkpoint ({error}); it is damaged, cut off or of another kind"
        ),
    }
}
