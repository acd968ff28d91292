//! A training run on a device.

use std::borrow::Cow;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

use super::config::StepConfig;
use super::engine::CpuEngine;
use super::gpu::GpuTrainer;
use super::reduce::Team;
use super::state::TrainState;
use super::trainer::{StepReport, Trainer};

/// A training run on a device: on the processor, or on a GPU that keeps weights, moments and
/// averages, so that nothing but pictures goes there and nothing but losses comes back.
#[derive(Debug)]
#[non_exhaustive]
pub enum Session {
    /// On the processor.
    Cpu(Box<Trainer<f32, CpuEngine>>),
    /// On a GPU.
    Gpu(Box<GpuTrainer>),
}

impl Session {
    /// Brings a run onto a device.
    ///
    /// # Errors
    /// [`crate::Error::Config`] where the configuration cannot work, and what the device reports.
    pub async fn new(device: &Device, config: StepConfig, state: TrainState<f32>) -> Result<Self> {
        match device {
            Device::Cpu => Ok(Self::Cpu(Box::new(Trainer::new(config, state, CpuEngine::default())?))),
            Device::Gpu(gpu) => {
                let state = &state;
                let trainer =
                    |config| gpu.allocating(move || GpuTrainer::new(gpu, &gpu.target(), config, state));
                let opened = match trainer(config).await {
                    Err(Error::OutOfMemory { .. }) if !config.recompute => {
                        trainer(StepConfig { recompute: true, ..config }).await
                    }
                    opened => opened,
                };
                Ok(Self::Gpu(Box::new(opened?)))
            }
        }
    }

    /// Whether pictures are computed a second time for the gradients: as [`StepConfig::recompute`] says, or because a
    /// GPU's memory would not do.
    pub fn recomputes(&self) -> bool {
        match self {
            Self::Cpu(trainer) => trainer.config.recompute,
            Self::Gpu(trainer) => trainer.config.recompute,
        }
    }

    /// One whole iteration ([`Trainer::iterate`]). A GPU works on it when this returns: the report
    /// is that of the iteration before, where there is one, so that nobody waits for it.
    ///
    /// # Errors
    /// As [`Trainer::iterate`], on a GPU one iteration late. Iterations after one that was not
    /// finite change nothing. After any other error of the device the session is of no more use:
    /// nobody knows how far its weights have moved. Begin a new one with the last state.
    pub async fn iterate(&mut self, batches: &[[Tensor; 2]]) -> Result<Option<StepReport>> {
        match self {
            Self::Cpu(trainer) => trainer.iterate(batches).map(Some),
            Self::Gpu(trainer) => trainer.iterate(batches).await,
        }
    }

    /// [`Self::iterate`] as one of the [`StepConfig::ranks`] of a team ([`Trainer::iterate_in`]). A GPU waits
    /// for the sums of the gradients, and the report is late all the same.
    ///
    /// # Errors
    /// As [`Self::iterate`] and [`Trainer::iterate_in`].
    pub async fn iterate_in(
        &mut self,
        team: Option<&mut Team>,
        batches: &[[Tensor; 2]],
    ) -> Result<Option<StepReport>> {
        match self {
            Self::Cpu(trainer) => trainer.iterate_in(team, batches).map(Some),
            Self::Gpu(trainer) => trainer.iterate_in(team, batches).await,
        }
    }

    /// Puts another state in the place of the run's. Call [`Self::finish`] before.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] where the state is that of another configuration, and what the device reports.
    pub async fn set_state(&mut self, state: TrainState<f32>) -> Result<()> {
        match self {
            Self::Cpu(trainer) => {
                trainer.state = state;
                Ok(())
            }
            Self::Gpu(trainer) => trainer.set_state(&state),
        }
    }

    /// What has to be the same for ranks to add up their gradients: how these lie where they are summed.
    pub fn layout(&self) -> u64 {
        match self {
            Self::Cpu(_) => 0,
            Self::Gpu(trainer) => trainer.layout(),
        }
    }

    /// Waits until all is done, and gives the report that is still to come. The processor gives back the memory that it
    /// keeps for the next iteration.
    ///
    /// # Errors
    /// As [`Self::iterate`].
    pub async fn finish(&mut self) -> Result<Option<StepReport>> {
        match self {
            Self::Cpu(trainer) => {
                trainer.release();
                Ok(None)
            }
            Self::Gpu(trainer) => trainer.finish().await,
        }
    }

    /// Where the run is, after all iterations begun: lent by the processor, read back from a GPU.
    /// Call [`Self::finish`] before.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn state(&self) -> Result<Cow<'_, TrainState<f32>>> {
        match self {
            Self::Cpu(trainer) => Ok(Cow::Borrowed(&trainer.state)),
            Self::Gpu(trainer) => trainer.state().await.map(Cow::Owned),
        }
    }

    /// Bytes of GPU memory, where there is a GPU: all of it, weights and moments included.
    pub fn gpu_bytes(&self) -> Option<u64> {
        match self {
            Self::Cpu(_) => None,
            Self::Gpu(trainer) => Some(trainer.memory().total()),
        }
    }
}

/// The calls for callers that are not async: each waits on the thread that calls it.
#[cfg(not(target_arch = "wasm32"))]
impl Session {
    /// [`Self::new`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn new_blocking(device: &Device, config: StepConfig, state: TrainState<f32>) -> Result<Self> {
        pollster::block_on(Self::new(device, config, state))
    }

    /// [`Self::iterate`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::iterate`].
    pub fn iterate_blocking(&mut self, batches: &[[Tensor; 2]]) -> Result<Option<StepReport>> {
        pollster::block_on(self.iterate(batches))
    }

    /// [`Self::finish`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::finish`].
    pub fn finish_blocking(&mut self) -> Result<Option<StepReport>> {
        pollster::block_on(self.finish())
    }

    /// [`Self::state`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::state`].
    pub fn state_blocking(&self) -> Result<Cow<'_, TrainState<f32>>> {
        pollster::block_on(self.state())
    }
}
