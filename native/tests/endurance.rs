//! What has to hold for days, in a short form; `cargo xtask endurance` runs the long one, whose figures are in
//! `docs/reliability.md`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail like their helpers, and report their figures"
)]

mod common;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::training::{command, models, place, train};
use common::{Place, checkpoint};
use serde_json::Value;
use ugatit::run::{Checkpoint, RunFolder};

/// A number from the environment, for the long form.
fn count(variable: &str, short: usize) -> usize {
    std::env::var(variable).map_or(short, |text| text.parse().unwrap())
}

/// In 0..1, another one each time.
fn random() -> f64 {
    (RandomState::new().hash_one(0) >> 11) as f64 / (1_u64 << 53) as f64
}

/// What killed processes have left of the files that they were writing.
fn half_written(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap());
    let each = entries.map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        let is_temporary = name.starts_with(".ugatit-") && name.ends_with(".tmp");
        if entry.path().is_dir() { half_written(&entry.path()) } else { usize::from(is_temporary) }
    });
    each.sum()
}

/// The entries of the curves, without their times.
fn curves(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let entry = |line: &str| {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        entry.as_object_mut().unwrap().remove("time").unwrap();
        entry
    };
    text.lines().map(entry).collect()
}

/// `kill -9` at random moments, over and over, until the run is done; then it is what it would have been.
#[test]
fn killed_runs_end_as_if_undisturbed() {
    const ITERATIONS: &str = "60";
    let wanted = count("UGATIT_KILLS", 12);
    let (mut kills, mut runs, mut in_writing, mut in_saving, started) = (0, 0, 0, 0, Instant::now());
    while kills < wanted {
        runs += 1;
        let place = place();
        let seed = runs.to_string();
        // The undisturbed one saves only at its end; the other one after each iteration.
        let fixed = ["--seed", &seed, "--iteration", ITERATIONS];
        let whole = train(&place, "whole", &[&fixed[..], &["--save-freq", "100"]].concat());
        assert_eq!(whole.code, 0, "{whole:?}");
        let killed = ["-o", "killed", "--save-freq", "1"];
        let arguments = [&killed[..], &fixed].concat();
        // As long as a start with a few saves takes on this machine.
        let begun = Instant::now();
        assert_eq!(
            train(&place, "trial", &["--seed", &seed, "--iteration", "3", "--save-freq", "1"]).code,
            0
        );
        let longest = begun.elapsed();
        let run = place.path("killed");
        let mut reached = 0;
        loop {
            let mut child =
                command(&place, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Any moment: opening, training, in the middle of writing.
            let deadline = Instant::now() + longest.mul_f64(random());
            while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
                sleep(Duration::from_millis(1));
            }
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "after {kills} kills");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            in_writing += usize::from(half_written(&run) > 0);
            in_saving += usize::from(half_written(&run.join("checkpoints")) > 0);
            let (newest, unreadable) = RunFolder::newest(&run).unwrap();
            assert!(unreadable.is_empty(), "kill {kills} damaged a checkpoint: {unreadable:?}");
            let step = newest.map_or(0, |checkpoint| checkpoint.state.step);
            assert!(step >= reached, "kill {kills} lost iterations {step} to {reached}");
            reached = step;
        }
        let whole = place.path("whole");
        assert!(models(&whole) == models(&run), "run {runs}: other models");
        let state = |run: &Path| {
            let name = format!("checkpoints/step-{:0>7}.safetensors", ITERATIONS);
            let Checkpoint { config, state, position } = Checkpoint::load(&run.join(name)).unwrap();
            (config, state, position.seed, position.samples)
        };
        assert!(state(&whole) == state(&run), "run {runs}: another state");
        assert!(curves(&whole) == curves(&run), "run {runs}: other curves");
        assert_eq!(half_written(&run), 0, "run {runs}: something is left");
    }
    println!(
        "{kills} kills in {runs} runs of {ITERATIONS} iterations with a checkpoint after each: {in_writing} while a file was being written, {in_saving} of them a checkpoint; no checkpoint damaged, no saved iteration lost, every run ended with the models, the state and the curves of the undisturbed one ({:.0} s)",
        started.elapsed().as_secs_f64()
    );
}

/// The program's memory does not grow with the number of pictures.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_translations() {
    use std::io::{BufRead, BufReader};

    use image::{Rgb, RgbImage};

    /// What memory may differ by between two parts of a batch.
    const NOISE: f64 = 6.0;
    let total = count("UGATIT_TRANSLATIONS", 160);
    let place = Place::new();
    for i in 0..total {
        // Sizes come back, and there are more of them than stay compiled.
        let (width, height) = [(32, 32), (64, 48), (16, 40), (48, 64), (200, 120), (40, 16)][i / 20 % 6];
        let image =
            RgbImage::from_fn(width, height, |x, y| Rgb([(x * 7 + i as u32) as u8, (y * 5) as u8, 99]));
        let ending = ["png", "jpg", "webp"][i % 3];
        image.save(place.file(&format!("in/{i:05}.{ending}"))).unwrap();
    }
    let model = checkpoint();
    for device in ["cpu", "gpu"] {
        let fixed = ["translate", "in", "-o", device, "--attention", "--json", "--device", device, "--model"];
        let mut command = place.command(&[&fixed[..], &[model.to_str().unwrap()]].concat());
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let statm = format!("/proc/{}/statm", child.id());
        let mut resident = vec![];
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            // The second number is what lies in memory, in pages.
            let pages = fs::read_to_string(&statm).ok().and_then(|text| text.split(' ').nth(1)?.parse().ok());
            match event["event"].as_str().unwrap() {
                "translated" => resident.extend(pages.map(|pages: f64| pages * 4096.0 / f64::from(1 << 20))),
                "summary" => assert_eq!((&event["translated"], &event["failed"]), (&total.into(), &0.into())),
                _ => panic!("{event}"),
            }
        }
        assert!(child.wait().unwrap().success());
        let largest = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
        let quarter = resident.len() / 4;
        let parts: Vec<f64> = resident.chunks(quarter.max(1)).take(4).map(largest).collect();
        println!(
            "{total} translations on {device}: at most {} MiB in each quarter ({:.0} s)",
            parts.iter().map(|mib| format!("{mib:.1}")).collect::<Vec<_>>().join(", "),
            started.elapsed().as_secs_f64()
        );
        assert!(parts[3] < parts[1] * 1.02 + NOISE, "memory grows on {device}: {parts:?}");
    }
}
