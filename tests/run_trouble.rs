//! Training runs whose files are damaged, in the way, or cannot be written: what can go on goes on, and nothing
//! that was trained is lost.
#![cfg(feature = "pictures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

#[path = "runs/place.rs"]
mod place;

use std::fs;

use place::{Place, advance, metrics, tiny};
use ugatit::Error;
use ugatit::device::Device;
use ugatit::run::{Run, RunConfig};

#[test]
fn damaged_checkpoints_are_passed_over() {
    let place = Place::new();
    let (mut run, _) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    advance(&mut run, 4);
    drop(run);
    let newest = place.path("run/checkpoints/step-0000004.safetensors");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    let (run, begun) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    assert_eq!(begun, 2);
    assert_eq!(metrics(&place.path("run")).len(), 2, "later iterations are forgotten");
    drop(run);
    fs::write(place.path("run/checkpoints/step-0000002.safetensors"), b"").unwrap();
    let error = place.open("run", &tiny(), &Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("step-0000004.safetensors") && error.contains("cut off"), "{error}");
}

/// One iteration, and what was said in it.
fn notices(run: &mut Run) -> Vec<String> {
    pollster::block_on(run.advance()).unwrap().notices
}

#[test]
fn what_people_look_at_does_not_end_a_run() {
    for name in ["index.html", "samples"] {
        let place = Place::new();
        let config = RunConfig { print_freq: 3, ..tiny() };
        let (mut run, _) = place.open("run", &config, &Device::Cpu).unwrap();
        advance(&mut run, 1);
        // A folder where a file belongs, and the other way round.
        let path = place.path("run").join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
            fs::write(&path, "").unwrap();
        } else {
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
        }
        let said: Vec<String> = (0..4).flat_map(|_| notices(&mut run)).collect();
        assert!(!said.is_empty() && said.iter().all(|text| text.contains(name)), "{said:?}");
        let mut once = said.clone();
        once.dedup();
        assert_eq!(once, said, "each is said once");
        if path.is_dir() {
            fs::remove_dir(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        advance(&mut run, 1);
        assert!(path.exists() && place.path("run/index.html").is_file(), "tried again");
        assert_eq!(place.checkpoint("run", 6).state.step, 6);
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_tried_again() {
    let place = Place::new();
    let (mut run, _) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    advance(&mut run, 2);
    let folder = place.path("run/checkpoints");
    fs::rename(&folder, place.path("aside")).unwrap();
    fs::write(&folder, "no folder").unwrap();
    advance(&mut run, 1);
    let said = notices(&mut run);
    assert!(
        said.iter().any(|text| text.contains("NO CHECKPOINT") && text.contains("iteration 2")),
        "{said:?}"
    );
    let log = fs::read_to_string(place.path("run/log.txt")).unwrap();
    assert!(log.contains("NO CHECKPOINT"), "{log}");
    fs::remove_file(&folder).unwrap();
    fs::rename(place.path("aside"), &folder).unwrap();
    // Before the next one is due.
    advance(&mut run, 1);
    assert_eq!(place.checkpoint("run", 5).state.step, 5);
}

#[test]
fn what_was_trained_is_kept_before_an_error_ends_the_run() {
    let place = Place::new();
    let (mut run, _) = place.open("run", &RunConfig { save_freq: 1000, ..tiny() }, &Device::Cpu).unwrap();
    advance(&mut run, 3);
    let error = Error::Picture { path: "a.png".into(), problem: "a test".into() };
    assert_eq!(pollster::block_on(run.fail(&error)).unwrap(), 3);
    drop(run);
    let (_, begun) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    assert_eq!(begun, 3);
}

/// The run that leaves out a picture says so, and its log too.
#[test]
fn a_picture_that_is_left_out_is_named() {
    let place = Place::new();
    fs::write(place.path("data/trainB/2.png"), "no picture").unwrap();
    let (mut run, _) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    let said: Vec<String> = (0..6).flat_map(|_| notices(&mut run)).collect();
    assert_eq!(said.iter().filter(|text| text.contains("2.png")).count(), 1, "{said:?}");
    assert!(fs::read_to_string(place.path("run/log.txt")).unwrap().contains("left out of the training"));
}

#[test]
fn a_newer_versions_checkpoint_is_not_passed_over() {
    let place = Place::new();
    let (mut run, _) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    advance(&mut run, 4);
    drop(run);
    let newest = place.path("run/checkpoints/step-0000004.safetensors");
    let mut bytes = fs::read(&newest).unwrap();
    let version = b"\"format_version\":\"1\"";
    let at = bytes.windows(version.len()).position(|text| text == version).unwrap();
    bytes[at + version.len() - 2] = b'9';
    fs::write(&newest, bytes).unwrap();
    match place.open("run", &tiny(), &Device::Cpu).err().unwrap() {
        Error::NewerVersion { path, found: 9, .. } => assert_eq!(path, newest),
        other => panic!("{other}"),
    }
}

#[test]
fn what_a_killed_run_was_writing_is_removed() {
    let place = Place::new();
    let (mut run, _) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    advance(&mut run, 2);
    let left = [".ugatit-a.tmp", "checkpoints/.ugatit-b.tmp", "models/.ugatit-c.tmp"];
    let left = left.map(|name| place.path("run").join(name));
    left.iter().for_each(|path| fs::write(path, "half").unwrap());
    // Another process is writing there, so its files stay.
    assert!(place.open("run", &tiny(), &Device::Cpu).is_err());
    assert!(left.iter().all(|path| path.exists()));
    drop(run);
    drop(place.open("run", &tiny(), &Device::Cpu).unwrap());
    assert!(left.iter().all(|path| !path.exists()));
}

#[test]
fn only_one_process_trains_in_a_folder() {
    let place = Place::new();
    let (run, _) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    let error = place.open("run", &tiny(), &Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("another process"), "{error}");
    drop(run);
    assert!(place.open("run", &tiny(), &Device::Cpu).is_ok());
    // Nor does it take a folder for its own that holds something else.
    let error = place.open("data", &tiny(), &Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("no training run"), "{error}");
}
