//! A run so small that a test trains it in a moment.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::path::Path;
use std::process::Command;

use image::{Rgb, RgbImage};

use super::{Done, Place};

/// A run of some seconds: small enough for a test, long enough to be interrupted.
pub(crate) const SMALL: [&str; 20] = [
    "--img_size",
    "16",
    "--ch",
    "4",
    "--n_res",
    "1",
    "--n-dis-global",
    "4",
    "--n-dis-local",
    "3",
    "--load-size",
    "18",
    "--save_freq",
    "3",
    "--print-freq",
    "50",
    "--keep",
    "2",
    "--device",
    "cpu",
];

/// A folder with a small dataset in `data`.
pub(crate) fn place() -> Place {
    let place = Place::new();
    for (folder, count) in [("trainA", 3), ("trainB", 4), ("testA", 1), ("testB", 1)] {
        for i in 0..count {
            let b = if folder.ends_with('B') { 200 } else { 20 };
            let image = RgbImage::from_fn(24, 20, |x, y| Rgb([(x * (9 + i)) as u8, (y * 11) as u8, b]));
            image.save(place.file(&format!("data/{folder}/{i}.png"))).unwrap();
        }
    }
    place
}

/// The arguments of a `train` with the settings of [`SMALL`].
pub(crate) fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "data"], &SMALL[..], more].concat()
}

pub(crate) fn command(place: &Place, more: &[&str]) -> Command {
    place.command(&arguments(more))
}

pub(crate) fn train(place: &Place, run: &str, more: &[&str]) -> Done {
    Done::of(&mut command(place, &[&["-o", run], more].concat()))
}

pub(crate) fn models(run: &Path) -> [Vec<u8>; 2] {
    ["A2B", "B2A"].map(|d| fs::read(run.join(format!("models/{d}.safetensors"))).unwrap())
}
