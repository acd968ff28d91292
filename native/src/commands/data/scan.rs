//! Decoding every file of a dataset, on all cores.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use ugatit::io::{Dataset, PictureFacts, examine_picture};

/// One folder of a dataset, examined. All paths are within the dataset.
pub(super) struct Scanned {
    /// `trainA`, `trainB`, `testA` or `testB`.
    pub(super) name: &'static str,
    pub(super) pictures: Vec<(PathBuf, PictureFacts)>,
    /// With what is wrong.
    pub(super) broken: Vec<(PathBuf, String)>,
    pub(super) others: Vec<PathBuf>,
}

/// Examines every picture; with `show` there is a progress bar where a person looks on.
pub(super) fn scan(dataset: &Dataset, show: bool) -> Vec<Scanned> {
    dataset
        .folders()
        .map(|(name, folder)| {
            let within = |path: &Path| path.strip_prefix(&dataset.root).unwrap_or(path).to_path_buf();
            let mut scanned = Scanned {
                name,
                pictures: vec![],
                broken: vec![],
                others: folder.others.iter().map(|path| within(path)).collect(),
            };
            for (path, facts) in folder.pictures.iter().zip(examine(name, &folder.pictures, show)) {
                match facts {
                    Ok(facts) => scanned.pictures.push((within(path), facts)),
                    Err(problem) => scanned.broken.push((within(path), problem)),
                }
            }
            scanned
        })
        .collect()
}

/// What each file is like, in the order of `files`, or what is wrong with it.
fn examine(name: &'static str, files: &[PathBuf], show: bool) -> Vec<Result<PictureFacts, String>> {
    let bar = progress_bar(name, files.len(), show);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(files.len()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(files.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = files.get(index) else { break };
                    let result = examine_picture(path).map_err(|error| error.problem());
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// A bar that counts `length` pictures: with `show`, where a person looks on.
pub(super) fn progress_bar(name: &'static str, length: usize, show: bool) -> ProgressBar {
    if !show || length < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}  {eta} left") {
        bar.set_style(style);
    }
    bar.with_message(name)
}
