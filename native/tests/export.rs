//! `ugatit export` as a person meets it. What the files compute: `tests/onnx.rs`.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use std::fs;

use common::{Done, Place, checkpoint};

/// Exit status and everything printed.
fn export(place: &Place, arguments: &[&str]) -> (i32, String) {
    let Done { code, out, err } =
        place.run(&[&["export", checkpoint().to_str().unwrap()], arguments].concat());
    (code, out + &err)
}

#[test]
fn both_directions_or_one() {
    let place = Place::new();
    let size = |name: &str| fs::metadata(place.path(name)).unwrap().len();

    let (code, text) = export(&place, &["--onnx", "-o", "models"]);
    assert!(code == 0 && text.contains("A2B.onnx: light, ch 4") && text.contains("B2A.onnx"), "{text}");
    let (code, text) = export(&place, &["--onnx", "-o", "one.onnx", "--direction", "B2A"]);
    assert_eq!(code, 0, "{text}");
    let read = |name: &str| fs::read(place.path(name)).unwrap();
    assert!(read("one.onnx") == read("models/B2A.onnx") && read("one.onnx") != read("models/A2B.onnx"));

    // Nothing is replaced unasked, and then neither is the other written.
    fs::remove_file(place.path("models/A2B.onnx")).unwrap();
    let (code, text) = export(&place, &["--onnx", "-o", "models"]);
    assert!(code == 1 && text.contains("B2A.onnx exists already; use --force"), "{text}");
    assert!(!place.path("models/A2B.onnx").exists());
    let before = size("models/B2A.onnx");
    let (code, text) = export(&place, &["--onnx", "-o", "models", "--force", "--f16"]);
    assert!(code == 0 && text.contains("f16"), "{text}");
    assert!(size("models/B2A.onnx") < before * 7 / 10, "{before} before");
}

#[test]
fn a_command_line_that_cannot_work() {
    let place = Place::new();
    for (arguments, told) in [
        (&["--onnx", "-o", "one.onnx"][..], "--direction"),
        (&["-o", "models"], "--onnx"),
        (&["--onnx"], "--output"),
        (&["--onnx", "-o", "models", "--direction", "C"], "A2B, B2A or both"),
    ] {
        let (code, text) = export(&place, arguments);
        assert!(code == 2 && text.contains(told), "{arguments:?}: {text}");
    }
    assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 0);
}
