//! `cargo xtask emoji-data`: an unpaired image set of two open emoji designs, with true pairs to test on.
//!
//! Domain A is Noto, domain B is Twemoji. What both designs draw is split by sequence, so that no training
//! picture has its counterpart in training, and no test picture is trained on.

mod drawing;
mod noto;
mod sequence;
mod twemoji;

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use image::{ImageFormat, RgbImage};
use indicatif::{ProgressBar, ProgressStyle};

use self::drawing::Drawing;
use self::sequence::{Part, Sequence};
use crate::process::say;

#[derive(Args)]
pub(crate) struct Options {
    /// The folder to write: trainA, trainB, testA, testB and ATTRIBUTION.txt
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Width and height of the pictures
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(32..=512))]
    size: u32,
    /// Noto's font file with bitmaps; without it, the installed package's
    #[arg(long, value_name = "FONT.ttf")]
    noto: Option<PathBuf>,
    /// A folder of Twemoji's SVG files; without it, the npm package is fetched
    #[arg(long, value_name = "DIR")]
    twemoji: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    refuse_filled(&options.folder)?;
    let font = noto::find(options.noto.as_deref())?;
    let bytes = fs::read(&font).with_context(|| format!("{} cannot be read", font.display()))?;
    let noto = noto::Noto::new(&bytes).with_context(|| format!("{} cannot be used", font.display()))?;
    let twemoji = twemoji::find(options.twemoji.as_deref())?;

    let summary = write(&options.folder, options.size, &noto, &twemoji)?;
    let text = attribution(&summary, options.size, &noto.version(), &twemoji::version(&twemoji));
    let path = options.folder.join("ATTRIBUTION.txt");
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    say(&format!("{}\nThey are in {}.", summary.text(), options.folder.display()));
    Ok(())
}

/// The folders that training reads, in the order of [`Summary::pictures`].
const FOLDERS: [&str; 4] = ["trainA", "trainB", "testA", "testB"];

/// Pictures of an earlier run would mix with the new ones.
fn refuse_filled(folder: &Path) -> Result<()> {
    for name in FOLDERS {
        let path = folder.join(name);
        if fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{} holds files already; remove it, or name another folder", path.display());
        }
    }
    Ok(())
}

/// What was written.
#[derive(Debug, Default, PartialEq)]
struct Summary {
    /// Pictures by folder.
    pictures: [usize; 4],
    /// Bases among the training pictures of either domain.
    bases: [usize; 2],
    /// Sequences of Twemoji, neither flag nor keycap, that Noto does not have.
    missing: usize,
    /// The sum of the test pairs' PSNR in dB.
    psnr: f64,
}

impl Summary {
    fn text(&self) -> String {
        let [train_a, train_b, pairs, _] = self.pictures;
        let [bases_a, bases_b] = self.bases;
        let psnr = self.psnr / (pairs as f64).max(1.0);
        format!(
            "trainA: {train_a} pictures of {bases_a} emoji (Noto)\n\
             trainB: {train_b} pictures of {bases_b} emoji (Twemoji)\n\
             testA, testB: {pairs} pairs under the same names; {psnr:.2} dB of PSNR on average between the two\n\
             left out: {} that Noto does not have",
            self.missing
        )
    }
}

/// Writes the four folders.
fn write(folder: &Path, size: u32, noto: &noto::Noto<'_>, twemoji: &Path) -> Result<Summary> {
    let sequences = twemoji::sequences(twemoji)?;
    for name in FOLDERS {
        let path = folder.join(name);
        fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    }
    let bar = ProgressBar::new(sequences.len() as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}")
            .context("the progress bar's template is wrong")?,
    );
    let mut summary = Summary::default();
    let mut bases = [BTreeSet::new(), BTreeSet::new()];
    for (sequence, file) in bar.wrap_iter(sequences.iter()) {
        if sequence.is_left_out() {
            continue;
        }
        let Some(of_noto) = noto.drawing(sequence)? else {
            summary.missing += 1;
            continue;
        };
        let mut save = |index: usize, drawing: &Drawing| -> Result<RgbImage> {
            let name = sequence.plain().name();
            let picture = drawing.on_card(size).with_context(|| format!("{name} shows nothing"))?;
            let path = folder.join(FOLDERS[index]).join(name).with_extension("png");
            save_png(&path, &picture)?;
            summary.pictures[index] += 1;
            Ok(picture)
        };
        match sequence.part() {
            Part::TrainA => {
                save(0, &of_noto)?;
                bases[0].insert(sequence.base());
            }
            Part::TrainB => {
                save(1, &twemoji::drawing(file)?)?;
                bases[1].insert(sequence.base());
            }
            Part::Test if sequence.has_tone() => {}
            Part::Test => {
                let pair = [save(2, &of_noto)?, save(3, &twemoji::drawing(file)?)?];
                summary.psnr += psnr(&pair[0], &pair[1]);
            }
        }
    }
    bar.finish_and_clear();
    summary.bases = bases.map(|set: BTreeSet<Sequence>| set.len());
    Ok(summary)
}

fn save_png(path: &Path, picture: &RgbImage) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    fs::write(path, bytes.into_inner()).with_context(|| format!("{} cannot be written", path.display()))
}

/// Peak signal-to-noise ratio in dB of two pictures of one size.
fn psnr(a: &RgbImage, b: &RgbImage) -> f64 {
    let squares = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / a.as_raw().len() as f64;
    // Equal pictures have no noise; a tenth of one 8-bit step stands for it.
    10.0 * (255.0_f64.powi(2) / mean.max(0.01)).log10()
}

/// Whose drawings these are, and how they were chosen.
fn attribution(summary: &Summary, size: u32, noto: &str, twemoji: &str) -> String {
    format!(
        "Emoji of two designs, written by `cargo xtask emoji-data`.

trainA, testA: Noto Color Emoji
  {noto}
  Copyright Google Inc. SIL Open Font License 1.1 (https://openfontlicense.org)
  https://github.com/googlefonts/noto-emoji
trainB, testB: Twemoji
  {twemoji}
  Copyright Twitter, Inc and other contributors. Graphics: CC-BY 4.0
  (https://creativecommons.org/licenses/by/4.0/)
  https://github.com/jdecked/twemoji
Changes to both: each drawing lies in the middle of a white card of {size}x{size} pixels with a black frame, scaled so
that its longer side fills 7/8 of the card.

{}

Only sequences that both designs have, without flags and keycaps. The base is the sequence without variation selectors
and skin tones, in upper-case hexadecimal joined by `-`. FNV-1a (32 bits) of the base, modulo 10, decides: 0 to 3 only
in trainA, 4 to 7 only in trainB, 8 and 9 only in testA and testB, there without skin tones.
",
        summary.text()
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{FOLDERS, Summary, noto, refuse_filled, write};

    /// Needs the font, which not every machine has; runs wherever it lies in its usual place.
    #[test]
    fn four_folders_of_what_both_designs_have() {
        let Some(font) = noto::installed() else { return };
        let bytes = fs::read(font).unwrap();
        let noto = noto::Noto::new(&bytes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let twemoji = folder.path().join("svg");
        fs::create_dir(&twemoji).unwrap();
        // In their order: trainA, trainB twice, test, test left out for its tone; a flag, a keycap, a tone,
        // one that Noto does not have; a file of another kind.
        for name in [
            "1f46a",
            "1f6a9",
            "1f44a-1f3fd",
            "1f3c1",
            "1f4aa-1f3fb",
            "1f1e9-1f1ea",
            "31-20e3",
            "1f3fb",
            "e50a",
            "logo",
        ] {
            let svg = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36"><circle cx="18" cy="18" r="9" fill="#DD2E44"/></svg>"##;
            fs::write(twemoji.join(name).with_extension("svg"), svg).unwrap();
        }

        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        let summary = write(&first, 64, &noto, &twemoji).unwrap();
        assert_eq!(summary, write(&second, 64, &noto, &twemoji).unwrap());
        assert_eq!(summary.missing, 1);
        assert_eq!(summary.pictures[2], summary.pictures[3]);
        let files = |folder: &Path| {
            let mut files = Vec::new();
            for name in FOLDERS {
                for entry in fs::read_dir(folder.join(name)).unwrap() {
                    let path = entry.unwrap().path();
                    let stem = path.file_stem().unwrap().to_str().unwrap();
                    files.push((format!("{name}/{stem}"), fs::read(&path).unwrap()));
                }
            }
            files.sort();
            files
        };
        let written = files(&first);
        assert_eq!(written, files(&second));
        let names: Vec<_> = written.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["testA/1F3C1", "testB/1F3C1", "trainA/1F46A", "trainB/1F44A-1F3FD", "trainB/1F6A9"]
        );
        assert!(refuse_filled(&first).unwrap_err().to_string().contains("holds files already"));
        assert!(refuse_filled(&twemoji).is_ok());
    }

    #[test]
    fn summary_of_nothing_has_no_division_by_zero() {
        assert!(Summary::default().text().contains("0.00 dB"));
    }
}
