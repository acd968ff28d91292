//! `ugatit export` as a person meets it. What the files compute: `tests/onnx.rs`.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;

/// Exit status and everything printed.
fn export(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tiny_params_0000005.pt");
    let mut command = Command::cargo_bin("ugatit").unwrap();
    command.current_dir(folder).arg("export").arg(checkpoint).args(arguments).env_remove("UGATIT_MODEL");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn both_directions_or_one() {
    let folder = tempfile::tempdir().unwrap();
    let size = |name: &str| fs::metadata(folder.path().join(name)).unwrap().len();

    let (code, text) = export(folder.path(), &["--onnx", "-o", "models"]);
    assert!(code == 0 && text.contains("A2B.onnx: light, ch 4") && text.contains("B2A.onnx"), "{text}");
    let (code, text) = export(folder.path(), &["--onnx", "-o", "one.onnx", "--direction", "B2A"]);
    assert_eq!(code, 0, "{text}");
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert!(read("one.onnx") == read("models/B2A.onnx") && read("one.onnx") != read("models/A2B.onnx"));

    // Nothing is replaced unasked, and then neither is the other written.
    fs::remove_file(folder.path().join("models/A2B.onnx")).unwrap();
    let (code, text) = export(folder.path(), &["--onnx", "-o", "models"]);
    assert!(code == 1 && text.contains("B2A.onnx exists already; use --force"), "{text}");
    assert!(!folder.path().join("models/A2B.onnx").exists());
    let before = size("models/B2A.onnx");
    let (code, text) = export(folder.path(), &["--onnx", "-o", "models", "--force", "--f16"]);
    assert!(code == 0 && text.contains("f16"), "{text}");
    assert!(size("models/B2A.onnx") < before * 7 / 10, "{before} before");
}

#[test]
fn a_command_line_that_cannot_work() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, told) in [
        (&["--onnx", "-o", "one.onnx"][..], "--direction"),
        (&["-o", "models"], "--onnx"),
        (&["--onnx"], "--output"),
        (&["--onnx", "-o", "models", "--direction", "C"], "A2B, B2A or both"),
    ] {
        let (code, text) = export(folder.path(), arguments);
        assert!(code == 2 && text.contains(told), "{arguments:?}: {text}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
