//! `cargo xtask demo`: the pictures that come with the project, translated.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use clap::Args;

use crate::process::{cargo, root, say};

#[derive(Args)]
pub(crate) struct Options {
    /// Where the pictures are written
    #[arg(short, long, default_value = "out/demo")]
    output: String,
    /// Print where the result lies, without opening it
    #[arg(long)]
    no_open: bool,
}

/// The pictures: drawn for this project, under its licence.
const PICTURES: &str = "docs/pictures/demo";

pub(crate) fn run(options: &Options) -> Result<()> {
    let model = if root().join("models").is_dir() {
        "models"
    } else {
        say(
            "There is no trained model in this repository yet. The demo uses a test fixture: an official-format checkpoint after five training steps, so expect noise, not art.",
        );
        "tests/golden/tiny_params_0000005.pt"
    };
    let program = ["run", "--release", "--package", "ugatit-native", "--bin", "ugatit", "--"];
    let translate = ["translate", PICTURES, "-o", &options.output, "--model", model, "--sheet", "--force"];
    cargo(&[&program[..], &translate[..]].concat(), &[])?;

    let folder = root().join(&options.output);
    say(&format!(
        "The pictures are in {}; each NAME_sheet.png shows source, attention and result side by side.",
        folder.display()
    ));
    if !options.no_open && std::env::var_os("CI").is_none() {
        open(&folder);
    }
    Ok(())
}

/// Shows a folder in the desktop's file manager, where there is a desktop.
fn open(folder: &Path) {
    let program = match std::env::consts::OS {
        "windows" => "explorer",
        "macos" => "open",
        _ if ["DISPLAY", "WAYLAND_DISPLAY"].iter().all(|v| std::env::var_os(v).is_none()) => return,
        _ => "xdg-open",
    };
    // Without a file manager the printed path is enough.
    let _ = Command::new(program).arg(folder).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}
