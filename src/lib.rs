//! U-GAT-IT (Kim et al., ICLR 2020) on WebGPU: unpaired image-to-image translation with
//! class-activation-map attention and adaptive layer-instance normalisation.
//!
//! ```no_run
//! # #[cfg(feature = "pictures")]
//! # fn main() -> ugatit::Result<()> {
//! use ugatit::device::Device;
//! use ugatit::io::{Model, PictureFormat, read_picture, write_picture};
//! use ugatit::translate::{Options, Translator};
//!
//! let model = Model::open("models/A2B.safetensors", None)?;
//! let mut translator = Translator::new_blocking(Device::best_blocking()?, model)?;
//! let translated = translator.translate_blocking(&read_picture("in.jpg")?, &Options::default())?;
//! write_picture("out.png", &translated.picture, PictureFormat::Png, true)
//! # }
//! # #[cfg(not(feature = "pictures"))]
//! # fn main() {}
//! ```
//!
//! | module | what for |
//! |---|---|
//! | [`translate`] | pictures in, pictures out: whole, or large ones in tiles |
//! | [`device`] | what computes: the processor or a GPU |
//! | [`io`] | files: pictures, models, datasets, official checkpoints, ONNX |
//! | [`run`] | whole training runs in folders: settings, checkpoints, curves, sheets (natively, with the features `pictures` and `training`) |
//! | [`train`] | what a run is made of: losses, optimiser, one iteration after another (with the feature `training`) |
//! | [`eval`] | how near pictures are to each other: PSNR, SSIM, L1, KID |
//! | [`quantized`] | a full model's largest matrix with 8 or 4 bits a number |
//! | [`tensor`], [`error`] | the types that the others take and give |
//!
//! These modules are what is kept from one version to the next. Other modules are public for the program, the tests and
//! the benchmarks only. They are not documented here and may change at any time.
//!
//! # Features
//!
//! | feature | without it |
//! |---|---|
//! | `pictures` | no picture files, datasets and runs: pictures are bytes that the caller brings |
//! | `pytorch` | no `.pt` of other programs |
//! | `training` | translations only |
//! | `bench` | none of the kernels that measure what a device reaches at best |
//!
//! All are on by default. With none of them the library is what a web page loads.
//!
//! # Async, threads, processes
//!
//! What computes is async, since a page must not block. A native program that is not async calls the twins that end
//! in `_blocking`: they wait on the thread that calls them. Where a call has none, any executor's `block_on` is one.
//!
//! Natively an async call never yields: the thread that polls it computes, or waits for the GPU. No particular runtime is
//! needed. Under tokio and the like call it within `spawn_blocking`, so that other tasks go on meanwhile.
//!
//! [`device::Device`], [`io::Model`] and [`translate::Translator`] are [`Send`]: one thread may make them and another use
//! them. Their futures need not be. Clones of a device share one GPU. A translator works on one picture at a time, so two
//! threads need two translators.
//!
//! # What it reads and writes unasked
//!
//! The library prints nothing, and has no environment variables of its own. `wgpu` reads those for its backends
//! (`WGPU_BACKEND` and the like), and for Direct3D 12 a compiler is looked for in `PATH`. On Vulkan, compiled pipelines are
//! kept in the user's cache folder, where `ugatit tune` also puts what it has measured. Natively the library tells what it
//! decides as `tracing` events.

#![cfg_attr(
    not(feature = "training"),
    allow(
        dead_code,
        unused_imports,
        reason = "what only training uses lies beside what it belongs to; a page's module is linked without it"
    )
)]

#[doc(hidden)]
pub mod catalogue;
#[doc(hidden)]
pub mod cpu;
pub mod device;
pub mod error;
pub mod eval;
mod events;
#[doc(hidden)]
pub mod exec;
#[doc(hidden)]
pub mod gpu;
#[doc(hidden)]
pub mod graph;
pub mod io;
#[doc(hidden)]
pub mod model;
#[cfg(all(test, feature = "training"))]
mod operations;
#[doc(hidden)]
pub mod plan;
pub mod quantized;
#[doc(hidden)]
pub mod random;
#[cfg(all(not(target_arch = "wasm32"), feature = "pictures", feature = "training"))]
pub mod run;
#[doc(hidden)]
pub mod shader;
mod shape;
pub mod tensor;
#[doc(hidden)]
pub mod text;
#[cfg(feature = "training")]
pub mod train;
pub mod translate;
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub mod tune;

pub use error::{Error, Result};
pub use quantized::{Bits, QuantizedMatrix};
pub use tensor::Tensor;

/// Keeps the README's code compiling.
#[cfg(all(doctest, feature = "pictures", feature = "pytorch", feature = "training"))]
#[doc = include_str!("../README.md")]
struct Readme;
