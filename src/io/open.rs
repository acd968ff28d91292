//! Whatever a person calls "the model": a file of ours, an official checkpoint, a folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::Direction;

use super::import::{ImportOptions, read_checkpoint, read_one};
use super::model_file::Model;
use super::model_folder::{is_model, of_run};
use super::tensorflow::is_tensorflow_checkpoint;

impl Model {
    /// Loads all generators of a model file or folder: both of a checkpoint, of a `state_dict` or of a
    /// folder that holds `A2B.safetensors` and `B2A.safetensors`, else the one of [`Model::open`].
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_all(path: impl AsRef<Path>) -> Result<Vec<Self>> {
        let path = path.as_ref();
        if is_tensorflow_checkpoint(path) {
            return read_checkpoint(path, None, &ImportOptions::default());
        }
        if path.is_dir() {
            let files = files(path)?;
            return match files.as_slice() {
                [only] => Self::open_all(only),
                both => both.iter().map(|path| Self::open(path, None)).collect(),
            };
        }
        let bytes = not_empty(path)?;
        #[cfg(feature = "pytorch")]
        if super::checkpoint::is_checkpoint(&bytes) {
            return read_checkpoint(path, None, &ImportOptions::default());
        }
        Self::all_from_bytes(path, &bytes)
    }

    /// Loads a model file, found by its content: one of ours or any safetensors file of a
    /// generator ([`Model::from_bytes`]), an official `.pt` (feature `pytorch`), or a folder
    /// that holds `A2B.safetensors` and `B2A.safetensors`, or one model, or that of a training
    /// run, or a checkpoint of TensorFlow, or one that a run keeps.
    ///
    /// `direction` chooses where there are both; without it the first is taken, A2B first.
    ///
    /// # Errors
    /// As [`Model::from_bytes`]; [`Error::Io`] where the file cannot be read.
    pub fn open(path: impl AsRef<Path>, direction: Option<Direction>) -> Result<Self> {
        let path = path.as_ref();
        if is_tensorflow_checkpoint(path) {
            return read_one(path, direction);
        }
        if path.is_dir() {
            return Self::open(in_folder(&of_run(path), direction)?, direction);
        }
        let bytes = not_empty(path)?;
        #[cfg(feature = "pytorch")]
        if super::checkpoint::is_checkpoint(&bytes) {
            return read_one(path, direction);
        }
        Self::from_bytes(path, &bytes, direction)
    }
}

/// The files of all generators of a model: of a folder `A2B.safetensors` and `B2A.safetensors`, or the
/// one that there is; a file itself.
///
/// # Errors
/// [`Error::ModelFile`] where a folder holds no model, or one does not know which.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let folder = of_run(path);
    let named = Direction::BOTH.map(|d| folder.join(format!("{d}.safetensors")));
    if named.iter().all(|path| path.is_file()) {
        return Ok(named.into());
    }
    Ok(vec![in_folder(&folder, None)?])
}

/// The bytes of a model's file; an empty one cannot be mapped.
pub(super) fn not_empty(path: &Path) -> Result<memmap2::Mmap> {
    if fs::metadata(path).map_err(Error::io(path))?.len() == 0 {
        return Err(Error::ModelFile {
            path: path.into(),
            problem: "the file is empty; fetch it again".into(),
        });
    }
    mapped(path)
}

/// The bytes of a file, read where they are looked at.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read.
pub(crate) fn mapped(path: &Path) -> Result<memmap2::Mmap> {
    let file = File::open(path).map_err(Error::io(path))?;
    #[expect(
        unsafe_code,
        reason = "mapping a file is unsafe because others may change it meanwhile; every value read is checked, as with any file"
    )]
    // SAFETY: the map is only read as plain bytes and copied out; a file that somebody
    // shortens meanwhile ends the process, as it would any program that maps files.
    unsafe { memmap2::Mmap::map(&file) }.map_err(Error::io(path))
}

/// The model file to use in a folder.
fn in_folder(folder: &Path, direction: Option<Direction>) -> Result<PathBuf> {
    let named = |d: Direction| folder.join(format!("{d}.safetensors"));
    let wanted = match direction {
        Some(direction) => vec![direction],
        None => Direction::BOTH.to_vec(),
    };
    if let Some(path) = wanted.into_iter().map(named).find(|path| path.is_file()) {
        return Ok(path);
    }
    let mut models = vec![];
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if is_model(&path) {
            models.push(path);
        }
    }
    models.sort();
    match models.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Error::ModelFile {
            path: folder.into(),
            problem: "the folder holds no model (.safetensors, .pt, or a checkpoint of TensorFlow)".into(),
        }),
        [first, ..] => Err(Error::ModelFile {
            path: folder.into(),
            problem: format!(
                "the folder holds {} models and none is called A2B.safetensors or B2A.safetensors; name one, for example {}",
                models.len(),
                first.display()
            ),
        }),
    }
}
