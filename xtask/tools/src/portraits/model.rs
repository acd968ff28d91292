//! `cargo xtask portrait-model`: a model of the portraits comes into the project, with what is known of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use ugatit::io::{Model, PictureFormat, Precision, write_picture};

use super::eval::{Labels, judge};
use xtask::process::{root, say};

/// The model's card. What this command writes stands between the two marks.
const CARD: &str = "models/README.md";
const MARKS: [&str; 2] =
    ["<!-- written by cargo xtask portrait-model -->", "<!-- end of what is written -->"];
/// The first 24 test pictures of each direction, and the first few with the attention between.
const PICTURES: [&str; 2] = ["models/sheet.png", "docs/pictures/faces.png"];
/// Test pictures of each direction that are measured.
const COUNT: usize = 500;

#[derive(Args)]
pub(crate) struct Options {
    /// The new model: a run's folder, whose moving average is taken, or a folder of both directions
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The folder that `cargo xtask portrait-data` has made, at the model's size
    #[arg(value_name = "DATA")]
    data: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let labels = Labels::read(&options.data)?;
    let mut files = vec![];
    let mut models = vec![];
    for model in Model::open_all(&options.model)? {
        let path = root().join(format!("models/{}.safetensors", model.direction));
        let bytes = model.to_bytes(Precision::F16)?;
        // What is measured is what is written.
        models.push(Model::from_bytes(&path, &bytes, None)?);
        files.push((path, bytes));
    }
    let [a2b, b2a] = models.as_slice() else {
        bail!("{} does not hold both directions", options.model.display());
    };
    let [a2b, b2a] = [a2b, b2a].map(|model| {
        let known = model.metadata.provenance.clone();
        known.unwrap_or_else(|| "nothing is known of it".to_owned())
    });
    // Each direction may come from the checkpoint that is best for it.
    let made = if a2b == b2a { a2b } else { format!("A2B {a2b}; B2A {b2a}") };

    let judged = pollster::block_on(judge(models, &options.data, &labels, COUNT))?;
    let card = fs::read_to_string(root().join(CARD)).with_context(|| format!("{CARD} cannot be read"))?;
    let written = format!("The model: {made}.\n\n{}", judged.report.table());
    files.push((root().join(CARD), between(&card, &written)?.into_bytes()));
    for (path, bytes) in &files {
        write(path, bytes)?;
    }
    for (path, picture) in PICTURES.iter().zip([&judged.sheet, &judged.attended]) {
        write_picture(root().join(path), picture, PictureFormat::Png, true)?;
    }
    say(&format!("{written}\nWritten: both models, {CARD}, {}.", PICTURES.join(", ")));
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

/// The card with `text` in place of what stands between its marks.
fn between(card: &str, text: &str) -> Result<String> {
    let [open, close] = MARKS;
    let parts = card.split_once(open).and_then(|(before, rest)| Some((before, rest.split_once(close)?.1)));
    let (before, after) = parts.with_context(|| format!("{CARD} lacks the marks {open} and {close}"))?;
    Ok(format!("{before}{open}\n\n{text}\n{close}{after}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{CARD, MARKS, between, root};

    #[test]
    fn the_card_has_a_place_for_what_is_measured() {
        let card = fs::read_to_string(root().join(CARD)).unwrap();
        let once = between(&card, "| a | b |\n").unwrap();
        assert!(once.contains(&format!("{}\n\n| a | b |\n\n{}", MARKS[0], MARKS[1])));
        assert_eq!(between(&once, "| a | b |\n").unwrap(), once);
        assert!(between("no marks", "").is_err());
    }
}
