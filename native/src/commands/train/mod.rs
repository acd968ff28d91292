//! `ugatit train`: from two folders of pictures to a model.

mod dry_run;
pub(crate) mod official;
mod progress;
mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use ugatit::Error;
use ugatit::io::Dataset;
use ugatit::run::{Inherited, OtherData, Run};
use ugatit::translate::Device;

use crate::compiling::watched;
use crate::console::{self, Usage, line};
use crate::device::{self, Chosen, DeviceArgs};
use crate::interrupt::stop_on_interrupt;

use progress::Progress;
use settings::Settings;

/// How often a lost device is opened again before an iteration succeeds.
const RECOVERIES: u32 = 3;

/// Train a model on the pictures in DATA/trainA and DATA/trainB
///
/// Everything is kept in the run's folder: settings, checkpoints, curves, sample sheets, a page that
/// shows them (index.html), and the models, ready for `ugatit translate --model RUN`. The same
/// command goes on where the run was.
#[derive(Debug, clap::Args)]
#[command(after_help = settings::presets(), args_override_self = true)]
pub(crate) struct Args {
    /// The folder that holds trainA and trainB, and testA and testB where there are any
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// The run's folder
    #[arg(short, long, value_name = "RUN", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// Settings by a name; see below
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Settings of a TOML file, as a run's config.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Stop after this time, for example 6h or 90m; the same command goes on
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
    /// Show networks, memory, disk and an estimate of the time, without training
    #[arg(long)]
    dry_run: bool,
    /// Go on with a run though DATA is another dataset than it was trained on
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = args.output.as_deref();
    let config = settings::collect(&args.settings, args.preset.as_deref(), args.config.as_ref(), folder)?;
    let dataset = Dataset::open(&args.data)?;
    let chosen = device::open(&args.device)?;
    if let Some(notice) = &chosen.notice {
        console::error(notice);
    }
    if args.dry_run {
        return dry_run::run(&config, &dataset, folder, chosen);
    }
    let folder = folder.ok_or_else(|| Usage("name the run's folder with -o".into()))?;
    let stop = stop_on_interrupt("after this iteration, saving the run");
    let device = chosen.device.clone();
    let other = if args.force { OtherData::Take } else { OtherData::Refuse };
    let opened =
        watched(&device, || pollster::block_on(Run::open_on(folder, dataset, config, chosen.device, other)));
    let (run, beginning) = opened?;
    for notice in &beginning.notices {
        console::error(format_args!("note: {notice}"));
    }
    for error in &beginning.unreadable {
        console::error(format_args!("a checkpoint cannot be read, the one before it is taken: {error}"));
    }
    if let Some(inherited) = &beginning.inherited {
        say_inherited(inherited);
    }
    train(run, args, folder, beginning.step, &stop)
}

/// Says what a run begins with.
fn say_inherited(inherited: &Inherited) {
    line(format_args!("begins with the weights of {}:", inherited.source.display()));
    for network in &inherited.networks {
        line(format_args!("  {network}"));
    }
}

/// Trains until all is done, the time is up, or somebody stops it.
fn train(mut run: Run, args: &Args, folder: &Path, from: u64, stop: &AtomicBool) -> anyhow::Result<ExitCode> {
    let deadline = args.time.map(|time| Instant::now() + time);
    let mut progress = Progress::new(&run, folder, from);
    let mut recoveries = 0;
    while !run.is_done() {
        let interrupted = stop.load(Ordering::Relaxed);
        if interrupted || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let (step, total) = (run.step(), run.config().iteration);
            let reason = if interrupted { "interrupted" } else { "the time is up" };
            pollster::block_on(run.stop(reason))?;
            progress.close();
            line(format_args!(
                "{reason} after iteration {step} of {total}; the same command goes on from there"
            ));
            return Ok(if interrupted { ExitCode::from(130) } else { ExitCode::SUCCESS });
        }
        match pollster::block_on(run.advance()) {
            Ok(made) => {
                made.notices.iter().for_each(|notice| progress.note(notice));
                progress.show(&run, &made);
                if made.report.is_some() {
                    recoveries = 0;
                }
            }
            Err(Error::DeviceLost { adapter, problem }) if recoveries < RECOVERIES => {
                recoveries += 1;
                progress.note(format_args!(
                    "the GPU {adapter} was lost ({problem}); opening it again and going on from the last checkpoint"
                ));
                let Chosen { device, notice } = device::reopen(&args.device, stop)?;
                // What trains for days should not change to the processor unseen.
                let notice = notice.map(|notice| match device {
                    Device::Cpu => format!(
                        "{notice}; stop this (Ctrl-C) and run the same command when the GPU is there again"
                    ),
                    Device::Gpu(_) => notice,
                });
                if let Some(notice) = &notice {
                    progress.note(notice);
                }
                run = pollster::block_on(run.recover(device, notice.as_deref()))?;
            }
            Err(error) => {
                progress.close();
                let from = match pollster::block_on(run.fail(&error)) {
                    Ok(0) => "nothing was trained yet".to_owned(),
                    Ok(step) => format!("the same command goes on from iteration {step}"),
                    Err(kept) => format!("what was trained could not be kept: {kept}"),
                };
                return Err(anyhow!("{error}; {from}"));
            }
        }
    }
    progress.close();
    line(format_args!(
        "all {} iterations are done; the models are in {}",
        run.config().iteration,
        folder.join("models").display()
    ));
    line(format_args!("try them: ugatit translate PICTURES -o OUT --model {}", folder.display()));
    Ok(ExitCode::SUCCESS)
}
