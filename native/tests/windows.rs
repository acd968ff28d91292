//! The Windows program under Wine, beside this system's own. `cargo xtask test --windows` builds
//! it, names it in the environment and runs these tests, which are left out otherwise.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::training::{self, models, place};
use common::{Done, Place, checkpoint};

/// Translated pictures may differ by this much of 255: the two systems' `tanh` do, in the last bit.
const PIXEL: u8 = 1;
/// Losses may differ by this share, after as many iterations as these tests train.
const LOSS: f64 = 1e-3;

/// The Windows program, in the folder of `place`.
fn windows(place: &Place, arguments: &[&str]) -> Command {
    let named = |name: &str| {
        std::env::var_os(name).unwrap_or_else(|| panic!("{name}: use cargo xtask test --windows"))
    };
    let mut command = Command::new(named("UGATIT_WINE"));
    command.arg(named("UGATIT_WINDOWS_PROGRAM")).args(arguments);
    // File names are UTF-8 whatever the locale of the one who tests.
    command.current_dir(place.folder()).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    for variable in ["UGATIT_MODEL", "UGATIT_DEVICE", "UGATIT_ADAPTER"] {
        command.env_remove(variable);
    }
    command
}

fn run(place: &Place, arguments: &[&str]) -> Done {
    Done::of(&mut windows(place, arguments))
}

/// A path of this system as Wine has it.
fn drive(path: &Path) -> String {
    format!("Z:{}", fs::canonicalize(path).unwrap().display())
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The largest difference of any value of two pictures.
fn difference(a: &Path, b: &Path) -> u8 {
    let [a, b] = [a, b].map(|path| image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
    assert_eq!((a.width(), a.height(), a.color()), (b.width(), b.height(), b.color()));
    a.as_bytes().iter().zip(b.as_bytes()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// Translates the pictures that come with the project by both programs and compares them.
fn compare_translations(device: &[&str], most: u8) {
    let place = Place::new();
    let (pictures, models) =
        (repository().join("docs/pictures/faces/toon-head"), repository().join("models"));
    let common = [&["--direction", "A2B", "--size", "64", "--attention"], device].concat();
    let arguments = |pictures: &str, models: &str, output: &str| -> Vec<String> {
        let own = ["translate", pictures, "--model", models, "-o", output];
        own.into_iter().chain(common.iter().copied()).map(str::to_owned).collect()
    };
    let there = arguments(&drive(&pictures), &drive(&models), "windows");
    let done = run(&place, &there.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(done.code, 0, "{done:?}");
    let here = arguments(pictures.to_str().unwrap(), models.to_str().unwrap(), "here");
    let done = place.run(&here.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(done.code, 0, "{done:?}");
    let files = place.files("here");
    assert_eq!((files.len(), &files), (16, &place.files("windows")));
    for file in files {
        let found = difference(&place.path("here").join(&file), &place.path("windows").join(&file));
        assert!(found <= most, "{file} differs by {found}");
    }
}

#[test]
#[ignore = "cargo xtask test --windows"]
fn pictures_are_translated_as_here() {
    compare_translations(&["--device", "cpu"], PIXEL);
}

/// Wine hands Vulkan on to this system's driver, where a window could be opened. Its Direct3D 12 is
/// no adapter that works, and ranks first, so one is asked for by name.
#[test]
#[ignore = "cargo xtask test --windows"]
fn a_gpu_translates_as_here() {
    compare_translations(&["--device", "gpu", "--adapter", "llvmpipe"], 0);
}

#[test]
#[ignore = "cargo xtask test --windows"]
fn models_are_imported_as_here() {
    let place = Place::new();
    let done = run(&place, &["import", &drive(&checkpoint()), "-o", "windows"]);
    assert_eq!(done.code, 0, "{done:?}");
    let done = place.run(&["import", checkpoint().to_str().unwrap(), "-o", "here"]);
    assert_eq!(done.code, 0, "{done:?}");
    for file in ["A2B.safetensors", "B2A.safetensors"] {
        let [a, b] = ["windows", "here"].map(|folder| fs::read(place.path(folder).join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
}

fn metrics(run: &Path) -> Vec<BTreeMap<String, f64>> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
#[ignore = "cargo xtask test --windows"]
fn losses_are_those_of_here() {
    let place = place();
    let arguments = |folder| training::arguments(&["--iteration", "12", "-o", folder]);
    let done = run(&place, &arguments("windows"));
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("all 12 iterations are done"), "{done:?}");
    let done = place.run(&arguments("here"));
    assert_eq!(done.code, 0, "{done:?}");
    let [here, there] = ["here", "windows"].map(|folder| metrics(&place.path(folder)));
    assert_eq!((here.len(), there.len()), (12, 12));
    for (here, there) in here.iter().zip(&there) {
        assert!(here.len() > 5 && here.keys().eq(there.keys()));
        for (name, &value) in here.iter().filter(|(name, _)| *name != "time") {
            let found = there[name];
            assert!((found - value).abs() <= LOSS * value.abs().max(1e-3), "{name}: {found}, here {value}");
        }
    }
    // What is written there is read here, and the other way round.
    let done = place.run(&training::arguments(&["--iteration", "13", "-o", "windows"]));
    assert!(done.code == 0 && done.out.contains("going on from iteration 12 of 13"), "{done:?}");
    let done = run(&place, &training::arguments(&["--iteration", "13", "-o", "here"]));
    assert!(done.code == 0 && done.out.contains("going on from iteration 12 of 13"), "{done:?}");
}

#[test]
#[ignore = "cargo xtask test --windows"]
fn a_killed_run_goes_on_to_the_same_models() {
    let place = place();
    let arguments = |folder| training::arguments(&["--iteration", "200", "-o", folder]);
    let done = run(&place, &arguments("whole"));
    assert_eq!(done.code, 0, "{done:?}");
    let mut kills = 0;
    for round in 0..8_u64 {
        let mut child = windows(&place, &arguments("killed"));
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(900 + round * 337 % 1000));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(kills > 0, "the run is too short for this test");
    let done = run(&place, &arguments("killed"));
    assert_eq!(done.code, 0, "{done:?}");
    let [whole, killed] = ["whole", "killed"].map(|run| models(&place.path(run)));
    assert!(whole == killed, "other models after {kills} kills");
    let lines = ["whole", "killed"].map(|run| metrics(&place.path(run)).len());
    assert_eq!(lines, [200, 200]);
}

/// Translates with a tiny model, which is made in `place` before.
fn translate(place: &Place, arguments: &[&str]) -> Done {
    if !place.path("tiny").is_dir() {
        let done = run(place, &["import", &drive(&checkpoint()), "-o", "tiny"]);
        assert_eq!(done.code, 0, "{done:?}");
    }
    let fixed = ["translate", "--model", "tiny", "--direction", "A2B", "--device", "cpu"];
    run(place, &[&fixed, arguments].concat())
}

#[test]
#[ignore = "cargo xtask test --windows"]
fn names_of_any_letters_and_of_any_length_work() {
    let place = Place::new();
    let name = "Füße – 日本語 🙂 .a";
    // Longer than the 260 characters that a path had on old systems.
    let deep = ["a folder with quite a long name for a folder"; 8].join("/");
    place.picture(&format!("in/{name}.png"), 16, 16);
    place.picture(&format!("in/{deep}/{name}.jpg"), 16, 16);
    let done = translate(&place, &["in", "-o", "aus gäbe"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(place.files("aus gäbe"), [format!("{name}.png"), format!("{deep}/{name}.png")]);
}

/// Windows leaves out dots and spaces at the end of a name, and some names are devices. Where
/// there is no file afterwards, there was no success, and the picture that it is about is named.
#[test]
#[ignore = "cargo xtask test --windows"]
fn names_that_windows_reads_otherwise_are_no_false_success() {
    let place = Place::new();
    place.picture("in/good.png", 16, 16);
    for output in ["NUL.png", "con.png", "COM1.png", "trailing. .", "end.png."] {
        let done = translate(&place, &["in/good.png", "-o", output]);
        let written = [output, output.trim_end_matches(['.', ' '])].iter().any(|name| {
            let path = place.path(name);
            path.is_file() || path.join("good.png").is_file()
        });
        assert_eq!(done.code == 0, written, "{output}: {done:?}");
        assert!(written || done.err.contains("good.png: ") && done.err.contains(output), "{done:?}");
    }
    // A picture with such a name is not the end of the others.
    place.picture("in/aux.png", 16, 16);
    let done = translate(&place, &["in", "-o", "more"]);
    assert!(place.path("more/good.png").is_file(), "{done:?}");
    assert_eq!(done.code == 0, place.path("more/aux.png").is_file(), "{done:?}");
}
