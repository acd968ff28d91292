//! `cargo xtask demo`: the model that comes with the project, on pictures that it has not seen.

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

/// Emoji of the test set: of each domain a folder, and which way it is translated.
const PICTURES: [(&str, &str); 2] =
    [("docs/pictures/emoji/noto", "A2B"), ("docs/pictures/emoji/twemoji", "B2A")];

/// The size that the model was trained at.
const SIZE: &str = "64";

pub(crate) fn run(options: &Options) -> Result<()> {
    let program = ["run", "--release", "--package", "ugatit-native", "--bin", "ugatit", "--"];
    for (pictures, direction) in PICTURES {
        let output = format!("{}/{direction}", options.output);
        let what = ["translate", pictures, "-o", &output, "--model", "models", "--direction", direction];
        cargo(&[&program[..], &what[..], &["--size", SIZE, "--sheet", "--force"][..]].concat(), &[])?;
    }
    let folder = root().join(&options.output);
    say(&format!(
        "Noto emoji as Twemoji are in {0}/A2B, Twemoji as Noto in {0}/B2A; each NAME_sheet.png shows source, attention and result side by side. models/README.md says what the model is.",
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
