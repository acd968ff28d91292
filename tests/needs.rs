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
use ugatit::run::{OtherData, Run, RunConfig, RunNeeds};
use ugatit::train::{Precision, Reduce, Team};

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| if e.path().is_dir() { size(&e.path()) } else { e.metadata().unwrap().len() }).sum()
}

/// One of two ranks, of which the other computes the same. It holds what it sends and what comes, as MPI does.
#[derive(Debug, Default)]
struct Twin(Vec<[Vec<f32>; 2]>);

impl Reduce for Twin {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        2
    }

    fn neighbours(&self) -> usize {
        1
    }

    fn begin(&mut self, bucket: Vec<f32>, _: Precision) -> ugatit::Result<()> {
        let received = vec![0.0; bucket.len()];
        self.0.push([bucket, received]);
        Ok(())
    }

    fn progress(&mut self) -> ugatit::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> ugatit::Result<Vec<Vec<f32>>> {
        let sum = |[sent, mut received]: [Vec<f32>; 2]| {
            received.iter_mut().zip(&sent).for_each(|(sum, x)| *sum = 2.0 * x);
            received
        };
        Ok(std::mem::take(&mut self.0).into_iter().map(sum).collect())
    }

    fn any(&mut self, bits: u64) -> ugatit::Result<u64> {
        Ok(bits)
    }

    fn broadcast(&mut self, _: &mut [u8]) -> ugatit::Result<()> {
        Ok(())
    }
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn a_run_takes_what_it_is_said_to_need() {
    let wider = RunConfig { ch: 32, img_size: 32, load_size: 36, n_dis_global: 5, ..tiny() };
    for (name, ranks, config) in [
        ("small", 1, RunConfig { keep: 2, ..tiny() }),
        ("wide", 1, RunConfig { ch: 16, save_freq: 4, ..wider.clone() }),
        ("wider", 1, wider.clone()),
        ("summed", 1, RunConfig { accumulation: 2, batch_size: 2, ema: 0.0, ch: 8, ..tiny() }),
        ("full", 1, RunConfig { light: false, ch: 8, ..tiny() }),
        ("ranks", 2, wider.clone()),
        ("ranks that meet later", 2, RunConfig { local_steps: 2, ..wider.clone() }),
    ] {
        let place = Place::new();
        let dataset = Dataset::open(place.path("data")).unwrap();
        let needs = RunNeeds::of(&config, &dataset, false, ranks).unwrap();
        let before = counting::now();
        let (peak, ()) = counting::peak(|| {
            let team = (ranks > 1).then(|| Team::new(Box::<Twin>::default()));
            let folder = place.path("run");
            let opened =
                Run::open_in(team, folder, dataset.clone(), config.clone(), Device::Cpu, OtherData::Refuse);
            let (mut run, _) = pollster::block_on(opened).unwrap();
            advance(&mut run, config.iteration);
        });
        assert!(counting::now() < before + (4 << 20), "{name}: something is kept");
        assert_eq!(needs.sent > 0, ranks > 1, "{name}");
        let said = (needs.state + needs.computing + needs.sent + needs.pictures) as f64;
        let taken = peak as f64;
        // The threads' own memory, the graphs and the page are some megabytes, whatever the networks.
        assert!(taken <= said * 1.1 + 6e6, "{name}: {taken} bytes were taken, {said} said");
        assert!(
            taken >= (needs.state + needs.computing + needs.sent) as f64 * 0.8,
            "{name}: {taken} of {needs:?}"
        );

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
