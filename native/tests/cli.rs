//! The program as a person or a script meets it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use std::fs;

use common::{Place, translate};
use image::{ImageFormat, RgbaImage};

#[test]
fn folders_keep_names_and_places() {
    let place = Place::new();
    place.picture("in/a.jpg", 20, 12);
    place.picture("in/sub/deep/b.png", 9, 33);
    place.picture("in/c.webp", 8, 8);
    place.picture("in/d.bmp", 16, 16);
    place.picture("in/e.gif", 16, 16);
    fs::write(place.path("in/notes.txt"), "not a picture").unwrap();
    let done = translate(&place, &["in", "-o", "out"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(place.files("out"), ["a.png", "c.png", "d.png", "e.png", "sub/deep/b.png"]);
    assert_eq!((place.size("out/a.png"), place.size("out/sub/deep/b.png")), ((20, 12), (9, 33)));
    assert!(done.out.contains("5 translated"), "{done:?}");

    let done = translate(&place, &["in", "-o", "flat", "--recursive=false"]);
    assert_eq!((done.code, place.files("flat").len()), (0, 4));
}

#[test]
fn results_within_the_input_folder_are_not_translated_again() {
    let place = Place::new();
    place.picture("a.png", 8, 8);
    for force in [&[][..], &["--force"][..]] {
        let done = translate(&place, &[&[".", "-o", "out"][..], force].concat());
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(place.files("out"), ["a.png"]);
    }
}

#[test]
fn shards_share_out_all_pictures_and_what_is_missing_is_made() {
    let place = Place::new();
    for i in 0..7 {
        place.picture(&format!("in/{i}.png"), 8 + i, 8);
    }
    fs::write(place.path("in/broken.png"), b"no picture").unwrap();
    fs::write(place.path("in/notes.txt"), "not a picture").unwrap();
    let mut total = [0; 3];
    for shard in ["1/3", "2/3", "3/3"] {
        let done = translate(&place, &["in", "-o", "out", "--shard", shard, "--json"]);
        let summary: serde_json::Value = serde_json::from_str(done.out.lines().last().unwrap()).unwrap();
        for (sum, key) in total.iter_mut().zip(["translated", "failed", "passed_over"]) {
            *sum += summary[key].as_u64().unwrap();
        }
    }
    // Each exactly once: a second time would have failed, since the result is there.
    assert_eq!(total, [7, 1, 1]);
    assert_eq!(place.files("out"), (0..7).map(|i| format!("{i}.png")).collect::<Vec<_>>());

    // What somebody lost, and a picture that is whole now.
    fs::remove_file(place.path("out/3.png")).unwrap();
    fs::remove_file(place.path("in/broken.png")).unwrap();
    place.picture("in/broken.png", 8, 8);
    let kept = fs::metadata(place.path("out/2.png")).unwrap().modified().unwrap();
    let done = translate(&place, &["in", "-o", "out", "--missing"]);
    assert!(done.code == 0 && done.out.contains("2 translated, 6 there already, 1 passed over"), "{done:?}");
    assert_eq!(fs::metadata(place.path("out/2.png")).unwrap().modified().unwrap(), kept);
    // Asked for more: what is there does not have all of it.
    let done = translate(&place, &["in", "-o", "out", "--missing", "--attention", "--shard", "1/2"]);
    assert!(done.code == 0 && done.out.contains("4 translated"), "{done:?}");
    let done = translate(&place, &["in", "-o", "out", "--missing", "--attention"]);
    assert!(done.code == 0 && done.out.contains("4 translated, 4 there already"), "{done:?}");

    let done = translate(&place, &["in", "-o", "out", "--shard", "4/3"]);
    assert!(done.code == 2 && done.err.contains("use I/N with I from 1 to N"), "{done:?}");
    let done = translate(&place, &["in", "-o", "out", "--missing", "--force"]);
    assert_eq!(done.code, 2, "{done:?}");
}

#[test]
fn patterns_work_without_a_shell() {
    let place = Place::new();
    place.picture("in/a1.jpg", 8, 8);
    place.picture("in/a2.jpg", 8, 8);
    place.picture("in/sub/a3.jpg", 8, 8);
    place.picture("in/b.jpg", 8, 8);
    let done = translate(&place, &["in/a*.jpg", "in/**/a3.jpg", "-o", "out"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(place.files("out"), ["a1.png", "a2.png", "sub/a3.png"]);
    let done = translate(&place, &["in/z*.jpg", "-o", "out2"]);
    assert!(done.code == 1 && done.err.contains("no picture matches"), "{done:?}");
}

#[test]
fn a_single_picture_may_name_its_result() {
    let place = Place::new();
    place.picture("a.png", 12, 8);
    for (name, format) in
        [("r.jpg", ImageFormat::Jpeg), ("new/r.webp", ImageFormat::WebP), ("r.png", ImageFormat::Png)]
    {
        let done = translate(&place, &["a.png", "-o", name]);
        assert_eq!(done.code, 0, "{done:?}");
        let bytes = fs::read(place.path(name)).unwrap();
        assert_eq!(image::guess_format(&bytes).unwrap(), format);
    }
    place.picture("b.png", 8, 8);
    let wrong: [&[&str]; 5] = [
        &["a.png", "b.png", "-o", "r2.png"],
        &["a.png", "-o", "r2.gif"],
        &["a.png", "-o", "r2.png", "--format", "jpg"],
        &["a.png", "-o", "r2.png", "--size", "3"],
        &["a.png", "-o", "r2.png", "--colour"],
    ];
    for arguments in wrong {
        let done = translate(&place, arguments);
        assert_eq!(done.code, 2, "{done:?}");
        assert!(!place.path("r2.png").exists() && !place.path("r2.gif").exists());
    }
}

#[test]
fn formats_and_quality_are_obeyed() {
    let place = Place::new();
    place.picture("a.png", 64, 64);
    let mut lengths = vec![];
    for quality in ["5", "95"] {
        let done =
            translate(&place, &["a.png", "-o", "out", "--format", "jpg", "--quality", quality, "--force"]);
        assert_eq!(done.code, 0, "{done:?}");
        lengths.push(fs::metadata(place.path("out/a.jpg")).unwrap().len());
    }
    assert!(lengths[0] < lengths[1]);
}

#[test]
fn nothing_is_replaced_unasked() {
    let place = Place::new();
    place.picture("in/a.jpg", 8, 8);
    place.picture("in/b.jpg", 8, 8);
    fs::create_dir(place.path("out")).unwrap();
    fs::write(place.path("out/a.png"), "mine").unwrap();
    let done = translate(&place, &["in", "-o", "out"]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("a.jpg") && done.err.contains("--force"), "{done:?}");
    assert_eq!(fs::read(place.path("out/a.png")).unwrap(), b"mine");
    assert_eq!(place.size("out/b.png"), (8, 8));
    let done = translate(&place, &["in", "-o", "out", "--force"]);
    assert_eq!((done.code, place.size("out/a.png")), (0, (8, 8)));
}

#[test]
fn an_input_is_never_written_over() {
    let place = Place::new();
    place.picture("a.png", 8, 8);
    let before = fs::read(place.path("a.png")).unwrap();
    for arguments in [["a.png", "-o", ".", "--force"], ["a.png", "-o", "a.png", "--force"]] {
        let done = translate(&place, &arguments);
        assert!(done.code == 1 && done.err.contains("replace an input"), "{done:?}");
        assert_eq!(fs::read(place.path("a.png")).unwrap(), before);
    }
}

#[test]
fn results_of_one_name_are_told_apart() {
    let place = Place::new();
    place.picture("in/a.jpg", 8, 8);
    place.picture("in/a.png", 12, 8);
    let done = translate(&place, &["in", "-o", "out"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(place.files("out"), ["a_jpg.png", "a_png.png"]);

    place.picture("other/a.jpg", 8, 8);
    let done = translate(&place, &["in/a.jpg", "other/a.jpg", "-o", "out2"]);
    assert_eq!(
        (done.code, place.files("out2")),
        (0, vec!["a_jpg-2.png".into(), "a_jpg.png".into()]),
        "{done:?}"
    );

    // Names that are one on Windows and macOS, and pictures that are named like what is written beside others.
    place.picture("case/IMG_1.JPG", 8, 8);
    place.picture("case/other.jpg", 8, 8);
    if cfg!(target_os = "linux") {
        place.picture("case/img_1.jpg", 8, 8);
    }
    let done = translate(&place, &["case", "-o", "out3"]);
    let expected = if cfg!(target_os = "linux") { 3 } else { 2 };
    assert_eq!((done.code, place.files("out3").len()), (0, expected), "{done:?}");
    for name in ["x.png", "x_attention.png", "x_sheet.png"] {
        place.picture(&format!("results/{name}"), 8, 8);
    }
    let done = translate(&place, &["results", "-o", "out4", "--attention", "--sheet"]);
    assert_eq!((done.code, place.files("out4").len()), (0, 9), "{done:?}");
    assert!(place.files("out4").contains(&"x_sheet-2.png".into()), "{done:?}");
}

#[test]
fn what_is_not_there_is_told_of_by_its_name() {
    let place = Place::new();
    let done = translate(&place, &["nothere.jpg", "-o", "out/one.png"]);
    assert!(done.code == 1 && done.err.contains("nothere.jpg"), "{done:?}");
    // After `--` nothing is an option, whose underscores would be hyphens.
    let done = translate(&place, &["-o", "out/one.png", "--", "--a_b.jpg"]);
    assert!(done.code == 1 && done.err.contains("--a_b.jpg"), "{done:?}");
    let many = translate(&place, &["*.jpg", "-o", "out/one.png"]);
    assert!(many.code == 2 && many.err.contains("name a folder"), "{many:?}");
}

#[test]
fn a_broken_picture_does_not_stop_the_others() {
    let place = Place::new();
    place.picture("in/a.png", 8, 8);
    place.picture("in/z.jpg", 40, 40);
    fs::write(place.path("in/empty.jpg"), "").unwrap();
    fs::write(place.path("in/text.png"), "hello").unwrap();
    let whole = fs::read(place.path("in/z.jpg")).unwrap();
    fs::write(place.path("in/cut.jpg"), &whole[..whole.len() / 2]).unwrap();
    // A PNG under the name of a JPEG is a picture all the same.
    fs::copy(place.path("in/a.png"), place.path("in/misnamed.jpg")).unwrap();
    let done = translate(&place, &["in", "missing.png", "-o", "out"]);
    assert_eq!(done.code, 1);
    assert_eq!(place.files("out"), ["a.png", "misnamed.png", "z.png"]);
    for said in ["empty.jpg: the file is empty", "text.png: it is no picture", "cut.jpg: ", "missing.png: "] {
        assert!(done.err.contains(said), "{said}: {done:?}");
    }
    assert!(done.out.contains("3 translated, 4 failed"), "{done:?}");
}

#[test]
fn large_pictures_are_cut_into_tiles_where_asked() {
    let place = Place::new();
    place.picture("in/large.png", 430, 200);
    place.picture("in/small.png", 60, 40);
    let done = translate(&place, &["in", "-o", "tiled", "--tile", "200", "--json", "--attention"]);
    assert_eq!(done.code, 0, "{done:?}");
    let lines: Vec<serde_json::Value> =
        done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| lines.iter().find(|line| line["input"].as_str().is_some_and(|i| i.contains(name)));
    assert_eq!(of("large").unwrap()["tiles"], 4, "{done:?}");
    assert!(of("small").unwrap().get("tiles").is_none(), "{done:?}");
    for name in ["tiled/large.png", "tiled/large_attention.png"] {
        assert_eq!(place.size(name), (430, 200));
    }
    // Resized first, as without tiles.
    let size = ["--size", "420x210", "--fit", "pad", "--tile=200"];
    let done = translate(&place, &[&["in/large.png", "-o", "resized.png"][..], &size].concat());
    assert_eq!((done.code, place.size("resized.png")), (0, (420, 195)), "{done:?}");
    assert!(done.out.contains("in 4 tiles"), "{done:?}");

    let done = translate(&place, &["in", "-o", "whole", "--tile", "off"]);
    assert!(done.code == 0 && !done.out.contains("tiles"), "{done:?}");
    for (wrong, told) in [("many", "use auto, off, or"), ("100", "use 192 or more")] {
        let done = translate(&place, &["in", "-o", "wrong", "--tile", wrong]);
        assert!(done.code == 2 && done.err.contains(told), "{done:?}");
    }
}

#[test]
fn programs_get_json() {
    let place = Place::new();
    place.picture("in/a.png", 8, 8);
    fs::write(place.path("in/b.png"), "").unwrap();
    let done = translate(&place, &["in", "-o", "out", "--json", "--sheet"]);
    assert_eq!((done.code, done.err.as_str()), (1, ""));
    let lines: Vec<serde_json::Value> =
        done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str| lines.iter().find(|line| line["event"] == event).unwrap();
    assert_eq!((of("translated")["width"].as_u64(), lines.len()), (Some(8), 3));
    assert!(of("translated")["sheet"].as_str().unwrap().ends_with("a_sheet.png"));
    assert!(of("failed")["error"].as_str().unwrap().contains("empty"));
    let last = lines.last().unwrap();
    assert_eq!((last["event"].as_str(), last["failed"].as_u64()), (Some("summary"), Some(1)));
}

/// Every picture has a line of JSON, whatever its name.
#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_has_its_line_too() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    place.picture("in/a.png", 8, 8);
    let strange = place.path("in").join(OsStr::from_bytes(b"strange\xff.png"));
    fs::copy(place.path("in/a.png"), &strange).unwrap();
    fs::write(place.path("in").join(OsStr::from_bytes(b"broken\xff.png")), "no picture").unwrap();
    let done = translate(&place, &["in", "-o", "out", "--json"]);
    let events: Vec<serde_json::Value> =
        done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((done.code, events.len(), done.err.as_str()), (1, 4, ""), "{done:?}");
    let named = |event: &str, name: &str| {
        events.iter().any(|e| e["event"] == event && e["input"].as_str().is_some_and(|p| p.ends_with(name)))
    };
    assert!(named("translated", "strange\u{fffd}.png") && named("failed", "broken\u{fffd}.png"), "{done:?}");
}

#[cfg(unix)]
#[test]
fn linked_folders_are_looked_into_once() {
    let place = Place::new();
    place.picture("in/own/a.png", 8, 8);
    place.picture("elsewhere/b.png", 8, 8);
    for (to, at) in [("../elsewhere", "in/link"), ("..", "in/own/round"), ("own", "in/again")] {
        std::os::unix::fs::symlink(to, place.path(at)).unwrap();
    }
    let done = translate(&place, &["in", "-o", "out"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(place.files("out"), ["link/b.png", "own/a.png"]);
}

#[test]
fn attention_and_sheet_lie_beside_the_result() {
    let place = Place::new();
    place.picture("a.jpg", 24, 16);
    let done = translate(&place, &["a.jpg", "-o", "out", "--attention", "--sheet", "--format", "webp"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(place.files("out"), ["a.webp", "a_attention.png", "a_sheet.png"]);
    assert_eq!((place.size("out/a_attention.png"), place.size("out/a_sheet.png")), ((24, 16), (72, 16)));
}

#[test]
fn opacity_is_kept() {
    let place = Place::new();
    let image = RgbaImage::from_fn(16, 8, |x, _| image::Rgba([200, 0, 0, (x * 16) as u8]));
    image.save(place.path("a.png")).unwrap();
    let done = translate(&place, &["a.png", "-o", "out"]);
    assert_eq!(done.code, 0, "{done:?}");
    let result = image::open(place.path("out/a.png")).unwrap().into_rgba8();
    assert!(result.pixels().zip(image.pixels()).all(|(a, b)| a.0[3] == b.0[3]));
    let done = translate(&place, &["a.png", "-o", "out", "--format", "jpg"]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn sizes_and_fits_are_obeyed() {
    let place = Place::new();
    place.picture("a.png", 40, 20);
    for (fit, size) in [("stretch", (32, 32)), ("crop", (32, 32)), ("pad", (32, 16))] {
        let done = translate(&place, &["a.png", "-o", "out", "--size", "32", "--fit", fit, "--force"]);
        assert_eq!((done.code, place.size("out/a.png")), (0, size), "{done:?}");
    }
}

#[test]
fn an_output_that_cannot_be_is_refused_at_once() {
    let place = Place::new();
    place.picture("a.png", 8, 8);
    fs::write(place.path("file"), "").unwrap();
    let done = translate(&place, &["a.png", "-o", "file/out"]);
    assert!(done.code == 1 && done.err.contains("cannot be made"), "{done:?}");
    let done = translate(&place, &["a.png", "-o", "file"]);
    assert!(done.code == 2 && done.err.contains("is a file"), "{done:?}");
}
