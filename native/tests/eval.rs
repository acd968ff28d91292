//! `ugatit eval` as a person or a script meets it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(name)
}

fn checkpoint() -> String {
    golden("golden/tiny_params_0000005.pt").to_str().unwrap().to_owned()
}

struct Done {
    code: i32,
    out: String,
    err: String,
}

/// A folder to work in, with test pictures of 20x16 in `data`.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, seed) in [("testA/x", 3), ("testA/deep/y", 5), ("testA/only a", 7)] {
            place.picture(&format!("data/{name}.png"), seed);
        }
        for (name, seed) in [("testB/x", 4), ("testB/deep/y", 5), ("testB/<b>&", 8)] {
            place.picture(&format!("data/{name}.png"), seed);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn picture(&self, name: &str, seed: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let value = |x: u32, y: u32| ((x * 7 + y * 5) * seed % 256) as u8;
        RgbImage::from_fn(20, 16, |x, y| Rgb([value(x, y), value(y, x), 99])).save(path).unwrap();
    }

    fn eval(&self, arguments: &[&str]) -> Done {
        let mut command = Command::cargo_bin("ugatit").unwrap();
        command.current_dir(self.0.path()).args(["eval", "--device", "cpu"]).args(arguments);
        for variable in ["UGATIT_MODEL", "UGATIT_DEVICE", "UGATIT_ADAPTER"] {
            command.env_remove(variable);
        }
        let output = command.output().unwrap();
        Done {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What succeeds, as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let done = self.eval(&[arguments, &["--json"]].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        serde_json::from_str(&done.out).unwrap()
    }

    /// Puts generators into a folder.
    fn import(&self, folder: &str, directions: &[&str]) {
        for direction in directions {
            let output = self.path(folder).join(format!("{direction}.safetensors"));
            let mut command = Command::cargo_bin("ugatit").unwrap();
            let arguments = ["import", &checkpoint(), "--direction", direction, "-o"];
            command.current_dir(self.0.path()).args(arguments).arg(output).assert().success();
        }
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn everything_is_measured_and_shown() {
    let place = Place::new();
    let model = checkpoint();
    let done = place.eval(&["data", "--model", &model, "--size", "16", "--pairs", "-o", "out"]);
    assert_eq!(done.code, 0, "{}", done.err);
    for text in ["A2B: 3 pictures of testA", "B2A: 3", "cycle L1", "identity L1 of B", "PSNR to A", "gained"]
    {
        assert!(done.out.contains(text), "{text}: {}", done.out);
    }
    let metrics: Value = serde_json::from_slice(&fs::read(place.path("out/metrics.json")).unwrap()).unwrap();
    for side in metrics["directions"].as_array().unwrap() {
        let pictures = side["pictures"].as_array().unwrap();
        let names: Vec<&str> = pictures.iter().map(|p| p["name"].as_str().unwrap()).collect();
        assert_eq!(names[..2], ["deep/y", "x"]);
        let mean = pictures.iter().map(|p| number(&p["cycle_l1"])).sum::<f64>() / 3.0;
        assert!((number(&side["cycle_l1"]["mean"]) - mean).abs() < 1e-12);
        assert!((number(&side["cycle_l1_255"]["mean"]) - mean * 127.5).abs() < 1e-9);
        assert_eq!(side["identity_l1"]["count"], 3);
        // The partner of y is the same picture: infinite without a model, so it is left out.
        let untouched = &side["pairs"]["psnr_untouched"];
        assert_eq!((&untouched["count"], &untouched["infinite"]), (&1.into(), &1.into()));
        assert_eq!(side["pairs"]["psnr"]["count"], 2);
        assert_eq!(pictures[0]["pair"]["psnr_untouched"], Value::Null);
        assert!((number(&pictures[0]["pair"]["ssim_untouched"]) - 1.0).abs() < 1e-9);
        let x = &pictures[1]["pair"];
        let gain = number(&x["psnr"]) - number(&x["psnr_untouched"]);
        assert!((number(&side["pairs"]["psnr_gain"]) - gain).abs() < 1e-9);
        assert_eq!(pictures[2]["pair"], Value::Null);
        for file in pictures.iter().flat_map(|p| p["files"].as_array().unwrap()) {
            let path = place.path("out").join(file["file"].as_str().unwrap());
            assert_eq!(image::image_dimensions(path).unwrap(), (16, 16));
        }
        let count = |i: usize| pictures[i]["files"].as_array().unwrap().len();
        assert_eq!([count(0), count(1), count(2)], [5, 5, 4]);
    }
    let page = fs::read_to_string(place.path("out/index.html")).unwrap();
    assert!(page.contains("&lt;b&gt;&amp;") && !page.contains("<b>"));
    assert!(page.contains(">Best<") && page.contains(">Worst<") && page.contains("<svg"));
    assert!(page.contains("untouched ∞"));
    assert!(!page.contains("http") && !page.contains("<script") && !page.contains("NaN"));

    let again = place.eval(&["data", "--model", &model, "--size", "16", "-o", "out"]);
    assert!(again.code == 1 && again.err.contains("--force"), "{}", again.err);
    let again = place.eval(&["data", "--model", &model, "--size", "16", "-o", "out", "--force"]);
    assert_eq!(again.code, 0, "{}", again.err);
}

#[test]
fn a_limit_takes_the_first_pairs() {
    let place = Place::new();
    let metrics = place.json(&["data", "-m", &checkpoint(), "--size", "16", "--pairs", "--limit", "1"]);
    for side in metrics["directions"].as_array().unwrap() {
        assert_eq!(side["pictures"].as_array().unwrap().len(), 1);
        assert_eq!(side["pictures"][0]["name"], "deep/y");
        assert_eq!(side["pairs"]["psnr"]["count"], 1);
    }
    assert_eq!((&metrics["size"], &metrics["device"]), (&16.into(), &"CPU".into()));
}

#[test]
fn one_direction_leaves_out_what_needs_two() {
    let place = Place::new();
    place.import("run/models", &["A2B"]);
    // A training run's folder stands for its models.
    let metrics = place.json(&["data", "-m", "run", "--size", "16", "--pairs"]);
    let [a, b] = [0, 1].map(|i| &metrics["directions"][i]);
    assert!(metrics["left_out"][0].as_str().unwrap().contains("no B2A"));
    assert_eq!([&a["cycle_l1"], &b["cycle_l1"], &a["identity_l1"], &b["pairs"]], [&Value::Null; 4]);
    assert_eq!((&b["identity_l1"]["count"], &a["pairs"]["ssim"]["count"]), (&3.into(), &2.into()));
    let done = place.eval(&["data", "-m", "run", "--size", "16", "-o", "out"]);
    assert!(done.code == 0 && done.out.contains("note: the model has no B2A"), "{}", done.out);
    assert!(fs::read_to_string(place.path("out/index.html")).unwrap().contains("no B2A"));

    place.import("run/models", &["B2A"]);
    let both = place.json(&["data", "-m", "run", "--size", "16", "--pairs"]);
    assert_eq!(both["directions"][0]["pairs"], a["pairs"]);
    assert_eq!(both["left_out"], Value::Array(vec![]));
}

#[test]
fn a_sheet_shows_sources_translations_and_partners() {
    let place = Place::new();
    let model = checkpoint();
    let arguments = ["data", "-m", &model, "--size", "16", "--pairs", "--sheet", "sheet.png"];
    assert_eq!(place.eval(&arguments).code, 0);
    let sheet = image::open(place.path("sheet.png")).unwrap().to_rgb8();
    // Two pairs side by side, three pictures of 8 times 16 pixels each, in two sections.
    assert_eq!(sheet.dimensions(), (16 + 2 * (3 * 128 + 2 * 4 + 16), 16 + 2 * (128 + 16) + 16));
    // The partner of a picture of testB is the source of testA.
    let at = |left: u32, top: u32| image::imageops::crop_imm(&sheet, left, top, 128, 128).to_image();
    assert_eq!(at(16, 16), at(16 + 2 * 132, 16 + 144 + 16));
    assert_ne!(at(16, 16), at(16 + 132, 16));
    let done = place.eval(&["data", "-m", &model, "--size", "16", "--sheet", "sheet.jpg"]);
    assert_eq!(done.code, 2, "{}", done.err);
}

#[test]
fn features_need_no_model() {
    let place = Place::new();
    let (real, fake) = (golden("eval/real.npy"), golden("eval/generated.npy"));
    let (real, fake) = (real.to_str().unwrap(), fake.to_str().unwrap());
    let kid = ["--kid-real", real, "--kid-fake", fake, "--kid-subsets", "50", "--kid-subset-size", "10"];
    let reference: Value = serde_json::from_slice(&fs::read(golden("eval/reference.json")).unwrap()).unwrap();
    let metrics = place.json(&kid);
    let found = number(&metrics["kid"][0]["mean"]);
    assert!((found - number(&reference["kid"][1]["mean"])).abs() < 1e-12);
    let done = place.eval(&[&kid[..], &["-o", "out"]].concat());
    assert!(done.code == 0 && done.out.contains("generated.npy"), "{}", done.out);
    assert!(fs::read_to_string(place.path("out/index.html")).unwrap().contains("KID × 100"));

    let uneven = place.eval(&[&kid[..], &["--kid-real", real]].concat());
    assert_eq!(uneven.code, 2, "{}", uneven.err);
    fs::write(place.path("bad.npy"), b"\x93NUMPY").unwrap();
    let bad = place.eval(&["--kid-real", "bad.npy", "--kid-fake", fake]);
    assert!(bad.code == 1 && bad.err.contains("not a usable file of features"), "{}", bad.err);
}

#[test]
fn what_is_missing_is_named() {
    let place = Place::new();
    let model = checkpoint();
    let refused = |arguments: &[&str], code: i32, text: &str| {
        let done = place.eval(arguments);
        assert!(done.code == code && done.err.contains(text), "{arguments:?}: {} {}", done.code, done.err);
    };
    refused(&[], 2, "DATA");
    refused(&["data", "-m", &model, "--size", "18"], 2, "multiple of 4");
    refused(&["nowhere", "-m", &model], 1, "no folder testA");
    refused(&["data", "-m", "nowhere.pt", "--size", "16"], 1, "nowhere.pt");
    place.picture("apart/testA/one.png", 3);
    refused(&["apart", "-m", &model, "--size", "16"], 1, "no folder testB");
    place.picture("apart/testB/two.png", 3);
    refused(&["apart", "-m", &model, "--size", "16", "--pairs"], 1, "no pairs");
    place.picture("apart/testB/one.png", 3);
    fs::copy(place.path("apart/testB/one.png"), place.path("apart/testB/one.jpg")).unwrap();
    refused(&["apart", "-m", &model, "--size", "16", "--pairs"], 1, "rename one");
}

#[test]
fn a_broken_picture_is_reported_and_the_rest_goes_on() {
    let place = Place::new();
    fs::write(place.path("data/testA/broken.png"), "no picture").unwrap();
    let done = place.eval(&["data", "-m", &checkpoint(), "--size", "16", "--json"]);
    assert!(done.code == 1 && done.err.contains("broken.png"), "{}", done.err);
    let metrics: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(metrics["directions"][0]["pictures"].as_array().unwrap().len(), 3);
    assert_eq!(metrics["failures"].as_array().unwrap().len(), 1);
}
