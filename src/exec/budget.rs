//! How much goes into one submit.

/// How long one submit may keep the GPU: systems reset one that does not answer for seconds,
/// and a page needs it to paint.
const SUBMIT_SECONDS: f64 = if cfg!(target_arch = "wasm32") { 0.016 } else { 0.05 };

/// What a GPU is taken to reach before it has been measured: a small integrated one.
const ASSUMED_FLOPS: f64 = 1e11;

/// How much goes into one submit.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Floating-point operations, so that none keeps the GPU for longer than [`SUBMIT_SECONDS`].
    flops: u64,
    /// Whether the first run is over.
    warm: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { flops: (ASSUMED_FLOPS * SUBMIT_SECONDS) as u64, warm: false }
    }
}

impl Budget {
    /// The most floating-point operations that one submit should hold.
    pub(crate) fn flops(&self) -> u64 {
        self.flops
    }

    /// A run of `flops` has taken so many seconds. The first one does not count: many drivers
    /// compile then what they only took note of before, and the measure would be theirs.
    pub(crate) fn measure(&mut self, flops: u64, seconds: f64) {
        if self.warm {
            self.flops = (flops as f64 / seconds.max(1e-6) * SUBMIT_SECONDS).max(1.0) as u64;
        }
        self.warm = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_is_no_measure() {
        let mut budget = Budget::default();
        let assumed = budget.flops();
        budget.measure(1_000_000_000, 20.0);
        assert_eq!(budget.flops(), assumed);
        budget.measure(1_000_000_000, 0.1);
        assert_eq!(budget.flops(), 500_000_000);
        budget.measure(1_000_000_000, 0.2);
        assert_eq!(budget.flops(), 250_000_000);
    }
}
