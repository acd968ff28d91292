//! Which dataset a run trains on, kept in its folder, so that nobody goes on with another one unawares.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::io::{Dataset, Folder, write_atomically};

/// The file in the run's folder.
const FILE: &str = "data.json";
/// The sizes of so many files of a domain are looked at, spread over all: a network drive is slow to tell them.
const SIZES: usize = 1000;

/// What to do where a run is given another dataset than it was trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherData {
    /// Refuse it.
    #[default]
    Refuse,
    /// Go on with the other one.
    Take,
}

/// A dataset as it is known again: by its place, or by its pictures, so that it may be moved, and may grow where
/// it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TrainedOn {
    folder: PathBuf,
    /// Of `trainA` and `trainB`.
    pictures: [usize; 2],
    /// A checksum of the names and sizes.
    checksums: [u32; 2],
}

impl fmt::Display for TrainedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.pictures;
        write!(f, "{} ({a} and {b} pictures)", self.folder.display())
    }
}

impl TrainedOn {
    /// # Errors
    /// [`Error::Io`] where the folder's path cannot be found.
    pub(super) fn new(dataset: &Dataset) -> Result<Self> {
        Ok(Self {
            folder: std::path::absolute(&dataset.root).map_err(Error::io(&dataset.root))?,
            pictures: [0, 1].map(|i| dataset.train[i].pictures.len()),
            checksums: [0, 1].map(|i| checksum(&dataset.train[i])),
        })
    }

    /// What two machines with the same pictures have in common.
    pub(super) fn pictures(&self) -> u64 {
        let [a, b] = self.checksums.map(u64::from);
        a << 32 | b
    }

    fn is_same(&self, other: &Self) -> bool {
        self.folder == other.folder || (self.pictures == other.pictures && self.checksums == other.checksums)
    }

    /// What the run in `run` was trained on, where it is known: earlier versions did not keep it.
    pub(super) fn read(run: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(run.join(FILE)).ok()?).ok()
    }

    /// Refuses another dataset than that of the run in `run`. Gives what is to be said where another one is taken.
    ///
    /// # Errors
    /// [`Error::OtherDataset`].
    pub(super) fn check(&self, run: &Path, other: OtherData) -> Result<Option<String>> {
        match Self::read(run).filter(|before| !before.is_same(self)) {
            None => Ok(None),
            Some(before) if other == OtherData::Take => {
                Ok(Some(format!("the run goes on with {self}; before, it was trained on {before}")))
            }
            Some(before) => Err(Error::OtherDataset {
                run: run.into(),
                before: before.to_string(),
                now: self.to_string(),
            }),
        }
    }

    /// # Errors
    /// [`Error::Output`] where the file cannot be written.
    pub(super) fn write(&self, run: &Path) -> Result<()> {
        let path = run.join(FILE);
        let json = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::Output { path: path.clone(), problem: e.to_string() })?;
        write_atomically(&path, true, |out| out.write_all(&json))
    }
}

/// Of the names of a folder's pictures, as they stand within it, and of some of their sizes.
fn checksum(folder: &Folder) -> u32 {
    let every = folder.pictures.len().div_ceil(SIZES).max(1);
    folder.pictures.iter().enumerate().fold(0, |sum, (i, path)| {
        let name = path.strip_prefix(&folder.path).unwrap_or(path);
        let sum = crc32c::crc32c_append(sum, name.to_string_lossy().replace('\\', "/").as_bytes());
        let size = if i % every == 0 { std::fs::metadata(path).map_or(0, |m| m.len()) } else { 0 };
        crc32c::crc32c_append(sum, &size.to_le_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(root: &Path, size: usize) -> Dataset {
        for name in ["trainA/1.png", "trainA/2.png", "trainB/1.png"] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![0; size]).unwrap();
        }
        Dataset::open(root).unwrap()
    }

    #[test]
    fn a_dataset_is_known_again_where_it_was_moved_or_has_grown() {
        let place = tempfile::tempdir().unwrap();
        let (one, run) = (place.path().join("one"), place.path().join("run"));
        let first = TrainedOn::new(&dataset(&one, 5)).unwrap();
        first.write(&run).unwrap();
        assert_eq!(TrainedOn::read(&run).unwrap(), first);
        let check = |dataset: &Dataset, other| TrainedOn::new(dataset).unwrap().check(&run, other);

        let moved = dataset(&place.path().join("moved"), 5);
        assert_eq!(check(&moved, OtherData::Refuse).unwrap(), None);
        std::fs::write(one.join("trainB/new.png"), "").unwrap();
        assert_eq!(check(&Dataset::open(&one).unwrap(), OtherData::Refuse).unwrap(), None);

        // The names alone, 1.png and 2.png, are those of many.
        let other = dataset(&place.path().join("other"), 6);
        match check(&other, OtherData::Refuse).unwrap_err() {
            Error::OtherDataset { before, now, .. } => {
                assert!(
                    before.contains("one (2 and 1 pictures)") && now.contains("other (2"),
                    "{before} {now}"
                );
            }
            error => panic!("{error}"),
        }
        let said = check(&other, OtherData::Take).unwrap().unwrap();
        assert!(said.contains("other (2 and 1 pictures)") && said.contains("one (2"), "{said}");
        // A run of an earlier version, and a damaged file.
        std::fs::write(run.join(FILE), "{").unwrap();
        assert_eq!(check(&other, OtherData::Refuse).unwrap(), None);
    }
}
