//! What was measured on an adapter, kept for it and its driver in the user's cache folder.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wgpu::AdapterInfo;

use crate::error::{Error, Result};
use crate::io::write_atomically;
use crate::plan::tuning::Tuning;

use super::Gpu;

/// The file. One of another version, adapter or driver is not used.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: String,
    adapter: String,
    driver: String,
    tuning: Tuning,
}

impl Kept {
    fn new(info: &AdapterInfo, tuning: Tuning) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            adapter: info.name.clone(),
            driver: format!("{:?} {} {}", info.backend, info.driver, info.driver_info),
            tuning,
        }
    }
}

fn path(info: &AdapterInfo) -> Option<PathBuf> {
    let name =
        format!("tuning-{:?}-{:04x}-{:04x}.json", info.backend, info.vendor, info.device).to_lowercase();
    Some(dirs::cache_dir()?.join("ugatit").join(name))
}

/// What was measured on this adapter with this driver and version, if anything.
pub(super) fn load(info: &AdapterInfo) -> Option<Tuning> {
    let kept: Kept = serde_json::from_slice(&fs::read(path(info)?).ok()?).ok()?;
    let same = Kept::new(info, Tuning::default());
    let fits = (kept.version, kept.adapter, kept.driver) == (same.version, same.adapter, same.driver);
    fits.then_some(kept.tuning)
}

impl Gpu {
    /// Keeps what was measured on this adapter, for the next who opens it, and returns the file.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no cache folder or the file cannot be written.
    pub fn keep_tuning(&self, tuning: &Tuning) -> Result<PathBuf> {
        let path = self.tuning_path()?;
        let kept = Kept::new(self.info(), tuning.clone());
        let text = serde_json::to_vec_pretty(&kept).map_err(|e| Error::io(&path)(e.into()))?;
        write_atomically(&path, true, |out| out.write_all(&text))?;
        Ok(path)
    }

    /// Forgets what was measured on this adapter; whether there was anything.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no cache folder or the file cannot be deleted.
    pub fn forget_tuning(&self) -> Result<bool> {
        let path = self.tuning_path()?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io(&path)(error)),
        }
    }

    fn tuning_path(&self) -> Result<PathBuf> {
        let missing = || {
            let error = std::io::Error::new(std::io::ErrorKind::NotFound, "this user has no cache folder");
            Error::io("the cache folder")(error)
        };
        path(self.info()).ok_or_else(missing)
    }
}
