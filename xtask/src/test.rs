//! `cargo xtask test` and `cargo xtask lint`.

use anyhow::{Result, bail};
use clap::Args;
use ugatit::gpu::adapters;

use crate::process::{self, cargo, is_root, say};

#[derive(Args)]
pub(crate) struct Options {
    /// Arguments for `cargo test`, after `--`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Makes sure of an adapter, then runs every test of the workspace.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure_adapter()?;
    ensure_python()?;
    let mut arguments = vec!["test", "--release", "--workspace"];
    arguments.extend(options.arguments.iter().map(String::as_str));
    cargo(&arguments, &[])
}

/// The tests run kernels, so they need an adapter; a software one will do.
fn ensure_adapter() -> Result<()> {
    if let Some(adapter) = pollster::block_on(adapters()).first() {
        say(&format!("tests run on {} ({}, {})", adapter.name, adapter.backend, adapter.kind));
        return Ok(());
    }
    if !cfg!(target_os = "linux") {
        bail!("no GPU adapter found; install the GPU maker's current driver, then run this again");
    }
    let packages = ["libvulkan1", "mesa-vulkan-drivers"];
    let command = format!("apt-get install -y {}", packages.join(" "));
    say(&format!(
        "No Vulkan adapter found. The tests need one; Mesa's lavapipe (on the CPU) will do: {command}"
    ));
    if !(is_root() || std::env::var_os("CI").is_some()) {
        bail!(
            "run `sudo {command}` (Fedora: `sudo dnf install mesa-vulkan-drivers`, Arch: `sudo pacman -S vulkan-swrast`), then this again"
        );
    }
    if std::process::Command::new("apt-get").arg("--version").output().is_err() {
        bail!(
            "this system has no apt-get; install Mesa's software Vulkan driver with its own tool (Fedora: `dnf install mesa-vulkan-drivers`, Arch: `pacman -S vulkan-swrast`), then run this again"
        );
    }
    process::run("apt-get", &["update"])?;
    process::run("apt-get", &["install", "-y", packages[0], packages[1]])?;
    // A loader that failed once in this process is not asked again, so look from a new one.
    cargo(&["run", "--release", "--package", "ugatit-native", "--", "doctor", "--device", "gpu"], &[])
}

/// The tests of ONNX run other people's programs in Python, in a virtual environment that they make.
fn ensure_python() -> Result<()> {
    if std::env::var_os("UGATIT_ONNX_PYTHON").is_some() {
        return Ok(());
    }
    let program = if cfg!(windows) { "python" } else { "python3" };
    let works = || {
        let check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
        std::process::Command::new(program).args(["-c", check]).output().is_ok_and(|o| o.status.success())
    };
    if works() {
        return Ok(());
    }
    let needed = "The tests of ONNX files need Python 3.11 or later with venv, or UGATIT_ONNX_PYTHON, a Python with the packages of tests/onnx/requirements.txt.";
    let has_apt = std::process::Command::new("apt-get").arg("--version").output().is_ok();
    if !(has_apt && (is_root() || std::env::var_os("CI").is_some())) {
        bail!(
            "{needed} Debian and Ubuntu: `sudo apt-get install python3-venv`; elsewhere see https://www.python.org"
        );
    }
    say(&format!("{needed} Installing it: apt-get install -y python3-venv"));
    process::run("apt-get", &["update"])?;
    process::run("apt-get", &["install", "-y", "python3-venv"])?;
    if works() { Ok(()) } else { bail!("{needed} The one of this system is older.") }
}

/// Formatting, lints, documentation, and the same for the browser's target.
pub(crate) fn lint() -> Result<()> {
    const WASM: [&str; 2] = ["--target", "wasm32-unknown-unknown"];
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    cargo(&["doc", "--release", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    process::run("rustup", &["target", "add", "wasm32-unknown-unknown"])?;
    for package in [&["--package", "ugatit", "--no-default-features"][..], &["--package", "ugatit-web"]] {
        cargo(&[&["clippy", "--release"], package, &WASM, &["--", "-D", "warnings"]].concat(), &[])?;
    }
    Ok(())
}
