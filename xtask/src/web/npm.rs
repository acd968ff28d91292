//! npm, in `web/`.

use std::process::Command;

use anyhow::Result;

use crate::process::{Package, root, run_in, start};

/// The oldest Node.js that the tools of `web/` run on.
const OLDEST_NODE: u32 = 20;

/// npm's programs are scripts on Windows, which only their full name starts.
const SUFFIX: &str = if cfg!(windows) { ".cmd" } else { "" };

/// npm itself.
pub const PROGRAM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// Installs what `web/package-lock.json` names, unless it is there.
pub fn install() -> Result<()> {
    install_in("web")
}

/// Installs what a folder's `package-lock.json` names, unless it is there.
pub fn install_in(folder: &str) -> Result<()> {
    ensure_node()?;
    let path = root().join(folder);
    let modified = |name: &str| std::fs::metadata(path.join(name)).and_then(|m| m.modified()).ok();
    // npm writes this file last.
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_some() && installed >= modified("package-lock.json") {
        return Ok(());
    }
    run_in(folder, PROGRAM, &["ci"])
}

/// Runs npm.
pub fn run(arguments: &[&str]) -> Result<()> {
    start("web", PROGRAM, arguments, &[])
}

/// [`run`], with environment variables.
pub fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    start("web", PROGRAM, arguments, environment)
}

/// Runs a program of an installed npm package.
pub fn exec(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let path = root().join("web/node_modules/.bin").join(program);
    start("web", &format!("{}{SUFFIX}", path.display()), arguments, environment)
}

const NODE: Package = Package {
    missing: "Node.js 20 or later is needed, with npm",
    apt: &["nodejs", "npm"],
    elsewhere: "install it from https://nodejs.org",
};

fn ensure_node() -> Result<()> {
    NODE.need(|| {
        let found = Command::new("node").arg("--version").output().ok().filter(|o| o.status.success())?;
        let version = String::from_utf8(found.stdout).ok()?;
        let major: u32 = version.trim_start_matches('v').split('.').next()?.parse().ok()?;
        let npm = Command::new(format!("npm{SUFFIX}")).arg("--version").output().ok()?;
        (major >= OLDEST_NODE && npm.status.success()).then_some(())
    })
}
