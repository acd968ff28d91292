//! A dataset and a run so small that a test trains it in a moment.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use ugatit::device::Device;
use ugatit::io::{Dataset, Picture, PictureFormat, write_picture};
use ugatit::run::{Checkpoint, Run, RunConfig};

/// A dataset of a few small pictures, and room for runs.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (folder, count) in [("trainA", 3), ("trainB", 4), ("testA", 2), ("testB", 1)] {
            for i in 0..count {
                let pixel =
                    |k: usize| ((k * (7 + i)) % 251) as u8 / if folder.ends_with('A') { 1 } else { 2 };
                let picture = Picture::new(20, 18, 3, (0..20 * 18 * 3).map(pixel).collect()).unwrap();
                let path = place.path(&format!("data/{folder}/{i}.png"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                write_picture(&path, &picture, PictureFormat::Png, false).unwrap();
            }
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn open(&self, name: &str, config: &RunConfig, device: &Device) -> ugatit::Result<(Run, u64)> {
        let dataset = Dataset::open(self.path("data"))?;
        let opened = Run::open(self.path(name), dataset, config.clone(), device.clone());
        let (run, beginning) = pollster::block_on(opened)?;
        Ok((run, beginning.step))
    }

    pub(crate) fn checkpoint(&self, name: &str, step: u64) -> Checkpoint<'static> {
        Checkpoint::load(&self.path(name).join(format!("checkpoints/step-{step:07}.safetensors"))).unwrap()
    }
}

pub(crate) fn tiny() -> RunConfig {
    let text = "img_size = 16\nch = 4\nn_res = 1\nn_dis_global = 4\nn_dis_local = 3\niteration = 6\nload_size = 18\nema = 0.9\nprint_freq = 100\nsave_freq = 2\nkeep = 10";
    RunConfig::layered(None, &[RunConfig::read(text).unwrap()]).unwrap()
}

/// Trains so many iterations.
pub(crate) fn advance(run: &mut Run, iterations: u64) {
    for _ in 0..iterations {
        pollster::block_on(run.advance()).unwrap();
    }
}

/// The lines of `metrics.jsonl` without their times.
pub(crate) fn metrics(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("time").unwrap();
        line
    };
    text.lines().map(line).collect()
}
