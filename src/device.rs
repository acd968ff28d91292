//! What computes: the processor or a GPU.
//!
//! [`Device::best`] chooses by itself. [`Gpu::open`] opens a GPU by its number, its place or a part of its name;
//! [`adapters`] lists those that there are (natively).

use crate::error::{Error, Result};

#[cfg(not(target_arch = "wasm32"))]
pub use crate::gpu::adapters;
pub use crate::gpu::{AdapterOptions, AdapterReport, Gpu};

/// The processor or a GPU.
#[derive(Clone, Debug, Default)]
pub enum Device {
    /// The processor, in f32.
    #[default]
    Cpu,
    /// A GPU.
    Gpu(Gpu),
}

impl Device {
    /// A GPU where there is one, else the processor; not a driver that runs shaders on the processor, which is slower
    /// than what runs there without.
    ///
    /// # Errors
    /// What is wrong with a GPU that is there.
    pub async fn best() -> Result<Self> {
        match Gpu::open(&AdapterOptions::default()).await {
            Ok(gpu) => Ok(Self::Gpu(gpu)),
            Err(Error::NoAdapter { .. } | Error::OnlySoftware { .. }) => Ok(Self::Cpu),
            Err(error) => Err(error),
        }
    }

    /// [`Self::best`] for callers that are not async: it waits on this thread.
    ///
    /// # Errors
    /// Those of [`Self::best`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn best_blocking() -> Result<Self> {
        pollster::block_on(Self::best())
    }

    /// The name for people: "CPU", or the adapter's.
    pub fn name(&self) -> &str {
        match self {
            Self::Cpu => "CPU",
            Self::Gpu(gpu) => gpu.name(),
        }
    }
}
