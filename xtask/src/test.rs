//! `cargo xtask test` and `cargo xtask lint`.

use anyhow::{Result, bail};
use clap::Args;
use ugatit::gpu::adapters;

use crate::process::{self, Package, cargo, say};
use crate::{mpi, portraits, shaders, systems, web};

#[derive(Args)]
pub(crate) struct Options {
    /// Only the tests in a browser
    #[arg(long, conflicts_with_all = ["native", "windows", "narrow", "mpi"])]
    web: bool,
    /// Only the tests outside of a browser
    #[arg(long, conflicts_with_all = ["windows", "narrow", "mpi"])]
    native: bool,
    /// Only the layers that know no GPU, as a program of 32 bits
    #[arg(long = "32-bit", conflicts_with_all = ["windows", "arguments"])]
    narrow: bool,
    /// Only the Windows program, cross-built, under Wine
    #[arg(long, conflicts_with = "arguments")]
    windows: bool,
    /// Only training and translating by several ranks, with MPI
    #[arg(long, conflicts_with_all = ["windows", "narrow", "arguments"])]
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
    if options.mpi {
        ensure_adapter()?;
        return mpi::test();
    }
    if !options.web {
        ensure_adapter()?;
        ensure_python()?;
        web::npm::install_in(portraits::data::SCRIPT)?;
        let mut arguments = vec!["test", "--release", "--workspace"];
        arguments.extend(options.arguments.iter().map(String::as_str));
        cargo(&arguments, &[])?;
    }
    if !options.native {
        // The tests compare with what this program makes.
        cargo(&["build", "--release", "--package", "ugatit-native"], &[])?;
        web::test()?;
    }
    Ok(())
}

/// Mesa's lavapipe computes on the processor.
const ADAPTER: Package = Package {
    missing: "no Vulkan adapter found, which the tests need; Mesa's software one will do",
    apt: &["libvulkan1", "mesa-vulkan-drivers"],
    elsewhere: "install Mesa's software Vulkan driver with your system's tool (Fedora: `sudo dnf install mesa-vulkan-drivers`, Arch: `sudo pacman -S vulkan-swrast`)",
};

const PYTHON: Package = Package {
    missing: "the tests of ONNX files need Python 3.11 or later with venv",
    apt: &["python3-venv"],
    elsewhere: "install it (https://www.python.org), or name in UGATIT_ONNX_PYTHON a Python with the packages of tests/onnx/requirements.txt",
};

/// The tests run kernels, so they need an adapter; a software one will do.
fn ensure_adapter() -> Result<()> {
    if let Some(adapter) = pollster::block_on(adapters()).first() {
        say(&format!("tests run on {} ({}, {})", adapter.name, adapter.backend, adapter.kind));
        return Ok(());
    }
    if !cfg!(target_os = "linux") {
        bail!("no GPU adapter found; install the GPU maker's current driver, then run this again");
    }
    ADAPTER.install()?;
    // A loader that failed once in this process is not asked again, so look from a new one.
    cargo(&["run", "--release", "--package", "ugatit-native", "--", "doctor", "--device", "gpu"], &[])
}

/// The tests of ONNX run other people's programs in Python, in a virtual environment that they make.
pub(crate) fn ensure_python() -> Result<()> {
    if std::env::var_os("UGATIT_ONNX_PYTHON").is_some() {
        return Ok(());
    }
    let program = if cfg!(windows) { "python" } else { "python3" };
    PYTHON.need(|| {
        let check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
        let checked = std::process::Command::new(program).args(["-c", check]).output().ok()?;
        checked.status.success().then_some(())
    })
}

/// Formatting, lints, documentation, and the same for the browser's target; that the library and
/// the program compile for the other systems.
pub(crate) fn lint() -> Result<()> {
    const WASM: [&str; 2] = ["--target", "wasm32-unknown-unknown"];
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    // The library without its features, which the browser's target does not show whole.
    let bare =
        ["clippy", "--release", "--package", "ugatit", "--no-default-features", "--", "-D", "warnings"];
    cargo(&bare, &[])?;
    cargo(&["doc", "--release", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    process::run("rustup", &["target", "add", "wasm32-unknown-unknown"])?;
    for package in [&["--package", "ugatit", "--no-default-features"][..], &["--package", "ugatit-web"]] {
        cargo(&[&["clippy", "--release"], package, &WASM, &["--", "-D", "warnings"]].concat(), &[])?;
    }
    systems::check()?;
    shaders::check()?;
    web::lint()
}
