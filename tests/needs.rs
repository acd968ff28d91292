//! What a run is said to need, beside what it takes.
#![cfg(feature = "pictures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

#[path = "support/counting.rs"]
mod counting;
#[path = "runs/place.rs"]
mod place;

use std::fs;
use std::path::Path;

use place::{Place, advance, tiny};
use ugatit::device::Device;
use ugatit::io::Dataset;
use ugatit::run::{RunConfig, RunNeeds};

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| if e.path().is_dir() { size(&e.path()) } else { e.metadata().unwrap().len() }).sum()
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn a_run_takes_what_it_is_said_to_need() {
    for (name, config) in [
        ("small", RunConfig { keep: 2, ..tiny() }),
        ("wide", RunConfig { ch: 16, img_size: 32, load_size: 36, n_dis_global: 5, save_freq: 4, ..tiny() }),
        ("wider", RunConfig { ch: 32, img_size: 32, load_size: 36, n_dis_global: 5, ..tiny() }),
        ("summed", RunConfig { accumulation: 2, batch_size: 2, ema: 0.0, ch: 8, ..tiny() }),
        ("full", RunConfig { light: false, ch: 8, ..tiny() }),
    ] {
        let place = Place::new();
        let dataset = Dataset::open(place.path("data")).unwrap();
        let needs = RunNeeds::of(&config, &dataset, false).unwrap();
        let before = counting::now();
        let (peak, ()) = counting::peak(|| {
            let (mut run, _) = place.open("run", &config, &Device::Cpu).unwrap();
            advance(&mut run, config.iteration);
        });
        assert!(counting::now() < before + (4 << 20), "{name}: something is kept");
        let said = (needs.state + needs.computing + needs.pictures) as f64;
        let taken = peak as f64;
        // The threads' own memory, the graphs and the page are some megabytes, whatever the networks.
        assert!(taken <= said * 1.1 + 6e6, "{name}: {taken} bytes were taken, {said} said");
        assert!(taken >= (needs.state + needs.computing) as f64 * 0.8, "{name}: {taken} of {needs:?}");

        let run = place.path("run");
        let checkpoints: Vec<u64> = fs::read_dir(run.join("checkpoints"))
            .unwrap()
            .map(|e| e.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(checkpoints.len() as u64, needs.checkpoints, "{name}");
        for file in &checkpoints {
            // The header, about a hundred bytes for each tensor.
            assert!(
                (needs.checkpoint..needs.checkpoint + 120_000).contains(file),
                "{name}: {file} of {needs:?}"
            );
        }
        let models = size(&run.join("models"));
        assert!((needs.models..needs.models + 60_000).contains(&models), "{name}: {models} of {needs:?}");
        let samples = size(&run.join("samples"));
        assert!(2 * samples <= needs.sheets + 10_000 && samples > 0, "{name}: {samples} of {needs:?}");
        let metrics = fs::metadata(run.join("metrics.jsonl")).unwrap().len();
        assert!(metrics < needs.curves && 5 * metrics > needs.curves, "{name}: {metrics} of {needs:?}");
        assert!(size(&run) < needs.disk() + 300_000, "{name}");
    }
}
