//! `cargo xtask lint`.

use anyhow::Result;
use clap::Args;
use xtask::process::{self, cargo};
use xtask::web;

use crate::{mpi, systems, tools};

#[derive(Args)]
pub(crate) struct Options {
    /// Also what only programs with MPI have, whose headers it needs
    #[arg(long)]
    mpi: bool,
}

const DENIED: [&str; 3] = ["--", "-D", "warnings"];

/// Formatting, lints, documentation, and the same for the browser's target; that the library and
/// the program compile for the other systems.
pub(crate) fn run(options: &Options) -> Result<()> {
    const WASM: [&str; 2] = ["--target", "wasm32-unknown-unknown"];
    cargo(&["fmt", "--all", "--check"], &[])?;
    if options.mpi {
        mpi::ensure()?;
        clippy(&[&["--workspace", "--all-targets"], &mpi::FEATURES[..]].concat())?;
        // What stands in for MPI where there is none.
        clippy(&["--package", "ugatit-native"])?;
    } else {
        clippy(&["--workspace", "--all-targets"])?;
    }
    // The library without its features, which the browser's target does not show whole.
    clippy(&["--package", "ugatit", "--no-default-features"])?;
    cargo(&["doc", "--release", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    process::run("rustup", &["target", "add", "wasm32-unknown-unknown"])?;
    for package in [&["--package", "ugatit", "--no-default-features"][..], &["--package", "ugatit-web"]] {
        clippy(&[package, &WASM].concat())?;
    }
    systems::check()?;
    tools::shaders()?;
    tools::dependencies()?;
    spelling()?;
    web::lint()
}

/// Misspelt words; `typos.toml` has those that are meant.
fn spelling() -> Result<()> {
    let tools = process::venv("typos", "xtask/typos/requirements.txt")?;
    process::run(&tools.join("typos").to_string_lossy(), &["--format", "brief"])
}

fn clippy(what: &[&str]) -> Result<()> {
    cargo(&[&["clippy", "--release"], what, &DENIED].concat(), &[])
}
