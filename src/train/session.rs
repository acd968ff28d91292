//! A training run on a device.

use crate::device::Device;
use crate::error::Result;
use crate::tensor::Tensor;

use super::config::StepConfig;
use super::state::TrainState;
use super::trainer::{CpuEngine, StepReport, Trainer};

/// A training run on a device: on the processor, or on a GPU that keeps weights, moments and
/// averages, so that nothing but pictures goes there and nothing but losses comes back.
#[derive(Debug)]
#[non_exhaustive]
pub enum Session {
    /// On the processor.
    Cpu(Box<Trainer<f32, CpuEngine>>),
}

impl Session {
    /// Brings a run onto a device.
    ///
    /// # Errors
    /// [`crate::Error::Config`] where the configuration cannot work, and what the device reports.
    pub async fn new(device: &Device, config: StepConfig, state: TrainState<f32>) -> Result<Self> {
        match device {
            Device::Cpu => Ok(Self::Cpu(Box::new(Trainer::new(config, state, CpuEngine)?))),
            Device::Gpu(_) => todo!(),
        }
    }

    /// One whole iteration ([`Trainer::iterate`]). A GPU works on it when this returns: the report
    /// is that of the iteration before, where there is one, so that nobody waits for it.
    ///
    /// # Errors
    /// As [`Trainer::iterate`], on a GPU one iteration late. Iterations after one that was not
    /// finite change nothing.
    pub async fn iterate(&mut self, batches: &[[Tensor; 2]]) -> Result<Option<StepReport>> {
        match self {
            Self::Cpu(trainer) => trainer.iterate(batches).map(Some),
        }
    }

    /// Waits until all is done, and gives the report that is still to come.
    ///
    /// # Errors
    /// As [`Self::iterate`].
    pub async fn finish(&mut self) -> Result<Option<StepReport>> {
        match self {
            Self::Cpu(_) => Ok(None),
        }
    }

    /// Where the run is, after all iterations begun. Call [`Self::finish`] before.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn state(&self) -> Result<TrainState<f32>> {
        match self {
            Self::Cpu(trainer) => Ok(trainer.state.clone()),
        }
    }

    /// Bytes of GPU memory, where there is a GPU: all of it, weights and moments included.
    pub fn gpu_bytes(&self) -> Option<u64> {
        match self {
            Self::Cpu(_) => None,
        }
    }
}
