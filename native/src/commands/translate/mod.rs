//! `ugatit translate`: pictures in, pictures out.

mod flight;
pub(super) mod inputs;
mod outputs;
mod pipeline;
mod report;
pub(super) mod share;
mod tiling;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::{ArgAction, ValueEnum};
use ugatit::graph::Arithmetic;
use ugatit::io::PictureFormat;
use ugatit::model::Direction;
use ugatit::translate::{Fit, Options, PictureSize, Precision, Tiling};

use crate::console::Usage;
use crate::device::{self, DeviceArgs};
use crate::interrupt::stop_on_interrupt;
use crate::models;
use crate::ranks::Crew;

use pipeline::Opened;
use report::Reporter;
use share::Shard;

/// Translate pictures
///
/// JPEG, PNG, WebP, BMP and GIF (first frame) are read. A broken picture is reported and the
/// rest goes on; the exit status is then 1. What else is in a folder is passed over and counted, and pictures of
/// other kinds are named with what to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Picture files, folders or patterns such as 'photos/*.jpg'
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// A folder for the results, or a file name for a single picture
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// A model file, a checkpoint (.pt, or of TensorFlow), or a folder of models
    #[arg(short, long, value_name = "MODEL", env = "UGATIT_MODEL")]
    model: Option<PathBuf>,
    /// Of a TensorFlow checkpoint: whether it was trained with smoothing, true or false [default: what the name of
    /// its folder says, else true]
    #[arg(long, value_name = "BOOL")]
    smoothing: Option<bool>,
    /// A2B or B2A, where the model has both
    #[arg(long, value_parser = |text: &str| text.parse::<Direction>().map_err(|_| "use A2B or B2A".to_owned()))]
    direction: Option<Direction>,
    /// The size to translate at: native, 256 or 320x256. native is the picture's own with a
    /// light model and the model's with a full one and with one of photo2cartoon
    #[arg(long, default_value = "native", value_parser = |text: &str| text.parse::<PictureSize>().map_err(|e| e.to_string()))]
    size: PictureSize,
    /// How a picture of another aspect is brought to --size
    #[arg(long, value_enum, default_value = "stretch")]
    fit: FitChoice,
    /// Translate large pictures in tiles, with a light model: auto, off, or the pixels of a tile a
    /// side, such as 512, which all larger pictures are then cut into. Memory is that of one tile.
    /// auto cuts a picture when a tensor of the network would take more than 128 MiB: from 2
    /// megapixels on with --ch 16, from 0.5 with 64
    #[arg(long, default_value = "auto", value_name = "auto|off|PIXELS")]
    tile: Tiling,
    /// Also write NAME_attention.png: what the network attends to, over the picture
    #[arg(long)]
    attention: bool,
    /// Also write NAME_sheet.png: picture, attention and result side by side
    #[arg(long)]
    sheet: bool,
    /// The format of the results [default: that of a file name given as OUT, else png]
    #[arg(long, value_enum)]
    format: Option<FormatChoice>,
    /// The quality of JPEG results, 1 to 100
    #[arg(long, default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Translate only what has no result yet: what an earlier command has left, for example because it was
    /// stopped
    #[arg(long, conflicts_with = "force")]
    missing: bool,
    /// Translate only the I-th of N parts of the pictures, 1/N to N/N: for N machines or the N tasks of a job
    /// array, which share out all pictures among them when each is given the same command with its own I
    #[arg(long, value_name = "I/N", default_value = "1/1", hide_default_value = true)]
    shard: Shard,
    /// One JSON object a line for every picture, and one for all
    #[arg(long)]
    json: bool,
    /// Look into the folders within folders; --recursive=false does not
    #[arg(long, action = ArgAction::Set, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    recursive: bool,
    /// Only sums of products as the formulas state them, no faster algorithm: about half as fast on
    /// the processor, and no pixel differs by more than 1 of 255
    #[arg(long)]
    exact: bool,
    /// How numbers lie in a GPU's memory. f16 takes half of it, and no pixel differs by more than 2 of 255;
    /// auto takes it where `ugatit tune` found it to be faster. The processor always takes f32
    #[arg(long, value_enum, default_value = "auto")]
    precision: PrecisionChoice,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FitChoice {
    /// The aspect is ignored, as the official program does
    Stretch,
    /// The middle of the right aspect is taken
    Crop,
    /// Scaled to fit and padded by reflection; the result is cropped back
    Pad,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PrecisionChoice {
    Auto,
    F32,
    F16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatChoice {
    /// Lossless
    Png,
    /// Lossy, see --quality
    #[value(alias = "jpeg")]
    Jpg,
    /// WebP, lossless
    Webp,
}

impl FormatChoice {
    fn with_quality(self, quality: u8) -> PictureFormat {
        match self {
            Self::Png => PictureFormat::Png,
            Self::Jpg => PictureFormat::Jpeg { quality },
            Self::Webp => PictureFormat::WebP,
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    Crew::join()?.run(|crew| run_in(crew, args))
}

fn run_in(crew: &Crew, args: &Args) -> anyhow::Result<ExitCode> {
    let device_args = crew.device(&args.device);
    let found = inputs::collect(&args.inputs, args.recursive, &args.output);
    let wanted = outputs::Wanted {
        format: args.format.map(|format| format.with_quality(args.quality)),
        quality: args.quality,
        attention: args.attention,
        sheet: args.sheet,
        force: args.force,
        missing: args.missing,
        shard: args.shard.part(crew.rank(), crew.count()),
        alike: matches!(args.size, PictureSize::Exact { .. }),
    };
    let plan = outputs::plan(found, &args.inputs, &args.output, &wanted)?;
    // Nobody writes before all have looked what is there.
    crew.check_same("the list of pictures and results", plan.all)?;
    let model = models::open(args.model.as_ref(), args.direction, args.smoothing)?;
    let fit = match args.fit {
        FitChoice::Stretch => Fit::Stretch,
        FitChoice::Crop => Fit::Crop,
        FitChoice::Pad => Fit::Pad,
    };
    let options = Options { size: args.size, fit, tiles: args.tile };
    tiling::check(args.tile, &model.config)?;
    if args.attention && !model.config.cam {
        return Err(Usage(
            "this model has no attention (it was trained with --g-cam false); leave out --attention".into(),
        )
        .into());
    }
    if let (PictureSize::Exact { width, height }, true) = (options.size, model.config.has_one_size()) {
        model.config.check_size(height, width).map_err(|e| Usage(e.to_string()))?;
    }
    let chosen = device::open(&device_args)?;
    if let Some(notice) = chosen.notice.as_ref().filter(|_| !args.json) {
        crew.note(notice);
    }
    let arithmetic = if args.exact { Arithmetic::Exact } else { Arithmetic::Fast };
    let precision = match args.precision {
        PrecisionChoice::Auto => Precision::Auto,
        PrecisionChoice::F32 => Precision::F32,
        PrecisionChoice::F16 => Precision::F16,
    };
    let opened = Opened::new(chosen, model, arithmetic, precision)?;

    let stop = stop_on_interrupt("after the pictures in work");
    let reporter = Reporter::new(plan.jobs.len() + plan.failures.len(), args.json, opened.device.clone());
    reporter.passed_over(&plan.passed_over);
    reporter.there_already(plan.there_already);
    for (path, problem) in &plan.failures {
        reporter.failed(path, problem);
    }
    // The weights were on the GPU only.
    let reopen = || {
        let chosen = device::reopen(&device_args, &stop)?;
        let model = models::open(args.model.as_ref(), args.direction, args.smoothing)?;
        Opened::new(chosen, model, arithmetic, precision)
    };
    pipeline::run(&plan.jobs, opened, &reopen, &options, &stop, &reporter);
    let stopped = stop.load(Ordering::Relaxed);
    let all_well = reporter.finish(stopped, crew);
    Ok(if stopped {
        ExitCode::from(130)
    } else if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
