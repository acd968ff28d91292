//! `ugatit tune` on whatever adapter there is.
// Windows' folders cannot be moved by the environment, and a test must not touch the user's own.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The program with a cache folder of its own.
fn run(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ugatit"));
    command.args(arguments).env("HOME", home).env("XDG_CACHE_HOME", home.join("cache"));
    command.output().unwrap()
}

/// All files below, but for the compiled kernels.
fn measurements(home: &Path) -> Vec<String> {
    let mut names = vec![];
    let mut folders = vec![home.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true => folders.push(path),
                false if name.starts_with("tuning-") => names.push(name),
                false => {}
            }
        }
    }
    names
}

#[test]
fn what_was_measured_is_kept_shown_and_forgotten() {
    let home = tempfile::tempdir().unwrap();
    // One second: the first convolution at least.
    let done = run(home.path(), &["tune", "--limit", "1", "--json"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let products = report["tuning"]["products"].as_array().unwrap();
    assert!(!products.is_empty());
    for product in products {
        let times: Vec<f64> =
            product["kernels"].as_array().unwrap().iter().map(|kernel| kernel[1].as_f64().unwrap()).collect();
        assert!(!times.is_empty(), "no kernel was right: {product}");
        assert!(times.is_sorted() && times[0] > 0.0, "{product}");
    }
    assert_eq!(measurements(home.path()).len(), 1);

    // It is used, and changes no picture.
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/A2B.safetensors");
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pictures/faces/toon-head/face-1.png");
    let out = home.path().join("out.png");
    let translated = run(
        home.path(),
        &["translate", picture, "-m", model, "-o", out.to_str().unwrap(), "--device", "gpu"],
    );
    assert!(translated.status.success(), "{}", String::from_utf8_lossy(&translated.stderr));

    let done = run(home.path(), &["tune", "--reset"]);
    assert!(String::from_utf8_lossy(&done.stdout).starts_with("forgot"), "{done:?}");
    assert!(measurements(home.path()).is_empty());
    let again = run(home.path(), &["tune", "--reset"]);
    assert!(again.status.success() && String::from_utf8_lossy(&again.stdout).starts_with("nothing"));
}
