//! `cargo xtask demo`: the model that comes with the project, on pictures that it has not seen.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::Args;

use xtask::process::{cargo, root, say};

#[derive(Args)]
pub(crate) struct Options {
    /// Where the pictures are written
    #[arg(short, long, default_value = "out/demo")]
    output: String,
    /// Print where the result lies, without opening it
    #[arg(long)]
    no_open: bool,
}

/// Portraits of the test set: of each domain a folder, and which way it is translated.
const PICTURES: [(&str, &str); 2] =
    [("docs/pictures/faces/toon-head", "A2B"), ("docs/pictures/faces/lorelei", "B2A")];

pub(crate) fn run(options: &Options) -> Result<()> {
    let program = ["run", "--release", "--package", "ugatit-native", "--bin", "ugatit", "--"];
    for (pictures, direction) in PICTURES {
        // The size that it was trained at; a light model would take the pictures as they are.
        let model = root().join(format!("models/{direction}.safetensors"));
        let size = picture_size(&model).with_context(|| model.display().to_string())?;
        let output = format!("{}/{direction}", options.output);
        let what = ["translate", pictures, "-o", &output, "--model", "models", "--direction", direction];
        cargo(&[&program[..], &what[..], &["--size", &size, "--sheet", "--force"][..]].concat(), &[])?;
    }
    let folder = root().join(&options.output);
    say(&format!(
        "Toon heads drawn as lorelei are in {0}/A2B, lorelei as toon heads in {0}/B2A; each NAME_sheet.png shows source, attention and result side by side. models/README.md says what the model is.",
        folder.display()
    ));
    if !options.no_open && std::env::var_os("CI").is_none() {
        open(&folder);
    }
    Ok(())
}

/// What a model file says of its pictures' size. The library would say it too, and is compiled for the program anyway; but
/// this program would have to wait for it.
fn picture_size(model: &Path) -> Result<String> {
    let mut file = File::open(model)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let header: serde_json::Value =
        serde_json::from_reader(std::io::BufReader::new(file.take(u64::from_le_bytes(length))))?;
    let size = header["__metadata__"]["img_size"].as_str();
    Ok(size.context("its metadata has no `img_size`")?.to_owned())
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
