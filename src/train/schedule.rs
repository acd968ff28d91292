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
    /// Whether it falls from epoch to epoch, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<Epochs>,
}

/// A rate that stays the same within an epoch (`--epoch`, `--decay_epoch` of the authors' TensorFlow program): of E
/// epochs those from `decay_from` on, counted from 0, have `lr * (E - epoch) / (E - decay_from)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// Iterations of one.
    pub length: u64,
    /// The first one whose rate may be lower.
    pub decay_from: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { lr: 1e-4, iterations: 1_000_000, decay: true, epochs: None }
    }
}

impl Schedule {
    /// The same rate for ever.
    pub fn constant(lr: f64) -> Self {
        Self { lr, iterations: 0, decay: false, epochs: None }
    }

    /// The rate of iteration `step`, the first being 1. Zero from iteration
    /// `2 * (iterations / 2)` on (with epochs, behind the last one), never negative.
    pub fn at(&self, step: u64) -> f64 {
        if let Some(Epochs { length, decay_from }) = self.epochs.filter(|_| self.decay) {
            let length = length.max(1);
            let (epoch, all) = (step.saturating_sub(1) / length, self.iterations.div_ceil(length));
            if epoch < decay_from || decay_from >= all {
                return self.lr;
            }
            return self.lr * (all.saturating_sub(epoch) as f64 / (all - decay_from) as f64);
        }
        let half = self.iterations / 2;
        // A run of one iteration has no second half (the official program divides by zero).
        if !self.decay || half == 0 || step <= half {
            return self.lr;
        }
        let left = (2 * half).saturating_sub(step);
        self.lr * (left as f64 / half as f64)
    }
}
