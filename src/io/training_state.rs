//! The generators in a training state ([`crate::run::Checkpoint`]): a checkpoint that a run keeps is a model too.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::model::{Direction, GeneratorConfig};

use super::architecture::{Sources, assemble};
use super::model_file::{Model, ModelMetadata, choose, file_name, sources};
use super::safetensors::Contents;

/// What `format` in the metadata says.
pub(crate) const FORMAT: &str = "ugatit-training";
/// The version that is written, and the newest one that is read.
pub(crate) const VERSION: u32 = 1;
/// Before the names of what belongs to the moving average.
pub(crate) const AVERAGE: &str = "ema/";

/// Whether a file says of itself that it is one.
pub(crate) fn is_one(contents: &Contents<'_>) -> bool {
    contents.metadata.get("format").is_some_and(|format| format == FORMAT)
}

/// What a training state says of itself.
pub(crate) struct About<'a> {
    path: &'a Path,
    metadata: &'a BTreeMap<String, String>,
}

impl<'a> About<'a> {
    /// # Errors
    /// [`Error::ModelFile`] where the file is no training state; [`Error::NewerVersion`].
    pub(crate) fn of(path: &'a Path, contents: &'a Contents<'_>) -> Result<Self> {
        let about = Self { path, metadata: &contents.metadata };
        if !is_one(contents) {
            return Err(about.refuse("it is no training state, which a run writes".into()));
        }
        let version: u32 =
            about.text("format_version")?.parse().map_err(|_| about.damaged("format_version"))?;
        if version > VERSION {
            return Err(Error::NewerVersion { path: path.into(), found: version.into(), read: VERSION });
        }
        Ok(about)
    }

    /// # Errors
    /// [`Error::ModelFile`] where there is no `key`.
    pub(crate) fn text(&self, key: &str) -> Result<&'a str> {
        let text = self.metadata.get(key).map(String::as_str);
        text.ok_or_else(|| self.refuse(format!("its metadata has no `{key}`")))
    }

    /// The error of a `key` that means nothing.
    pub(crate) fn damaged(&self, key: &str) -> Error {
        self.refuse(format!("its metadata `{key}` cannot be read"))
    }

    fn refuse(&self, problem: String) -> Error {
        Error::ModelFile { path: self.path.into(), problem }
    }
}

/// The generator of `direction`, or of A2B, as its moving average where there is one.
///
/// # Errors
/// As [`About::of`], [`About::text`] and [`assemble`].
pub(super) fn generator(path: &Path, contents: Contents<'_>, direction: Option<Direction>) -> Result<Model> {
    let about = About::of(path, &contents)?;
    let config: serde_json::Value =
        serde_json::from_str(about.text("config")?).map_err(|_| about.damaged("config"))?;
    let config = GeneratorConfig::deserialize(&config["generator"]).map_err(|_| about.damaged("config"))?;
    let step = about.text("step")?.to_owned();
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
