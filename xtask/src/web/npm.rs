//! npm, in `web/`.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{root, say};

/// The oldest Node.js that the tools of `web/` run on.
const OLDEST_NODE: u32 = 20;

/// npm's programs are scripts there, which only their full name starts.
const SUFFIX: &str = if cfg!(windows) { ".cmd" } else { "" };

/// Installs what `web/package-lock.json` names, unless it is there.
pub(crate) fn install() -> Result<()> {
    install_in("web")
}

/// Installs what a folder's `package-lock.json` names, unless it is there.
pub(crate) fn install_in(folder: &str) -> Result<()> {
    ensure_node()?;
    let path = root().join(folder);
    let modified = |name: &str| std::fs::metadata(path.join(name)).and_then(|m| m.modified()).ok();
    // npm writes this file last.
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_some() && installed >= modified("package-lock.json") {
        return Ok(());
    }
    start("npm", &["ci"], folder)
}

/// Runs npm.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    start("npm", arguments, "web")
}

/// Runs a program of an installed npm package.
pub(crate) fn exec(program: &str, arguments: &[&str]) -> Result<()> {
    let path = root().join("web/node_modules/.bin").join(program);
    start(&path.to_string_lossy(), arguments, "web")
}

fn start(program: &str, arguments: &[&str], folder: &str) -> Result<()> {
    say(&format!("$ {program} {}", arguments.join(" ")));
    let status = Command::new(format!("{program}{SUFFIX}"))
        .args(arguments)
        .current_dir(root().join(folder))
        .status()
        .with_context(|| format!("`{program}` could not be started"))?;
    if !status.success() {
        bail!("`{program} {}` failed ({status})", arguments.join(" "));
    }
    Ok(())
}

fn ensure_node() -> Result<()> {
    let found = Command::new("node").arg("--version").output().ok().filter(|o| o.status.success());
    let version = found.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).unwrap_or_default();
    let major = version.trim_start_matches('v').split('.').next().and_then(|n| n.parse::<u32>().ok());
    if major.is_none_or(|n| n < OLDEST_NODE) {
        bail!(
            "the web package is built with Node.js {OLDEST_NODE} or later ({}); install it from https://nodejs.org, then run this again",
            if version.is_empty() { "there is none".into() } else { format!("there is {version}") }
        );
    }
    Ok(())
}
