//! What computes.

use crate::gpu::Gpu;

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
    /// The name for people: "CPU", or the adapter's.
    pub fn name(&self) -> &str {
        match self {
            Self::Cpu => "CPU",
            Self::Gpu(gpu) => gpu.name(),
        }
    }
}
