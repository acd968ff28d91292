//! Measures of pictures and features, against scikit-image and NumPy (`tests/eval/reference.py`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use ugatit::eval::{
    Histogram, KidOptions, L1_TO_BYTES, SheetLayout, Summary, contact_sheet, kid, l1, psnr, ssim,
};
use ugatit::io::{Picture, decode_features, read_features};
use ugatit::{Error, Tensor};

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/eval").join(name)
}

fn reference() -> Value {
    serde_json::from_slice(&std::fs::read(place("reference.json")).unwrap()).unwrap()
}

fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap_or_else(|| panic!("{key} of {case}"))
}

fn size(case: &Value, key: &str) -> usize {
    case[key].as_u64().unwrap() as usize
}

fn near(what: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-11 * expected.abs().max(1.0), "{what}: {found}, not {expected}");
}

/// The two pictures of `reference.py`'s formula.
fn pictures(width: usize, height: usize, channels: usize, strength: f64) -> [Picture; 2] {
    let place = |i: usize| (i / channels % width, i / channels / width, i % channels);
    let a = |i: usize| {
        let (x, y, c) = place(i);
        (x * 7 + y * 5 * (c + 1) + (x * y) % 13 * 9) % 256
    };
    let b = |i: usize| {
        let (x, y, c) = place(i);
        let noise = ((x * 31 + y * 17 + c * 11 + x * x * y) % 41) as f64 - 20.0;
        (a(i) as f64 + noise * strength) as u8
    };
    let all = 0..width * height * channels;
    [all.clone().map(|i| a(i) as u8).collect(), all.map(b).collect()]
        .map(|pixels| Picture::new(width, height, channels, pixels).unwrap())
}

#[test]
fn similarity_is_that_of_scikit_image() {
    let reference = reference();
    let cases = reference["pictures"].as_array().unwrap();
    assert!(cases.len() >= 5);
    for case in cases {
        let channels = size(case, "channels");
        let [a, b] = pictures(size(case, "width"), size(case, "height"), channels, number(case, "strength"));
        near("PSNR", psnr(&a, &b).unwrap(), number(case, "psnr"));
        near("SSIM", ssim(&a, &b).unwrap(), number(case, "ssim"));
        near("SSIM", ssim(&b, &a).unwrap(), number(case, "ssim"));
        // Through tensors in f32.
        let distance = l1(&a.to_tensor().unwrap(), &b.to_tensor().unwrap()).unwrap() * L1_TO_BYTES;
        assert!((distance - number(case, "l1_255")).abs() < 1e-5, "{distance} in {case}");
    }
}

#[test]
fn equal_pictures_are_as_near_as_can_be() {
    let [a, _] = pictures(20, 16, 3, 0.0);
    assert_eq!(psnr(&a, &a).unwrap(), f64::INFINITY);
    assert!((ssim(&a, &a).unwrap() - 1.0).abs() < 1e-12);
    let x = a.to_tensor().unwrap();
    assert_eq!(l1(&x, &x).unwrap(), 0.0);
    let white = Picture::new(16, 16, 3, vec![255; 768]).unwrap();
    let black = Picture::new(16, 16, 3, vec![0; 768]).unwrap();
    assert_eq!(psnr(&white, &black).unwrap(), 0.0);
    assert_eq!(l1(&white.to_tensor().unwrap(), &black.to_tensor().unwrap()).unwrap(), 2.0);
}

#[test]
fn pictures_that_do_not_fit_are_refused() {
    let [a, _] = pictures(20, 16, 3, 0.0);
    let [grey, _] = pictures(20, 16, 1, 0.0);
    let [turned, _] = pictures(16, 20, 3, 0.0);
    for other in [&grey, &turned] {
        assert!(matches!(psnr(&a, other), Err(Error::Shape(_))));
        assert!(matches!(ssim(&a, other), Err(Error::Shape(_))));
        assert!(matches!(l1(&a.to_tensor().unwrap(), &other.to_tensor().unwrap()), Err(Error::Shape(_))));
    }
    let [narrow, _] = pictures(10, 30, 3, 0.0);
    assert!(ssim(&narrow, &narrow).unwrap_err().to_string().contains("window of 11x11"));
    assert!(psnr(&narrow, &narrow).is_ok());
}

#[test]
fn the_kernel_distance_is_that_of_numpy() {
    let reference = reference();
    let generated = read_features(place("generated.npy")).unwrap();
    let real = read_features(place("real.npy")).unwrap();
    assert_eq!((generated.shape().dims(), real.shape().dims()), (&[24, 12][..], &[30, 12][..]));
    assert_eq!(read_features(place("real.safetensors")).unwrap(), real);
    for case in reference["kid"].as_array().unwrap() {
        let (subsets, subset_size) = (size(case, "subsets"), size(case, "subset_size"));
        let options = KidOptions { subsets, subset_size, seed: size(case, "seed") as u64 };
        let found = kid(&generated, &real, &options).unwrap();
        assert_eq!((found.subsets, found.subset_size), (subsets, subset_size.min(24)));
        near("mean", found.mean, number(case, "mean"));
        near("std", found.std, number(case, "std"));
    }
    // Both sets as a whole, once.
    let real = Tensor::new([24, 12], real.data()[..24 * 12].to_vec()).unwrap();
    let found = kid(&generated, &real, &KidOptions::default()).unwrap();
    assert_eq!((found.subsets, found.subset_size, found.std), (1, 24, 0.0));
    near("mean", found.mean, number(&reference["kid_same_size"], "mean"));
}

#[test]
fn many_features_go_over_several_threads() {
    // More rows than one thread takes; a set against itself, by the formula.
    let value = |i: usize| ((i * 7919) % 1009) as f64 / 1009.0 - 0.5;
    let x = Tensor::new([150, 9], (0..150 * 9).map(value).collect()).unwrap();
    let row = |i: usize| &x.data()[i * 9..][..9];
    let kernel = |i, j| {
        let product: f64 = row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum();
        (product / 9.0 + 1.0).powi(3)
    };
    let own: f64 = (0..150).map(|i| kernel(i, i)).sum();
    let all: f64 = (0..150 * 150).map(|i| kernel(i / 150, i % 150)).sum();
    let expected = 2.0 * (all - own) / (150.0 * 149.0) - 2.0 * all / (150.0 * 150.0);
    let found = kid(&x, &x, &KidOptions::default()).unwrap();
    assert!((found.mean - expected).abs() < 1e-12, "{found:?}, not {expected}");
}

#[test]
fn features_that_do_not_fit_are_refused() {
    let features = |rows, width| Tensor::new([rows, width], vec![1.0; rows * width]).unwrap();
    let options = KidOptions::default();
    let wide = kid(&features(3, 4), &features(3, 5), &options);
    assert!(wide.unwrap_err().to_string().contains("one network"));
    assert!(matches!(kid(&features(1, 4), &features(3, 4), &options), Err(Error::Config(_))));
    let none = KidOptions { subsets: 0, ..options };
    assert!(matches!(kid(&features(3, 4), &features(3, 4), &none), Err(Error::Config(_))));
    let flat = Tensor::new([4], vec![0.0; 4]).unwrap();
    assert!(matches!(kid(&flat, &features(3, 4), &options), Err(Error::Shape(_))));
}

#[test]
fn files_that_are_no_features_are_refused() {
    let safetensors = |header: &str, data: &[u8]| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    };
    let problem = |bytes: &[u8]| match decode_features("f", bytes) {
        Err(Error::Features { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    let one = |dtype: &str, shape: &str| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,8]}}}}"#)
    };
    assert!(problem(b"").contains("neither .npy nor .safetensors"));
    assert!(problem(b"not a file of features at all").contains("neither"));
    assert!(problem(&safetensors(&one("F32", "[2]"), &[0; 8])).contains("no tensor of two dimensions"));
    assert!(problem(&safetensors(&one("I64", "[1,1]"), &[0; 8])).contains("of type I64"));
    assert!(problem(&safetensors(&one("F32", "[2,1]"), &[255; 8])).contains("2 of its numbers are NaN"));
    let nothing = r#"{"a":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}}"#;
    assert!(problem(&safetensors(nothing, &[])).contains("holds nothing"));
    // The whole precision of F64 stays.
    let third = (1.0_f64 / 3.0).to_le_bytes();
    let read = decode_features("f", &safetensors(&one("F64", "[1,1]"), &third)).unwrap();
    assert_eq!(read.data(), [1.0 / 3.0]);
    let mut npy = std::fs::read(place("real.npy")).unwrap();
    npy.pop();
    assert!(problem(&npy).contains("cut off"));
}

#[test]
fn summaries_leave_infinity_out() {
    let summary = Summary::of(&[3.0, f64::INFINITY, 1.0, 8.0, 4.0]);
    assert_eq!((summary.count, summary.infinite, summary.mean, summary.median), (4, 1, 4.0, 3.5));
    assert_eq!((summary.min, summary.max, summary.std), (1.0, 8.0, 6.5_f64.sqrt()));
    assert_eq!(Summary::of(&[f64::INFINITY]), Summary { infinite: 1, ..Summary::default() });
    let counts = |values: &[f64]| Histogram::new(values, 0.0, 4.0, 4).counts;
    assert_eq!(counts(&[0.0, 0.9, 1.0, 4.0, 4.1, f64::INFINITY]), [2, 1, 0, 1]);
    assert_eq!(Histogram::new(&[2.0, 2.0], 2.0, 2.0, 3).counts, [2, 0, 0]);
}

#[test]
fn a_sheet_shows_groups_side_by_side() {
    let dot = |v: u8| Picture::new(1, 1, 1, vec![v]).unwrap();
    let layout = SheetLayout { columns: 2, scale: 2, gap: 4 };
    let sections =
        [vec![vec![dot(1), dot(2)], vec![dot(3), dot(4)], vec![dot(5), dot(6)]], vec![vec![dot(7)]]];
    let sheet = contact_sheet(&sections, &layout).unwrap();
    // Groups of 2 + 1 + 2 pixels with gaps of 4; three rows of 2, and 4 more between sections.
    assert_eq!((sheet.width, sheet.height, sheet.channels), (22, 26, 3));
    let at = |x: usize, y: usize| sheet.pixels[(y * 22 + x) * 3];
    assert_eq!([at(0, 0), at(4, 4), at(5, 5), at(6, 4), at(7, 4), at(13, 5)], [255, 1, 1, 255, 2, 3]);
    assert_eq!([at(4, 10), at(13, 10), at(4, 16), at(4, 20), at(5, 21)], [5, 255, 255, 7, 7]);

    assert!(matches!(contact_sheet(&[], &layout), Err(Error::Shape(_))));
    let uneven = vec![vec![dot(1), Picture::new(2, 1, 1, vec![0; 2]).unwrap()]];
    assert!(matches!(contact_sheet(&[uneven], &layout), Err(Error::Shape(_))));
    let none = SheetLayout { columns: 0, ..layout };
    assert!(matches!(contact_sheet(&sections, &none), Err(Error::Config(_))));
}
