//! Generators of other programs, read from files that those programs wrote, against what they compute: the
//! authors' own in TensorFlow, and photo2cartoon.
#![cfg(feature = "pytorch")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

mod support;

use std::path::PathBuf;

use support::golden::{Check, File, folder};
use ugatit::io::{ImportOptions, Model, Picture, checkpoint_directions, read_checkpoint};
use ugatit::model::{Dialect, Direction, Generator};
use ugatit::translate::{Device, PictureOptions, TileOptions, Translator, prepare};

/// A fixture: the results, and the weights as the program saves them.
struct Case {
    file: File,
    weights: PathBuf,
}

/// The fixtures of a folder.
fn cases(program: &str, ending: &str) -> Vec<Case> {
    let folder = folder().join(program);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "safetensors"));
    paths.sort();
    assert!(!paths.is_empty(), "no fixtures in {}", folder.display());
    paths.iter().map(|path| Case { file: File::read(path), weights: path.with_extension(ending) }).collect()
}

/// The generator builds what the program computes, on every engine.
fn check(case: &Case, model: &Model, tolerance: impl Fn(&str) -> f64) {
    let direction = model.direction;
    let mut check = Check::new(format!("{} {direction}", case.file.name));
    let x = check.input("x", case.file.tensor(&format!("{direction}/x")));
    let generator = Generator::build(&mut check.graph, &model.config, "", x).unwrap();
    check.feed.extend(model.tensors.iter().map(|(key, tensor)| (key.clone(), tensor.clone())));
    let attention = [("cam_logit", generator.cam_logit), ("heatmap", generator.heatmap)];
    let attention = attention.map(|(name, node)| (name, node.unwrap()));
    for (name, node) in [("image", generator.image)].into_iter().chain(attention) {
        let value = case.file.tensor(&format!("{direction}/{name}"));
        check.expect(name, node, value, tolerance(name));
    }
    check.run();
}

/// How far TensorFlow's own results in `f32` are off from the same network in `f64`, of the largest value:
/// four times the most of it over all fixtures, measured with the `f64` executor.
fn tensorflow_tolerance(name: &str) -> f64 {
    4.0 * match name {
        "image" => 1.6e-5,
        "cam_logit" => 1.9e-6,
        _ => 1.4e-6,
    }
}

#[test]
fn tensorflow() {
    let mut networks = 0;
    for case in cases("tf", "") {
        let options = ImportOptions {
            img_size: Some(case.file.field("img_size")),
            smoothing: Some(case.file.field("smoothing")),
            ..ImportOptions::default()
        };
        assert_eq!(checkpoint_directions(&case.weights).unwrap(), Direction::BOTH);
        for model in read_checkpoint(&case.weights, None, &options).unwrap() {
            assert_eq!(model.config.dialect, Dialect::Tensorflow);
            assert_eq!(model.config.ch, case.file.field::<usize>("ch"));
            assert_eq!(model.config.light, case.file.field::<bool>("light"));
            assert_eq!(model.config.img_size, case.file.field::<usize>("img_size"));
            check(&case, &model, tensorflow_tolerance);
            pictures(&case, model);
            networks += 1;
        }
    }
    println!("{networks} networks of TensorFlow");
}

/// The picture that comes out is that of the program, within 1 of 255: as it makes bytes of what it computes.
fn pictures(case: &Case, model: Model) {
    let direction = model.direction;
    let [x, theirs] = ["x", "image"].map(|name| case.file.tensor(&format!("{direction}/{name}")));
    let [_, _, height, width] = x.shape().nchw().unwrap();
    let config = model.config;
    let mut translator = pollster::block_on(Translator::new(Device::Cpu, model)).unwrap();
    let mut translation = pollster::block_on(translator.run(x)).unwrap();
    let source = Picture::new(width, height, 3, vec![128; 3 * width * height]).unwrap();
    let prepared = prepare(&config, &source, &PictureOptions::default()).unwrap();
    let ours = prepared.picture(&translation).unwrap();
    translation.image = theirs.clone();
    let exact = prepared.picture(&translation).unwrap();
    let planes = theirs.data().chunks(width * height).collect::<Vec<_>>();
    for (i, (&ours, &exact)) in ours.pixels.iter().zip(&exact.pixels).enumerate() {
        assert_eq!(exact, ((planes[i % 3][i / 3] + 1.0) / 2.0 * 255.0).floor() as u8);
        assert!(ours.abs_diff(exact) <= 1, "{} {direction}: byte {i} is {ours}, not {exact}", case.file.name);
    }
}

#[test]
fn photo2cartoon() {
    for case in cases("p2c", "pt") {
        let options =
            ImportOptions { img_size: Some(case.file.field("img_size")), ..ImportOptions::default() };
        let models = read_checkpoint(&case.weights, Some(Direction::A2B), &options).unwrap();
        let [model] = models.as_slice() else { panic!("{} models", models.len()) };
        assert_eq!((model.config.dialect, model.direction), (Dialect::Photo2cartoon, Direction::A2B));
        assert_eq!(model.config.ch, case.file.field::<usize>("ngf"));
        // PyTorch's own drift, and that the factors of Soft-AdaLIN are rounded once more here.
        let drift: f64 = case.file.field("f32_drift");
        check(&case, model, |_| 4.0 * drift);
    }
}

/// A picture with opacity is laid on white, and the result is as opaque.
#[test]
fn photo2cartoon_takes_opacity() {
    let case = cases("p2c", "pt").remove(0);
    let size: usize = case.file.field("img_size");
    let options = ImportOptions { img_size: Some(size), ..ImportOptions::default() };
    let model = read_checkpoint(&case.weights, Some(Direction::A2B), &options).unwrap().remove(0);
    let config = model.config;
    // As large as it wants, whatever the model's size is; opaque in one half.
    let (width, height) = (2 * size + 6, size + 10);
    let picture = |on_white: bool| {
        let shade = |i: usize| if on_white && i / 3 % width < width / 2 { 255 } else { (i * 7 % 251) as u8 };
        Picture::new(width, height, 3, (0..3 * width * height).map(shade).collect()).unwrap()
    };
    let alpha = (0..width * height).map(|i| if i % width < width / 2 { 0 } else { 255 }).collect::<Vec<u8>>();
    let cut = Picture { alpha: Some(alpha), ..picture(false) };
    for size in ["native", "64x96"] {
        let options = PictureOptions { size: size.parse().unwrap(), ..PictureOptions::default() };
        let [cut, white] = [&cut, &picture(true)].map(|picture| prepare(&config, picture, &options).unwrap());
        let expected = if size == "native" { [config.img_size; 2] } else { [96, 64] };
        assert_eq!(cut.tensor.shape().dims()[2..], expected);
        // Where both are resampled they differ along the edge.
        let (worst, off) =
            cut.tensor.data().iter().zip(white.tensor.data()).fold((0.0_f32, 0), |(worst, off), (a, b)| {
                let d = (a - b).abs();
                (worst.max(d), off + usize::from(d > 0.02))
            });
        assert!(off < cut.tensor.data().len() / 8, "{size}: {off} values differ, by {worst} at most");
        let mut translator = pollster::block_on(Translator::new(Device::Cpu, model.clone())).unwrap();
        let translation = pollster::block_on(translator.run(&cut.tensor)).unwrap();
        let result = cut.picture(&translation).unwrap();
        let alpha = result.alpha.unwrap();
        assert_eq!((alpha[0], alpha[alpha.len() - 1]), (0, 255));
        assert_eq!(white.picture(&translation).unwrap().alpha, None);
    }
    assert!(config.check_size(48, 40).unwrap_err().to_string().contains("multiple of 16"));
    let translator = pollster::block_on(Translator::new(Device::Cpu, model)).unwrap();
    let options = TileOptions::default();
    let tiles = pollster::block_on(translator.survey(&cut, width, height, &options, &mut ()));
    assert!(tiles.unwrap_err().to_string().contains("tiles"));
}
