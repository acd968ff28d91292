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
//! | [`train`] | losses, optimiser, one iteration after another (with the feature `training`) |
//! | [`quantized`] | matrices of 8 or 4 bits a number |
//! | [`run`] | whole training runs in folders: settings, checkpoints, curves, sheets (natively, with the features `pictures` and `training`) |
//! | [`eval`] | how near pictures are to each other |
//! | [`tensor`], [`error`] | what the others speak of |
//!
//! That is what is kept from one version to the next. All else that is public is there for the program, the tests and
//! the benchmarks, is not documented here, and may change at any time.
//!
//! # Async, threads, processes
//!
//! What computes is async for the browser's sake, and has a twin that blocks natively. Natively an async call does not
//! yield: it computes, or waits for the GPU, on the thread that polls it, whatever the runtime. So call it within
//! `spawn_blocking` under tokio and the like, or block on it.
//!
//! [`device::Device`], [`io::Model`] and [`translate::Translator`] are [`Send`]: one thread may make them and another use
//! them. Two threads need two translators; clones of a device share the GPU. The futures themselves need not be `Send`.
//!
//! The library prints nothing and reads no environment variables but those of `wgpu` for its backends (`WGPU_BACKEND` and
//! the like) and where the system keeps its programs and caches. With the feature `tracing` it tells what it does as
//! events.

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
