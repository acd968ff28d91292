//! Which picture comes when.

use crate::random::Random;

/// The order in which the pictures of one domain are drawn: one permutation after another, each
/// of all pictures. The `k`-th picture depends on nothing but the seed, the domain's name, the
/// number of pictures and `k`.
#[derive(Clone, Debug)]
pub struct Sampler {
    seed: u64,
    domain: String,
    length: usize,
    /// The epoch that `permutation` is of.
    epoch: Option<u64>,
    permutation: Vec<usize>,
}

impl Sampler {
    /// Draws from `length` pictures, at least one. Domains of other names are shuffled
    /// independently.
    pub fn new(seed: u64, domain: &str, length: usize) -> Self {
        Self { seed, domain: domain.into(), length: length.max(1), epoch: None, permutation: vec![] }
    }

    /// The index, in `0..length`, of the `k`-th picture, the first being 0.
    pub fn index(&mut self, k: u64) -> usize {
        let epoch = k / self.length as u64;
        if self.epoch != Some(epoch) {
            let mut random = Random::new(self.seed, &format!("{} epoch {epoch}", self.domain));
            self.permutation = (0..self.length).collect();
            // Fisher and Yates.
            for i in (1..self.length).rev() {
                self.permutation.swap(i, random.below(i + 1));
            }
            self.epoch = Some(epoch);
        }
        self.permutation[(k % self.length as u64) as usize]
    }

    /// The random numbers of the `k`-th picture's augmentation.
    pub(super) fn random(&self, k: u64) -> Random {
        Random::new(self.seed, &format!("{} picture {k}", self.domain))
    }
}
