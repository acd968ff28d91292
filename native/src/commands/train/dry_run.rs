//! `ugatit train --dry-run`: what a run would need, without beginning it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::HumanDuration;
use ugatit::device::Device;
use ugatit::io::Dataset;
use ugatit::plan::{AdapterClass, Target};
use ugatit::run::{RunConfig, Start};
use ugatit::train::{self, Loader, Player, Session, TrainMemory};

use crate::console::{grouped, line, memory};
use crate::device::Chosen;

/// Iterations that are timed, after one that compiles.
const TIMED: u32 = 3;

pub(super) fn run(config: &RunConfig, dataset: &Dataset, chosen: Chosen) -> anyhow::Result<ExitCode> {
    line(config.to_toml()?.trim_end());
    line("");
    for (name, folder) in dataset.folders() {
        line(format_args!("{name:<8} {:>7} pictures", folder.pictures.len()));
    }
    let step = config.step();
    line(format_args!("batches  {} of A and of B, {} for an iteration", step.pictures(), step.accumulation));
    for network in Player::BOTH.iter().flat_map(|player| player.networks()) {
        let own = step.tensors()?.into_iter().filter(|(name, _)| {
            name.split('.').next() == Some(network) && Player::BOTH.iter().any(|player| player.trains(name))
        });
        let (count, parameters) = own.fold((0, 0), |(n, sum), (_, shape)| (n + 1, sum + shape.elements()));
        line(format_args!("{network:<8} {:>13} parameters in {count} tensors", grouped(parameters)));
    }

    // Without a GPU: what one would need, at the limits that every GPU grants.
    let target = match &chosen.device {
        Device::Gpu(gpu) => gpu.target(),
        Device::Cpu => {
            Target { max_binding: 1 << 30, max_buffer: 1 << 30, ..Target::browser(AdapterClass::Gpu) }
        }
    };
    match train::memory(&step, &target) {
        Ok(need) => print_memory(&need, &target.adapter),
        Err(error) => line(format_args!("memory   {error}")),
    }

    let Start { state, inherited, .. } = config.start()?;
    if let Some(inherited) = &inherited {
        super::say_inherited(inherited);
    }
    let mut loader = Loader::new(dataset, config.loader_options(config.seed), 0)?;
    pollster::block_on(async {
        let mut session = Session::new(&chosen.device, step, state).await?;
        let mut seconds = 0.0;
        for i in 0..=TIMED {
            let batches =
                (0..step.accumulation).map(|_| loader.next_batch()).collect::<ugatit::Result<Vec<_>>>()?;
            let started = Instant::now();
            session.iterate(&batches).await?;
            session.finish().await?;
            if i > 0 {
                seconds += started.elapsed().as_secs_f64() / f64::from(TIMED);
            }
        }
        let whole = HumanDuration(Duration::from_secs_f64((seconds * config.iteration as f64).min(1e10)));
        line(format_args!(
            "time     {seconds:.3} s an iteration on {}, about {whole} for {} iterations",
            chosen.device.name(),
            config.iteration
        ));
        Ok(ExitCode::SUCCESS)
    })
}

fn print_memory(need: &TrainMemory, adapter: &str) {
    line(format_args!("memory   {} on {adapter}:", memory(need.total())));
    for (what, bytes) in [
        ("weights", need.parameters),
        ("gradients", need.gradients),
        ("moments", need.moments),
        ("average", need.average),
        ("activations, shared by both plans", need.activations),
        ("  of the discriminators' plan", need.turns[0]),
        ("  of the generators' plan", need.turns[1]),
        ("pictures and reports on their way", need.staging),
        ("other", need.other),
    ] {
        line(format_args!("         {:>10} {what}", memory(bytes)));
    }
}
