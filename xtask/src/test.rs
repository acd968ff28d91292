//! `cargo xtask test`.

use anyhow::{Result, bail};
use clap::Args;
use xtask::process::{Package, cargo, ensure_python, run as run_program};
use xtask::{PORTRAITS, web};

use crate::{mpi, systems};

#[derive(Args)]
pub(crate) struct Options {
    /// Only the tests in a browser
    #[arg(long, conflicts_with_all = ["native", "windows", "narrow", "mpi"])]
    web: bool,
    /// Only the tests outside of a browser
    #[arg(long, conflicts_with_all = ["windows", "narrow"])]
    native: bool,
    /// Only the layers that know no GPU, as a program of 32 bits
    #[arg(long = "32-bit", conflicts_with_all = ["windows", "arguments"])]
    narrow: bool,
    /// Only the Windows program, cross-built, under Wine
    #[arg(long, conflicts_with = "arguments")]
    windows: bool,
    /// Only training and translating by several ranks, with MPI; with --native also all other tests outside of a browser
    #[arg(long, conflicts_with_all = ["windows", "narrow"])]
    mpi: bool,
    /// Arguments for `cargo test`, after `--`
    #[arg(last = true, conflicts_with = "web")]
    arguments: Vec<String>,
}

/// Makes sure of an adapter, then runs every test of the workspace, and those in a browser.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.narrow {
        return systems::test_32_bits();
    }
    if options.windows {
        return systems::test_windows();
    }
    if !options.web {
        ensure_adapter()?;
        let mut arguments = vec!["test", "--release", "--workspace"];
        if options.mpi {
            mpi::ensure()?;
            // The whole workspace, so that what it has in common is built once.
            arguments.extend(mpi::FEATURES);
        }
        if options.mpi && !options.native {
            arguments.extend(["--test", "mpi"]);
        } else {
            ensure_python()?;
            web::npm::install_in(PORTRAITS)?;
        }
        arguments.extend(options.arguments.iter().map(String::as_str));
        cargo(&arguments, &[])?;
    }
    if !options.native && !options.mpi {
        // The tests compare with what this program makes.
        cargo(&PROGRAM, &[])?;
        web::test()?;
    }
    Ok(())
}

const PROGRAM: [&str; 4] = ["build", "--release", "--package", "ugatit-native"];

/// Mesa's lavapipe computes on the processor.
const ADAPTER: Package = Package {
    missing: "no Vulkan adapter found, which the tests need; Mesa's software one will do",
    apt: &["libvulkan1", "mesa-vulkan-drivers"],
    elsewhere: "install Mesa's software Vulkan driver with your system's tool (Fedora: `sudo dnf install mesa-vulkan-drivers`, Arch: `sudo pacman -S vulkan-swrast`)",
};

/// The tests run kernels, so they need an adapter; a software one will do.
fn ensure_adapter() -> Result<()> {
    cargo(&PROGRAM, &[])?;
    let program = web::program()?;
    let doctor = || run_program(&program, &["doctor", "--device", "gpu"]);
    if doctor().is_ok() {
        return Ok(());
    }
    if !cfg!(target_os = "linux") {
        bail!("no GPU adapter found; install the GPU maker's current driver, then run this again");
    }
    ADAPTER.install()?;
    doctor()
}
