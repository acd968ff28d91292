//! `ugatit data check`, as a person or a script meets it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use std::fs;

use common::{Done, Place};
use image::{GrayImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::Value;

/// A folder with a dataset. Nothing is wrong with it but that it is small: 4 pictures in each
/// folder, all different.
fn place() -> Place {
    let place = Place::new();
    for (seed, folder) in ["trainA", "trainB", "testA", "testB"].into_iter().enumerate() {
        for i in 0..4 {
            painting(32, 32, (seed * 4 + i) as u32).save(place.file(&format!("{folder}/{i}.png"))).unwrap();
        }
    }
    place
}

fn run(place: &Place, arguments: &[&str]) -> Done {
    place.run(&[&["data", "check"], arguments].concat())
}

/// The exit status and the report, for a training size of 32.
fn check(place: &Place) -> (i32, Value) {
    let done = run(place, &[".", "--json", "--img-size", "32"]);
    (done.code, serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{e}: {done:?}")))
}

/// Blocks of brightness that differ from seed to seed.
fn painting(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let block = x * 4 / width * 4 + y * 4 / height;
        let v = (block + 1).wrapping_mul(2_654_435_761).wrapping_mul(2 * seed + 1) >> 24;
        Rgb([v as u8, (v / 2) as u8, 40])
    })
}

/// The files of a finding, case by case.
fn files(report: &Value, kind: &str) -> Option<Vec<Vec<String>>> {
    let finding = report["findings"].as_array()?.iter().find(|f| f["kind"] == kind)?;
    let case = |case: &Value| -> Vec<String> {
        let files = case["files"].as_array().unwrap();
        files.iter().map(|file| file.as_str().unwrap().replace('\\', "/")).collect()
    };
    Some(finding["cases"].as_array()?.iter().map(case).collect())
}

#[test]
fn a_good_dataset_is_usable() {
    let place = place();
    let (code, report) = check(&place);
    assert_eq!((code, &report["usable"]), (0, &Value::Bool(true)), "{report}");
    let folder = &report["folders"][0];
    assert_eq!((&folder["name"], &folder["pictures"]), (&"trainA".into(), &4.into()));
    assert_eq!((&folder["width"]["median"], &folder["formats"]["png"]), (&32.into(), &4.into()));
    let kinds: Vec<&Value> = report["findings"].as_array().unwrap().iter().map(|f| &f["kind"]).collect();
    assert_eq!(kinds, ["few", "few"]);
    // At the default size they are too small, which is no error.
    let Done { code, out, .. } = run(&place, &["."]);
    assert!(code == 0 && out.contains("less than 256 pixels") && out.contains("can be trained on"), "{out}");
    assert!(out.contains("and 11 more"), "{out}");
    assert_eq!(run(&place, &[".", "--img_size", "16"]).code, 0);
    assert_eq!(run(&place, &[".", "--img-size", "0"]).code, 2);
}

#[test]
fn broken_files_are_errors() {
    let place = place();
    let whole = fs::read(place.file("trainB/1.png")).unwrap();
    fs::write(place.file("trainB/1.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(place.file("testA/2.png"), "").unwrap();
    let (code, report) = check(&place);
    assert_eq!((code, &report["usable"]), (1, &Value::Bool(false)));
    assert_eq!(files(&report, "broken").unwrap(), [["trainB/1.png"], ["testA/2.png"]]);
    assert_eq!(report["findings"][0]["kind"], "broken");
    assert_eq!(report["folders"][1]["broken"], 1);
    let Done { code, out, .. } = run(&place, &["."]);
    assert!(
        code == 1 && out.contains("error: 2 files that cannot be read") && out.contains("cut off"),
        "{out}"
    );
}

#[test]
fn copies_are_found_by_their_pixels() {
    let place = place();
    // The same pixels in another format.
    image::open(place.file("trainA/0.png")).unwrap().save(place.file("testA/copy.bmp")).unwrap();
    fs::copy(place.file("trainA/1.png"), place.file("trainB/sub/other.png")).unwrap();
    fs::copy(place.file("trainA/2.png"), place.file("trainA/again.png")).unwrap();
    let (code, report) = check(&place);
    assert_eq!(code, 1);
    assert_eq!(files(&report, "leak").unwrap(), [["trainA/0.png", "testA/copy.bmp"]]);
    assert_eq!(files(&report, "both domains").unwrap(), [["trainA/1.png", "trainB/sub/other.png"]]);
    assert_eq!(files(&report, "duplicates").unwrap(), [["trainA/2.png", "trainA/again.png"]]);
    assert!(files(&report, "near leak").is_none() && files(&report, "near duplicates").is_none());

    // Copies within one folder alone are no error.
    for file in ["testA/copy.bmp", "trainB/sub/other.png"] {
        fs::remove_file(place.file(file)).unwrap();
    }
    assert_eq!(check(&place).0, 0);
}

#[test]
fn copies_that_were_saved_again_are_warned_of() {
    let place = place();
    let picture = image::open(place.file("trainA/0.png")).unwrap();
    picture
        .resize_exact(64, 64, image::imageops::FilterType::Triangle)
        .save(place.file("testA/large.jpg"))
        .unwrap();
    let (code, report) = check(&place);
    assert_eq!(files(&report, "near leak").unwrap(), [["trainA/0.png", "testA/large.jpg"]]);
    assert_eq!(code, 0);
}

#[test]
fn odd_pictures_are_named() {
    let place = place();
    GrayImage::from_fn(40, 40, |x, y| Luma([(x * y) as u8])).save(place.file("trainA/grey.png")).unwrap();
    let clear = RgbaImage::from_fn(40, 40, |x, y| Rgba([(x * 5) as u8, 0, (y * 6) as u8, (x * 6) as u8]));
    clear.save(place.file("trainA/clear.png")).unwrap();
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> =
        ImageBuffer::from_fn(40, 40, |x, y| Rgb([(x * x * 40) as u16, 65535 - (y * 1000) as u16, 77]));
    deep.save(place.file("trainA/deep.png")).unwrap();
    painting(100, 40, 90).save(place.file("trainA/wide.png")).unwrap();
    painting(31, 33, 91).save(place.file("trainA/small.png")).unwrap();
    fs::write(place.file("trainA/scan.tif"), "x").unwrap();
    let (code, report) = check(&place);
    assert_eq!(code, 0);
    for (kind, file) in [
        ("grey", "trainA/grey.png"),
        ("transparent", "trainA/clear.png"),
        ("16 bit", "trainA/deep.png"),
        ("aspect", "trainA/wide.png"),
        ("small", "trainA/small.png"),
        ("other files", "trainA/scan.tif"),
    ] {
        assert_eq!(files(&report, kind).unwrap_or_default(), [[file]], "{kind}");
    }
}

/// What is wrong with a file, or to be said of it, is said in the same words by all that read it.
#[test]
fn all_commands_say_the_same_of_a_file() {
    let place = place();
    let good = fs::read(place.path("trainA/0.png")).unwrap();
    let mut endless = good.clone();
    // The width in the header.
    endless[16..20].copy_from_slice(&200_000_u32.to_be_bytes());
    let heic = [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", &[0; 200][..]].concat();
    let bad: [(&str, &[u8]); 5] = [
        ("empty.png", b""),
        ("text.jpg", b"hello"),
        ("cut.png", &good[..good.len() / 2]),
        ("endless.png", &endless),
        ("phone.jpg", &heic),
    ];
    for (name, bytes) in bad {
        fs::write(place.file(&format!("trainA/{name}")), bytes).unwrap();
    }
    let deep: ImageBuffer<Luma<u16>, Vec<u16>> =
        ImageBuffer::from_fn(40, 40, |x, y| Luma([((x * 7 + y * 90) % 4096) as u16]));
    deep.save(place.file("trainA/deep.png")).unwrap();
    fs::write(place.file("trainA/photo.HEIC"), &heic).unwrap();

    let (_, report) = check(&place);
    let said_by_check = |kind: &str, name: &str| {
        let findings = report["findings"].as_array().unwrap();
        let cases =
            findings.iter().filter(|f| f["kind"] == kind).flat_map(|f| f["cases"].as_array().unwrap());
        let case = cases.into_iter().find(|case| case["files"][0].as_str().unwrap().ends_with(name));
        case.unwrap_or_else(|| panic!("{name}: {report}"))["note"].as_str().unwrap().to_owned()
    };
    let model = common::checkpoint();
    let model = ["--model", model.to_str().unwrap(), "--device", "cpu", "--json"];
    let done = place.run(&[&["translate", "trainA", "-o", "out"], &model[..]].concat());
    let events: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said_by_translate = |event: &str, name: &str, words: &str| {
        let mut events = events.iter().filter(|e| e["event"] == event);
        let event = events.find(|e| e["input"].as_str().unwrap().ends_with(name));
        event.unwrap_or_else(|| panic!("{name}: {done:?}"))[words].as_str().unwrap().to_owned()
    };
    fs::create_dir(place.path("measured")).unwrap();
    fs::rename(place.path("trainA"), place.path("measured/testA")).unwrap();
    let evaluated = place.run(&[&["eval", "measured"], &model[..]].concat());
    let evaluated: Value = serde_json::from_str(&evaluated.out).unwrap();
    for (name, _) in bad {
        let words = said_by_check("broken", name);
        assert_eq!(said_by_translate("failed", name, "error"), words, "{name}");
        let failures = evaluated["failures"].as_array().unwrap();
        let failure = failures.iter().find(|f| f["input"].as_str().unwrap().ends_with(name)).unwrap();
        assert_eq!(failure["error"], *words, "{name}");
        // The training names the file first, and says what to do about it.
        let error = ugatit::io::read_picture(place.path("measured/testA").join(name)).unwrap_err();
        assert!(error.to_string().ends_with(&format!("{name}: {words}")), "{error}");
    }
    let words = said_by_check("range", "deep.png");
    assert!(words.contains("end at 3") && words.contains("a part in 16 of their range"), "{words}");
    assert_eq!(said_by_translate("remark", "deep.png", "remark"), words);
    let words = said_by_check("other files", "photo.HEIC");
    assert!(words.contains("HEIC") && words.contains("Most Compatible"), "{words}");
    assert_eq!(said_by_translate("passed_over", "photo.HEIC", "reason"), words);
}

#[test]
fn numbers_are_judged() {
    let place = place();
    for i in 1..4 {
        fs::remove_file(place.file(&format!("trainB/{i}.png"))).unwrap();
    }
    fs::remove_dir_all(place.path("testB")).unwrap();
    let (code, report) = check(&place);
    assert_eq!(code, 0);
    for kind in ["imbalance", "no test", "few"] {
        assert!(files(&report, kind).is_some(), "{kind}");
    }
    fs::write(place.file("trainB/0.png"), "no picture").unwrap();
    let (code, report) = check(&place);
    assert!(code == 1 && files(&report, "empty").is_some(), "{report}");
}

#[test]
fn a_wrong_folder_is_refused() {
    let place = place();
    let Done { code, out, err } = run(&place, &["trainA"]);
    assert!(code == 1 && out.is_empty() && err.contains("not a usable dataset"), "{out} {err}");
    assert!(run(&place, &["nowhere"]).err.contains("no such folder"));
}
