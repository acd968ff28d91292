//! `ugatit import`: a checkpoint of another program, or the models of a training run, become model files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ugatit::Bits;
use ugatit::io::{
    ImportOptions, Model, ModelMetadata, Precision, checkpoint_directions, is_tensorflow_checkpoint,
    read_checkpoint,
};
use ugatit::model::{DecoderNorm, Dialect};

use crate::console::{Usage, line};
use crate::targets::{Directions, description, directions, parse_directions, targets};

/// Turn a checkpoint of another program, or the models of a training run, into model files
///
/// Read are checkpoints of UGATIT-pytorch and photo2cartoon (.pt), and those of the authors' own program in
/// TensorFlow, which is not needed for it. A checkpoint is read, never run: a pickle that would call
/// something is refused. The files load in PyTorch with safetensors.torch.load_file. Of a training run,
/// or of model files, this makes smaller ones (--f16, --quantize), or ones that say more of themselves.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A checkpoint: .pt, or of TensorFlow its folder or its .index; a training run's folder, a model file, or a
    /// folder of two
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
    /// Store the largest matrix of a full model, nearly all of it, in 8 or 4 bits: a quarter or an eighth of the file,
    /// of the memory and of the download
    #[arg(long, value_name = "BITS")]
    quantize: Option<Bits>,
    /// Height and width of the training pictures; a light checkpoint does not tell
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// Of a TensorFlow checkpoint: whether it was trained with smoothing, true or false [default: what the name of
    /// its folder says, else true]
    #[arg(long, value_name = "BOOL")]
    smoothing: Option<bool>,
    /// What normalises the decoder, of a checkpoint or state_dict that has neither AdaLIN nor AdaIN: in, ln or gn; of a
    /// safetensors file that holds both generators, --direction says which is meant
    #[arg(long, value_name = "NAME")]
    decoder_norm: Option<DecoderNorm>,
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
    if is_checkpoint(&args.checkpoint) {
        checkpoint(args)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.smoothing.is_some() {
        return Err(
            Usage("--smoothing is a question of TensorFlow checkpoints, and this is none".into()).into()
        );
    }
    let models = models(args)?;
    let targets = targets(&directions(&models), &args.output, "safetensors", args.force)?;
    for (mut model, path) in models.into_iter().zip(&targets) {
        save(args, &mut model, path)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn is_checkpoint(path: &Path) -> bool {
    let file = !path.is_dir() && path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("safetensors"));
    file || is_tensorflow_checkpoint(path)
}

fn save(args: &Args, model: &mut Model, path: &Path) -> ugatit::Result<()> {
    if let Some(bits) = args.quantize {
        model.quantize(bits)?;
    }
    let precision = if args.f16 { Precision::F16 } else { Precision::F32 };
    model.save(path, precision, args.force)?;
    line(description(path, model, args.f16));
    Ok(())
}

fn metadata(args: &Args) -> ModelMetadata {
    ModelMetadata {
        domain_a: args.domain_a.clone(),
        domain_b: args.domain_b.clone(),
        license: args.license.clone(),
        provenance: None,
    }
}

/// The generators of a checkpoint, one after the other: a full one is a gigabyte.
fn checkpoint(args: &Args) -> anyhow::Result<()> {
    let there = match args.direction.0 {
        Some(direction) => vec![direction],
        None => checkpoint_directions(&args.checkpoint)?,
    };
    let targets = targets(&there, &args.output, "safetensors", args.force)?;
    let options = ImportOptions {
        img_size: args.size,
        smoothing: args.smoothing,
        decoder_norm: args.decoder_norm,
        metadata: metadata(args),
    };
    for (direction, path) in there.into_iter().zip(&targets) {
        for mut model in read_checkpoint(&args.checkpoint, Some(direction), &options)? {
            save(args, &mut model, path)?;
            let dialect = model.config.dialect;
            if model.config.light && args.size.is_none() && dialect != Dialect::Photo2cartoon {
                line(
                    "  the size of the training pictures is not in a light checkpoint; 256 is noted, --size corrects it",
                );
            }
            if dialect == Dialect::Tensorflow && args.smoothing.is_none() {
                line(
                    "  whether it was trained with smoothing is not in a checkpoint: its provenance says what was assumed, --smoothing corrects it",
                );
            }
        }
    }
    Ok(())
}

/// The generators of model files, with what the options say of them.
fn models(args: &Args) -> ugatit::Result<Vec<Model>> {
    let metadata = metadata(args);
    let mut models = match args.decoder_norm {
        // Of a state_dict, which does not say it.
        Some(norm) if args.checkpoint.is_file() => {
            let bytes = std::fs::read(&args.checkpoint).map_err(ugatit::Error::io(&args.checkpoint))?;
            vec![Model::from_bytes_told(&args.checkpoint, &bytes, args.direction.0, Some(norm))?]
        }
        _ => args.direction.open(&args.checkpoint)?,
    };
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
