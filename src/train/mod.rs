//! Training, one iteration after another: the exact step of the official program (`UGATIT.train()` of
//! znxlwm/UGATIT-pytorch), on any engine that can compute a graph.
//!
//! A [`Session`] is a training on a device, in memory, fed with batches by its caller; a [`Loader`] reads such batches.
//! A run with a folder, checkpoints and curves is a [`crate::run::Run`].
//!
//! One iteration is two graphs, each built once: the discriminators' ([`StepGraph`] of
//! [`Player::Discriminators`]), whose gradients move the four discriminators, then the
//! generators' with the discriminators just moved. After each, [`Adam`] moves the parameters;
//! after the second, every `rho` is clipped to 0..1. [`Trainer`] does all of it on the processor,
//! [`GpuTrainer`] on a GPU.
//!
//! Tensors are named by the network and the official `state_dict` key: `genA2B.conv1x1.bias`.

mod adam;
mod config;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
mod data;
mod engine;
mod gan;
mod gpu;
mod init;
mod losses;
mod penalty;
mod player;
mod reduce;
mod schedule;
mod session;
mod state;
mod step;
mod summing;
mod trainer;

pub use adam::{Adam, Moments, clip_rho};
pub use config::StepConfig;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
pub use data::{Draw, Loader, LoaderOptions, Preprocess, Sampler, Share, augment};
pub use engine::{CpuEngine, Engine, Named, Outcome, Watch};
pub use gan::GanType;
pub use gpu::{GpuTrainer, TrainMemory, memory};
pub use losses::{LossWeights, Term};
pub use player::Player;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use reduce::AVERAGED;
pub use reduce::{Precision, Reduce, Team};
pub use schedule::{Epochs, Schedule};
pub use session::Session;
pub use state::TrainState;
pub use step::StepGraph;
pub use trainer::{StepReport, Trainer};
