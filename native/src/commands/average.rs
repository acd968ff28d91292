//! `ugatit average`: the weighted average of models.

use std::path::PathBuf;
use std::process::ExitCode;

use ugatit::io::{Model, Precision};

use crate::console::{Usage, line};
use crate::targets::{Directions, description, directions, parse_directions, targets};

/// Average the weights of models that were trained on from one state
///
/// Copy a run's folder, train the copies on with different settings (or longer), and average them:
/// often better than each. Models that began apart have no useful average.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A training run, a model file, or a folder of two
    #[arg(value_name = "MODEL")]
    first: PathBuf,
    /// Those to average it with
    #[arg(required = true, value_name = "MODEL")]
    others: Vec<PathBuf>,
    /// A folder for A2B.safetensors and B2A.safetensors, or a .safetensors file for one
    #[arg(short, long, value_name = "DIR_OR_FILE")]
    output: PathBuf,
    /// Which generators: A2B, B2A or both
    #[arg(long, default_value = "both", value_parser = parse_directions)]
    direction: Directions,
    /// The weight of each, for example 2,1,1; without it all count the same
    #[arg(long, value_name = "W,W,…", value_delimiter = ',')]
    weights: Vec<f64>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let count = 1 + args.others.len();
    let weights = if args.weights.is_empty() { vec![1.0; count] } else { args.weights.clone() };
    if weights.len() != count {
        return Err(Usage(format!("{} weights for {count} models", weights.len())).into());
    }
    Model::check_weights(&weights).map_err(|error| Usage(error.to_string()))?;
    let firsts = args.direction.open(&args.first)?;
    let targets = targets(&directions(&firsts), &args.output, "safetensors", args.force)?;
    let mut averages = vec![];
    for first in firsts {
        let direction = first.direction;
        let mut models = vec![first];
        for path in &args.others {
            models.push(Model::open(path, Some(direction))?);
        }
        averages.push(Model::average(&models.into_iter().zip(weights.iter().copied()).collect::<Vec<_>>())?);
    }
    for (model, path) in averages.iter().zip(&targets) {
        model.save(path, Precision::F32, args.force)?;
        line(description(path, model, false));
    }
    if averages.iter().any(|model| model.metadata.license.is_none()) {
        line("  the models name no licence, or not the same; `ugatit import --license` writes one");
    }
    Ok(ExitCode::SUCCESS)
}
