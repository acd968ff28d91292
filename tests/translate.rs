//! The picture pipeline around a generator, on the CPU.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::BTreeMap;

use ugatit::gpu::Gpu;
use ugatit::graph::Arithmetic;
use ugatit::io::{Model, ModelMetadata, Picture};
use ugatit::model::{Direction, GeneratorConfig};
use ugatit::translate::{
    Device, Fit, Phase, PictureOptions, PictureSize, Translated, Translator, Watcher, memory_need, prepare,
};
use ugatit::{Error, Tensor};

mod support;

use support::random::weights;

fn model(light: bool, img_ch: usize) -> Model {
    let config = GeneratorConfig {
        ch: 2,
        n_res: 1,
        n_res_decoder: 1,
        img_size: 16,
        img_ch,
        light,
        ..GeneratorConfig::default()
    };
    let tensors = weights(&config, 7);
    Model::new(config, Direction::A2B, ModelMetadata::default(), tensors).unwrap()
}

fn picture(width: usize, height: usize) -> Picture {
    let pixels = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
    Picture { alpha: Some(vec![9; width * height]), ..Picture::new(width, height, 3, pixels).unwrap() }
}

fn translate(model: Model, picture: &Picture, options: &PictureOptions) -> ugatit::Result<Translated> {
    pollster::block_on(async {
        let mut translator = Translator::new(Device::Cpu, model).await?;
        let prepared = prepare(translator.config(), picture, options)?;
        let translation = translator.run(&prepared.tensor).await?;
        prepared.finish(&translation)
    })
}

fn exact(width: usize, height: usize, fit: Fit) -> PictureOptions {
    PictureOptions { size: PictureSize::Exact { width, height }, fit }
}

/// What is traded for speed: an error of 1e-5 of the largest output in each of 40 convolutions (see
/// `src/cpu/winograd.rs`), after each of which a normalisation brings the scale back to 1. If all
/// pointed one way, that would be 4e-4 of the range of a picture, 0.1 of 255: a pixel is rounded
/// to the same value, or to the one beside it.
#[test]
fn fast_pictures_are_the_exact_ones_but_for_rounding() {
    let config = GeneratorConfig { ch: 32, img_size: 96, ..GeneratorConfig::default() };
    let model = || Model::new(config, Direction::A2B, ModelMetadata::default(), weights(&config, 7)).unwrap();
    let source = picture(96, 88);
    let [exact, fast] = [Arithmetic::Exact, Arithmetic::Fast].map(|arithmetic| {
        pollster::block_on(async {
            let mut translator =
                Translator::new(Device::Cpu, model()).await.unwrap().with_arithmetic(arithmetic);
            translator.run(&source.to_tensor().unwrap()).await.unwrap()
        })
    });
    assert_ne!(fast.image, exact.image, "no convolution was computed by another algorithm");
    let maps = [&fast, &exact].map(|translation| translation.heatmap.as_ref().unwrap());
    for (fast, exact) in [(&fast.image, &exact.image), (maps[0], maps[1])] {
        let largest = exact.data().iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        for (a, b) in fast.data().iter().zip(exact.data()) {
            assert!((a - b).abs() < 4e-4 * largest, "{a} is not {b} of {largest}");
        }
    }
    let [fast, exact] = [fast, exact].map(|t| Picture::from_tensor(&t.image, 0).unwrap().pixels);
    assert!(fast.iter().zip(&exact).all(|(a, b)| a.abs_diff(*b) <= 1));
}

#[test]
fn a_light_model_keeps_any_size() {
    for (width, height) in [(16, 16), (33, 18), (1, 1), (3, 40), (7, 9)] {
        let source = picture(width, height);
        let done = translate(model(true, 3), &source, &PictureOptions::default()).unwrap();
        for part in [&done.picture, done.attention.as_ref().unwrap(), &done.source] {
            assert_eq!((part.width, part.height), (width, height));
            assert_eq!(part.alpha, source.alpha);
        }
        let sheet = done.sheet().unwrap();
        assert_eq!((sheet.width, sheet.height, sheet.alpha), (3 * width, height, None));
    }
}

/// The tensor of a picture at the model's size is the picture, and nothing else.
#[test]
fn nothing_is_resampled_at_the_models_size() {
    let source = picture(16, 16);
    for (light, options) in [
        (true, PictureOptions::default()),
        (false, PictureOptions::default()),
        (true, exact(16, 16, Fit::Stretch)),
        (true, exact(16, 16, Fit::Crop)),
        (true, exact(16, 16, Fit::Pad)),
    ] {
        let prepared = prepare(&model(light, 3).config, &source, &options).unwrap();
        assert!(prepared.tensor == source.to_tensor().unwrap());
    }
}

#[test]
fn fits_give_the_sizes_that_they_promise() {
    let source = picture(40, 20);
    for (fit, size) in [(Fit::Stretch, (16, 16)), (Fit::Crop, (16, 16)), (Fit::Pad, (16, 8))] {
        for light in [true, false] {
            let done = translate(model(light, 3), &source, &exact(16, 16, fit)).unwrap();
            assert_eq!((done.picture.width, done.picture.height), size, "{fit:?}");
        }
    }
    let done = translate(model(true, 3), &source, &exact(18, 13, Fit::Stretch)).unwrap();
    assert_eq!((done.picture.width, done.picture.height), (18, 13));
}

#[test]
fn a_crop_is_the_middle() {
    let mut source = Picture::new(48, 16, 3, vec![0; 48 * 16 * 3]).unwrap();
    for y in 0..16 {
        for x in 16..32 {
            source.pixels[(y * 48 + x) * 3..][..3].fill(255);
        }
    }
    let prepared = prepare(&model(false, 3).config, &source, &exact(16, 16, Fit::Crop)).unwrap();
    assert!(prepared.tensor.data().iter().all(|&v| v == 1.0));
}

#[test]
fn a_full_model_takes_its_size_only() {
    let refused = translate(model(false, 3), &picture(40, 20), &exact(32, 32, Fit::Stretch));
    assert!(matches!(refused, Err(Error::Config(_))));
}

#[test]
fn a_grey_model_takes_colours() {
    let done = translate(model(true, 1), &picture(16, 12), &PictureOptions::default()).unwrap();
    assert_eq!((done.picture.channels, done.source.channels), (1, 3));
    assert_eq!(done.sheet().unwrap().channels, 3);
    let refused = translate(model(true, 5), &picture(16, 12), &PictureOptions::default());
    assert!(refused.unwrap_err().to_string().contains("5 channels"));
}

/// Keeps what it is told and stops at a report.
#[derive(Default)]
struct Notes {
    reports: Vec<(Phase, usize, usize)>,
    stop_at: Option<usize>,
}

impl Watcher for Notes {
    async fn report(&mut self, phase: Phase, done: usize, total: usize) -> ugatit::Result<()> {
        self.reports.push((phase, done, total));
        if self.stop_at == Some(self.reports.len()) { Err(Error::Aborted) } else { Ok(()) }
    }
}

#[test]
fn a_watcher_sees_every_phase_and_can_stop_it() {
    let gpu = pollster::block_on(Gpu::open(&support::adapter::any())).unwrap();
    let x = picture(12, 8).to_tensor().unwrap();
    for (device, phases) in
        [(Device::Cpu, vec![Phase::Run]), (Device::Gpu(gpu), vec![Phase::Compile, Phase::Run])]
    {
        pollster::block_on(async {
            let mut notes = Notes::default();
            let mut translator = Translator::new(device.clone(), model(true, 3)).await.unwrap();
            let expected = translator.run_watched(&x, &mut notes).await.unwrap();
            let mut seen: Vec<Phase> = notes.reports.iter().map(|r| r.0).collect();
            seen.dedup();
            assert_eq!(seen, phases);
            for phase in phases {
                let of: Vec<_> = notes.reports.iter().filter(|r| r.0 == phase).collect();
                assert!(of.is_sorted_by_key(|r| r.1) && of.iter().all(|r| r.2 == of[0].2));
                assert!(of.last().is_some_and(|r| r.1 == r.2), "{of:?} does not end");
            }
            for stop_at in [1, 2, notes.reports.len()] {
                let mut stopping = Notes { stop_at: Some(stop_at), ..Notes::default() };
                let mut translator = Translator::new(device.clone(), model(true, 3)).await.unwrap();
                let stopped = translator.run_watched(&x, &mut stopping).await;
                assert!(matches!(stopped, Err(Error::Aborted)));
                assert!(translator.run(&x).await.unwrap() == expected, "stopped at {stop_at}");
            }
        });
    }
}

#[test]
fn a_batch_is_its_pictures() {
    pollster::block_on(async {
        let mut translator = Translator::new(Device::Cpu, model(true, 3)).await.unwrap();
        let one = picture(12, 8).to_tensor().unwrap();
        let mut two = one.data().to_vec();
        two.extend(one.data());
        let single = translator.run(&one).await.unwrap();
        let double = translator.run(&Tensor::new([2, 3, 8, 12], two).unwrap()).await.unwrap();
        for (a, b) in single.image.data().iter().zip(&double.image.data()[288..]) {
            assert!((a - b).abs() < 1e-5);
        }
        assert_eq!(double.heatmap.unwrap().shape().dims(), [2, 1, 2, 3]);
        assert_eq!(double.cam_logit.unwrap().shape().dims(), [2, 2]);
        // Many sizes one after the other, the first one again.
        for width in [8, 12, 16, 20, 24, 28] {
            translator.run(&Tensor::zeros([1, 3, 8, width])).await.unwrap();
        }
        assert!(translator.run(&one).await.unwrap() == single);
        for shape in [[1, 3, 10, 8], [1, 4, 8, 8], [0, 3, 8, 8]] {
            assert!(translator.run(&Tensor::zeros(shape)).await.is_err());
        }
    });
}

#[test]
fn sizes_are_read_as_people_write_them() {
    assert_eq!("native".parse::<PictureSize>().unwrap(), PictureSize::Native);
    let size: PictureSize = "320X256".parse().unwrap();
    assert_eq!(size, PictureSize::Exact { width: 320, height: 256 });
    for wrong in ["", "0", "7", "99999", "3x", "axb", "-5", "64x64x64"] {
        assert!(wrong.parse::<PictureSize>().is_err(), "{wrong}");
    }
}

#[test]
fn memory_grows_with_the_picture() {
    let config = GeneratorConfig::default();
    let need = memory_need(&config, None, 256, 256).unwrap();
    // 10.6 M parameters; padding the three colours and aligning each tensor takes little.
    assert!((10_589_888 * 4..42 << 20).contains(&need.weights), "{}", need.weights);
    let larger = memory_need(&config, None, 512, 512).unwrap();
    assert!(need.activations > 256 * 256 * 64 * 4 && larger.activations > 3 * need.activations);
}

/// Golden pictures at the model's size: the bytes that the official program would write,
/// within 1. Discovered by name in the fixtures' folder.
#[test]
fn pictures_are_the_official_ones() {
    let folder = std::env::var_os("UGATIT_GOLDEN_DIR").map_or_else(
        || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
        std::path::PathBuf::from,
    );
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("gen_") && name.ends_with(".safetensors")) {
            continue;
        }
        let tensors = floats(&std::fs::read(&path).unwrap());
        let state: BTreeMap<String, Tensor> = tensors
            .iter()
            .filter_map(|(key, t)| Some((key.strip_prefix("state/")?.to_owned(), t.clone())))
            .collect();
        let ch = state["DownBlock.1.weight"].shape().dims()[0];
        let light = state["FC.0.weight"].shape().dims()[1] == 4 * ch;
        let img_size = tensors["x"].shape().dims()[3];
        let config = GeneratorConfig { ch, img_size, light, ..GeneratorConfig::default() };
        let model = Model::new(config, Direction::A2B, ModelMetadata::default(), state).unwrap();
        let mut translator = pollster::block_on(Translator::new(Device::Cpu, model)).unwrap();
        let translation = pollster::block_on(translator.run(&tensors["x"])).unwrap();
        for index in 0..tensors["x"].shape().dims()[0] {
            let ours = Picture::from_tensor(&translation.image, index).unwrap();
            let theirs = Picture::from_tensor(&tensors["y"], index).unwrap();
            let worst = ours.pixels.iter().zip(&theirs.pixels).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst.unwrap() <= 1, "{name}: {worst:?}");
            seen += 1;
        }
    }
    assert!(seen > 0);
}

/// The f32 tensors of a safetensors file.
fn floats(file: &[u8]) -> BTreeMap<String, Tensor> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let each = header.into_iter().filter_map(|(name, entry)| {
        let numbers = |key: &str| -> Option<Vec<usize>> {
            entry[key].as_array()?.iter().map(|v| v.as_u64().map(|v| v as usize)).collect()
        };
        let range = numbers("data_offsets")?;
        let bytes = &file[8 + length..][range[0]..range[1]];
        let data = bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        Some((name, Tensor::new(numbers("shape")?, data).ok()?))
    });
    each.collect()
}
