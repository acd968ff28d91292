//! A rank that computes its part of a run which rank 0 keeps.

use serde::{Deserialize, Serialize};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::io::Dataset;
use crate::train::{Team, TrainState};

use super::checkpoint::Position;
use super::config::RunConfig;
use super::trained_on::TrainedOn;
use super::work::{Work, send};

/// What rank 0 tells the others before they begin.
#[derive(Serialize, Deserialize)]
struct Order {
    version: String,
    /// As TOML.
    config: String,
    position: Position,
    step: u64,
}

/// Has the other ranks begin where this one, rank 0, does: with its settings, its state, and the same pictures.
pub(super) fn lead(
    team: &mut Team,
    config: &RunConfig,
    trained_on: &TrainedOn,
    position: &Position,
    state: &mut TrainState<f32>,
) -> Result<()> {
    let order = Order {
        version: env!("CARGO_PKG_VERSION").into(),
        config: config.to_toml()?,
        position: *position,
        step: state.step,
    };
    let mut text = serde_json::to_string(&order).map_err(|e| Error::Ranks(e.to_string()))?;
    team.broadcast_text(&mut text)?;
    check(team, &order.version, trained_on)?;
    send(team, state)
}

fn check(team: &mut Team, version: &str, trained_on: &TrainedOn) -> Result<()> {
    let own = env!("CARGO_PKG_VERSION");
    team.check_same("the version of ugatit", u64::from(crc32c::crc32c(own.as_bytes())))?;
    debug_assert_eq!(version, own);
    team.check_same("the pictures in DATA", trained_on.pictures())
}

/// A rank that computes its part of a run which rank 0 keeps. It writes nothing.
pub struct Helper {
    work: Work,
    config: RunConfig,
}

impl Helper {
    /// Joins the run that rank 0 opens ([`super::Run::open_in`]).
    ///
    /// # Errors
    /// [`Error::Ranks`] where this rank has another version, other pictures or another kind of device than rank 0; as
    /// [`super::Run::open`] where its own pictures or device cannot be used.
    pub async fn join(dataset: &Dataset, device: &Device, mut team: Team) -> Result<Self> {
        let mut text = String::new();
        team.broadcast_text(&mut text)?;
        let order: Order = serde_json::from_str(&text)
            .map_err(|e| Error::Ranks(format!("what rank 0 says cannot be understood: {e}")))?;
        check(&mut team, &order.version, &TrainedOn::new(dataset)?)?;
        let config = RunConfig::layered(None, &[RunConfig::read(&order.config)?])?;
        let mut state = TrainState::new(&config.step(), order.position.seed)?;
        send(&mut team, &mut state)?;
        state.step = order.step;
        let work = Work::new(&config, dataset, device, state, &order.position, Some(team)).await?;
        Ok(Self { work, config })
    }

    /// Whether all iterations are done.
    pub fn is_done(&self) -> bool {
        self.work.begun >= self.config.iterations()
    }

    /// As [`super::Run::agree`].
    ///
    /// # Errors
    /// As [`super::Run::agree`].
    pub fn agree(&mut self, wishes: u64) -> Result<u64> {
        self.work.agree(wishes)
    }

    /// Trains this rank's part of one iteration. Gives the pictures that were left out of it, in words.
    ///
    /// # Errors
    /// As [`super::Run::advance`].
    pub async fn advance(&mut self) -> Result<Vec<String>> {
        self.work.iterate().await?;
        let left_out = self.work.loader.left_out();
        Ok(left_out.iter().map(|error| format!("left out of the training: {error}")).collect())
    }
}
