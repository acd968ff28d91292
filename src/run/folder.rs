//! The folder of a run: what lies where, and who may write there.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::{remove_temporaries, write_atomically};

use super::checkpoint::Checkpoint;
use super::config::RunConfig;

/// The folders of a run that files are written to, in its own.
const WRITTEN: [&str; 5] = ["", "checkpoints", "models", "models/raw", "samples"];

/// A run's folder. While it lives, no other process can train there.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    /// Locked; the system unlocks it when the process ends, however it ends.
    _lock: File,
}

impl RunFolder {
    /// Opens the folder to write to; it is made where it is missing.
    ///
    /// # Errors
    /// [`Error::Output`] where another process trains there or it cannot be written to, and where
    /// it holds files but no run.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let refuse = |problem: String| Error::Output { path: root.clone(), problem };
        fs::create_dir_all(&root).map_err(|e| refuse(format!("the folder cannot be made ({e})")))?;
        if !config_path(&root).is_file() && holds_files(&root)? {
            return Err(refuse(
                "the folder holds files, but no training run (no config.toml); choose a new folder".into(),
            ));
        }
        let path = root.join(".lock");
        let mut options = File::options();
        let lock = options.create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|e| refuse(format!("it cannot be written to ({e})")))?;
        match lock.try_lock() {
            // Nobody else writes here now.
            Ok(()) => {
                for folder in WRITTEN {
                    remove_temporaries(&root.join(folder))?;
                }
            }
            Err(TryLockError::WouldBlock) => {
                return Err(refuse("another process is training there; stop it first, or wait".into()));
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(_)) => {}
        }
        Ok(Self { root, _lock: lock })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The settings of the run in `root`, where there is one.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be read, [`Error::Config`] where they make no sense.
    pub fn config(root: &Path) -> Result<Option<RunConfig>> {
        let path = config_path(root);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let config = RunConfig::read(&text).and_then(|table| RunConfig::layered(None, &[table]));
        config.map(Some).map_err(|e| Error::Config(format!("{}: {e}", path.display())))
    }

    /// Writes the settings.
    ///
    /// # Errors
    /// [`Error::Output`] where they cannot be written.
    pub fn write_config(&self, config: &RunConfig) -> Result<()> {
        let text = config.to_toml()?;
        write_atomically(&config_path(&self.root), true, |out| out.write_all(text.as_bytes()))
    }

    /// Writes a checkpoint.
    ///
    /// # Errors
    /// As [`Checkpoint::save`].
    pub fn save(&self, checkpoint: &Checkpoint<'_>) -> Result<PathBuf> {
        let path = checkpoints(&self.root).join(format!("step-{:07}.safetensors", checkpoint.state.step));
        checkpoint.save(&path)?;
        Ok(path)
    }

    /// The newest checkpoint of the run in `root` that can be read, and what was wrong with those
    /// that are damaged. One that a newer version of this program wrote is not passed over, since going on from
    /// an older one would undo what that version has done.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder or a checkpoint cannot be read; [`Error::NewerVersion`]; the newest
    /// one's error where there are checkpoints and all are damaged.
    pub fn newest(root: &Path) -> Result<(Option<Checkpoint<'static>>, Vec<Error>)> {
        let mut errors = vec![];
        for (_, path) in list(root)?.into_iter().rev() {
            match Checkpoint::load(&path) {
                Ok(checkpoint) => return Ok((Some(checkpoint), errors)),
                Err(error @ (Error::NewerVersion { .. } | Error::Io { .. })) => return Err(error),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok((None, errors)) } else { Err(errors.swap_remove(0)) }
    }

    /// The iteration of the newest checkpoint of the run in `root`, by its name; 0 where there is none.
    pub(super) fn last_step(root: &Path) -> Result<u64> {
        Ok(list(root)?.last().map_or(0, |(step, _)| *step))
    }

    /// Deletes checkpoints but the last `keep` and those of multiples of `keep_every`.
    ///
    /// # Errors
    /// [`Error::Io`] where one cannot be deleted.
    pub fn prune(&self, keep: usize, keep_every: u64) -> Result<()> {
        let all = list(&self.root)?;
        let old = &all[..all.len().saturating_sub(keep.max(1))];
        for (step, path) in old {
            if keep_every == 0 || !step.is_multiple_of(keep_every) {
                fs::remove_file(path).map_err(Error::io(path))?;
            }
        }
        Ok(())
    }
}

/// Whether a folder holds anything but hidden files, such as the lock of a run that was killed
/// before it had begun.
fn holds_files(folder: &Path) -> Result<bool> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let name = entry.map_err(Error::io(folder))?.file_name();
        if !name.to_string_lossy().starts_with('.') {
            return Ok(true);
        }
    }
    Ok(false)
}

fn config_path(root: &Path) -> PathBuf {
    root.join("config.toml")
}

fn checkpoints(root: &Path) -> PathBuf {
    root.join("checkpoints")
}

/// The checkpoints with their iterations, oldest first.
fn list(root: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let folder = checkpoints(root);
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let mut found = vec![];
    for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
        let path = entry.map_err(Error::io(&folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let step = name.and_then(|n| n.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok());
        found.extend(step.map(|step: u64| (step, path)));
    }
    found.sort();
    Ok(found)
}
