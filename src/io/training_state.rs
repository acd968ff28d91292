//! The generators in a training state ([`crate::run::Checkpoint`]): a checkpoint that a run keeps is a model too.

use std::path::Path;

use crate::error::{Error, Result};
use crate::model::{Direction, GeneratorConfig};

use super::architecture::{Sources, assemble};
use super::model_file::{Model, ModelMetadata, choose, file_name, sources};
use super::safetensors::Contents;

/// What `format` in the metadata says.
pub(crate) const FORMAT: &str = "ugatit-training";
/// Before the names of what belongs to the moving average.
pub(crate) const AVERAGE: &str = "ema/";

/// Whether a file says of itself that it is one.
pub(crate) fn is_one(contents: &Contents<'_>) -> bool {
    contents.metadata.get("format").is_some_and(|format| format == FORMAT)
}

/// The generator of `direction`, or of A2B, as its moving average where there is one.
///
/// # Errors
/// [`Error::ModelFile`] where the file is damaged; those of [`assemble`].
pub(super) fn generator(path: &Path, contents: Contents<'_>, direction: Option<Direction>) -> Result<Model> {
    let damaged =
        || Error::ModelFile { path: path.into(), problem: "its metadata `config` cannot be read".into() };
    let field = |key: &str| contents.metadata.get(key).ok_or_else(damaged);
    let mut config: serde_json::Value = serde_json::from_str(field("config")?).map_err(|_| damaged())?;
    let config: GeneratorConfig =
        serde_json::from_value(config["generator"].take()).map_err(|_| damaged())?;
    let step = field("step")?.clone();
    let direction = choose(path, direction, &Direction::BOTH)?;
    let network = format!("{}.", direction.network());
    let average = format!("{AVERAGE}{network}");
    let averaged = contents.tensors.keys().any(|name| name.starts_with(&average));
    let (prefix, what) = if averaged { (average, "the moving average") } else { (network, "the weights") };
    let own = |(name, source): (String, _)| Some((name.strip_prefix(&prefix)?.to_owned(), source));
    let tensors: Sources<'_> = sources(path, contents).into_iter().filter_map(own).collect();
    let provenance = format!("{what} in {}, after {step} iterations", file_name(path));
    let metadata = ModelMetadata { provenance: Some(provenance), ..ModelMetadata::default() };
    let tensors = assemble(path, &config, tensors)?;
    Ok(Model { config, direction, metadata, tensors, quantized: None })
}
