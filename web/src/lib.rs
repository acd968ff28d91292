//! U-GAT-IT in a web page: the WebAssembly module behind the npm package `ugatit-web`.
//!
//! It knows bytes and pixels. Fetching, caching, workers and canvases are the package's
//! TypeScript. Every function that computes returns a promise and lets the page breathe; every
//! error has a code that a program can act on and a sentence for a person.
#![cfg(target_arch = "wasm32")]

mod error;
mod held;
mod hook;
mod page;
mod panic;
mod pixels;
mod place;
#[cfg(target_feature = "atomics")]
mod pool;
mod session;
mod small;
mod tiles;

pub use panic::on_panic;
pub use place::Place;
#[cfg(target_feature = "atomics")]
pub use pool::{run_thread, start_pool};
pub use session::Session;
pub use small::small_model;
pub use tiles::Tiles;
