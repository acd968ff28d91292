//! Every command that the documents tell people to type is run here, or is named with what runs it or why nothing does.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;
#[path = "common/documents.rs"]
mod documents;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::training::{SMALL, train};
use common::{Done, Place, checkpoint};
use documents::{Command, blocks, inline, root};
use image::{Rgb, RgbImage};

/// How commands begin that are not run here, and what runs them, or why nothing does.
const ELSEWHERE: [(&str, &str); 20] = [
    ("cargo xtask demo", "`.ci/run` runs it"),
    ("cargo xtask test", "`.ci/run` runs its parts"),
    ("cargo xtask lint", "`.ci/run` runs it"),
    ("cargo xtask release", "a person runs it before a release; `.ci/run` runs its parts that take seconds"),
    ("cargo xtask serve", "it ends by no itself; `cargo xtask test --web` builds and serves the same page"),
    ("cargo xtask bench", "minutes on a quiet machine; the tests of xtask read its options"),
    ("cargo xtask portrait-data", "hours of drawing; a test of xtask/tools makes a small set"),
    ("cargo xtask portrait-model", "it replaces the model of this repository"),
    ("cargo install", "it builds the program again; `.ci/run` builds it from the same lock file"),
    ("sudo apt-get install", "`cargo xtask test` installs the same packages"),
    ("npm install ugatit-web", "it is not on npm yet; the suites install the packed package"),
    ("npm run dev", "it ends by no itself"),
    ("npm run stub", "it ends by no itself"),
    ("npm run build", "`cargo xtask test --web` runs it"),
    ("npm run test:demo", "`cargo xtask test --web` runs it"),
    ("pip install", "PyTorch with CUDA"),
    ("python docs/benchmarks/pytorch_step.py", "PyTorch, most of it with CUDA"),
    ("for options in", "PyTorch with CUDA"),
    ("done", "PyTorch with CUDA"),
    ("cp -r", "a part of the block that is run"),
];

/// Commands of `ugatit` in blocks which are not run, and why.
const NOT_RUN: [(&str, &str); 1] = [(
    "ugatit data check cat2dog",
    "what it answers is of a data set that is not here; native/tests/data.rs checks others",
)];

/// What is appended, so that a training that takes days takes a moment: the last of an option's values holds.
const SHORT: [&str; 4] = ["--iteration", "4", "--log-freq", "1"];

/// A folder in which everything is there that documents name.
struct World {
    place: Place,
    /// A small run with its models and checkpoints.
    run: Place,
}

impl World {
    fn new() -> Self {
        let run = Place::new();
        for (folder, count) in [("trainA", 4), ("trainB", 4), ("testA", 2), ("testB", 2)] {
            for i in 0..count {
                let seed = folder.bytes().map(u32::from).sum::<u32>() + 31 * i;
                // No two are alike, which `data check` would find.
                let pixel = |x: u32, y: u32| {
                    let noise = (x / 9 * 73 + y / 9 * 179 + seed * 283)
                        .wrapping_mul(2_654_435_761)
                        .rotate_left(seed % 31);
                    Rgb([(noise >> 24) as u8, (noise >> 16) as u8, (noise >> 8) as u8])
                };
                let path = run.file(&format!("data/{folder}/{i}.png"));
                RgbImage::from_fn(72, 72, pixel).save(path).unwrap();
            }
        }
        let done = train(&run, "run", &["--iteration", "3"]);
        assert_eq!(done.code, 0, "{done:?}");
        fs::write(run.path("realB.npy"), features(1.0)).unwrap();
        fs::write(run.path("A2B.npy"), features(1.5)).unwrap();
        Self { place: Place::new(), run }
    }

    /// The folder as it is before a block.
    fn renew(&mut self) {
        self.place = Place::new();
        let Self { place, run } = self;
        for name in ["DATA", "cat2dog", "faces", "portraits-128", "data/portraits-64", "data/portraits-128"] {
            symlink(run.path("data"), place.file(name)).unwrap();
        }
        for name in ["PICTURES", "photos"] {
            symlink(run.path("data/testA"), place.path(name)).unwrap();
        }
        for name in ["docs", "tests", "models"] {
            symlink(root().join(name), place.path(name)).unwrap();
        }
        for name in [
            "RUN",
            "MODEL",
            "runs/cat2dog",
            "runs/free",
            "runs/portraits-64",
            "runs/portraits-128",
            "runs/small",
        ] {
            copy(&run.path("run"), &place.path(name));
        }
        for name in ["realB.npy", "A2B.npy"] {
            fs::copy(run.path(name), place.path(name)).unwrap();
        }
        fs::copy(checkpoint(), place.path("100_epoch_selfie2anime.pt")).unwrap();
    }

    /// Runs a command as it stands, but for what would take days or a GPU.
    fn run(&self, command: &Command) -> Done {
        let mut words: Vec<&str> = command.words.iter().skip(1).map(String::as_str).collect();
        let shard = words.iter().position(|word| word.contains('$'));
        if let Some(i) = shard {
            words[i] = "8/8";
        }
        match words[0] {
            "train" => {
                // One that is there is for those who begin with it.
                let folder = words.iter().position(|&word| word == "-o").map(|i| words[i + 1]);
                let folder = folder.filter(|folder| *folder != "runs/free");
                if let Some(folder) =
                    folder.map(|folder| self.place.path(folder)).filter(|path| path.exists())
                {
                    fs::remove_dir_all(folder).unwrap();
                }
                words.extend(SMALL);
                words.extend(SHORT);
            }
            "translate" | "eval" if !words.iter().any(|word| ["--device", "--kid-real"].contains(word)) => {
                words.extend(["--device", "cpu"]);
            }
            _ => {}
        }
        self.place.run(&words)
    }
}

/// Features of 8 pictures, as NumPy writes them.
fn features(scale: f32) -> Vec<u8> {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 3), }";
    let header = format!("{header:<117}\n");
    let values = (0..24).flat_map(|i| ((i as f32 * 0.7).sin() * scale).to_le_bytes());
    [b"\x93NUMPY\x01\x00".as_slice(), &118_u16.to_le_bytes(), header.as_bytes()]
        .concat()
        .into_iter()
        .chain(values)
        .collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// What launchers start is run without them: `native/tests/mpi.rs` runs ranks.
fn alone(command: &Command) -> Command {
    let launched = ["mpirun", "srun"].contains(&command.words[0].as_str());
    let program = command.words.iter().position(|word| word == "ugatit").filter(|_| launched);
    Command { words: command.words[program.unwrap_or(0)..].to_vec(), ..command.clone() }
}

/// Times, which differ, as one letter.
fn without_times(line: &str) -> String {
    let words = line.split(' ').collect::<Vec<_>>();
    let mut out = vec![];
    for (i, word) in words.iter().enumerate() {
        let before_unit = words.get(i + 1).is_some_and(|unit| ["ms)", "s"].contains(unit));
        out.push(if before_unit && word.parse::<f64>().is_ok() { "T" } else { word });
    }
    let line = out.join(" ");
    let Ok(mut json) = serde_json::from_str::<serde_json::Value>(&line) else { return line };
    for key in ["milliseconds", "seconds"] {
        if let Some(value) = json.get_mut(key) {
            *value = "T".into();
        }
    }
    json.to_string()
}

#[test]
fn commands_in_blocks_do_what_the_documents_say() {
    let mut world = World::new();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for block in blocks() {
        world.renew();
        for command in block.iter().map(alone) {
            let (place, text) = (&command.place, command.words.join(" "));
            let known = ELSEWHERE.iter().chain(&NOT_RUN).find(|(begins, _)| text.starts_with(begins));
            if let Some((begins, _)) = known {
                used.insert(begins);
                continue;
            }
            assert_eq!(command.words[0], "ugatit", "{place}: nothing runs `{text}`, and nothing says why");
            let done = world.run(&command);
            assert_eq!(done.code, 0, "{place}: {text}: {done:?}");
            let told = command.answer.iter().filter(|_| !text.starts_with("ugatit train"));
            let told: Vec<String> = told.map(|line| without_times(line)).collect();
            let mut printed: Vec<String> = done.out.lines().map(without_times).collect();
            // Several files are done at once.
            let mut sorted = told.clone();
            printed.sort();
            sorted.sort();
            assert!(told.is_empty() || sorted == printed, "{place}: {text}\n{printed:#?}\n{sorted:#?}");
        }
    }
    for (begins, _) in ELSEWHERE.iter().chain(&NOT_RUN) {
        assert!(used.contains(begins), "no document has `{begins}` any more");
    }
}

/// In the text, where letters stand for values: the options are those that there are.
#[test]
fn commands_in_the_text_have_options_that_there_are() {
    let place = Place::new();
    let commands = inline("ugatit ");
    assert!(commands.len() > 20);
    for Command { place: line, words, .. } in commands {
        let words: Vec<&str> = words[1..]
            .iter()
            .map(|word| match word.as_str() {
                "N" => "256",
                "I/N" => "1/2",
                word => word.split('|').next().unwrap_or(word),
            })
            .collect();
        let done = place.run(&[&words[..], &["--help"]].concat());
        // An option may be named without its value.
        let taken = done.code == 0 || done.err.contains("a value is required");
        assert!(taken, "{line}: {words:?}: {}", done.err);
    }
}
