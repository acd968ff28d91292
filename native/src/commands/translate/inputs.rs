//! From what a person typed to picture files.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::path::{Component, Path, PathBuf};

use ugatit::io::{has_picture_ending, unread_picture};

/// A picture to translate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Input {
    pub(in crate::commands) path: PathBuf,
    /// Its place within the folder that was named: what the result's place is.
    pub(in crate::commands) relative: PathBuf,
}

/// What was found, in a stable order, and what was named but is not there.
#[derive(Debug, Default)]
pub(in crate::commands) struct Found {
    pub(in crate::commands) inputs: Vec<Input>,
    pub(in crate::commands) failures: Vec<(PathBuf, String)>,
    /// Files in folders that are not translated.
    pub(in crate::commands) passed_over: Vec<PassedOver>,
}

/// A file that is not translated, and no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct PassedOver {
    pub(in crate::commands) path: PathBuf,
    /// Why.
    pub(in crate::commands) reason: String,
    /// Whether somebody may miss it in the results: a picture of a kind that is not read.
    pub(in crate::commands) is_picture: bool,
}

/// Finds the pictures that `named` files, folders and patterns stand for: in folders by their
/// ending; a file that is named is read whatever its ending. `output` is not
/// looked into, so that results of an earlier run within an input folder are left alone. Links to
/// folders are followed, but no folder is looked into twice.
pub(in crate::commands) fn collect(named: &[PathBuf], recursive: bool, output: &Path) -> Found {
    let mut found = Found::default();
    let skip = fs::canonicalize(output).ok();
    for name in named {
        if name.is_dir() {
            let before = found.inputs.len();
            walk(name, recursive, skip.as_deref(), &mut found);
            if found.inputs.len() == before {
                found.failures.push((name.clone(), "the folder holds no pictures that are read".into()));
            }
        } else if name.exists() {
            found.add(name.clone(), file_name(name));
        } else {
            pattern(name, &mut found);
        }
    }
    // A picture that was named twice is translated once.
    let mut seen = HashSet::new();
    let once =
        |input: &Input| seen.insert(fs::canonicalize(&input.path).unwrap_or_else(|_| input.path.clone()));
    let (inputs, again): (Vec<Input>, Vec<Input>) =
        std::mem::take(&mut found.inputs).into_iter().partition(once);
    found.inputs = inputs;
    found.passed_over.extend(again.into_iter().map(|Input { path, .. }| PassedOver {
        path,
        reason:
            "the same file is there under another name, or was named twice, and is translated once".into(),
        is_picture: false,
    }));
    found
}

impl Found {
    fn add(&mut self, path: PathBuf, relative: PathBuf) {
        self.inputs.push(Input { path, relative });
    }

    /// Takes in a file that is no picture by its name, or none that is read.
    fn pass_over(&mut self, path: PathBuf) {
        let unread = unread_picture(&path);
        let is_picture = unread.is_some();
        let reason = unread.unwrap_or_else(|| "it is no picture by its name".into());
        self.passed_over.push(PassedOver { path, reason, is_picture });
    }
}

/// Looks into a folder and those below it: first those that are there themselves, then those that
/// links lead to, so that each is found under its own name where it has one. A link round in a
/// circle leads to what has been looked into.
fn walk(top: &Path, recursive: bool, skip: Option<&Path>, found: &mut Found) {
    let mut known: HashSet<PathBuf> = skip.map(Path::to_path_buf).into_iter().collect();
    let (mut folders, mut links) = (VecDeque::from([(top.to_path_buf(), PathBuf::new())]), VecDeque::new());
    let around = fs::canonicalize(top).ok();
    let (mut inputs, mut others) = (vec![], vec![]);
    while let Some((folder, relative)) = folders.pop_front().or_else(|| links.pop_front()) {
        let own = fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone());
        // A folder that the first one lies in is no part of it, wherever a link to it stands.
        let around = around.as_ref().is_some_and(|top| *top != own && top.starts_with(&own));
        if folder != top && (around || known.contains(&own)) {
            continue;
        }
        known.insert(own);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                found.failures.push((folder, error.to_string()));
                continue;
            }
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let place = relative.join(file_name(&path));
            if file_name(&path).to_string_lossy().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                let is_link = fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink());
                if recursive {
                    if is_link { &mut links } else { &mut folders }.push_back((path, place));
                }
            } else if has_picture_ending(&path) {
                inputs.push(Input { path, relative: place });
            } else {
                others.push(path);
            }
        }
    }
    inputs.sort_by(|a, b| a.relative.cmp(&b.relative));
    found.inputs.extend(inputs);
    others.sort();
    others.into_iter().for_each(|path| found.pass_over(path));
}

/// Whether a name that is there in no folder stands for others.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// A pattern that no shell has expanded, as on Windows.
fn pattern(name: &Path, found: &mut Found) {
    let text = name.to_string_lossy();
    if !is_pattern(&text) {
        return found.failures.push((name.into(), "there is no such file or folder".into()));
    }
    // The folders before the first wildcard are not part of a result's place.
    let fixed: PathBuf = name
        .components()
        .take_while(|c| !matches!(c, Component::Normal(part) if is_pattern(&part.to_string_lossy())))
        .collect();
    let matches = match glob::glob(&text) {
        Ok(matches) => matches,
        Err(error) => {
            return found.failures.push((name.into(), format!("this pattern cannot be read ({error})")));
        }
    };
    let before = found.inputs.len();
    for path in matches.flatten().filter(|path| path.is_file()) {
        if !has_picture_ending(&path) {
            found.pass_over(path);
            continue;
        }
        let relative = path.strip_prefix(&fixed).map_or_else(|_| file_name(&path), Path::to_path_buf);
        found.add(path, relative);
    }
    if found.inputs.len() == before {
        found.failures.push((name.into(), "no picture matches this pattern".into()));
    }
}

fn file_name(path: &Path) -> PathBuf {
    path.file_name().map(PathBuf::from).unwrap_or_default()
}
