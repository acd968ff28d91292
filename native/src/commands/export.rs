//! `ugatit export`: a model or a training state for other programs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ugatit::io::Precision;
use ugatit::run::{Checkpoint, RunFolder};

use crate::console::{Usage, line};
use crate::models;
use crate::targets::{Directions, description, directions, parse_directions, targets};

/// Write a model for other programs: as ONNX, or a training state for PyTorch
///
/// ONNX: input `image` [batch, 3, height, width] in -1..1; outputs `translated` of the same shape,
/// `attention` [batch, 1, height/4, width/4] and `cam_logit` [batch, 2]. Height and width are
/// multiples of 4; a full model takes its own size only.
///
/// Safetensors: of a training run or one of its checkpoints, a file for each network with its
/// official state_dict, one with the moments of Adam, and one with the moving average.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A model file, an official checkpoint (.pt), a folder of models or of a training run
    #[arg(env = "UGATIT_MODEL")]
    model: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
    /// A folder, or for one direction as ONNX an .onnx file
    #[arg(short, long, value_name = "DIR_OR_FILE")]
    output: PathBuf,
    /// Which generators, as ONNX: A2B, B2A or both
    #[arg(long, default_value = "both", value_parser = parse_directions)]
    direction: Directions,
    /// ONNX: store the weights in half the size, three decimal digits each; computes in f32 still
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
    /// Safetensors of all networks of a training run, for PyTorch
    #[arg(long, conflicts_with_all = ["f16", "direction"])]
    safetensors: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.format.safetensors {
        training_state(args)?;
    } else {
        onnx(args)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn onnx(args: &Args) -> anyhow::Result<()> {
    let path = models::find(args.model.as_ref())?;
    let models = args.direction.open(&path)?;
    let precision = if args.f16 { Precision::F16 } else { Precision::F32 };
    let targets = targets(&directions(&models), &args.output, "onnx", args.force)?;
    for (model, path) in models.iter().zip(&targets) {
        model.save_onnx(path, precision, args.force)?;
        let c = &model.config;
        let sizes = if c.light { "any size".into() } else { format!("{0}x{0} only", c.img_size) };
        line(format_args!("{}, {sizes}", description(path, model, args.f16)));
    }
    Ok(())
}

fn training_state(args: &Args) -> anyhow::Result<()> {
    let path =
        args.model.as_ref().ok_or_else(|| Usage("name a training run, or one of its checkpoints".into()))?;
    let checkpoint = newest(path)?;
    for file in checkpoint.export(&args.output, args.force)? {
        line(file.display());
    }
    line(format_args!("the state after {} iterations", checkpoint.state.step));
    Ok(())
}

/// The checkpoint itself, or the newest one of a run.
fn newest(path: &Path) -> anyhow::Result<Checkpoint<'static>> {
    if path.is_dir() {
        let (checkpoint, _) = RunFolder::newest(path)?;
        return Ok(checkpoint
            .ok_or_else(|| Usage(format!("{} holds no checkpoints of a training run", path.display())))?);
    }
    Ok(Checkpoint::load(path)?)
}
