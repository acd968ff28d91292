//! The networks of U-GAT-IT. Parameter names are the official `state_dict` keys.

mod cam;
mod config;
mod generator;

pub use cam::{Cam, cam};
pub use config::{Direction, GeneratorConfig};
pub use generator::Generator;
