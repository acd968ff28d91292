//! The commands of `xtask/tools`, which compute with `ugatit` and take a minute to compile.

use std::ffi::{OsStr, OsString};

use anyhow::{Result, bail};
use clap::Args;
use xtask::process;

/// What is handed on as it is, `--help` too.
#[derive(Args)]
pub(crate) struct Forwarded {
    /// See --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Forwarded {
    /// Runs the command of this name.
    pub(crate) fn run(&self, command: &str) -> Result<()> {
        run(command, &self.arguments)
    }
}

/// All shaders through other compilers.
pub(crate) fn shaders() -> Result<()> {
    run("shaders", &[])
}

/// Licences, duplicates and number of the crates that this project takes.
pub(crate) fn dependencies() -> Result<()> {
    run("dependencies", &[])
}

/// Prints nothing itself: what the tool prints may be JSON for another program.
fn run(command: &str, arguments: &[OsString]) -> Result<()> {
    let fixed = ["run", "--release", "--package", "xtask-tools", "--", command];
    let all = fixed.iter().map(OsStr::new).chain(arguments.iter().map(OsString::as_os_str));
    // Here rather than in the repository's root: a person's paths begin here.
    let status = std::process::Command::new(process::cargo_program()).args(all).status()?;
    if !status.success() {
        bail!("`{command}` failed ({status})");
    }
    Ok(())
}
