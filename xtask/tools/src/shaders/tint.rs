//! Tint, Chrome's compiler, which the npm package `webgpu` brings.

use std::process::Command;

use anyhow::{Context, Result};

use super::Variant;
use xtask::process::{pipe, root};
use xtask::web::npm;

/// Where `package.json` and the scripts are.
pub(super) const FOLDER: &str = "xtask/compilers";

/// What Tint refuses.
pub(super) fn check(variants: &[Variant]) -> Result<Vec<String>> {
    npm::install_in(FOLDER)?;
    let texts: Vec<[&str; 2]> = variants.iter().map(|v| [v.name.as_str(), v.text.as_str()]).collect();
    let mut node = Command::new("node");
    node.arg("tint.mjs").current_dir(root().join(FOLDER));
    let answer = pipe(&mut node, &serde_json::to_vec(&texts)?)?;
    let errors: Vec<(String, usize, String)> =
        serde_json::from_slice(&answer).context("tint.mjs printed something else than its errors")?;
    let place = |name: &str, line| {
        variants.iter().find(|v| v.name == name).map_or_else(|| name.to_string(), |v| v.place(line))
    };
    Ok(errors.iter().map(|(name, line, message)| format!("{}: {message}", place(name, *line))).collect())
}
