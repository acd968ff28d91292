//! Adapters, devices, errors, pipelines.

mod adapter;
#[cfg(target_arch = "wasm32")]
mod browser;
mod device;
#[cfg(not(target_arch = "wasm32"))]
mod dx12;
mod fault;
mod injection;
mod mapping;
#[cfg(not(target_arch = "wasm32"))]
mod pipeline_cache;
mod pipelines;
mod scopes;
mod software;
#[cfg(not(target_arch = "wasm32"))]
mod tuning_file;
#[cfg(not(target_arch = "wasm32"))]
mod turns;
#[cfg(not(target_arch = "wasm32"))]
mod wait;

pub use adapter::{AdapterOptions, AdapterReport, adapters};
pub(crate) use device::Buffer;
pub use device::Gpu;
#[doc(hidden)]
pub use injection::InjectedFault;
pub(crate) use mapping::{Mapped, Mapping};
pub(crate) use pipelines::Pipeline;
