//! The networks of U-GAT-IT. Parameter names are the official `state_dict` keys.

mod builder;
mod cam;
mod config;
mod decoder_norm;
mod dialect;
mod discriminator;
mod generator;
mod hourglass;
mod weight;

pub use cam::{Cam, Classifier, cam};
pub use config::{Direction, GeneratorConfig};
pub use decoder_norm::DecoderNorm;
pub use dialect::Dialect;
pub use discriminator::{Discriminator, DiscriminatorConfig, SpectralState};
pub use generator::Generator;
