//! The weights that a training run begins with: PyTorch's defaults, which the official program
//! leaves as they are.

use std::collections::BTreeMap;

use crate::cpu::Real;
use crate::graph::Shape;
use crate::tensor::Tensor;

use crate::random::Random;

/// Fresh values for `tensors`. Each depends on `seed` and its own name only.
///
/// Weights and biases are uniform within `1 / sqrt(fan_in)` (`kaiming_uniform_(a=sqrt(5))`);
/// rho is 0.9 in the adaptive layers (with smoothing 1, which is used as 0.9) and 0 in the upsampling (1 in an
/// encoder that has any: see [`crate::model::Dialect`]), gamma 1, beta 0; the vectors of the spectral normalisation are
/// normal, of length 1.
pub(super) fn initial<T: Real>(
    tensors: &[(String, Shape)],
    smoothing: bool,
    seed: u64,
) -> BTreeMap<String, Tensor<T>> {
    let adaptive = if smoothing { 1.0 } else { 0.9 };
    let shapes: BTreeMap<&str, &Shape> = tensors.iter().map(|(name, shape)| (name.as_str(), shape)).collect();
    tensors
        .iter()
        .map(|(name, shape)| {
            let (layer, leaf) = name.rsplit_once('.').unwrap_or(("", name));
            let mut random = Random::new(seed, name);
            let mut tensor = Tensor::zeros(shape.clone());
            match leaf {
                "rho" => fill(&mut tensor, || match layer {
                    _ if layer.contains("UpBlock1_") || layer.contains("DecodeBlock") => adaptive,
                    _ if layer.contains("DownBlock") => 1.0,
                    _ => 0.0,
                }),
                "gamma" => fill(&mut tensor, || 1.0),
                "beta" => {}
                "weight_u" | "weight_v" => {
                    let x: Vec<f64> = (0..shape.elements()).map(|_| random.normal()).collect();
                    let length = x.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
                    let mut x = x.into_iter();
                    fill(&mut tensor, || x.next().unwrap_or_default() / length);
                }
                _ => {
                    let weight = ["weight", "weight_orig"]
                        .iter()
                        .find_map(|leaf| shapes.get(format!("{layer}.{leaf}").as_str()))
                        .unwrap_or(&shape);
                    let fan_in: usize = weight.dims().iter().skip(1).product();
                    let bound = 1.0 / (fan_in as f64).sqrt();
                    fill(&mut tensor, || bound * (2.0 * random.uniform() - 1.0));
                }
            }
            (name.clone(), tensor)
        })
        .collect()
}

/// Through `f32`, so that runs in `f32` and in `f64` begin with the same numbers.
fn fill<T: Real>(tensor: &mut Tensor<T>, mut value: impl FnMut() -> f64) {
    for x in tensor.data_mut() {
        *x = T::from_f64(f64::from(value() as f32));
    }
}
