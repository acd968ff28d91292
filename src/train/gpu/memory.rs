//! What a training run takes of a GPU's memory.

/// Bytes of GPU memory that a training run takes, all there from its beginning to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrainMemory {
    /// All tensors of the six networks.
    pub parameters: u64,
    /// Where an iteration has several batches, of a batch and of the sum.
    pub gradients: u64,
    /// Adam's.
    pub moments: u64,
    /// The generators' moving average.
    pub average: u64,
    /// Activations and all else that one turn computes, shared by both.
    pub activations: u64,
    /// What each turn's plan needs of them, the discriminators' first.
    pub turns: [u64; 2],
    /// Pictures on their way in, reports on their way out.
    pub staging: u64,
    /// Uniforms, terms of the losses, sums.
    pub other: u64,
}

impl TrainMemory {
    /// Bytes in all.
    pub fn total(&self) -> u64 {
        self.parameters + self.gradients + self.moments + self.beyond_weights()
    }

    /// Bytes beside weights, gradients and moments.
    pub fn beyond_weights(&self) -> u64 {
        self.average + self.activations + self.staging + self.other
    }
}
