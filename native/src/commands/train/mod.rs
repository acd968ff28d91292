//! `ugatit train`: from two folders of pictures to a model.

mod dry_run;
mod help;
pub(crate) mod official;
mod progress;
mod settings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use ugatit::Error;
use ugatit::io::Dataset;
use ugatit::run::{Inherited, OtherData, Run};
use ugatit::train::Team;
use ugatit::translate::Device;
use ugatit_mpi::Wire;

use crate::compiling::watched;
use crate::console::{self, Usage, line};
use crate::device::{self, Chosen, DeviceArgs};
use crate::interrupt::stop_on_interrupt;
use crate::ranks::Crew;

use progress::ProgressLine;
use settings::Settings;

/// How often a lost device is opened again before an iteration succeeds.
const RECOVERIES: u32 = 3;

/// What a rank wishes before an iteration, as bits.
const INTERRUPTED: u64 = 1;
const LATE: u64 = 2;

fn wishes(stop: &AtomicBool, late: bool) -> u64 {
    let interrupted = if stop.load(Ordering::Relaxed) { INTERRUPTED } else { 0 };
    interrupted | if late { LATE } else { 0 }
}

/// What gradients are sent as, where several ranks train together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reduce {
    /// 32 bits, exactly
    F32,
    /// 16 bits: half the bytes on a slow network
    Bf16,
}

impl From<Reduce> for Wire {
    fn from(reduce: Reduce) -> Self {
        match reduce {
            Reduce::F32 => Self::F32,
            Reduce::Bf16 => Self::Bf16,
        }
    }
}

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
    /// What gradients are sent as to the other ranks, where `mpirun` has started several
    #[arg(long, value_enum, default_value = "f32", value_name = "BITS")]
    reduce: Reduce,
    /// Go on with a run though DATA is another dataset than it was trained on
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    Crew::join()?.run(|crew| run_in(crew, args))
}

fn run_in(crew: &Crew, args: &Args) -> anyhow::Result<ExitCode> {
    let device_args = crew.device(&args.device);
    if let Some(ranks) = crew.ranks().filter(|_| !crew.is_first()) {
        return help::run(crew, ranks, args, &device_args);
    }
    let folder = args.output.as_deref();
    let config = settings::collect(&args.settings, args.preset.as_deref(), args.config.as_ref(), folder)?;
    let dataset = Dataset::open(&args.data)?;
    let chosen = device::open(&device_args)?;
    if let Some(notice) = &chosen.notice {
        crew.note(notice);
    }
    if args.dry_run {
        return dry_run::run(crew, config, &dataset, folder, chosen);
    }
    let folder = folder.ok_or_else(|| Usage("name the run's folder with -o".into()))?;
    let stop = stop_on_interrupt("after this iteration, saving the run");
    let device = chosen.device.clone();
    let other = if args.force { OtherData::Take } else { OtherData::Refuse };
    let team = crew.ranks().map(|ranks| Team::new(ranks.connection(args.reduce.into())));
    let opened =
        watched(&device, || Run::open_in_blocking(team, folder, dataset, config, chosen.device, other));
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
    train(run, &device_args, args.time, folder, beginning.step, &stop)
}

/// Says what a run begins with.
fn say_inherited(inherited: &Inherited) {
    line(format_args!("begins with the weights of {}:", inherited.source.display()));
    for network in &inherited.networks {
        line(format_args!("  {network}"));
    }
    if let Some(rounding) = inherited.rounding() {
        line(format_args!("  {rounding}"));
    }
}

/// An error that has ended the training, with where the same command goes on.
#[derive(Debug)]
struct Ended {
    error: Error,
    from: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.error, self.from)
    }
}

impl std::error::Error for Ended {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Trains until all is done, the time is up, or somebody stops it.
fn train(
    mut run: Run,
    device_args: &DeviceArgs,
    time: Option<Duration>,
    folder: &Path,
    from: u64,
    stop: &AtomicBool,
) -> anyhow::Result<ExitCode> {
    let (started, waited_before) = (Instant::now(), run.waited().unwrap_or_default());
    let deadline = time.map(|time| started + time);
    let mut progress = ProgressLine::new(&run, folder, from);
    let mut recoveries = 0;
    while !run.is_done() {
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let wishes = run.agree(wishes(stop, late))?;
        if wishes != 0 {
            let interrupted = wishes & INTERRUPTED != 0;
            let (step, total) = (run.step(), run.config().iterations());
            let reason = if interrupted { "interrupted" } else { "the time is up" };
            run.stop_blocking(reason)?;
            progress.close();
            line(format_args!(
                "{reason} after iteration {step} of {total}; the same command goes on from there"
            ));
            return Ok(if interrupted { ExitCode::from(130) } else { ExitCode::SUCCESS });
        }
        match run.advance_blocking() {
            Ok(made) => {
                made.notices.iter().for_each(|notice| progress.note(notice));
                progress.show(&run, &made);
                if made.report.is_some() {
                    recoveries = 0;
                }
            }
            Err(Error::DeviceLost { adapter, problem }) if recoveries < RECOVERIES && run.ranks() == 1 => {
                recoveries += 1;
                progress.note(format_args!(
                    "the GPU {adapter} was lost ({problem}); opening it again and going on from the last checkpoint"
                ));
                let Chosen { device, notice } = device::reopen(device_args, stop)?;
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
                run = run.recover_blocking(device, notice.as_deref())?;
            }
            Err(error) => {
                progress.close();
                let from = match run.fail_blocking(&error) {
                    Ok(0) => "nothing was trained yet".to_owned(),
                    Ok(step) => format!("the same command goes on from iteration {step}"),
                    Err(kept) => format!("what was trained could not be kept: {kept}"),
                };
                return Err(Ended { error, from }.into());
            }
        }
    }
    progress.close();
    if let Some(waited) = run.waited().filter(|_| run.step() > from) {
        line(format_args!(
            "{} ranks; rank 0 has waited for the others in {:.1} % of the time",
            run.ranks(),
            100.0 * (waited - waited_before).as_secs_f64() / started.elapsed().as_secs_f64()
        ));
    }
    line(format_args!(
        "all {} iterations are done; the models are in {}",
        run.config().iterations(),
        folder.join("models").display()
    ));
    line(format_args!("try them: ugatit translate PICTURES -o OUT --model {}", folder.display()));
    Ok(ExitCode::SUCCESS)
}
