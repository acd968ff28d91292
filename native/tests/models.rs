//! Models as a person or a script meets them: imported, described, averaged, named wrongly; and what the program says of
//! itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use std::fs;
use std::process::Command;

#[cfg(not(feature = "mpi"))]
use common::Done;
use common::{Place, checkpoint, translate};

#[test]
fn models_are_imported_described_and_used() {
    let place = Place::new();
    let checkpoint = checkpoint();
    let checkpoint = checkpoint.to_str().unwrap();
    let done =
        place.run(&["import", checkpoint, "-o", "models", "--size", "96", "--domain-a", "cat", "--f16"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(place.files("models"), ["A2B.safetensors", "B2A.safetensors"]);
    let again = place.run(&["import", checkpoint, "-o", "models"]);
    assert!(again.code == 1 && again.err.contains("--force"), "{again:?}");
    let both = place.run(&["import", checkpoint, "-o", "one.safetensors"]);
    assert!(both.code == 2 && both.err.contains("--direction"), "{both:?}");
    let one = place.run(&["import", checkpoint, "-o", "one.safetensors", "--direction", "B2A"]);
    assert_eq!(one.code, 0, "{one:?}");

    let done = place.run(&["info", "models", "--json"]);
    let info: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((info[0]["direction"].as_str(), info[1]["direction"].as_str()), (Some("A2B"), Some("B2A")));
    assert_eq!((info[0]["img_size"].as_u64(), info[0]["domain_a"].as_str()), (Some(96), Some("cat")));
    let text = place.run(&["info", checkpoint]);
    assert!(text.out.contains("genA2B") && text.out.contains("genB2A") && text.out.contains("light, ch 4"));

    // The folder `models` is found without being named; f32 and the checkpoint agree.
    place.picture("a.png", 16, 16);
    let found = place.run(&["translate", "a.png", "-o", "out", "--direction", "B2A", "--device", "cpu"]);
    assert_eq!(found.code, 0, "{found:?}");
    let named =
        place.run(&["translate", "a.png", "-o", "1.png", "--model", "one.safetensors", "--device", "cpu"]);
    assert_eq!(named.code, 0, "{named:?}");
    let direct = translate(&place, &["a.png", "-o", "2.png", "--direction", "B2A"]);
    assert_eq!(direct.code, 0, "{direct:?}");
    assert_eq!(fs::read(place.path("1.png")).unwrap(), fs::read(place.path("2.png")).unwrap());

    let lacks = place.run(&[
        "translate",
        "a.png",
        "-o",
        "3.png",
        "--model",
        "one.safetensors",
        "--direction",
        "A2B",
        "--device",
        "cpu",
    ]);
    assert!(lacks.code == 1 && lacks.err.contains("B2A only"), "{lacks:?}");
}

/// Imported, and as they are.
#[test]
fn models_of_other_programs_are_imported_described_and_used() {
    let place = Place::new();
    place.picture("a.png", 40, 40);
    let fixtures = checkpoint();
    let fixture = |name: &str| fixtures.with_file_name(name).to_str().unwrap().to_owned();
    let folder = fixture("tf/tf_light_ch4_48_nosmooth");
    let index = format!("{folder}/UGATIT_light.model-1000001.index");
    let portrait = fixture("p2c/p2c_ngf4_32.pt");
    for (checkpoint, options, dialect, size) in [
        (&folder, &["--smoothing", "false"][..], "tensorflow", (40, 40)),
        (&index, &[], "tensorflow", (40, 40)),
        (&portrait, &[], "photo2cartoon", (256, 256)),
    ] {
        let done = place.run(&[&["import", checkpoint, "-o", "models", "--force"], options].concat());
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(place.files("models"), ["A2B.safetensors", "B2A.safetensors"]);
        assert_eq!(
            done.out.contains("--smoothing corrects it"),
            dialect == "tensorflow" && options.is_empty()
        );
        for model in ["models", checkpoint] {
            let done = place.run(&["info", model, "--json"]);
            let info: serde_json::Value = serde_json::from_str(&done.out).unwrap();
            for model in [&info[0], &info[1]] {
                assert_eq!((model["dialect"].as_str(), model["ch"].as_u64()), (Some(dialect), Some(4)));
            }
        }
        let text = place.run(&["info", checkpoint]).out;
        assert!(text.contains(&format!("dialect      {dialect}: the network of")), "{text}");
        let translate = |model: &str, output: &str, options: &[&str]| {
            let arguments = ["translate", "a.png", "-o", output, "-m", model, "--device", "cpu", "--force"];
            let done = place.run(&[&arguments[..], options].concat());
            assert_eq!(done.code, 0, "{done:?}");
            fs::read(place.path(output)).unwrap()
        };
        let imported = translate("models", "1.png", &[]);
        assert!(imported == translate(checkpoint, "2.png", options), "{checkpoint}");
        assert_eq!(place.size("1.png"), size);
    }
    let refused = place.run(&["import", &portrait, "-o", "other", "--smoothing", "true"]);
    assert!(refused.code == 1 && refused.err.contains("no TensorFlow checkpoint"), "{refused:?}");
    let refused = place.run(&["import", "models", "-o", "other", "--smoothing", "true"]);
    assert!(refused.code == 2 && refused.err.contains("--smoothing"), "{refused:?}");
    let tile = ["translate", "a.png", "-o", "3.png", "-m", &portrait, "--device", "cpu", "--tile", "256"];
    let refused = place.run(&tile);
    assert!(refused.code == 2 && refused.err.contains("photo2cartoon"), "{refused:?}");
}

#[test]
fn models_are_averaged() {
    let place = Place::new();
    let checkpoint = checkpoint();
    let checkpoint = checkpoint.to_str().unwrap();
    assert_eq!(place.run(&["import", checkpoint, "-o", "a", "--license", "MIT"]).code, 0);
    assert_eq!(place.run(&["import", checkpoint, "-o", "b", "--license", "MIT"]).code, 0);
    // The average of a model with itself is the model.
    let done = place.run(&["average", "a", "b", "-o", "mean", "--weights", "0.75,0.25"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(place.files("mean"), ["A2B.safetensors", "B2A.safetensors"]);
    let open = |path: &str| ugatit::io::Model::open(place.path(path), None).unwrap();
    let (mean, part) = (open("mean/B2A.safetensors"), open("a/B2A.safetensors"));
    assert!(mean.tensors == part.tensors && mean.direction == part.direction);
    assert_eq!(mean.metadata.license.as_deref(), Some("MIT"));
    let provenance = mean.metadata.provenance.unwrap();
    assert!(provenance.starts_with("the average of 75 % (imported"), "{provenance}");

    let again = place.run(&["average", "a", "b", "-o", "mean"]);
    assert!(again.code == 1 && again.err.contains("--force"), "{again:?}");
    let weights = place.run(&["average", "a", "b", "-o", "c", "--weights", "1,2,3"]);
    assert!(weights.code == 2 && weights.err.contains("3 weights for 2 models"), "{weights:?}");
    for bad in ["--weights=1,-1", "--weights=0,0", "--weights=nan,1"] {
        let done = place.run(&["average", "a", "b", "-o", "c", bad]);
        assert!(done.code == 2 && done.err.contains("from 0 on"), "{done:?}");
    }
    let one = place.run(&["average", "a", "-o", "c"]);
    assert_eq!(one.code, 2, "{one:?}");
    let both = place.run(&["average", "a", "b", "-o", "one.safetensors"]);
    assert!(both.code == 2 && both.err.contains("--direction"), "{both:?}");
    let one = place.run(&["average", "a", "b", "-o", "one.safetensors", "--direction", "B2A"]);
    assert_eq!(one.code, 0, "{one:?}");
    let lacks = place.run(&["average", "a", "b/A2B.safetensors", "-o", "c"]);
    assert!(lacks.code == 1 && lacks.err.contains("A2B only"), "{lacks:?}");
    assert!(!place.path("c").exists());
}

#[test]
fn a_wrong_model_is_named() {
    let place = Place::new();
    place.picture("a.png", 8, 8);
    // Where it was built, the program finds the model that comes with the project.
    let arguments = ["translate", "a.png", "-o", "out", "--device", "cpu"];
    let built = place.run(&arguments);
    assert_eq!(built.code, 0, "{built:?}");
    // Elsewhere there is none.
    let elsewhere = place.path(if cfg!(windows) { "elsewhere.exe" } else { "elsewhere" });
    fs::copy(common::PROGRAM, &elsewhere).unwrap();
    let output = Command::new(elsewhere)
        .current_dir(place.folder())
        .args(arguments)
        .env_remove("UGATIT_MODEL")
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && message.contains("--model"), "{message}");
    fs::write(place.path("bad.safetensors"), "junk junk junk").unwrap();
    let bad = place.run(&["translate", "a.png", "-o", "out", "--model", "bad.safetensors"]);
    assert!(bad.code == 1 && bad.err.contains("bad.safetensors is not a usable model"), "{bad:?}");
    let absent = place.run(&["info", "absent.pt"]);
    assert!(absent.code == 1 && absent.err.contains("absent.pt"), "{absent:?}");
}

#[test]
fn doctor_and_completions_answer() {
    let place = Place::new();
    let report = place.run(&["doctor", "--json", "--device", "cpu"]);
    let report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report["would_use"], "CPU");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.run(&["completions", shell]);
        assert!(script.code == 0 && script.out.contains("translate"), "{shell}");
    }
    assert_eq!(place.run(&["completions", "cmd"]).code, 2);
    assert_eq!(place.run(&[]).code, 2);
    assert_eq!(place.run(&["man", "pages"]).code, 0);
    let pages = place.files("pages");
    for page in ["ugatit.1", "ugatit-translate.1", "ugatit-data-check.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} of {pages:?}");
    }
    assert!(fs::read_to_string(place.path("pages/ugatit-train.1")).unwrap().contains("accumulation"));
}

#[cfg(not(feature = "mpi"))]
#[test]
fn several_processes_without_mpi_are_refused() {
    let place = Place::new();
    place.picture("in/a.png", 8, 8);
    let mut command = place.command(&["translate", "in", "-o", "out"]);
    command.envs([("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "2")]);
    let done = Done::of(&mut command);
    assert!(done.code == 2 && done.err.contains("--features mpi"), "{done:?}");
    assert!(!place.path("out").exists());
}
