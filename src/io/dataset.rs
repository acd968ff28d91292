//! A dataset: the pictures of two domains in the folders that the official program reads.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use super::{PICTURE_ENDINGS, has_picture_ending};

/// What a dataset must have. `testA` and `testB` may be there or not.
const TRAIN: [&str; 2] = ["trainA", "trainB"];
const TEST: [&str; 2] = ["testA", "testB"];

/// The pictures of two unpaired domains, A and B: the folders `trainA`, `trainB`, and where
/// they are there `testA`, `testB`. Files are listed, not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The folder that holds the four.
    pub root: PathBuf,
    /// `trainA` and `trainB`, neither empty.
    pub train: [Folder; 2],
    /// `testA` and `testB`; empty where they are not there.
    pub test: [Folder; 2],
}

/// One folder of a dataset with everything below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// The picture files, found by [`PICTURE_ENDINGS`], in the official order: folders by
    /// their path, within each the files by name.
    pub pictures: Vec<PathBuf>,
    /// The files of any other ending, in the same order. The official program's `ppm`, `pgm`
    /// and `tif` are among them.
    pub others: Vec<PathBuf>,
}

impl Dataset {
    /// Lists a dataset's files. Hidden files and folders (`.name`) are left out. Links to folders
    /// are followed, unlike by the official program's `os.walk`, but no folder is listed twice, and
    /// none that the link itself lies in.
    ///
    /// # Errors
    /// [`Error::Dataset`] where `trainA` or `trainB` is missing or has no picture;
    /// [`Error::Io`] where a folder cannot be read.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        if let Some(missing) = TRAIN.into_iter().find(|name| !root.join(name).is_dir()) {
            let refuse = |problem: String| Error::Dataset { path: root.into(), problem };
            return Err(refuse(match (root.is_dir(), layout_nearby(root)) {
                (_, Some(near)) => {
                    format!("it has no folder {missing}, but {} has; use that one", near.display())
                }
                (true, None) => format!(
                    "it has no folder {missing}. Put the pictures of one domain into {}, those of the other into {}, and where you like some to test with into testA and testB",
                    root.join(TRAIN[0]).display(),
                    root.join(TRAIN[1]).display()
                ),
                (false, None) => {
                    "there is no such folder. It should hold the folders trainA and trainB with pictures"
                        .into()
                }
            }));
        }
        let [train_a, train_b] = TRAIN.map(|name| Folder::open(root.join(name)));
        let [test_a, test_b] = TEST.map(|name| Folder::open(root.join(name)));
        let train = [train_a?, train_b?];
        for folder in &train {
            if folder.pictures.is_empty() {
                let endings = PICTURE_ENDINGS.join(", ");
                let others = match folder.others.len() {
                    0 => "no files at all".to_owned(),
                    1 => "only a file of another kind".to_owned(),
                    n => format!("only {n} files of other kinds"),
                };
                return Err(Error::Dataset {
                    path: folder.path.clone(),
                    problem: format!(
                        "it holds no pictures ({endings}), {others}; put the pictures of this domain there"
                    ),
                });
            }
        }
        Ok(Self { root: root.into(), train, test: [test_a?, test_b?] })
    }

    /// `trainA`, `trainB`, `testA`, `testB`, each with its name.
    pub fn folders(&self) -> impl Iterator<Item = (&'static str, &Folder)> {
        TRAIN.into_iter().chain(TEST).zip(self.train.iter().chain(&self.test))
    }
}

impl Folder {
    /// Lists the files of a folder that may be absent.
    fn open(path: PathBuf) -> Result<Self> {
        // (folder relative to `path`, as text with `/`; file)
        let mut files: Vec<(String, PathBuf)> = vec![];
        if path.is_dir() {
            Walk::default().run(&path, &mut files)?;
        }
        files.sort();
        let files = files.into_iter().map(|(_, file)| file);
        let (pictures, others) = files.partition(|path: &PathBuf| has_picture_ending(path));
        Ok(Self { path, pictures, others })
    }
}

/// A walk through a folder and everything below it.
#[derive(Default)]
struct Walk {
    /// The folders that have been listed, by the path that no link is part of.
    listed: HashSet<PathBuf>,
    /// The links to folders that were met, each with its relative path.
    links: BTreeMap<String, PathBuf>,
}

impl Walk {
    /// Folders first, then what links lead to: a folder that can be reached without a link stands
    /// under its own name.
    fn run(mut self, root: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
        let top = fs::canonicalize(root).map_err(Error::io(root))?;
        self.folder(root, "", files)?;
        while let Some((relative, link)) = self.links.pop_first() {
            let target = fs::canonicalize(&link).map_err(Error::io(&link))?;
            let lies_in = link.parent().and_then(|folder| fs::canonicalize(folder).ok());
            // A link to where it came from would lead round in a circle.
            if ![Some(&top), lies_in.as_ref()].into_iter().flatten().any(|place| place.starts_with(&target)) {
                self.folder(&link, &relative, files)?;
            }
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, relative: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
        if !self.listed.insert(fs::canonicalize(folder).map_err(Error::io(folder))?) {
            return Ok(());
        }
        for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
            let entry = entry.map_err(Error::io(folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if name.starts_with('.') {
                continue;
            }
            if entry.file_type().map_err(Error::io(&path))?.is_dir() {
                self.folder(&path, &format!("{relative}/{name}"), files)?;
            } else if path.is_dir() {
                self.links.insert(format!("{relative}/{name}"), path);
            } else if path.is_file() {
                files.push((relative.to_owned(), path));
            }
        }
        Ok(())
    }
}

/// A folder with the layout where it was probably meant: the one above, or the only one below.
fn layout_nearby(root: &Path) -> Option<PathBuf> {
    let has_layout = |folder: &Path| TRAIN.iter().all(|name| folder.join(name).is_dir());
    let above = root.parent().filter(|parent| !parent.as_os_str().is_empty() && has_layout(parent));
    let below = || {
        let entries = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path());
        let mut usable: Vec<PathBuf> = entries.filter(|path| has_layout(path)).collect();
        usable.sort();
        usable.into_iter().next()
    };
    above.map(Path::to_path_buf).or_else(below)
}
