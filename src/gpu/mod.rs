//! Adapters, devices, errors, pipelines.

mod adapter;
mod device;
mod fault;
#[cfg(not(target_arch = "wasm32"))]
mod pipeline_cache;

pub use adapter::{AdapterOptions, AdapterReport, adapters, is_software_name};
pub(crate) use device::Mapping;
pub use device::{Gpu, Pipeline};
