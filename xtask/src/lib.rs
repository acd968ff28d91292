//! What a person types in this repository needs no more than this to start: other programs, npm, browsers. The commands
//! that compute with `ugatit` itself are in `xtask/tools`, so that `cargo xtask demo` compiles none of it twice over.

pub mod process;
pub mod web;

/// Where the script that draws the portraits and its packages lie.
pub const PORTRAITS: &str = "xtask/portraits";
