//! From what a person typed to picture files.

use std::fs;
use std::path::{Component, Path, PathBuf};

use ugatit::io::has_picture_ending;

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
}

/// Finds the pictures that `named` files, folders and patterns stand for: in folders by their
/// ending; a file that is named is read whatever its ending. `output` is not
/// looked into, so that results of an earlier run within an input folder are left alone.
pub(in crate::commands) fn collect(named: &[PathBuf], recursive: bool, output: &Path) -> Found {
    let mut found = Found::default();
    let skip = fs::canonicalize(output).ok();
    for name in named {
        if name.is_dir() {
            let before = found.inputs.len();
            walk(name, Path::new(""), recursive, skip.as_deref(), &mut found);
            if found.inputs.len() == before {
                found.failures.push((name.clone(), "the folder holds no pictures".into()));
            }
        } else if name.exists() {
            found.add(name.clone(), file_name(name));
        } else {
            pattern(name, &mut found);
        }
    }
    // A picture that was named twice is translated once.
    let mut seen = std::collections::HashSet::new();
    found.inputs.retain(|i| seen.insert(fs::canonicalize(&i.path).unwrap_or_else(|_| i.path.clone())));
    found
}

impl Found {
    fn add(&mut self, path: PathBuf, relative: PathBuf) {
        self.inputs.push(Input { path, relative });
    }
}

fn walk(folder: &Path, relative: &Path, recursive: bool, skip: Option<&Path>, found: &mut Found) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return found.failures.push((folder.into(), error.to_string())),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let place = relative.join(file_name(&path));
        let hidden = file_name(&path).to_string_lossy().starts_with('.');
        if hidden {
            continue;
        }
        if path.is_dir() {
            // A link to a folder may lead round in a circle.
            let is_link = fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink());
            let is_output = skip.is_some() && fs::canonicalize(&path).ok().as_deref() == skip;
            if recursive && !is_link && !is_output {
                walk(&path, &place, recursive, skip, found);
            }
        } else if has_picture_ending(&path) {
            found.add(path, place);
        }
    }
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
    for path in matches.flatten().filter(|path| path.is_file() && has_picture_ending(path)) {
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
