//! Pictures ready to be cropped, as far as memory allows kept for the next epoch.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::io::{Picture, read_picture};

use super::Preprocess;

/// The pictures of one domain. Nothing that was kept is dropped again: where not all fit,
/// keeping the same ones saves most, since every epoch reads each picture once.
pub(super) struct Store {
    files: Vec<(PathBuf, OnceLock<Kept>)>,
    channels: usize,
    size: usize,
    preprocess: Preprocess,
    flip: bool,
    /// Bytes that may still be kept, of both domains.
    budget: Arc<AtomicU64>,
}

/// What is kept of a picture: the smaller of the two.
enum Kept {
    /// The picture as decoded.
    Original(Arc<Picture>),
    /// It and its mirror image, resized. (The mirror image of a resized picture is not to the
    /// bit the resized mirror image.)
    Resized(Vec<Arc<Picture>>),
}

impl Store {
    pub(super) fn new(
        files: &[PathBuf],
        channels: usize,
        (size, preprocess, flip): (usize, Preprocess, bool),
        budget: Arc<AtomicU64>,
    ) -> Self {
        let files = files.iter().map(|path| (path.clone(), OnceLock::new())).collect();
        Self { files, channels, size, preprocess, flip, budget }
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn path(&self, index: usize) -> &PathBuf {
        &self.files[index].0
    }

    /// The picture `index`, mirrored or not, as it is before a part is cut from it.
    pub(super) fn whole(&self, index: usize, flip: bool) -> Result<Arc<Picture>> {
        let (path, slot) = &self.files[index];
        let original = match slot.get() {
            Some(Kept::Resized(pictures)) => return Ok(Arc::clone(&pictures[usize::from(flip)])),
            Some(Kept::Original(picture)) => Arc::clone(picture),
            None => {
                let mut picture = read_picture(path).map_err(advise)?.with_channels(self.channels)?;
                picture.alpha = None;
                let picture = Arc::new(picture);
                self.keep(slot, &picture)?;
                picture
            }
        };
        if !flip && self.preprocess.side(self.size).is_none() {
            return Ok(original);
        }
        Ok(Arc::new(self.preprocess.whole(&original, self.size, flip)?.into_owned()))
    }

    fn keep(&self, slot: &OnceLock<Kept>, original: &Arc<Picture>) -> Result<()> {
        let flips: &[bool] = if self.flip { &[false, true] } else { &[false] };
        let side = self.preprocess.side(self.size);
        let resized = side.map_or(usize::MAX, |side| flips.len() * side * side * self.channels);
        let bytes = resized.min(original.pixels.len()) as u64;
        let take = |free: u64| free.checked_sub(bytes);
        if self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Ok(());
        }
        let kept = if resized < original.pixels.len() {
            let whole = |&flip: &bool| {
                self.preprocess.whole(original, self.size, flip).map(|p| Arc::new(p.into_owned()))
            };
            Kept::Resized(flips.iter().map(whole).collect::<Result<_>>()?)
        } else {
            Kept::Original(Arc::clone(original))
        };
        // Another thread may have been here first.
        if slot.set(kept).is_err() {
            self.budget.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn advise(error: Error) -> Error {
    match error {
        Error::Picture { path, problem } => Error::Picture {
            path,
            problem: format!("{problem}. Remove this file from the dataset, and look for others like it"),
        },
        other => other,
    }
}
