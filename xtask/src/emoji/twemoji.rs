//! Twemoji: the SVG files of the npm package `@twemoji/svg`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::drawing::Drawing;
use super::sequence::Sequence;
use crate::process::{root, run, say};

/// Fixed, so that everybody gets the same pictures.
const PACKAGE: &str = "@twemoji/svg@15.0.0";
/// Below the repository's root.
const CACHE: &str = "target/emoji-data";
/// The height of Noto's bitmaps: both designs go the same way from there.
const SIDE: u32 = 128;

/// The folder of SVG files: the named one, or the npm package's, fetched once.
pub(super) fn find(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = named {
        return Ok(folder.to_path_buf());
    }
    let folder = root().join(CACHE).join("node_modules/@twemoji/svg");
    if folder.join("package.json").is_file() {
        return Ok(folder);
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    if std::process::Command::new(npm).arg("--version").output().is_err() {
        bail!(
            "npm, which fetches {PACKAGE}, is not installed; install Node.js, or name a folder of Twemoji's SVG files by --twemoji"
        );
    }
    say(&format!("{PACKAGE} is fetched into {CACHE}, once"));
    let quiet = ["--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"];
    run(npm, &[&["install", "--prefix", CACHE], &quiet[..], &[PACKAGE]].concat())?;
    Ok(folder)
}

/// The package's version, where its `package.json` lies beside the files.
pub(super) fn version(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("package.json")).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    match (package["name"].as_str(), package["version"].as_str()) {
        (Some(name), Some(version)) => format!("{name} {version}"),
        _ => "version unknown".into(),
    }
}

/// Every sequence of the design and its file. Sorted, and without a second spelling of the same sequence.
pub(super) fn sequences(folder: &Path) -> Result<BTreeMap<Sequence, PathBuf>> {
    let unreadable = || format!("the folder of Twemoji's SVG files, {}, cannot be read", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        files.push(entry.with_context(unreadable)?.path());
    }
    files.sort();
    let mut found: BTreeMap<Sequence, (Sequence, PathBuf)> = BTreeMap::new();
    for path in files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "svg")) {
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if let Some(sequence) = stem.and_then(Sequence::parse) {
            found.entry(sequence.plain()).or_insert((sequence, path));
        }
    }
    if found.is_empty() {
        bail!("{} holds no Twemoji file such as 1f600.svg", folder.display());
    }
    Ok(found.into_values().collect())
}

/// Draws an SVG file as large as Noto's bitmaps are.
pub(super) fn drawing(path: &Path) -> Result<Drawing> {
    let whom = || format!("{} cannot be drawn", path.display());
    let bytes = std::fs::read(path).with_context(whom)?;
    let tree = Tree::from_data(&bytes, &Options::default()).with_context(whom)?;
    let mut pixmap = Pixmap::new(SIDE, SIDE).with_context(whom)?;
    let side = SIDE as f32;
    let transform = Transform::from_scale(side / tree.size().width(), side / tree.size().height());
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    let picture = image::RgbaImage::from_raw(SIDE, SIDE, pixmap.take()).with_context(whom)?;
    Ok(Drawing::from_premultiplied(picture))
}
