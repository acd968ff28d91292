//! `ugatit eval` as a person or a script meets it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Done, Place};
use image::{Rgb, RgbImage};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(name)
}

fn checkpoint() -> String {
    common::checkpoint().to_str().unwrap().to_owned()
}

/// A folder with test pictures of 20x16 in `data`.
fn place() -> Place {
    let place = Place::new();
    for (name, seed) in [("testA/x", 3), ("testA/deep/y", 5), ("testA/only a", 7)] {
        picture(&place, &format!("data/{name}.png"), seed);
    }
    for (name, seed) in [("testB/x", 4), ("testB/deep/y", 5), ("testB/<b>&", 8)] {
        picture(&place, &format!("data/{name}.png"), seed);
    }
    place
}

fn picture(place: &Place, name: &str, seed: u32) {
    let value = |x: u32, y: u32| ((x * 7 + y * 5) * seed % 256) as u8;
    RgbImage::from_fn(20, 16, |x, y| Rgb([value(x, y), value(y, x), 99])).save(place.file(name)).unwrap();
}

fn eval(place: &Place, arguments: &[&str]) -> Done {
    place.run(&[&["eval", "--device", "cpu"], arguments].concat())
}

/// What succeeds, as JSON.
fn json(place: &Place, arguments: &[&str]) -> Value {
    let done = eval(place, &[arguments, &["--json"]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    serde_json::from_str(&done.out).unwrap()
}

/// Puts generators into a folder.
fn import(place: &Place, folder: &str, directions: &[&str]) {
    for direction in directions {
        let output = format!("{folder}/{direction}.safetensors");
        let done = place.run(&["import", &checkpoint(), "--direction", direction, "-o", &output]);
        assert_eq!(done.code, 0, "{done:?}");
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn everything_is_measured_and_shown() {
    let place = place();
    let model = checkpoint();
    let done = eval(&place, &["data", "--model", &model, "--size", "16", "--pairs", "-o", "out"]);
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

    let again = eval(&place, &["data", "--model", &model, "--size", "16", "-o", "out"]);
    assert!(again.code == 1 && again.err.contains("--force"), "{}", again.err);
    let again = eval(&place, &["data", "--model", &model, "--size", "16", "-o", "out", "--force"]);
    assert_eq!(again.code, 0, "{}", again.err);
}

#[test]
fn one_domain_alone_is_measured() {
    let model = checkpoint();
    for (gone, direction, there) in [("testB", "A2B", "testA"), ("testA", "B2A", "testB")] {
        for is_empty in [false, true] {
            let place = place();
            fs::remove_dir_all(place.path(&format!("data/{gone}"))).unwrap();
            if is_empty {
                fs::write(place.file(&format!("data/{gone}/notes.txt")), "").unwrap();
            }
            let metrics = json(&place, &["data", "-m", &model, "--size", "16"]);
            let [side] = &metrics["directions"].as_array().unwrap()[..] else { panic!("{metrics}") };
            assert_eq!(side["direction"], direction);
            for measure in ["cycle_l1", "identity_l1"] {
                assert_eq!(side[measure]["count"], 3, "{measure} of {there}");
            }
            let left_out = metrics["left_out"][0].as_str().unwrap();
            assert!(left_out.contains(gone) && left_out.contains("alone"), "{left_out}");
            let done = eval(&place, &["data", "-m", &model, "--size", "16"]);
            assert!(done.out.contains("3 measured") && done.out.contains("note: "), "{done:?}");
            // Pairs need both.
            let pairs = eval(&place, &["data", "-m", &model, "--size", "16", "--pairs"]);
            assert!(pairs.code == 1 && pairs.err.contains(gone), "{pairs:?}");
        }
    }
    let place = Place::new();
    fs::create_dir(place.path("data")).unwrap();
    let neither = eval(&place, &["data", "-m", &model]);
    assert!(neither.code == 1 && neither.err.contains("testA and"), "{neither:?}");
}

#[test]
fn a_limit_takes_the_first_pairs() {
    let place = place();
    let metrics = json(&place, &["data", "-m", &checkpoint(), "--size", "16", "--pairs", "--limit", "1"]);
    for side in metrics["directions"].as_array().unwrap() {
        assert_eq!(side["pictures"].as_array().unwrap().len(), 1);
        assert_eq!(side["pictures"][0]["name"], "deep/y");
        assert_eq!(side["pairs"]["psnr"]["count"], 1);
    }
    assert_eq!((&metrics["size"], &metrics["device"]), (&16.into(), &"CPU".into()));
}

#[test]
fn one_direction_leaves_out_what_needs_two() {
    let place = place();
    import(&place, "run/models", &["A2B"]);
    // A training run's folder stands for its models.
    let metrics = json(&place, &["data", "-m", "run", "--size", "16", "--pairs"]);
    let [a, b] = [0, 1].map(|i| &metrics["directions"][i]);
    assert!(metrics["left_out"][0].as_str().unwrap().contains("no B2A"));
    assert_eq!([&a["cycle_l1"], &b["cycle_l1"], &a["identity_l1"], &b["pairs"]], [&Value::Null; 4]);
    assert_eq!((&b["identity_l1"]["count"], &a["pairs"]["ssim"]["count"]), (&3.into(), &2.into()));
    let done = eval(&place, &["data", "-m", "run", "--size", "16", "-o", "out"]);
    assert!(done.code == 0 && done.out.contains("note: the model has no B2A"), "{}", done.out);
    assert!(fs::read_to_string(place.path("out/index.html")).unwrap().contains("no B2A"));

    import(&place, "run/models", &["B2A"]);
    let both = json(&place, &["data", "-m", "run", "--size", "16", "--pairs"]);
    assert_eq!(both["directions"][0]["pairs"], a["pairs"]);
    assert_eq!(both["left_out"], Value::Array(vec![]));
}

#[test]
fn a_sheet_shows_sources_translations_and_partners() {
    let place = place();
    let model = checkpoint();
    let arguments = ["data", "-m", &model, "--size", "16", "--pairs", "--sheet", "sheet.png"];
    assert_eq!(eval(&place, &arguments).code, 0);
    let sheet = image::open(place.path("sheet.png")).unwrap().to_rgb8();
    // Two pairs side by side, three pictures of 8 times 16 pixels each, in two sections.
    assert_eq!(sheet.dimensions(), (16 + 2 * (3 * 128 + 2 * 4 + 16), 16 + 2 * (128 + 16) + 16));
    // The partner of a picture of testB is the source of testA.
    let at = |left: u32, top: u32| image::imageops::crop_imm(&sheet, left, top, 128, 128).to_image();
    assert_eq!(at(16, 16), at(16 + 2 * 132, 16 + 144 + 16));
    assert_ne!(at(16, 16), at(16 + 132, 16));
    let done = eval(&place, &["data", "-m", &model, "--size", "16", "--sheet", "sheet.jpg"]);
    assert_eq!(done.code, 2, "{}", done.err);
}

#[test]
fn features_need_no_model() {
    let place = place();
    let (real, fake) = (fixture("eval/real.npy"), fixture("eval/generated.npy"));
    let (real, fake) = (real.to_str().unwrap(), fake.to_str().unwrap());
    let kid = ["--kid-real", real, "--kid-fake", fake, "--kid-subsets", "50", "--kid-subset-size", "10"];
    let reference: Value =
        serde_json::from_slice(&fs::read(fixture("eval/reference.json")).unwrap()).unwrap();
    let metrics = json(&place, &kid);
    let found = number(&metrics["kid"][0]["mean"]);
    assert!((found - number(&reference["kid"][1]["mean"])).abs() < 1e-12);
    let done = eval(&place, &[&kid[..], &["-o", "out"]].concat());
    assert!(done.code == 0 && done.out.contains("generated.npy"), "{}", done.out);
    assert!(fs::read_to_string(place.path("out/index.html")).unwrap().contains("KID × 100"));

    let uneven = eval(&place, &[&kid[..], &["--kid-real", real]].concat());
    assert_eq!(uneven.code, 2, "{}", uneven.err);
    fs::write(place.path("bad.npy"), b"\x93NUMPY").unwrap();
    let bad = eval(&place, &["--kid-real", "bad.npy", "--kid-fake", fake]);
    assert!(bad.code == 1 && bad.err.contains("not a usable file of features"), "{}", bad.err);
}

#[test]
fn what_is_missing_is_named() {
    let place = place();
    let model = checkpoint();
    let refused = |arguments: &[&str], code: i32, text: &str| {
        let done = eval(&place, arguments);
        assert!(done.code == code && done.err.contains(text), "{arguments:?}: {} {}", done.code, done.err);
    };
    refused(&[], 2, "DATA");
    refused(&["data", "-m", &model, "--size", "18"], 2, "multiple of 4");
    refused(&["nowhere", "-m", &model], 1, "no folder testA");
    refused(&["data", "-m", "nowhere.pt", "--size", "16"], 1, "nowhere.pt");
    picture(&place, "apart/testA/one.png", 3);
    picture(&place, "apart/testB/two.png", 3);
    refused(&["apart", "-m", &model, "--size", "16", "--pairs"], 1, "no pairs");
    picture(&place, "apart/testB/one.png", 3);
    fs::copy(place.path("apart/testB/one.png"), place.path("apart/testB/one.jpg")).unwrap();
    refused(&["apart", "-m", &model, "--size", "16", "--pairs"], 1, "rename one");
}

#[test]
fn a_broken_picture_is_reported_and_the_rest_goes_on() {
    let place = place();
    fs::write(place.path("data/testA/broken.png"), "no picture").unwrap();
    let done = eval(&place, &["data", "-m", &checkpoint(), "--size", "16", "--json"]);
    assert!(done.code == 1 && done.err.contains("broken.png"), "{}", done.err);
    let metrics: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(metrics["directions"][0]["pictures"].as_array().unwrap().len(), 3);
    assert_eq!(metrics["failures"].as_array().unwrap().len(), 1);
}
