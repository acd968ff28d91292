//! `ugatit average`: the weighted average of models.

use std::path::PathBuf;
use std::process::ExitCode;

use ugatit::io::{Model, Precision};

use crate::console::{Usage, line};
use crate::targets::{description, targets};

/// Average the weights of models that were trained on from one state
///
/// Copy a run's folder, train the copies on with different settings (or longer), and average them:
/// often better than each. Models that began apart have no useful average.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Training runs, model files or folders of models, two or more
    #[arg(required = true, num_args = 2.., value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// A folder for A2B.safetensors and B2A.safetensors, or a .safetensors file for one
    #[arg(short, long, value_name = "DIR_OR_FILE")]
    output: PathBuf,
    /// The weight of each, for example 2,1,1; without it all count the same
    #[arg(long, value_name = "W,W,…", value_delimiter = ',')]
    weights: Vec<f64>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if !args.weights.is_empty() && args.weights.len() != args.models.len() {
        return Err(Usage(format!("{} weights for {} models", args.weights.len(), args.models.len())).into());
    }
    let directions = Model::open_all(&args.models[0])?.into_iter().map(|model| model.direction);
    let averages: Vec<Model> = directions
        .map(|direction| {
            let parts = args.models.iter().enumerate().map(|(i, path)| {
                Ok((Model::open(path, Some(direction))?, args.weights.get(i).copied().unwrap_or(1.0)))
            });
            Model::average(&parts.collect::<ugatit::Result<Vec<_>>>()?)
        })
        .collect::<ugatit::Result<_>>()?;
    let targets = targets(&averages, &args.output, "safetensors", args.force)?;
    for (model, path) in averages.iter().zip(&targets) {
        model.save(path, Precision::F32, args.force)?;
        line(description(path, model, false));
    }
    Ok(ExitCode::SUCCESS)
}
