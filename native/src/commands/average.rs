//! `ugatit average`: the weighted average of models.

use std::path::PathBuf;
use std::process::ExitCode;

use ugatit::io::{Model, Precision};

use crate::console::{Usage, line};
use crate::targets::{Directions, description, parse_directions, targets};

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
    if !args.weights.is_empty() && args.weights.len() != args.models.len() {
        return Err(Usage(format!("{} weights for {} models", args.weights.len(), args.models.len())).into());
    }
    let weights = if args.weights.is_empty() { vec![1.0; args.models.len()] } else { args.weights.clone() };
    if weights.iter().any(|weight| *weight < 0.0) || !weights.iter().sum::<f64>().is_normal() {
        return Err(Usage("weights are numbers from 0 on, one of them larger".into()).into());
    }
    let [first, others @ ..] = &args.models[..] else {
        return Err(Usage("name two models or more".into()).into());
    };
    let firsts = match args.direction.0 {
        Some(direction) => vec![Model::open(first, Some(direction))?],
        None => Model::open_all(first)?,
    };
    let targets = targets(&firsts, &args.output, "safetensors", args.force)?;
    let mut averages = vec![];
    for first in firsts {
        let mut parts = vec![(first, weights[0])];
        for (path, weight) in others.iter().zip(&weights[1..]) {
            parts.push((Model::open(path, Some(parts[0].0.direction))?, *weight));
        }
        averages.push(Model::average(&parts)?);
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
