//! How a caller follows a translation, and stops it.

use crate::error::Result;

/// A part of a translation that takes long enough to be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Kernels are compiled, once for each model and GPU; counts kernels.
    Compile,
    /// The network runs; counts operations on the processor, one run on a GPU.
    Run,
    /// A large picture is translated piece by piece; counts tiles.
    Tile,
}

/// Told how far a translation is, and asked for leave to go on.
///
/// `()` watches nothing and never stops anything.
pub trait Watcher {
    /// `done` of `total` of `phase` are done. The translation goes on when the future is ready:
    /// a web page uses it to stay alive. An error ends the translation with that error, for
    /// example [`crate::Error::Aborted`]; the translator can be used again.
    fn report(&mut self, phase: Phase, done: usize, total: usize) -> impl Future<Output = Result<()>>;
}

impl Watcher for () {
    async fn report(&mut self, _: Phase, _: usize, _: usize) -> Result<()> {
        Ok(())
    }
}
