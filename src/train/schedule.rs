//! The learning rate of each iteration.

use serde::{Deserialize, Serialize};

/// Constant for the first half of the iterations, then linear to zero (paper, appendix B;
/// official `--lr`, `--iteration`, `--decay_flag`).
///
/// The rate is a function of the iteration's number alone, so a resumed run goes on exactly
/// where it was. The official program instead subtracts from the optimiser's rate at each
/// iteration, and when it resumes in the second half it subtracts the elapsed part and then
/// repeats the iteration's own subtraction: one iteration ahead from there on, the last one
/// with a negative rate. With an odd number of iterations its last rate is negative even
/// without resuming; here it is zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The rate of the first half.
    pub lr: f64,
    /// All iterations of the run.
    pub iterations: u64,
    /// Whether the rate falls in the second half (official `--decay_flag`).
    pub decay: bool,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { lr: 1e-4, iterations: 1_000_000, decay: true }
    }
}

impl Schedule {
    /// The same rate for ever.
    pub fn constant(lr: f64) -> Self {
        Self { lr, iterations: 0, decay: false }
    }

    /// The rate of iteration `step`, the first being 1. Zero from iteration
    /// `2 * (iterations / 2)` on, never negative.
    pub fn at(&self, step: u64) -> f64 {
        let half = self.iterations / 2;
        // A run of one iteration has no second half (the official program divides by zero).
        if !self.decay || half == 0 || step <= half {
            return self.lr;
        }
        let left = (2 * half).saturating_sub(step);
        self.lr * (left as f64 / half as f64)
    }
}
