//! `ugatit translate` on a folder as people have them: a thousand files, good ones, odd ones, broken ones, those of
//! other kinds, and those that are there twice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;

use common::{Done, Place, checkpoint};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage};
use serde_json::Value;

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Translated,
    Failed,
    PassedOver,
}

/// Files of one kind: an ending, a content, how many.
struct Kind {
    ending: &'static str,
    content: Vec<u8>,
    count: usize,
    fate: Fate,
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(vec![]);
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn kinds() -> Vec<Kind> {
    use Fate::{Failed, PassedOver, Translated};
    let picture =
        DynamicImage::from(RgbImage::from_fn(9, 8, |x, y| Rgb([(x * 25) as u8, (y * 30) as u8, 99])));
    let [png, jpeg, webp, bmp, gif] =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Gif]
            .map(|format| encoded(&picture, format));
    let dark: ImageBuffer<Luma<u16>, Vec<u16>> =
        ImageBuffer::from_fn(8, 8, |x, y| Luma([(x * y * 60) as u16]));
    let dark = encoded(&dark.into(), ImageFormat::Png);
    let heic = [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", &[0; 200][..]].concat();
    let avif = [b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", &[0; 200][..]].concat();
    let kind = |ending, content: &[u8], count, fate| Kind { ending, content: content.to_vec(), count, fate };
    vec![
        // Good, in every format and under the names that cameras give.
        kind("png", &png, 150, Translated),
        kind("JPG", &jpeg, 150, Translated),
        kind("jpeg", &jpeg, 50, Translated),
        kind("webp", &webp, 50, Translated),
        kind("bmp", &bmp, 50, Translated),
        kind("gif", &gif, 50, Translated),
        // Odd, but viewers show them.
        kind("jpg", &jpeg[..jpeg.len() - 2], 30, Translated),
        kind("jpg", &png, 30, Translated),
        kind("png", &[&png[..], b"a trailer"].concat(), 20, Translated),
        kind("png", &dark, 20, Translated),
        // Broken.
        kind("jpg", b"", 30, Failed),
        kind("png", b"no picture at all", 30, Failed),
        kind("png", &png[..png.len() / 2], 30, Failed),
        kind("webp", &webp[..webp.len() / 2], 20, Failed),
        // Of another kind, under its own name and under another.
        kind("HEIC", &heic, 40, PassedOver),
        kind("avif", &avif, 20, PassedOver),
        kind("tif", b"II*\0", 20, PassedOver),
        kind("jpg", &heic, 20, Failed),
        kind("jpg", &avif, 10, Failed),
        kind("txt", b"notes", 40, PassedOver),
        kind("xmp", b"<x/>", 40, PassedOver),
        kind("", b"", 10, PassedOver),
    ]
}

/// Makes the files in `in`; gives what becomes of each.
fn make(place: &Place) -> BTreeMap<String, Fate> {
    let mut fates = BTreeMap::new();
    let mut put = |name: String, content: &[u8], fate| {
        fs::write(place.file(&format!("in/{name}")), content).unwrap();
        assert!(fates.insert(name.clone(), fate).is_none(), "{name}");
    };
    for (k, Kind { ending, content, count, fate }) in kinds().into_iter().enumerate() {
        for i in 0..count {
            let dot = if ending.is_empty() { "" } else { "." };
            // In folders of different depth.
            let folder = ["", "2024/", "2024/июль/"][i % 3];
            put(format!("{folder}IMG_{k}_{i}{dot}{ending}"), &content, fate);
        }
    }
    // One name in two formats, and the name of what is written beside another's result.
    let png = fs::read(place.path("in/IMG_0_0.png")).unwrap();
    for i in 0..15 {
        for ending in ["png", "webp"] {
            put(format!("twice/{i}.{ending}"), &png, Fate::Translated);
        }
        put(format!("twice/{i}_png.png"), &png, Fate::Translated);
    }
    // Links to files that are there.
    for i in 0..45 {
        let name = format!("links/{i}.png");
        let (path, fate) =
            (place.file(&format!("in/{name}")), if cfg!(unix) { Fate::PassedOver } else { Fate::Translated });
        #[cfg(unix)]
        std::os::unix::fs::symlink(format!("../twice/{}.png", i % 15), path).unwrap();
        #[cfg(not(unix))]
        fs::write(path, &png).unwrap();
        fates.insert(name, fate);
    }
    fates
}

fn translate(place: &Place, more: &[&str]) -> Done {
    let model = checkpoint();
    let fixed = ["translate", "in", "-o", "out", "--device", "cpu", "--model", model.to_str().unwrap()];
    place.run(&[&fixed, more].concat())
}

#[test]
fn a_thousand_files_are_all_accounted_for() {
    let place = Place::new();
    let mut fates = make(&place);
    assert_eq!(fates.len(), 1000);
    // Of a file and links to it, the one that is met first is translated.
    let count = |fates: &BTreeMap<String, Fate>, fate| fates.values().filter(|f| **f == fate).count();
    let [translated, failed, passed_over] =
        [Fate::Translated, Fate::Failed, Fate::PassedOver].map(|fate| count(&fates, fate));
    assert_eq!(translated + failed + passed_over, 1000);

    let done = translate(&place, &["--json"]);
    assert_eq!((done.code, done.err.as_str()), (1, ""));
    let events: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, events) = events.split_last().unwrap();
    assert_eq!(summary["event"], "summary");
    for (key, expected) in [("translated", translated), ("failed", failed), ("passed_over", passed_over)] {
        assert_eq!(summary[key], expected, "{key}: {summary}");
    }
    let mut outputs = vec![];
    for event in events.iter().filter(|event| event["event"] != "remark") {
        let name = event["input"].as_str().unwrap().replace('\\', "/");
        let name = name.strip_prefix("in/").unwrap();
        let fate = match event["event"].as_str().unwrap() {
            "translated" => Fate::Translated,
            "failed" => Fate::Failed,
            "passed_over" => Fate::PassedOver,
            other => panic!("{other}"),
        };
        let expected = fates.remove(name).unwrap_or_else(|| panic!("{name} is told of twice"));
        // A link may be met before what it leads to.
        let linked = name.starts_with("links/") || name.starts_with("twice/");
        assert!(fate == expected || linked, "{event}");
        if let Some(output) = event["output"].as_str() {
            assert!(place.path(output).is_file(), "{event}");
            outputs.push(output.to_owned());
        }
    }
    assert!(fates.is_empty(), "nothing is said of {fates:?}");
    outputs.sort();
    let before = outputs.len();
    outputs.dedup();
    assert_eq!((outputs.len(), before, place.files("out").len()), (translated, translated, translated));
    let remarks = events.iter().filter(|event| event["event"] == "remark").count();
    assert_eq!(remarks, 20, "the dark ones");

    // The same for people.
    fs::remove_dir_all(place.path("out")).unwrap();
    let done = translate(&place, &[]);
    assert_eq!(done.code, 1);
    let counts = format!("{translated} translated, {failed} failed, {passed_over} passed over in ");
    assert!(done.out.lines().last().unwrap().starts_with(&counts), "{counts}: {}", done.out);
    let lines = |text: &str| done.err.lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines(".HEIC: passed over: it is a picture of the kind HEIC"), 40);
    assert_eq!(lines(".avif: passed over: it is a picture of the kind AVIF"), 20);
    assert_eq!(lines("passed over"), 40 + 20 + 20 + 1);
    assert!(done.err.contains("passed over too: "), "{}", done.err);
    for part in ["40 .txt", "40 .xmp", "10 without an ending"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    assert_eq!(lines("a part in 16 of their range"), 20);
    assert_eq!(done.err.lines().count(), failed + 40 + 20 + 20 + 1 + 20);
}

#[test]
fn a_folder_of_other_kinds_says_what_to_do() {
    let place = Place::new();
    fs::write(place.file("in/IMG_1.HEIC"), "").unwrap();
    fs::write(place.file("in/IMG_2.MOV"), "").unwrap();
    let done = translate(&place, &[]);
    assert_eq!(done.code, 1);
    for part in
        ["IMG_1.HEIC: passed over", "Most Compatible", "1 .mov", "in: the folder holds no pictures that"]
    {
        assert!(done.err.contains(part), "{part}: {done:?}");
    }
    assert!(done.out.contains("0 translated, 1 failed, 2 passed over"), "{done:?}");
    // With one that is read it is no failure.
    place.picture("in/a.png", 8, 8);
    let done = translate(&place, &[]);
    assert!(done.code == 0 && done.out.contains("1 translated, 2 passed over"), "{done:?}");
    // A pattern that a shell has not expanded.
    let model = checkpoint();
    let done = place.run(&[
        "translate",
        "in/*",
        "-o",
        "out2",
        "--device",
        "cpu",
        "--model",
        model.to_str().unwrap(),
    ]);
    assert!(done.out.contains("1 translated, 2 passed over"), "{done:?}");
}
