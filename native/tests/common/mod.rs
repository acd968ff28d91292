//! What the tests of the program share: a folder to work in, and the program running there.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]

pub(crate) mod training;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

/// The program that is tested.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ugatit");

/// An official checkpoint of both generators.
pub(crate) fn checkpoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tiny_params_0000005.pt")
}

/// What the program left when it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A folder to work in, and the program running there.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// [`Self::path`], whose folder is made.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// The program, which asks nobody and minds no variable of the one who tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.folder()).args(arguments).stdin(Stdio::null());
        for variable in ["UGATIT_MODEL", "UGATIT_DEVICE", "UGATIT_ADAPTER"] {
            command.env_remove(variable);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Done::of(&mut self.command(arguments))
    }

    pub(crate) fn picture(&self, name: &str, width: u32, height: u32) {
        let path = self.file(name);
        let image = RgbImage::from_fn(width, height, |x, y| Rgb([(x * 7) as u8, (y * 5) as u8, 99]));
        image.save_with_format(&path, ImageFormat::from_path(&path).unwrap()).unwrap();
    }

    pub(crate) fn size(&self, name: &str) -> (u32, u32) {
        image::image_dimensions(self.path(name)).unwrap()
    }

    /// All files below a folder, sorted.
    pub(crate) fn files(&self, name: &str) -> Vec<String> {
        fn walk(folder: &Path, base: &Path, all: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, base, all);
                } else {
                    all.push(path.strip_prefix(base).unwrap().to_string_lossy().replace('\\', "/"));
                }
            }
        }
        let mut all = vec![];
        walk(&self.path(name), &self.path(name), &mut all);
        all.sort();
        all
    }
}

impl Done {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// `translate` with the official checkpoint on the processor.
pub(crate) fn translate(place: &Place, arguments: &[&str]) -> Done {
    let model = checkpoint();
    let fixed = ["translate", "--device", "cpu", "--model", model.to_str().unwrap()];
    place.run(&[&fixed, arguments].concat())
}
