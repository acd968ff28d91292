//! What has to hold where a run goes on from a checkpoint.

use std::path::Path;

use crate::error::{Error, Result};
use crate::train::{Player, StepConfig, TrainState};

use super::checkpoint::{Checkpoint, Position};
use super::config::RunConfig;
use super::folder::RunFolder;
use super::precision::Precision;

/// A run that has nothing left to train keeps its settings: others would be said of its models
/// without being true.
pub(super) fn refuse_idle_settings(root: &Path, config: &RunConfig, step: u64) -> Result<()> {
    if step > config.iterations() {
        return Err(Error::Config(format!(
            "the run has done {step} iterations already, more than the {} asked for; ask for more, or begin another run in a new folder",
            config.iterations()
        )));
    }
    if step == config.iterations() && RunFolder::config(root)?.is_some_and(|old| old != *config) {
        return Err(Error::Config(format!(
            "the run has done its {step} iterations, so other settings would train nothing; give a larger `iteration` with them, or begin another run in a new folder"
        )));
    }
    Ok(())
}

/// The state and place of a checkpoint, where a run of `config` can go on from it.
pub(super) fn resumed(
    checkpoint: Checkpoint<'_>,
    config: &StepConfig,
) -> Result<(TrainState<f32>, Position)> {
    let Checkpoint { config: old, state, position } = checkpoint;
    let mut state = state.into_owned();
    let shape = |c: &StepConfig| (c.generator, c.global_layers, c.local_layers);
    if shape(&old) != shape(config) {
        return Err(Error::Config(format!(
            "the run's networks are {:?}, not {:?}; a run cannot change them, begin another in a new folder",
            shape(&old),
            shape(config)
        )));
    }
    // The average may be switched on and off.
    if config.ema == 0.0 {
        state.ema.clear();
    } else if state.ema.is_empty() {
        let own = state.tensors.iter().filter(|(name, _)| Player::Generators.trains(name));
        state.ema = own.map(|(name, t)| (name.clone(), t.clone())).collect();
    }
    Ok((state, position))
}

/// What is to be said where the pictures between operations lie in memory in another way than before.
pub(super) fn other_precision(old: &StepConfig, new: &StepConfig) -> Option<String> {
    let [before, now] = [old, new].map(|config| if config.f16 { Precision::F16 } else { Precision::F32 });
    (before != now).then(|| {
        format!(
            "before, this run was trained with `precision` {before}, and now with {now}: it goes on from the same weights, and rounds in another way from here on"
        )
    })
}

/// What is to be said where an iteration has another number of pictures than before.
pub(super) fn other_batches(old: &StepConfig, new: &StepConfig) -> Option<String> {
    if old.ranks == new.ranks {
        return None;
    }
    let ranks = |config: &StepConfig| match config.ranks {
        1 => "1 process".to_owned(),
        n => format!("{n} ranks"),
    };
    let pictures = |config: &StepConfig| config.ranks * config.accumulation * config.batch;
    let (before, now) = (pictures(old), pictures(new));
    let change = if before == now {
        format!("an iteration has {now} pictures of each domain as before")
    } else {
        format!(
            "an iteration now has {now} pictures of each domain instead of {before}, so a gradient is the mean of {} of them; the learning rate and the number of iterations stay as they are",
            if now > before { "more" } else { "fewer" }
        )
    };
    Some(format!(
        "before, {} trained this run, and now {} do: {change}. The order of the pictures goes on where it was",
        ranks(old),
        ranks(new)
    ))
}
