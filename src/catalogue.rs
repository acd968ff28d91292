//! The shader catalogue that `build.rs` writes from `shaders/`: every variant as a
//! [`Shader`], and for each file its uniforms as a Rust struct.

use crate::shader::{Binding, BindingKind, Shader};

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));
