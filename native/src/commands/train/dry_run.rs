//! `ugatit train --dry-run`: what a run would need, without beginning it.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::HumanDuration;
use ugatit::device::Device;
use ugatit::io::Dataset;
use ugatit::plan::{AdapterClass, Target};
use ugatit::run::{Free, RunConfig, RunNeeds, Start};
use ugatit::text::grouped;
use ugatit::text::memory;
use ugatit::train::{self, Loader, Player, Session, StepConfig, TrainMemory};

use crate::console::line;
use crate::device::Chosen;
use crate::hint;
use crate::ranks::Crew;

/// Iterations that are timed, after one that compiles.
const TIMED: u32 = 3;

/// Shows what a run of `config` would need of each rank, in `folder` where it is known.
pub(super) fn run(
    crew: &Crew,
    mut config: RunConfig,
    dataset: &Dataset,
    folder: Option<&Path>,
    chosen: Chosen,
) -> anyhow::Result<ExitCode> {
    line(config.to_toml()?.trim_end());
    line("");
    for (name, folder) in dataset.folders() {
        line(format_args!("{name:<8} {:>7} pictures", folder.pictures.len()));
    }
    let ranks = crew.count();
    if ranks > 1 {
        line(format_args!("ranks    {ranks}; what follows is for each of them"));
    }
    // Ranks that meet after some iterations compute as if they were alone.
    let together = if config.local_steps > 1 { 1 } else { ranks };
    let step = StepConfig { ranks: together, ..config.step() };
    line(format_args!("batches  {} of A and of B, {} for an iteration", step.pictures(), step.accumulation));
    for network in Player::BOTH.iter().flat_map(|player| player.networks()) {
        let own = step.tensors()?.into_iter().filter(|(name, _)| {
            name.split('.').next() == Some(network) && Player::BOTH.iter().any(|player| player.trains(name))
        });
        let (count, parameters) = own.fold((0, 0), |(n, sum), (_, shape)| (n + 1, sum + shape.elements()));
        line(format_args!("{network:<8} {:>13} parameters in {count} tensors", grouped(parameters as u64)));
    }

    // Without a GPU: what one would need, at the limits that every GPU grants.
    let target = match &chosen.device {
        Device::Gpu(gpu) => gpu.target(),
        Device::Cpu => {
            Target { max_binding: 1 << 30, max_buffer: 1 << 30, ..Target::browser(AdapterClass::Gpu) }
        }
    };
    match train::memory(&step, &target) {
        Ok(need) => {
            print_memory(&need, &target.adapter);
            for (what, less) in [
                ("--recompute", StepConfig { recompute: true, ..step }),
                ("--precision f16", StepConfig { f16: true, ..step }),
                ("--recompute --precision f16", StepConfig { recompute: true, f16: true, ..step }),
            ] {
                let changes =
                    usize::from(less.recompute != step.recompute) + usize::from(less.f16 != step.f16);
                // What is asked for already is not named again.
                if changes == what.matches("--").count() {
                    let need = train::memory(&less, &target)?;
                    line(format_args!("         {} with {what}", memory(need.total())));
                }
            }
        }
        Err(error) => line(format_args!("memory   {}", hint::told(&error))),
    }
    let place = folder.unwrap_or(Path::new("."));
    let free = Free::for_each_of(crew.neighbours(), place);
    let on_gpu = matches!(chosen.device, Device::Gpu(_));
    let (needs, notices) = RunNeeds::settle(&mut config, dataset, on_gpu, ranks, (place, &free))?;
    print_needs(&needs, &free);
    for notice in notices {
        line(format_args!("note     {notice}"));
    }

    let Start { state, inherited, .. } = config.start()?;
    if let Some(inherited) = &inherited {
        super::say_inherited(inherited);
    }
    let mut loader = Loader::new(dataset, config.loader_options(config.seed), 0)?;
    let mut session = Session::new_blocking(&chosen.device, config.step(), state)?;
    let mut seconds = 0.0;
    for i in 0..=TIMED {
        let batches =
            (0..step.accumulation).map(|_| loader.next_batch()).collect::<ugatit::Result<Vec<_>>>()?;
        let started = Instant::now();
        session.iterate_blocking(&batches)?;
        session.finish_blocking()?;
        if i > 0 {
            seconds += started.elapsed().as_secs_f64() / f64::from(TIMED);
        }
    }
    let whole = HumanDuration(Duration::from_secs_f64((seconds * config.iterations() as f64).min(1e10)));
    line(format_args!(
        "time     {seconds:.3} s an iteration on {}, about {whole} for {} iterations{}",
        chosen.device.name(),
        config.iterations(),
        if ranks > 1 { "; docs/scaling.md says what the other ranks add" } else { "" }
    ));
    Ok(ExitCode::SUCCESS)
}

fn print_memory(need: &TrainMemory, adapter: &str) {
    line(format_args!("memory   {} on {adapter}:", memory(need.total())));
    parts(&[
        ("weights", need.parameters),
        ("gradients", need.gradients),
        ("moments", need.moments),
        ("average", need.average),
        ("activations, shared by both plans", need.activations),
        ("  of the discriminators' plan", need.turns[0]),
        ("  of the generators' plan", need.turns[1]),
        ("pictures and reports on their way", need.staging),
        ("other", need.other),
    ]);
}

/// The computer's own memory, and the disk.
fn print_needs(needs: &RunNeeds, free: &Free) {
    let of = |free: Option<u64>| free.map_or(String::new(), |bytes| format!(" of {} free", memory(bytes)));
    if needs.gpu_sheets > 0 {
        parts(&[("for a moment, beside it, while sheets are made", needs.gpu_sheets)]);
    }
    line(format_args!("computer {}{} in its own memory:", memory(needs.memory()), of(free.memory)));
    parts(&[
        ("weights, moments and average", needs.state),
        ("what is computed beside them", needs.computing),
        ("pictures", needs.pictures),
    ]);
    if needs.sent > 0 {
        parts(&[("what is sent to the other ranks, and comes from them", needs.sent)]);
    }
    line(format_args!("disk     {}{}, for the whole run:", memory(needs.disk()), of(free.disk)));
    let checkpoints =
        format!("a checkpoint; {} are kept, and one more while it is written", needs.checkpoints);
    parts(&[
        (&checkpoints, needs.checkpoint),
        ("models", needs.models),
        ("sample sheets, at most", needs.sheets),
        ("curves", needs.curves),
    ]);
}

fn parts(list: &[(&str, u64)]) {
    for (what, bytes) in list {
        line(format_args!("         {:>10} {what}", memory(*bytes)));
    }
}
