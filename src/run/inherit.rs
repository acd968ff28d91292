//! The weights that a run begins with: fresh ones, or those of a model that there is already.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::graph::Shape;
use crate::io::Networks;
use crate::quantized::Bits;
use crate::train::{Player, TrainState};

use super::checkpoint::Checkpoint;
use super::config::RunConfig;
use super::folder::RunFolder;

/// Names of layers that are shown of those that start afresh.
const SHOWN: usize = 4;

/// What a run has taken over from [`RunConfig::init`].
#[derive(Clone, Debug, PartialEq)]
pub struct Inherited {
    /// Where it is from.
    pub source: PathBuf,
    /// Of each network.
    pub networks: Vec<InheritedNetwork>,
    /// The bits of its largest matrix, where that was quantised: the run begins with the numbers that they stand for.
    pub rounded: Option<Bits>,
}

impl Inherited {
    /// What there is to say of a source that was quantised.
    pub fn rounding(&self) -> Option<String> {
        let say = |bits| {
            format!(
                "FC.0.weight is the one that {bits} bits stand for; the model that was quantised has it exactly"
            )
        };
        self.rounded.map(say)
    }
}

/// What one network has taken over.
#[derive(Clone, Debug, PartialEq)]
pub struct InheritedNetwork {
    /// Such as `genA2B`.
    pub name: &'static str,
    /// Layers that begin with the source's weights.
    pub taken: usize,
    /// The layers that start afresh, by their official keys.
    pub fresh: Vec<String>,
}

impl fmt::Display for InheritedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, taken, fresh } = self;
        let all = taken + fresh.len();
        match (taken, fresh.as_slice()) {
            (_, []) => write!(f, "{name}: all {all} layers taken over"),
            (0, _) => write!(f, "{name}: starts afresh"),
            (_, fresh) => {
                let names = fresh.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = fresh.len().saturating_sub(SHOWN);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                write!(f, "{name}: {taken} of {all} layers taken over; afresh: {names}{more}")
            }
        }
    }
}

/// The beginning of a run.
#[derive(Debug)]
pub struct Start {
    /// Its weights, and an optimiser that has not moved them yet.
    pub state: TrainState<f32>,
    /// What was taken over, where [`RunConfig::init`] names something.
    pub inherited: Option<Inherited>,
    /// Checkpoints of the source that could not be read and were passed over.
    pub unreadable: Vec<Error>,
}

impl RunConfig {
    /// The weights that a run of these settings begins with: those of [`Self::init`] where names and
    /// shapes fit, else fresh ones. A layer is taken whole or not at all.
    ///
    /// Of a run or one of its checkpoints, all six networks are taken, the generators as their
    /// moving average where there is one; of an official `.pt` those that it holds; of a model its
    /// generator or both.
    ///
    /// # Errors
    /// [`Error::ModelFile`] where nothing fits; as [`crate::io::Model::open`] and
    /// [`Checkpoint::load`] where it cannot be read; [`Error::Config`] where the settings cannot work.
    pub fn start(&self) -> Result<Start> {
        let config = self.step();
        let mut state = TrainState::new(&config, self.seed)?;
        if self.init.as_os_str().is_empty() {
            return Ok(Start { state, inherited: None, unreadable: vec![] });
        }
        let wanted: BTreeMap<String, Shape> = config.tensors()?.into_iter().collect();
        let (mut found, unreadable) = read(&self.init, &wanted)?;
        // Bias without weight, or a weight without the vectors of its norm, would mean nothing.
        let missing: BTreeSet<&str> =
            wanted.keys().filter(|name| !found.tensors.contains_key(*name)).map(|name| layer(name)).collect();
        found.tensors.retain(|name, _| !missing.contains(layer(name)));
        if found.tensors.is_empty() {
            return Err(nothing_fits(&self.init, &found, &wanted));
        }
        let layers: BTreeSet<&str> = wanted.keys().map(|name| layer(name)).collect();
        let networks = Player::BOTH.iter().rev().flat_map(|player| player.networks()).map(|&name| {
            let key = |layer: &&str| Some(layer.strip_prefix(name)?.strip_prefix('.')?.to_owned());
            let fresh: Vec<String> = missing.iter().filter_map(key).collect();
            let all = layers.iter().filter_map(key).count();
            InheritedNetwork { name, taken: all - fresh.len(), fresh }
        });
        let inherited =
            Inherited { source: self.init.clone(), networks: networks.collect(), rounded: found.rounded };
        for (name, tensor) in found.tensors {
            if let Some(average) = state.ema.get_mut(&name) {
                average.clone_from(&tensor);
            }
            state.tensors.insert(name, tensor);
        }
        Ok(Start { state, inherited: Some(inherited), unreadable })
    }
}

/// The layer that a tensor belongs to, network first.
fn layer(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(layer, _)| layer)
}

/// What is wanted of a run, a checkpoint, a model.
fn read(path: &Path, wanted: &BTreeMap<String, Shape>) -> Result<(Networks, Vec<Error>)> {
    let (checkpoint, unreadable) = if path.is_dir() {
        RunFolder::newest(path)?
    } else if Checkpoint::is_one(path)? {
        (Some(Checkpoint::load(path)?), vec![])
    } else {
        (None, vec![])
    };
    let Some(checkpoint) = checkpoint else { return Ok((Networks::read(path, wanted)?, unreadable)) };
    let TrainState { tensors, ema, .. } = checkpoint.state.into_owned();
    let mut networks = Networks::default();
    for (name, tensor) in tensors.into_iter().chain(ema) {
        networks.add(name, tensor, wanted);
    }
    Ok((networks, unreadable))
}

/// The error of a source that has nothing for the networks of a run, with an example.
fn nothing_fits(path: &Path, found: &Networks, wanted: &BTreeMap<String, Shape>) -> Error {
    let example = found.others.iter().find_map(|(name, shape)| Some((name, shape, wanted.get(name)?)));
    let why = match example {
        Some((name, found, wanted)) => {
            format!(
                "its `{name}` is {found}, this run's {wanted}; are ch, n_res and dialect those that it has?"
            )
        }
        None => "it has none of the networks of U-GAT-IT".into(),
    };
    Error::ModelFile {
        path: path.into(),
        problem: format!("nothing in it fits the networks of this run: {why}"),
    }
}
