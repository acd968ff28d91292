//! The networks of U-GAT-IT. Parameter names are the official `state_dict` keys.

mod cam;
mod config;
mod discriminator;
mod generator;

pub use cam::{Cam, cam};
pub use config::{Direction, GeneratorConfig};
pub use discriminator::{Discriminator, DiscriminatorConfig, SpectralState};
pub use generator::Generator;
