//! `ugatit import`: an official PyTorch checkpoint, or the models of a training run, become model files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ugatit::io::{ImportOptions, Model, ModelMetadata, Precision, read_checkpoint};

use crate::console::line;
use crate::targets::{Directions, description, parse_directions, targets};

/// Turn an official PyTorch checkpoint (.pt), or the models of a training run, into model files
///
/// A checkpoint is read, never run: a pickle that would call something is refused. The files
/// load in PyTorch with safetensors.torch.load_file. Of a training run, or of model files, this makes
/// smaller ones (--f16), or ones that say more of themselves.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A checkpoint as UGATIT-pytorch saves it, a training run's folder, a model file, or a folder of two
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
    let models = models(args)?;
    let targets = targets(&models, &args.output, "safetensors", args.force)?;
    let precision = if args.f16 { Precision::F16 } else { Precision::F32 };
    for (model, path) in models.iter().zip(&targets) {
        model.save(path, precision, args.force)?;
        line(description(path, model, args.f16));
        if is_checkpoint(&args.checkpoint) && model.config.light && args.size.is_none() {
            line(
                "  the size of the training pictures is not in a light checkpoint; 256 is noted, --size corrects it",
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_checkpoint(path: &Path) -> bool {
    !path.is_dir() && path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("safetensors"))
}

/// The generators of an official checkpoint, or of model files, with what the options say of them.
fn models(args: &Args) -> ugatit::Result<Vec<Model>> {
    let metadata = ModelMetadata {
        domain_a: args.domain_a.clone(),
        domain_b: args.domain_b.clone(),
        license: args.license.clone(),
        provenance: None,
    };
    if is_checkpoint(&args.checkpoint) {
        let options = ImportOptions { img_size: args.size, metadata };
        return read_checkpoint(&args.checkpoint, args.direction.0, &options);
    }
    let mut models = args.direction.open(&args.checkpoint)?;
    for model in &mut models {
        let old = std::mem::take(&mut model.metadata);
        let new = metadata.clone();
        model.metadata = ModelMetadata {
            domain_a: new.domain_a.or(old.domain_a),
            domain_b: new.domain_b.or(old.domain_b),
            license: new.license.or(old.license),
            provenance: old.provenance,
        };
        if let Some(size) = args.size.filter(|_| model.config.light) {
            model.config.img_size = size;
        }
    }
    Ok(models)
}
