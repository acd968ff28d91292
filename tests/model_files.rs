//! Model files: what is written is read back, and what is damaged is refused by name.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ugatit::io::{Model, ModelMetadata, Precision};
use ugatit::model::{DecoderNorm, Dialect, Direction, GeneratorConfig};
use ugatit::{Error, Tensor};

mod support;

use support::random::weights;

fn config(light: bool) -> GeneratorConfig {
    GeneratorConfig {
        ch: 2,
        n_res: 1,
        n_res_decoder: 2,
        img_size: 16,
        img_ch: 3,
        light,
        ..GeneratorConfig::default()
    }
}

fn model(light: bool) -> Model {
    let config = config(light);
    let metadata = ModelMetadata {
        domain_a: Some("cat".into()),
        domain_b: Some("dog \"quoted\" ü".into()),
        license: Some("MIT".into()),
        provenance: Some("made by a test".into()),
    };
    Model::new(config, Direction::B2A, metadata, weights(&config, 1)).unwrap()
}

/// A file as `safetensors.torch.save_file(state_dict)` writes it, without metadata.
fn foreign(tensors: &BTreeMap<String, Tensor>, prefix: &str) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), vec![]);
    for (key, tensor) in tensors {
        let begin = data.len();
        data.extend(tensor.data().iter().flat_map(|v| v.to_le_bytes()));
        let entry = serde_json::json!({
            "dtype": "F32", "shape": tensor.shape().dims(), "data_offsets": [begin, data.len()],
        });
        header.insert(format!("{prefix}{key}"), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(data);
    bytes
}

fn parse(bytes: &[u8]) -> ugatit::Result<Model> {
    Model::from_bytes(Path::new("m.safetensors"), bytes, None)
}

#[test]
fn f32_is_exact_and_f16_is_near() {
    let folder = tempfile::tempdir().unwrap();
    for light in [true, false] {
        let model = model(light);
        let path = folder.path().join(format!("{light}.safetensors"));
        model.save(&path, Precision::F32, false).unwrap();
        assert_eq!(Model::open(&path, None).unwrap(), model);
        assert_eq!(fs::read(&path).unwrap(), model.to_bytes(Precision::F32).unwrap());

        let half = parse(&model.to_bytes(Precision::F16).unwrap()).unwrap();
        assert_eq!((half.config, &half.metadata), (model.config, &model.metadata));
        for (key, tensor) in &model.tensors {
            for (a, b) in tensor.data().iter().zip(half.tensors[key].data()) {
                assert!((a - b).abs() < 3e-4, "{key}");
            }
        }
        // Nothing more is lost the second time.
        let again = half.to_bytes(Precision::F16).unwrap();
        assert_eq!(parse(&again).unwrap(), half);
    }
}

/// The paper's ablations, and what else there is to set, by our own metadata and by the tensors alone.
#[test]
fn ablations_come_back() {
    for dialect in [Dialect::Pytorch, Dialect::Tensorflow] {
        for decoder_norm in DecoderNorm::ALL {
            for (cam, light) in [(true, true), (false, false)] {
                let smoothing = decoder_norm == DecoderNorm::AdaLin && cam;
                let config = GeneratorConfig { dialect, decoder_norm, cam, smoothing, ..config(light) };
                let tensors = weights(&config, 1);
                let model = Model::new(config, Direction::A2B, ModelMetadata::default(), tensors).unwrap();
                assert_eq!(parse(&model.to_bytes(Precision::F32).unwrap()).unwrap(), model);
                // What is there says all but the size of the pictures, smoothing, and which of three norms.
                let found = parse(&foreign(&model.tensors, ""));
                if !decoder_norm.is_adaptive() {
                    let message = found.unwrap_err().to_string();
                    assert!(message.contains("`decoder_norm`: in, ln or gn"), "{message}");
                    let bytes = foreign(&model.tensors, "genB2A.");
                    let told = Model::from_bytes_told("m", &bytes, None, Some(decoder_norm)).unwrap();
                    // Light and full are one.
                    let expected = GeneratorConfig { light: true, img_size: 256, ..config };
                    assert_eq!((told.config, told.direction), (expected, Direction::B2A));
                    continue;
                }
                let found = found.unwrap().config;
                let expected = GeneratorConfig { smoothing: false, img_size: found.img_size, ..config };
                assert_eq!(found, expected);
            }
        }
    }
}

/// A value that is none is refused by name.
#[test]
fn a_switch_that_is_none_is_refused() {
    let config = GeneratorConfig { decoder_norm: DecoderNorm::Gn, cam: false, ..config(true) };
    let tensors = weights(&config, 1);
    let model = Model::new(config, Direction::A2B, ModelMetadata::default(), tensors).unwrap();
    let bytes = model.to_bytes(Precision::F32).unwrap();
    for (from, to, what) in [
        (r#""decoder_norm":"gn""#, r#""decoder_norm":"xx""#, "decoder_norm"),
        (r#""cam":"false""#, r#""cam":"maybe""#, "`cam`"),
    ] {
        let text = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        let mut changed = bytes.clone();
        changed[text..text + to.len()].copy_from_slice(to.as_bytes());
        let message = parse(&changed).unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    }
}

#[test]
fn a_foreign_file_is_understood() {
    for light in [true, false] {
        let model = model(light);
        let known = if light { 256 } else { 16 };
        for (prefix, direction) in
            [("", Direction::A2B), ("genA2B.", Direction::A2B), ("genB2A/", Direction::B2A)]
        {
            let read = parse(&foreign(&model.tensors, prefix)).unwrap();
            assert_eq!(read.config, GeneratorConfig { img_size: known, ..model.config });
            assert_eq!((read.direction, &read.tensors), (direction, &model.tensors));
        }
    }
}

#[test]
fn a_foreign_file_of_all_networks_gives_the_one_asked_for() {
    let config = config(true);
    let mut all = BTreeMap::new();
    for (prefix, scale) in [("genA2B.", 1.0), ("genB2A.", 2.0), ("disGA.", 3.0)] {
        for (key, tensor) in weights(&config, 1) {
            all.insert(format!("{prefix}{key}"), tensor.map(|v| v * scale));
        }
    }
    let bytes = foreign(&all, "");
    let path = Path::new("all.safetensors");
    for (direction, prefix) in [(Direction::A2B, "genA2B."), (Direction::B2A, "genB2A.")] {
        let model = Model::from_bytes(path, &bytes, Some(direction)).unwrap();
        assert_eq!(model.tensors["gap_fc.weight"], all[&format!("{prefix}gap_fc.weight")]);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.safetensors");
    fs::write(&file, &bytes).unwrap();
    let both = Model::open_all(&file).unwrap().into_iter().map(|model| model.direction);
    assert_eq!(both.collect::<Vec<_>>(), Direction::BOTH);
    all.insert("epoch".into(), Tensor::zeros([1]));
    let error = parse(&foreign(&all, "")).unwrap_err().to_string();
    assert!(error.contains("`epoch`"), "{error}");
}

#[test]
fn a_missing_tensor_is_named_with_its_shape() {
    let mut tensors = weights(&config(true), 1);
    tensors.remove("UpBlock1_1.norm1.rho");
    match parse(&foreign(&tensors, "")) {
        Err(Error::MissingTensor { key, expected, .. }) => {
            assert_eq!((key.as_str(), expected.dims()), ("UpBlock1_1.norm1.rho", &[1, 8, 1, 1][..]));
        }
        other => panic!("{other:?}"),
    }
    tensors.remove("DownBlock.1.weight");
    assert!(parse(&foreign(&tensors, "")).unwrap_err().to_string().contains("no U-GAT-IT generator"));
    assert!(parse(&foreign(&BTreeMap::new(), "")).is_err());
}

#[test]
fn a_wrong_shape_is_named_with_both() {
    let mut tensors = weights(&config(true), 1);
    tensors.insert("gamma.weight".into(), Tensor::zeros([8, 9]));
    let error = parse(&foreign(&tensors, "")).unwrap_err();
    assert!(matches!(error, Error::TensorShape { .. }));
    let text = error.to_string();
    assert!(text.contains("gamma.weight") && text.contains("[8, 9]") && text.contains("[8, 8]"), "{text}");
}

#[test]
fn unknown_tensors_are_named() {
    let mut tensors = weights(&config(true), 1);
    tensors.insert("num_batches_tracked".into(), Tensor::zeros([1]));
    let error = parse(&foreign(&tensors, "")).unwrap_err().to_string();
    assert!(error.contains("belong to no network") && error.contains("`num_batches_tracked`"), "{error}");
}

#[test]
fn weights_that_are_not_finite_are_counted() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut tensors = weights(&config(true), 1);
        tensors.get_mut("beta.weight").unwrap().data_mut()[3..5].fill(bad);
        match parse(&foreign(&tensors, "")) {
            Err(Error::NonFiniteWeights { key, count, .. }) => {
                assert_eq!((key.as_str(), count), ("beta.weight", 2));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_average_is_that_of_every_weight() {
    for light in [true, false] {
        let (a, mut b) = (model(light), model(light));
        b.tensors = weights(&b.config, 2);
        b.metadata.license = Some("CC0-1.0".into());
        b.metadata.provenance = None;
        let mean = Model::average(&[(a.clone(), 3.0), (b.clone(), 1.0)]).unwrap();
        assert_eq!((mean.config, mean.direction), (a.config, a.direction));
        for (key, tensor) in &mean.tensors {
            let pairs = a.tensors[key].data().iter().zip(b.tensors[key].data());
            for (mean, (a, b)) in tensor.data().iter().zip(pairs) {
                assert!((mean - (0.75 * a + 0.25 * b)).abs() < 1e-7, "{key}");
            }
        }
        assert_ne!(mean.tensors, a.tensors);
        let of = "the average of 75 % (made by a test), 25 % (origin not known)";
        assert_eq!(
            mean.metadata,
            ModelMetadata { license: None, provenance: Some(of.into()), ..a.metadata.clone() }
        );
        // A weight of zero leaves a model out.
        assert_eq!(Model::average(&[(a.clone(), 2.0), (b, 0.0)]).unwrap().tensors, a.tensors);
    }
}

#[test]
fn what_has_no_average_is_refused() {
    let refused = |parts: &[(Model, f64)], word: &str| match Model::average(parts) {
        Err(Error::Config(problem)) => assert!(problem.contains(word), "{problem}"),
        other => panic!("{other:?}"),
    };
    let a = model(true);
    refused(&[], "at least one");
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        refused(&[(a.clone(), 2.0), (a.clone(), bad)], "from 0 on");
    }
    refused(&[(a.clone(), 0.0)], "from 0 on");
    refused(
        &[(a.clone(), 1.0), (model(false), 1.0)],
        "light B2A, ch 2, 1 + 2 blocks, 16x16, 3 channels and full",
    );
    let other_way = Model { direction: Direction::A2B, ..a.clone() };
    refused(&[(a.clone(), 1.0), (other_way, 1.0)], "different kinds");
    let mut damaged = a.clone();
    damaged.tensors.remove("beta.weight");
    refused(&[(a, 1.0), (damaged, 1.0)], "`beta.weight`");
}

#[test]
fn f16_refuses_what_it_cannot_hold() {
    let mut model = model(true);
    model.tensors.get_mut("beta.weight").unwrap().data_mut()[0] = 1e6;
    assert!(model.to_bytes(Precision::F32).is_ok());
    assert!(model.to_bytes(Precision::F16).unwrap_err().to_string().contains("beta.weight"));
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let bytes = model(true).to_bytes(Precision::F32).unwrap();
    for keep in [0, 1, 7, 8, 9, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(matches!(parse(&bytes[..keep]), Err(Error::ModelFile { .. })), "{keep}");
    }
}

/// Every single byte of the header changed: never a panic.
#[test]
fn a_damaged_header_never_panics() {
    let bytes = model(true).to_bytes(Precision::F16).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for at in 0..header {
        for flip in [0x01, 0x10, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            drop(parse(&damaged));
        }
    }
}

#[test]
fn metadata_that_lies_is_refused() {
    let bytes = model(true).to_bytes(Precision::F32).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let change = |key: &str, value: Option<&str>| {
        let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        match value {
            Some(value) => header["__metadata__"][key] = value.into(),
            None => drop(header["__metadata__"].as_object_mut().unwrap().remove(key)),
        }
        let header = serde_json::to_vec(&header).unwrap();
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend(header);
        out.extend(&bytes[8 + length..]);
        parse(&out).unwrap_err()
    };
    assert!(change("format_version", Some("3")).to_string().contains("update ugatit"));
    assert!(change("ch", None).to_string().contains("`ch`"));
    assert!(change("ch", Some("two")).to_string().contains("two"));
    assert!(matches!(change("ch", Some("4")), Error::TensorShape { .. }));
    assert!(matches!(change("architecture", Some("full")), Error::TensorShape { .. }));
    assert!(matches!(change("n_res", Some("2")), Error::MissingTensor { .. }));
    assert!(matches!(change("n_res", Some("99999999999")), Error::Config(_)));
    assert!(matches!(change("img_size", Some("30")), Error::Config(_)));
    assert!(change("direction", Some("sideways")).to_string().contains("direction"));
}

#[test]
fn a_direction_that_is_not_there_is_refused() {
    let bytes = model(true).to_bytes(Precision::F32).unwrap();
    let path = Path::new("m.safetensors");
    assert!(Model::from_bytes(path, &bytes, Some(Direction::B2A)).is_ok());
    assert!(matches!(Model::from_bytes(path, &bytes, Some(Direction::A2B)), Err(Error::Direction { .. })));
}

#[test]
fn a_folder_is_a_model_where_it_holds_one() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Model::open(folder.path(), None).unwrap_err().to_string().contains("no model"));
    model(true).save(folder.path().join("cats.safetensors"), Precision::F16, false).unwrap();
    assert_eq!(Model::open(folder.path(), None).unwrap().direction, Direction::B2A);
    assert!(matches!(Model::open(folder.path(), Some(Direction::A2B)), Err(Error::Direction { .. })));
    model(true).save(folder.path().join("dogs.safetensors"), Precision::F16, false).unwrap();
    assert!(Model::open(folder.path(), None).unwrap_err().to_string().contains("name one"));
    assert!(matches!(Model::open(folder.path().join("none"), None), Err(Error::Io { .. })));
}

#[test]
fn a_file_is_not_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let model = model(true);
    model.save(&path, Precision::F32, false).unwrap();
    assert!(matches!(model.save(&path, Precision::F32, false), Err(Error::Exists { .. })));
    model.save(&path, Precision::F16, true).unwrap();
    let below_a_file = path.join("m.safetensors");
    assert!(matches!(model.save(below_a_file, Precision::F32, true), Err(Error::Output { .. })));
}
