//! What is said about a dataset.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use ugatit::io::PictureFacts;

use super::finding::{Finding, Severity};
use super::findings;
use super::scan::Scanned;

/// The whole report: what `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(serialize_with = "crate::shown::path")]
    pub(super) dataset: PathBuf,
    pub(super) img_size: usize,
    /// Whether no finding is an error.
    pub(super) usable: bool,
    pub(super) folders: Vec<FolderReport>,
    /// Errors first.
    pub(super) findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
pub(super) struct FolderReport {
    pub(super) name: &'static str,
    /// Those that can be read.
    pub(super) pictures: usize,
    pub(super) broken: usize,
    /// Files that are not read, by their ending.
    pub(super) others: usize,
    pub(super) width: Spread,
    pub(super) height: Spread,
    /// The most frequent sizes, the most frequent first.
    pub(super) sizes: Vec<Size>,
    pub(super) distinct_sizes: usize,
    pub(super) formats: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Spread {
    pub(super) min: usize,
    pub(super) median: usize,
    pub(super) max: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) count: usize,
}

impl Report {
    pub(super) fn new(dataset: &Path, img_size: usize, folders: &[Scanned], show: bool) -> Self {
        let findings = findings::find(folders, img_size, show);
        Self {
            dataset: dataset.into(),
            img_size,
            usable: findings.iter().all(|finding| finding.severity != Severity::Error),
            folders: folders.iter().map(FolderReport::new).collect(),
            findings,
        }
    }
}

impl FolderReport {
    fn new(folder: &Scanned) -> Self {
        let (mut sizes, mut formats) = (BTreeMap::new(), BTreeMap::new());
        for (_, facts) in &folder.pictures {
            *sizes.entry((facts.width, facts.height)).or_insert(0) += 1;
            *formats.entry(facts.format).or_insert(0) += 1;
        }
        let distinct_sizes = sizes.len();
        let mut sizes: Vec<Size> =
            sizes.into_iter().map(|((width, height), count)| Size { width, height, count }).collect();
        sizes.sort_by_key(|size| std::cmp::Reverse(size.count));
        sizes.truncate(5);
        Self {
            name: folder.name,
            pictures: folder.pictures.len(),
            broken: folder.broken.len(),
            others: folder.others.len(),
            width: Spread::new(folder, |facts| facts.width),
            height: Spread::new(folder, |facts| facts.height),
            sizes,
            distinct_sizes,
            formats,
        }
    }
}

impl Spread {
    fn new(folder: &Scanned, length: impl Fn(&PictureFacts) -> usize) -> Self {
        let mut lengths: Vec<usize> = folder.pictures.iter().map(|(_, facts)| length(facts)).collect();
        lengths.sort_unstable();
        match (lengths.first(), lengths.last()) {
            (Some(&min), Some(&max)) => Self { min, median: lengths[lengths.len() / 2], max },
            _ => Self::default(),
        }
    }
}
