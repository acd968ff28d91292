//! U-GAT-IT (Kim et al., ICLR 2020) on WebGPU: unpaired image-to-image translation with
//! class-activation-map attention and adaptive layer-instance normalisation.
//!
//! The rooms, from mathematics down to hardware; each knows only those below it:
//!
//! | module | knows |
//! |---|---|
//! | [`run`] | what a training run leaves for people to look at (natively, with the features `pictures` and `training`) |
//! | [`translate`] | pictures in, pictures out |
//! | [`eval`] | how near pictures are to each other |
//! | [`train`] | losses, optimiser, one iteration after another (with the feature `training`) |
//! | [`model`] | the networks of U-GAT-IT, parameter names as in the official `state_dict` |
//! | [`graph`] | tensors, shapes, operations; no hardware |
//! | [`cpu`] | every operation on the CPU, in `f32` and `f64` |
//! | [`quantized`] | matrices of 8 or 4 bits a number |
//! | [`plan`] | graph → kernel launches and buffers; no hardware |
//! | [`tune`] | which kernels are fastest on a GPU (natively) |
//! | [`exec`] | a plan on a GPU |
//! | [`gpu`] | adapters, devices, buffers |
//! | [`device`] | the choice between the processor and a GPU |
//! | [`io`] | files: pictures, models, official checkpoints |

#![cfg_attr(
    not(feature = "training"),
    allow(
        dead_code,
        unused_imports,
        reason = "what only training uses lies beside what it belongs to; a page's module is linked without it"
    )
)]

pub mod catalogue;
pub mod cpu;
pub mod device;
pub mod error;
pub mod eval;
mod events;
pub mod exec;
pub mod gpu;
pub mod graph;
pub mod io;
pub mod model;
pub mod plan;
pub mod quantized;
mod random;
#[cfg(all(not(target_arch = "wasm32"), feature = "pictures", feature = "training"))]
pub mod run;
pub mod shader;
pub mod tensor;
pub mod text;
#[cfg(feature = "training")]
pub mod train;
pub mod translate;
#[cfg(not(target_arch = "wasm32"))]
pub mod tune;

pub use error::{Error, Result};
pub use quantized::{Bits, QuantizedMatrix};
pub use tensor::Tensor;

/// Keeps the README's code compiling.
#[cfg(all(doctest, feature = "pictures", feature = "pytorch", feature = "training"))]
#[doc = include_str!("../README.md")]
struct Readme;
