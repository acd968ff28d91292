//! Where the numbers of a training run lie.

use crate::plan::{Plan, Target};

use super::super::player::Player;

/// A kind of memory that lives as long as the run. Most of it goes by the buffers of the
/// [`ParameterMap`](crate::plan::ParameterMap) and lies as the weights do. What is between two tensors is zero, and kernels
/// that go over whole buffers keep it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    Weights(usize),
    /// The sum of an iteration's batches.
    Gradients(usize),
    /// Of one batch, where there are several.
    BatchGradients(usize),
    FirstMoments(usize),
    SecondMoments(usize),
    Averages(usize),
    /// The terms of the loss, each with [`term_stride`] bytes.
    Terms,
    BatchTerms,
    /// The vectors of the spectral normalisation after the step.
    Vectors(usize),
    /// Sums over blocks of gradients.
    Partials,
    Report,
    /// What is new in each iteration.
    Numbers,
}

/// A place in one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) store: Store,
    pub(super) offset: u64,
}

/// A plan and the places of what it is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    pub(super) plan: Plan,
    pub(super) given: Vec<Place>,
}

/// Bytes that one workgroup of `gradient_squares.wgsl` sums. Every trained tensor begins at a
/// multiple of it.
pub(super) const BLOCK: u64 = 4096;

/// The groups of the [`ParameterMap`](crate::plan::ParameterMap): what each player trains, in their order, then the vectors.
pub(super) const VECTORS: usize = 2;

/// Bytes of the report: the flag, and for each player the fault, the norms and the terms.
pub(super) const REPORT: u64 = 16 * (1 + 2 * REPORT_QUADS as u64);

/// vec4s of one player's report.
pub(super) const REPORT_QUADS: usize = 2 + MAX_TERMS / 4;

/// The terms that a report has room for.
pub(super) const MAX_TERMS: usize = 32;

/// The map's group of what `player` trains.
pub(super) fn group(player: Player) -> usize {
    usize::from(player == Player::Generators)
}

/// Bytes from one term to the next.
pub(super) fn term_stride(target: &Target) -> u64 {
    u64::from(target.alignment.max(16))
}
