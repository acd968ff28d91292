//! Weights that are nobody's.

use std::collections::BTreeMap;

use ugatit::Tensor;
use ugatit::io::Model;
use ugatit::model::GeneratorConfig;

/// Weights for a generator, between -0.5 and 0.5, the same for the same seed.
pub(crate) fn weights(config: &GeneratorConfig, seed: u32) -> BTreeMap<String, Tensor> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let each = Model::expected(config).unwrap().into_iter();
    each.map(|(key, shape)| {
        let data = (0..shape.elements()).map(|_| next()).collect();
        (key, Tensor::new(shape, data).unwrap())
    })
    .collect()
}
