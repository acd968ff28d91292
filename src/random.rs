//! The one source of random numbers: small, and the same on every machine.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own for every name (FNV-1a).
    pub fn named(name: &str) -> Self {
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// A sequence of its own for every seed and name.
    pub fn new(seed: u64, name: &str) -> Self {
        let Self(hash) = Self::named(name);
        Self(Self(seed).bits() ^ hash)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller's. `ln` and `cos` are this program's own: those of the standard library are
    /// the system's, and differ from one to the next in the last bit.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// In `0..end`, each equally likely (to one in 2^64 / `end`, by Lemire's product); 0 where
    /// `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// True half of the time.
    #[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
    pub fn coin(&mut self) -> bool {
        self.below(2) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every machine must give; computed once, on x86-64 Linux.
    #[test]
    fn the_numbers_of_a_seed_are_the_same_on_every_machine() {
        let mut random = Random::seeded(1);
        let hash = (0..100_000).fold(0xcbf2_9ce4_8422_2325_u64, |hash, _| {
            (hash ^ random.normal().to_bits()).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!(hash, 5_829_313_496_630_333_174);
    }
}
