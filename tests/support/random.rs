//! Numbers and weights that are nobody's, the same for the same seed.

use std::collections::BTreeMap;

use ugatit::Tensor;
use ugatit::graph::Shape;
use ugatit::io::Model;
use ugatit::model::GeneratorConfig;

/// Numbers that look random, from -1 to 1: a linear congruential generator with the constants of
/// Knuth's MMIX.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next, a multiple of 2^-23, so that `f32` holds it exactly.
    pub(crate) fn value(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

/// A tensor of them.
pub(crate) fn noise(shape: impl Into<Shape>, seed: u64) -> Tensor<f64> {
    let shape = shape.into();
    let mut noise = Noise::seeded(seed);
    let data = (0..shape.elements()).map(|_| noise.value()).collect();
    Tensor::new(shape, data).unwrap()
}

/// Weights for a generator, between -0.5 and 0.5.
pub(crate) fn weights(config: &GeneratorConfig, seed: u64) -> BTreeMap<String, Tensor> {
    let mut noise = Noise::seeded(seed);
    let each = Model::expected(config).unwrap().into_iter();
    each.map(|(key, shape)| {
        let data = (0..shape.elements()).map(|_| 0.5 * noise.value() as f32).collect();
        (key, Tensor::new(shape, data).unwrap())
    })
    .collect()
}
