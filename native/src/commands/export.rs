//! `ugatit export`: a model for other programs.

use std::path::PathBuf;
use std::process::ExitCode;

use ugatit::io::{Model, Precision};

use crate::console::{grouped, line};
use crate::models;
use crate::targets::{Directions, parse_directions, targets};

/// Write a model for other programs: as ONNX
///
/// Input `image` [batch, 3, height, width] in -1..1; outputs `translated` of the same shape,
/// `attention` [batch, 1, height/4, width/4] and `cam_logit` [batch, 2]. Height and width are
/// multiples of 4; a full model takes its own size only.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A model file, an official checkpoint (.pt), or a folder of models
    #[arg(env = "UGATIT_MODEL")]
    model: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
    /// A folder for A2B.onnx and B2A.onnx, or an .onnx file for one
    #[arg(short, long, value_name = "DIR_OR_FILE")]
    output: PathBuf,
    /// Which generators: A2B, B2A or both
    #[arg(long, default_value = "both", value_parser = parse_directions)]
    direction: Directions,
    /// Store the weights in half the size, three decimal digits each; computes in f32 still
    #[arg(long)]
    f16: bool,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// What is written.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Format {
    /// ONNX, opset 17
    #[arg(long)]
    onnx: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    debug_assert!(args.format.onnx, "the only format");
    let path = models::find(args.model.as_ref())?;
    let models = match args.direction.0 {
        Some(direction) => vec![Model::open(&path, Some(direction))?],
        None => Model::open_all(&path)?,
    };
    let precision = if args.f16 { Precision::F16 } else { Precision::F32 };
    let targets = targets(&models, &args.output, "onnx", args.force)?;
    for (model, path) in models.iter().zip(&targets) {
        model.save_onnx(path, precision, args.force)?;
        let c = &model.config;
        line(format_args!(
            "{}: {}, ch {}, {} parameters, {}, {}",
            path.display(),
            if c.light { "light" } else { "full" },
            c.ch,
            grouped(model.parameter_count()),
            if args.f16 { "f16" } else { "f32" },
            if c.light { "any size".into() } else { format!("{0}x{0} only", c.img_size) },
        ));
    }
    Ok(ExitCode::SUCCESS)
}
