//! Adapters, devices, errors, pipelines.

mod adapter;
#[cfg(target_arch = "wasm32")]
mod browser;
mod device;
#[cfg(not(target_arch = "wasm32"))]
mod dx12;
mod fault;
#[cfg(not(target_arch = "wasm32"))]
mod pipeline_cache;

pub use adapter::{AdapterOptions, AdapterReport, adapters};
pub(crate) use device::Mapping;
pub use device::{Gpu, Pipeline};
