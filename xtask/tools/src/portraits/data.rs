//! `cargo xtask portrait-data`: an unpaired image set of drawn portraits in two styles, with labels.
//!
//! Domain A is toon-head, domain B lorelei, both of DiceBear. A script for Node.js composes and renders them:
//! see `xtask/portraits/portraits.js`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use xtask::PORTRAITS;
use xtask::process::{root, say};
use xtask::web::npm;

/// The folders that training reads.
const FOLDERS: [&str; 4] = ["trainA", "trainB", "testA", "testB"];
/// The file of what each picture shows.
pub(super) const LABELS: &str = "labels.csv";
/// The colour behind every portrait, as the script has it.
pub(super) const BACKGROUND: [u8; 3] = [0xb6, 0xe3, 0xf4];

#[derive(Args)]
pub(crate) struct Options {
    /// The folder to write: trainA, trainB, testA, testB, labels.csv and ATTRIBUTION.txt
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Width and height of the pictures; the portraits are the same at every size
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(32..=1024))]
    size: u32,
    /// Training pictures of each style
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Test pictures of each style, none of which is in the training
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    test_count: u32,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let Options { folder, size, count, test_count } = options;
    refuse_filled(folder)?;
    npm::install_in(PORTRAITS)?;
    write(folder, *size, [*count, *test_count])?;
    say(&format!(
        "{count} training and {test_count} test pictures of each style, {size}x{size}, are in {}; {LABELS} says what each shows.",
        folder.display()
    ));
    Ok(())
}

/// Pictures of an earlier run would mix with the new ones.
fn refuse_filled(folder: &Path) -> Result<()> {
    let filled = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    for path in FOLDERS.map(|name| folder.join(name)) {
        if filled(&path) {
            bail!("{} holds files already; remove it, or name another folder", path.display());
        }
    }
    Ok(())
}

/// Writes `[train, test]` pictures of each style with their labels, and whose designs they are.
fn write(folder: &Path, size: u32, [train, test]: [u32; 2]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    // The script runs in its own folder.
    let target = absolute(folder)?;
    let mut script = Command::new("node")
        .arg("portraits.js")
        .arg(&target)
        .args([size, train, test].map(|n| n.to_string()))
        .current_dir(root().join(PORTRAITS))
        .stdout(Stdio::piped())
        .spawn()
        .context("`node` could not be started")?;
    let bar = ProgressBar::new(2 * u64::from(train + test)).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}")
            .context("the progress bar's template is wrong")?,
    );
    // A line for each picture.
    for line in script.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
        line.context("what the script says cannot be read")?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let status = script.wait()?;
    if !status.success() {
        bail!("the script that renders the portraits failed ({status}); the folder is not complete");
    }
    let path = folder.join("ATTRIBUTION.txt");
    fs::write(&path, ATTRIBUTION).with_context(|| format!("{} cannot be written", path.display()))
}

/// Whose designs these are, and what was changed.
const ATTRIBUTION: &str = "Portraits in two styles, written by `cargo xtask portrait-data`.

trainA, testA: Toon Head by Johan Melin, CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)
  https://www.figma.com/community/file/1589627891082866389
trainB, testB: Lorelei by Lisa Wischofsky, CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/)
  https://www.figma.com/community/file/1198749693280469639
Composed by DiceBear (https://www.dicebear.com, MIT), from parts that chance chose.
Changes to both: one palette of hair and of skin, beards on about 15 of 100, one background, open eyes; no jewellery, no
freckles and fewer kinds of hair and mouths in B; full beards, fewer mouths, one cut and colour of clothes in A.
";

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    use super::{BACKGROUND, FOLDERS, LABELS, PORTRAITS, refuse_filled, root, write};

    type Files = BTreeMap<String, Vec<u8>>;

    fn files(folder: &Path) -> Files {
        let mut files = Files::new();
        for name in FOLDERS {
            for entry in fs::read_dir(folder.join(name)).unwrap() {
                let path = entry.unwrap().path();
                let file = path.file_name().unwrap().to_str().unwrap();
                files.insert(format!("{name}/{file}"), fs::read(&path).unwrap());
            }
        }
        files
    }

    /// Needs the packages, which `cargo xtask test` installs.
    #[test]
    fn the_same_portraits_every_time_and_at_every_size() {
        if !root().join(PORTRAITS).join("node_modules").is_dir() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let [small, again, large] = ["small", "again", "large"].map(|name| folder.path().join(name));
        write(&small, 64, [6, 3]).unwrap();
        write(&again, 64, [6, 3]).unwrap();
        write(&large, 128, [6, 3]).unwrap();
        let labels = |folder: &Path| fs::read_to_string(folder.join(LABELS)).unwrap();

        let written = files(&small);
        assert_eq!(written, files(&again));
        assert_eq!(labels(&small), labels(&again));
        assert_eq!(labels(&small), labels(&large));
        let count = |name: &str| written.keys().filter(|key| key.starts_with(name)).count();
        assert_eq!(FOLDERS.map(count), [6, 6, 3, 3]);
        assert_eq!(written.values().collect::<BTreeSet<_>>().len(), written.len(), "no picture twice");

        // The large one is the small one: nearly equal after halving.
        for (name, bytes) in files(&large) {
            let large = image::load_from_memory(&bytes).unwrap().to_rgb8();
            let small = image::load_from_memory(&written[&name]).unwrap().to_rgb8();
            assert_eq!([large.dimensions(), small.dimensions()], [(128, 128), (64, 64)]);
            assert_eq!(small.get_pixel(0, 0).0, BACKGROUND);
            let half = image::imageops::thumbnail(&large, 64, 64);
            let differences =
                half.as_raw().iter().zip(small.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)));
            let mean = differences.sum::<f64>() / small.as_raw().len() as f64;
            assert!(mean < 3.0, "{name} {mean}");
        }

        let labels = labels(&small);
        let mut lines = labels.lines();
        assert_eq!(lines.next(), Some("picture,hair_color,skin_color,hair,glasses,beard"));
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
        assert!(rows.iter().all(|row| row.len() == 6 && row[1].len() == 6 && !row[3].is_empty()));
        assert!(
            rows.iter().map(|row| row[0]).eq(["trainA", "trainB", "testA", "testB"]
                .iter()
                .zip([6, 6, 3, 3])
                .flat_map(|(name, count)| (0..count).map(move |i| format!("{name}/{name}-{i:05}.png")))
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str))
        );

        assert!(refuse_filled(&small).unwrap_err().to_string().contains("holds files already"));
        assert!(refuse_filled(folder.path()).is_ok());
    }
}
