//! `ugatit import`: an official PyTorch checkpoint becomes model files of ours.

use std::path::PathBuf;
use std::process::ExitCode;

use ugatit::io::{ImportOptions, ModelMetadata, Precision, read_checkpoint};

use crate::console::{grouped, line};
use crate::targets::{Directions, parse_directions, targets};

/// Turn an official PyTorch checkpoint (.pt) into model files
///
/// The checkpoint is read, never run: a pickle that would call something is refused. The
/// files load in PyTorch with safetensors.torch.load_file.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The checkpoint, as UGATIT-pytorch saves it
    checkpoint: PathBuf,
    /// A folder for A2B.safetensors and B2A.safetensors, or a .safetensors file for one
    #[arg(short, long, value_name = "DIR_OR_FILE")]
    output: PathBuf,
    /// Which generators: A2B, B2A or both
    #[arg(long, default_value = "both", value_parser = parse_directions)]
    direction: Directions,
    /// Half the file's size, three decimal digits a weight
    #[arg(long)]
    f16: bool,
    /// Height and width of the training pictures; a light checkpoint does not tell
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// What domain A shows, for example selfie
    #[arg(long, value_name = "NAME")]
    domain_a: Option<String>,
    /// What domain B shows, for example anime
    #[arg(long, value_name = "NAME")]
    domain_b: Option<String>,
    /// The licence of the weights
    #[arg(long)]
    license: Option<String>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let metadata = ModelMetadata {
        domain_a: args.domain_a.clone(),
        domain_b: args.domain_b.clone(),
        license: args.license.clone(),
        provenance: None,
    };
    let options = ImportOptions { img_size: args.size, metadata };
    let models = read_checkpoint(&args.checkpoint, args.direction.0, &options)?;
    let targets = targets(&models, &args.output, "safetensors", args.force)?;
    let precision = if args.f16 { Precision::F16 } else { Precision::F32 };
    for (model, path) in models.iter().zip(&targets) {
        model.save(path, precision, args.force)?;
        let c = &model.config;
        line(format_args!(
            "{}: {}, ch {}, {} parameters, {}",
            path.display(),
            if c.light { "light" } else { "full" },
            c.ch,
            grouped(model.parameter_count()),
            if args.f16 { "f16" } else { "f32" }
        ));
        if c.light && args.size.is_none() {
            line(
                "  the size of the training pictures is not in a light checkpoint; 256 is noted, --size corrects it",
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
