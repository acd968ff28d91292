//! A training state for PyTorch: a safetensors file for each network, with its own keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::graph::Shape;
use crate::io::safetensors::{self, Entry};
use crate::io::write_atomically;
use crate::tensor::Tensor;
use crate::train::{Player, TrainState};

use super::checkpoint::Checkpoint;

impl Checkpoint<'_> {
    /// Writes the state into `folder`, for `safetensors.torch.load_file`:
    ///
    /// - `genA2B.safetensors`, …, `disLB.safetensors`: the `state_dict` of each network of the
    ///   official code, its buffers included;
    /// - `genA2B.adam.safetensors`, …: the moments of `torch.optim.Adam`, `exp_avg.KEY` and
    ///   `exp_avg_sq.KEY` for each parameter;
    /// - `genA2B.ema.safetensors`, `genB2A.ema.safetensors`: the moving average, where there is one.
    ///
    /// The metadata of each hold the number of iterations done, `step`, which is Adam's too. Gives
    /// the files.
    ///
    /// # Errors
    /// [`Error::Output`] where a file cannot be written; [`Error::Exists`] where one is there and `overwrite` is
    /// false: then none is written.
    pub fn export(&self, folder: &Path, overwrite: bool) -> Result<Vec<PathBuf>> {
        let files = files(&self.state)?;
        let path = |name: &str| folder.join(format!("{name}.safetensors"));
        if let Some(there) = files.keys().map(|name| path(name)).find(|path| path.exists() && !overwrite) {
            return Err(Error::Exists { path: there });
        }
        let metadata = BTreeMap::from([
            // What PyTorch's own tools write and some look for.
            ("format".to_owned(), "pt".to_owned()),
            ("step".to_owned(), self.state.step.to_string()),
        ]);
        for (name, entries) in &files {
            write_atomically(&path(name), overwrite, |out| safetensors::write(out, &metadata, entries))?;
        }
        Ok(files.keys().map(|name| path(name)).collect())
    }
}

/// The files by name, without ending.
fn files(state: &TrainState<f32>) -> Result<BTreeMap<String, Vec<Entry<'_>>>> {
    let mut files: BTreeMap<String, Vec<Entry<'_>>> = BTreeMap::new();
    let mut add = |name: &str, ending: &str, prefix: &str, shape: &Shape, data| {
        let (network, key) = name.split_once('.').unwrap_or(("", name));
        files.entry(format!("{network}{ending}")).or_default().push(Entry::floats(
            format!("{prefix}{key}"),
            shape,
            data,
            false,
        ));
    };
    for (name, tensor) in &state.tensors {
        add(name, "", "", tensor.shape(), tensor.data());
    }
    for (name, moments) in &state.moments {
        let shape = state.tensors.get(name).map(Tensor::shape);
        let shape = shape.ok_or_else(|| Error::Shape(format!("moments of `{name}`, which is no tensor")))?;
        add(name, ".adam", "exp_avg.", shape, &moments.m);
        add(name, ".adam", "exp_avg_sq.", shape, &moments.v);
    }
    for (name, tensor) in &state.ema {
        debug_assert!(Player::Generators.trains(name));
        add(name, ".ema", "", tensor.shape(), tensor.data());
    }
    Ok(files)
}
