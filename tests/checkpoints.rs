//! Official PyTorch checkpoints: every container imports alike, and none is ever run.
#![cfg(feature = "pytorch")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod files;

use std::fs;
use std::path::Path;
use std::process::Command;

use files::checkpoint::{
    Network, Storage, hostile, hostile_pickle, legacy_checkpoint, with_options, zip, zip_checkpoint,
};
use ugatit::Error;
use ugatit::io::{ImportOptions, Model, Precision, read_checkpoint};
use ugatit::model::{Direction, GeneratorConfig};

fn read(path: &Path) -> Vec<Model> {
    read_checkpoint(path, None, &ImportOptions::default()).unwrap()
}

fn state_dict(model: &Model) -> Vec<(String, ugatit::Tensor)> {
    model.tensors.iter().map(|(k, t)| (k.clone(), t.clone())).collect()
}

fn both() -> (Vec<Model>, Vec<Network<'static>>) {
    let models = read(&files::tiny_checkpoint());
    let networks = models.iter().map(|m| (m.direction.network(), state_dict(m))).collect();
    (models, networks)
}

#[test]
fn the_official_checkpoint_is_understood() {
    let models = read(&files::tiny_checkpoint());
    let config = GeneratorConfig {
        ch: 4,
        n_res: 4,
        n_res_decoder: 4,
        img_size: 256,
        img_ch: 3,
        light: true,
        ..GeneratorConfig::default()
    };
    for (model, direction) in models.iter().zip(Direction::BOTH) {
        assert_eq!((model.config, model.direction), (config, direction));
        let note = model.metadata.provenance.as_deref().unwrap();
        assert!(note.contains("tiny_params_0000005.pt") && note.contains("256 is assumed"), "{note}");
    }
    assert_eq!(models.len(), 2);
    let sized = ImportOptions { img_size: Some(96), ..ImportOptions::default() };
    let models = read_checkpoint(files::tiny_checkpoint(), Some(Direction::B2A), &sized).unwrap();
    assert_eq!((models.len(), models[0].config.img_size), (1, 96));
}

/// All checkpoints of the fixtures' folder that hold one run's weights: bit-equal.
#[test]
fn every_container_of_the_fixtures_imports_alike() {
    let reference = read(&files::tiny_checkpoint());
    let mut seen = 0;
    for entry in fs::read_dir(files::golden_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "pt") {
            for (model, expected) in read(&path).iter().zip(&reference) {
                assert!(model.tensors == expected.tensors, "{}", path.display());
                assert_eq!(model.config, expected.config);
            }
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn containers_and_location_tags_import_alike() {
    let (models, networks) = both();
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("zip.pt", zip_checkpoint(&networks, "cpu", Storage::Float)),
        ("cuda.pt", zip_checkpoint(&networks, "cuda:0", Storage::Float)),
        ("legacy.pt", legacy_checkpoint(&networks, "cpu", Storage::Float)),
        ("legacy_cuda.pt", legacy_checkpoint(&networks, "cuda:0", Storage::Float)),
        ("double.pt", zip_checkpoint(&networks, "cpu", Storage::Double)),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        for (model, expected) in read(&path).iter().zip(&models) {
            assert!(model.tensors == expected.tensors, "{name}");
        }
    }
}

#[test]
fn shorter_floats_are_widened() {
    let (models, networks) = both();
    let folder = tempfile::tempdir().unwrap();
    for (storage, relative) in [(Storage::Half, 1.0 / 1024.0), (Storage::BFloat16, 1.0 / 128.0)] {
        let path = folder.path().join("short.pt");
        fs::write(&path, zip_checkpoint(&networks, "cpu", storage)).unwrap();
        let read = read(&path);
        for (key, tensor) in &models[0].tensors {
            for (a, b) in tensor.data().iter().zip(read[0].tensors[key].data()) {
                assert!((a - b).abs() <= a.abs() * relative + 1e-7, "{key}: {a} {b}");
            }
        }
    }
}

#[test]
fn a_bare_state_dict_is_one_generator() {
    let (models, _) = both();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat_B2A.pt");
    fs::write(&path, zip_checkpoint(&[("", state_dict(&models[1]))], "cpu", Storage::Float)).unwrap();
    let model = Model::open(&path, None).unwrap();
    assert!(model.direction == Direction::B2A && model.tensors == models[1].tensors);
    assert_eq!(Model::open(&path, Some(Direction::A2B)).unwrap().direction, Direction::A2B);
}

#[test]
fn a_direction_that_is_not_there_is_named() {
    let (models, _) = both();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.pt");
    fs::write(&path, zip_checkpoint(&[("genA2B", state_dict(&models[0]))], "cpu", Storage::Float)).unwrap();
    assert_eq!(Model::open(&path, None).unwrap().direction, Direction::A2B);
    match Model::open(&path, Some(Direction::B2A)) {
        Err(Error::Direction { asked, available, .. }) => {
            assert_eq!((asked.as_str(), available.as_str()), ("B2A", "A2B"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hostile_pickle_is_never_run() {
    let (_, networks) = both();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("it_ran");
    let command = format!("touch {}", trace.display());
    for (networks, in_zip) in
        [(&networks[..], true), (&networks[..], false), (&[][..], true), (&[][..], false)]
    {
        let path = folder.path().join("hostile.pt");
        fs::write(&path, hostile(networks, &command, in_zip)).unwrap();
        match Model::open(&path, None) {
            Err(Error::UnsafeCheckpoint { object, .. }) => assert_eq!(object, "posix.system"),
            other => panic!("{other:?}"),
        }
        assert!(!trace.exists());
    }
    // The trap is a real one: Python falls into it.
    let pickle = folder.path().join("hostile.pkl");
    fs::write(&pickle, hostile_pickle(&[], &command, false)).unwrap();
    let load = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))";
    if cfg!(unix)
        && Command::new("python3").args(["-c", load]).arg(&pickle).status().is_ok_and(|s| s.success())
    {
        assert!(trace.exists());
    }
}

#[test]
fn what_lies_beside_the_tensors_is_passed_over_and_named() {
    let (models, networks) = both();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("with_options.pt");
    fs::write(&path, with_options(&networks)).unwrap();
    let read = read(&path);
    assert_eq!(read.len(), 2);
    for (read, model) in read.iter().zip(&models) {
        assert_eq!(read.tensors, model.tensors);
        let provenance = read.metadata.provenance.as_deref().unwrap();
        assert!(provenance.contains("`argparse.Namespace`, `numpy.dtype`"), "{provenance}");
    }
}

#[test]
fn prefixes_of_wrappers_are_taken_off() {
    let (models, _) = both();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrapped.pt");
    let renamed = |prefix: &str| {
        let each = state_dict(&models[1]).into_iter().map(|(key, t)| (format!("{prefix}{key}"), t));
        each.collect::<Vec<_>>()
    };
    for (outer, inner, direction) in [
        ("genB2A", "module.", Direction::B2A),
        ("genB2A", "module._orig_mod.", Direction::B2A),
        ("state_dict", "genB2A.", Direction::B2A),
        ("state_dict", "model.genB2A.module.", Direction::B2A),
        ("", "module.", Direction::A2B),
        ("state_dict", "_orig_mod.", Direction::A2B),
        ("", "_fsdp_wrapped_module.", Direction::A2B),
    ] {
        let bytes = zip_checkpoint(&[(outer, renamed(inner))], "cpu", Storage::Float);
        fs::write(&path, bytes).unwrap();
        let model = Model::open(&path, None).unwrap_or_else(|e| panic!("{outer} {inner}: {e}"));
        assert_eq!((model.direction, &model.tensors), (direction, &models[1].tensors), "{outer} {inner}");
    }
    // An optimiser's state beside a nameless generator is no part of it.
    let moments = vec![("state.0.exp_avg".to_owned(), ugatit::Tensor::zeros([3]))];
    let networks = [("state_dict", renamed("module.")), ("optimizer", moments)];
    fs::write(&path, zip_checkpoint(&networks, "cpu", Storage::Float)).unwrap();
    assert_eq!(Model::open(&path, None).unwrap().tensors, models[1].tensors);
}

#[test]
fn what_is_no_checkpoint_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8], words: &str| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        for error in [
            Model::open(&path, None).unwrap_err(),
            read_checkpoint(&path, None, &ImportOptions::default()).unwrap_err(),
        ] {
            assert!(matches!(error, Error::ModelFile { .. }), "{name}: {error}");
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
    };
    let page = b"<!DOCTYPE html><html><head><title>Virus scan warning</title></head></html>";
    refused("drive.pt", page, "web page");
    refused(
        "A2B.safetensors",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n",
        "git lfs pull",
    );
    refused("UGATIT.model-1000000.index", &[7; 300], "TensorFlow");
    refused("archive.pt", &zip(&[("readme.txt".into(), b"no model here".to_vec())]), "zip archive");
    let tensorflow = folder.path().join("tensorflow");
    fs::create_dir(&tensorflow).unwrap();
    for name in ["checkpoint", "UGATIT.model-5.index", "UGATIT.model-5.data-00000-of-00001"] {
        fs::write(tensorflow.join(name), [1; 300]).unwrap();
    }
    assert!(Model::open(&tensorflow, None).unwrap_err().to_string().contains("TensorFlow"));
}

#[test]
fn a_cut_off_checkpoint_is_refused() {
    let (_, networks) = both();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pt");
    let whole = [
        zip_checkpoint(&networks, "cpu", Storage::Float),
        legacy_checkpoint(&networks, "cpu", Storage::Float),
    ];
    for bytes in whole {
        for keep in [1, 3, 100, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..keep]).unwrap();
            let error = Model::open(&path, None).unwrap_err();
            assert!(matches!(error, Error::ModelFile { .. }), "{keep}: {error}");
        }
    }
    fs::write(&path, "").unwrap();
    assert!(Model::open(&path, None).unwrap_err().to_string().contains("empty"));
}

#[test]
fn a_full_checkpoint_tells_its_size() {
    let (models, _) = both();
    let mut full = state_dict(&models[0]);
    for (key, tensor) in &mut full {
        if key == "FC.0.weight" {
            *tensor = ugatit::Tensor::zeros([16, 8 * 8 * 16]);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.pt");
    fs::write(&path, zip_checkpoint(&[("genA2B", full)], "cpu", Storage::Float)).unwrap();
    let model = Model::open(&path, None).unwrap();
    assert_eq!((model.config.light, model.config.img_size), (false, 32));
    let other = ImportOptions { img_size: Some(64), ..ImportOptions::default() };
    assert!(matches!(read_checkpoint(&path, None, &other), Err(Error::Config(_))));
}

#[test]
fn imported_models_survive_our_own_file() {
    let folder = tempfile::tempdir().unwrap();
    for model in read(&files::tiny_checkpoint()) {
        let path = folder.path().join(format!("{}.safetensors", model.direction));
        model.save(&path, Precision::F32, false).unwrap();
        assert!(Model::open(&path, None).unwrap() == model);
    }
    for direction in Direction::BOTH {
        assert_eq!(Model::open(folder.path(), Some(direction)).unwrap().direction, direction);
    }
}
