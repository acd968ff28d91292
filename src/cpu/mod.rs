//! Every operation of the graph on the CPU, in `f32` and `f64`.
//!
//! In `f64` it is the twin that the GPU's numbers and the gradients are checked on; in `f32` it
//! serves people without a usable GPU. It has no plan of its own: `run` walks the nodes in
//! order, calls one function for each operation, slices in and slices out, and frees a tensor
//! after its last reader.

mod compute;
mod conv;
#[cfg(feature = "training")]
mod conv_grad;
#[cfg(feature = "training")]
mod kept;
mod linear;
#[cfg(feature = "training")]
mod loss;
mod matmul;
mod matrix;
mod memory;
mod norm;
#[cfg(feature = "training")]
mod norm_grad;
pub(crate) mod parallel;
mod pointwise;
mod pool;
#[cfg(target_arch = "wasm32")]
mod product;
mod real;
mod run;
mod spatial;
#[cfg(feature = "training")]
mod spectral;
mod tanh;
#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
mod team;
#[cfg(feature = "training")]
mod training;
mod values;
mod vector;
mod winograd;

pub(crate) use matmul::row_products;
#[cfg(feature = "training")]
pub(crate) use memory::held;
pub use memory::memory;
pub use real::Real;
#[cfg(feature = "training")]
pub use run::Paused;
pub use run::{Walk, run};
pub use values::Pool;
#[cfg(any(feature = "training", not(target_arch = "wasm32")))]
pub(crate) use vector::vectorized;
