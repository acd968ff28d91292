//! The pictures that a training run sees: which one when, how it is changed, and threads that
//! prepare them ahead of the GPU.
//!
//! Everything random is a pure function of the seed, the domain and the number of the picture,
//! so a run that goes on from iteration `i` needs nothing but `i` to see the same pictures.

mod augment;
mod left_out;
mod loader;
mod sampler;
mod store;

pub use augment::{Draw, Preprocess, augment};
pub use loader::{Loader, LoaderOptions, Share};
pub use sampler::Sampler;
