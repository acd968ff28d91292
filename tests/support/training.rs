//! Runs small enough to be always there, and their pictures.

use ugatit::Tensor;
use ugatit::cpu::Real;
use ugatit::model::GeneratorConfig;
use ugatit::train::StepConfig;

/// No extent is a multiple of what kernels like.
pub(crate) fn tiny_generator(light: bool) -> GeneratorConfig {
    GeneratorConfig { ch: 6, n_res: 1, n_res_decoder: 1, img_size: 16, light, ..GeneratorConfig::default() }
}

/// A picture in -1..1 that is another one for each phase.
pub(crate) fn picture<T: Real>(config: &StepConfig, phase: f64) -> Tensor<T> {
    let shape = config.pictures();
    let data = (0..shape.elements()).map(|i| T::from_f64(f64::from((i as f64 * 0.37 + phase).sin() as f32)));
    let data = data.collect();
    Tensor::new(shape, data).unwrap()
}
