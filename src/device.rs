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
