//! Folders with models in them.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the models of a folder lie: of a training run in its `models`.
pub(super) fn of_run(folder: &Path) -> PathBuf {
    let models = folder.join("models");
    let own = || fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| is_model(&entry.path()));
    if models.is_dir() && !own() { models } else { folder.into() }
}

/// Whether a folder has no model file, nor a training run's.
pub(super) fn holds_no_model(folder: &Path) -> bool {
    let of = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    !of(folder.into()).chain(of(folder.join("models"))).any(|entry| is_model(&entry.path()))
}

/// Whether a file's name is that of a model.
pub(super) fn is_model(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    path.is_file() && matches!(extension.as_deref(), Some("safetensors" | "pt" | "pth"))
}
