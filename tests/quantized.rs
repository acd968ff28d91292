//! Full models whose largest matrix has 8 or 4 bits a number: pictures, files, what is refused, memory.
#![cfg(feature = "pictures")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

use std::path::Path;

use ugatit::io::{FORMAT_VERSION, Model, ModelMetadata, Precision, read_picture};
use ugatit::model::{Dialect, Direction, GeneratorConfig};
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target};
use ugatit::run::RunConfig;
use ugatit::train::TrainState;
use ugatit::translate::{Device, PictureOptions, PictureSize, Translator, memory_need, prepare};
use ugatit::{Bits, Error, Tensor};

mod support;

use support::engine::gpu;
use support::random::weights;

/// The matrix.
const KEY: &str = "FC.0.weight";

/// A small full model with the weights that a training run of that dialect begins with.
fn fresh(dialect: Dialect) -> Model {
    let text = format!(
        "light = false\nimg_size = 32\nch = 16\nn_res = 2\nn_dis_global = 3\nn_dis_local = 3\nseed = 5\ndialect = \"{dialect}\""
    );
    let run = RunConfig::layered(None, &[RunConfig::read(&text).unwrap()]).unwrap().step();
    let state = TrainState::<f32>::new(&run, 5).unwrap();
    let own = |(name, tensor): (String, Tensor)| Some((name.strip_prefix("genA2B.")?.to_owned(), tensor));
    let tensors = state.tensors.into_iter().filter_map(own).collect();
    Model::new(run.generator, Direction::A2B, ModelMetadata::default(), tensors).unwrap()
}

fn quantized(model: &Model, bits: Bits) -> Model {
    let mut model = model.clone();
    model.quantize(bits).unwrap();
    model
}

/// A small model of random weights.
fn small() -> Model {
    let config = GeneratorConfig {
        ch: 2,
        n_res: 1,
        n_res_decoder: 1,
        img_size: 16,
        light: false,
        ..GeneratorConfig::default()
    };
    let metadata = ModelMetadata { provenance: Some("nobody".into()), ..ModelMetadata::default() };
    Model::new(config, Direction::B2A, metadata, weights(&config, 1)).unwrap()
}

/// Pictures that nobody has trained with, as the models take them.
fn held_out(model: &Model) -> Vec<Tensor> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let size = PictureSize::Exact { width: model.config.img_size, height: model.config.img_size };
    let options = PictureOptions { size, ..PictureOptions::default() };
    let read = |path: &std::path::PathBuf| {
        prepare(&model.config, &read_picture(path).ok()?, &options).ok().map(|prepared| prepared.tensor)
    };
    let found: Vec<Tensor> = paths.iter().filter_map(read).take(3).collect();
    assert_eq!(found.len(), 3);
    found
}

fn translate(
    device: Device,
    model: &Model,
    pictures: &[Tensor],
    precision: ugatit::translate::Precision,
) -> Vec<f32> {
    let translator = Translator::with_precision(device, model.clone(), precision);
    let mut translator = pollster::block_on(translator).unwrap();
    pictures.iter().flat_map(|x| pollster::block_on(translator.run(x)).unwrap().image.into_data()).collect()
}

/// Decibels; the signal's range is 2.
fn psnr(a: &[f32], b: &[f32]) -> f64 {
    let error: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    10.0 * (4.0 * a.len() as f64 / error).log10()
}

#[test]
fn pictures_are_near_those_of_f32_in_every_dialect() {
    use ugatit::translate::Precision::{F16, F32};
    for dialect in Dialect::ALL {
        let model = fresh(dialect);
        let pictures = held_out(&model);
        let exact = translate(Device::Cpu, &model, &pictures, F32);
        for (bits, least) in [(Bits::Eight, 50.0), (Bits::Four, 40.0)] {
            let rounded = quantized(&model, bits);
            let found = translate(Device::Cpu, &rounded, &pictures, F32);
            let quality = psnr(&exact, &found);
            println!("{dialect}, {bits} bits: {quality:.1} dB");
            assert!(quality >= least, "{dialect}, {bits} bits: {quality:.1} dB");
            // The GPU draws what the processor draws; one picture, since software adapters take their time.
            if dialect == Dialect::Pytorch {
                let one = &pictures[..1];
                for (precision, same) in [(F32, 90.0), (F16, 50.0)] {
                    let drawn = translate(Device::Gpu(gpu().clone()), &rounded, one, precision);
                    let quality = psnr(&drawn, &found[..drawn.len()]);
                    assert!(quality >= same, "{bits} bits, {precision:?}: {quality:.1} dB");
                }
            }
        }
    }
}

#[test]
fn files_give_back_what_was_written() {
    let model = small();
    for bits in Bits::BOTH {
        let rounded = quantized(&model, bits);
        assert_eq!(rounded.bits(), Some(bits));
        assert_eq!(rounded.parameter_count(), model.parameter_count());
        let origin = rounded.metadata.provenance.clone().unwrap();
        assert_eq!(origin, format!("nobody; FC.0.weight quantised to {bits} bits"));
        for precision in [Precision::F32, Precision::F16] {
            let bytes = rounded.to_bytes(precision).unwrap();
            let read = Model::from_bytes("m.safetensors", &bytes, None).unwrap();
            assert_eq!(read.quantized, rounded.quantized);
            assert_eq!(read, Model::from_vec("m.safetensors", bytes.clone(), None).unwrap());
            assert_eq!(read.to_bytes(precision).unwrap(), bytes);
            if precision == Precision::F32 {
                assert_eq!(read, rounded);
            }
            let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let header: serde_json::Value = serde_json::from_slice(&bytes[8..header]).unwrap();
            let said = &header["__metadata__"];
            assert_eq!(said["format_version"], FORMAT_VERSION.to_string());
            assert_eq!(said["quantization"], bits.to_string());
        }
        // Twice is once; to other bits it is from what these stand for.
        assert_eq!(quantized(&rounded, bits), rounded);
        let mut whole = rounded.clone();
        whole.dequantize();
        assert_eq!((whole.bits(), &whole.quantized), (None, &None));
        let other = if bits == Bits::Eight { Bits::Four } else { Bits::Eight };
        assert_eq!(quantized(&rounded, other), quantized(&whole, other));
        // ONNX has the numbers that the bits stand for.
        assert_eq!(rounded.to_onnx(Precision::F32).unwrap(), whole.to_onnx(Precision::F32).unwrap());
        assert!(matches!(Model::average(&[(rounded, 1.0)]), Err(Error::Config(_))));
    }
    // Programs of before read what is not quantised.
    let bytes = model.to_bytes(Precision::F32).unwrap();
    let text = String::from_utf8_lossy(&bytes[..2000]).into_owned();
    assert!(text.contains(r#""format_version":"1""#) && !text.contains("quantization"), "{text}");
    let mut light = Model::new(
        GeneratorConfig { light: true, ..model.config },
        Direction::A2B,
        ModelMetadata::default(),
        weights(&GeneratorConfig { light: true, ..model.config }, 1),
    )
    .unwrap();
    assert!(matches!(light.quantize(Bits::Eight), Err(Error::Config(problem)) if problem.contains("light")));
}

/// A file with something else in its header.
fn changed(bytes: &[u8], change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    change(&mut header);
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &bytes[start..]].concat()
}

#[test]
fn damaged_files_are_refused_by_name_and_reason() {
    let good = quantized(&small(), Bits::Four).to_bytes(Precision::F32).unwrap();
    let read = |bytes: &[u8]| Model::from_bytes("m.safetensors", bytes, None);
    let refused = |bytes: &[u8], words: &[&str]| {
        let error = read(bytes).unwrap_err().to_string();
        for word in words.iter().chain(&["m.safetensors"]) {
            assert!(error.contains(word), "{word}: {error}");
        }
    };
    let said = |key: &str, value: &str| changed(&good, |header| header["__metadata__"][key] = value.into());
    refused(&said("quantization", "5"), &["`quantization`", "\"5\"", "8 and 4"]);
    refused(&said("quantization", "-8"), &["`quantization`"]);
    refused(&said("quantization", "8"), &["FC.0.weight", "[8, 4, 16]", "[8, 1, 128]"]);
    refused(&said("architecture", "light"), &["no matrix"]);
    refused(&said("format_version", "3"), &["3", "2"]);
    refused(&said("img_size", "32"), &["FC.0.weight"]);
    let without = |key: &str| {
        changed(&good, |header| {
            header["__metadata__"].as_object_mut().unwrap().remove(key);
        })
    };
    refused(&without("quantization"), &["FC.0.weight"]);
    let typed = |key: &str, dtype: &str| changed(&good, |header| header[key]["dtype"] = dtype.into());
    refused(&typed(KEY, "I8"), &["FC.0.weight", "U8", "I8"]);
    refused(&typed(KEY, "F32"), &["FC.0.weight"]);
    refused(&typed("FC.0.weight.scale", "F16"), &["FC.0.weight.scale", "BF16"]);
    let renamed = changed(&good, |header| {
        let scale = header["FC.0.weight.scale"].take();
        header.as_object_mut().unwrap().remove("FC.0.weight.scale");
        header["FC.0.weight.steps"] = scale;
    });
    refused(&renamed, &["FC.0.weight.scale"]);
    // Levels of a type that is nobody's, and fewer bytes than their shape asks for: what a file's container does not
    // look at is looked at here.
    let shorter = changed(&good, |header| {
        let [a, b] = [0, 1].map(|i| header["FC.0.weight.scale"]["data_offsets"][i].as_u64().unwrap());
        header["FC.0.weight.scale"]["data_offsets"] = serde_json::json!([a, b - 2]);
        header["zzz"] = serde_json::json!({"dtype": "U8", "shape": [2], "data_offsets": [b - 2, b]});
    });
    refused(&shorter, &["FC.0.weight.scale"]);
    let fewer = changed(&good, |header| {
        let [a, b] = [0, 1].map(|i| header[KEY]["data_offsets"][i].as_u64().unwrap());
        header[KEY]["data_offsets"] = serde_json::json!([a, b - 2]);
        header["zzz"] = serde_json::json!({"dtype": "U8", "shape": [2], "data_offsets": [b - 2, b]});
    });
    refused(&fewer, &["FC.0.weight", "bytes"]);
    // Scales that are not numbers.
    let start = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&good[8..start]).unwrap();
    let scales = start + header["FC.0.weight.scale"]["data_offsets"][0].as_u64().unwrap() as usize;
    for bad in [f32::NAN, f32::INFINITY, 3e38] {
        let mut bytes = good.clone();
        bytes[scales..scales + 2].copy_from_slice(&half::bf16::from_f32(bad).to_le_bytes());
        refused(&bytes, &["FC.0.weight", "1 of its scales"]);
    }
    for keep in [start + 1, good.len() - 1] {
        refused(&good[..keep], &["cut off"]);
    }
    assert!(read(&good).is_ok());
}

#[test]
fn memory_is_that_of_the_bits() {
    let full = GeneratorConfig { light: false, ..GeneratorConfig::default() };
    let need = |bits| memory_need(&full, bits, 256, 256).unwrap();
    let matrix = 268_435_456_u64;
    let others = need(None).weights - 4 * matrix;
    assert!(others < 46 << 20);
    for (bits, expected) in [(Bits::Eight, matrix + matrix / 64), (Bits::Four, matrix / 2 + matrix / 16)] {
        let found = need(Some(bits));
        assert_eq!(found.activations, need(None).activations);
        assert!((expected + others).abs_diff(found.weights) < 1024, "{bits}: {}", found.weights);
    }
    // With what every browser grants, its rows are bound in blocks.
    let (graph, outputs) = ugatit::translate::network(&full, &[1, 3, 256, 256].into()).unwrap();
    let target = Target::browser(AdapterClass::Gpu);
    let map = ParameterMap::with_quantized(&graph, &target, Some((KEY, Bits::Eight))).unwrap();
    assert_eq!(map.pieces().iter().filter(|piece| piece.name == KEY).count(), 2);
    assert!(Plan::compile(&graph, &outputs, &map, &target).is_ok());
    // A light one has no such matrix.
    let light = GeneratorConfig::default();
    assert!(matches!(memory_need(&light, Some(Bits::Eight), 256, 256), Err(Error::Shape(_))));
}

#[test]
fn training_begins_with_the_numbers_that_the_bits_stand_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("A2B.safetensors");
    let model = quantized(&fresh(Dialect::Pytorch), Bits::Eight);
    model.save(&path, Precision::F32, false).unwrap();
    let text =
        "light = false\nimg_size = 32\nch = 16\nn_res = 2\nn_dis_global = 3\nn_dis_local = 3\nseed = 6";
    let run = RunConfig::layered(None, &[RunConfig::read(text).unwrap()]).unwrap();
    let start = RunConfig { init: path, ..run }.start().unwrap();
    let inherited = start.inherited.unwrap();
    assert!(inherited.rounding().unwrap().contains("8 bits"));
    assert_eq!(start.state.tensors["genA2B.FC.0.weight"], model.quantized.unwrap().dequantize());
}

/// The most memory that this process has had so far, MB; 0 where the system does not say.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()).unwrap_or(0) / 1000
}

/// Figures for docs/model-format.md, of a full model's file: `UGATIT_FULL_MODEL=A2B.safetensors UGATIT_BITS=8
/// cargo test --release --test quantized -- --ignored --nocapture`. With `UGATIT_BITS` 0 it is not quantised; with
/// `UGATIT_WRITE` the quantised model goes there. A file that is quantised already is measured as it is.
#[test]
#[ignore = "needs a large file, for measurements"]
fn measure_a_full_model() {
    let say = |what: &str, begun: std::time::Instant| {
        println!("{what}: {:.2} s, at most {} MB so far", begun.elapsed().as_secs_f64(), peak());
    };
    let path = std::env::var_os("UGATIT_FULL_MODEL").unwrap();
    let begun = std::time::Instant::now();
    let mut model = Model::open(&path, None).unwrap();
    say("opened", begun);
    let bits = std::env::var("UGATIT_BITS").unwrap_or_default();
    let picture = |model: Model| {
        let pictures = held_out(&model);
        let begun = std::time::Instant::now();
        let translator = Translator::with_precision(Device::Cpu, model, ugatit::translate::Precision::F32);
        let mut translator = pollster::block_on(translator).unwrap();
        let mut images = vec![];
        for x in &pictures {
            images.extend(pollster::block_on(translator.run(x)).unwrap().image.into_data());
        }
        say("three pictures on the processor", begun);
        images
    };
    let begun = std::time::Instant::now();
    let exact = match bits.parse() {
        Ok(bits) => {
            let exact = std::env::var_os("UGATIT_COMPARE").map(|_| picture(model.clone()));
            let begun = std::time::Instant::now();
            model.quantize(bits).unwrap();
            say("quantised", begun);
            exact
        }
        Err(_) => None,
    };
    if let Some(to) = std::env::var_os("UGATIT_WRITE") {
        model.save(&to, Precision::F32, true).unwrap();
        say("written, all in all", begun);
    }
    let found = picture(model);
    if let Some(exact) = exact {
        println!("{:.1} dB", psnr(&exact, &found));
    }
}
