//! The weights that a training run begins with: PyTorch's defaults, which the official program
//! leaves as they are.

use std::collections::BTreeMap;

use crate::cpu::Real;
use crate::graph::Shape;
use crate::tensor::Tensor;

/// Fresh values for `tensors`. Each depends on `seed` and its own name only.
///
/// Weights and biases are uniform within `1 / sqrt(fan_in)` (`kaiming_uniform_(a=sqrt(5))`);
/// rho is 0.9 in the adaptive layers and 0 in the upsampling, gamma 1, beta 0; the vectors of
/// the spectral normalisation are normal, of length 1.
pub(super) fn initial<T: Real>(tensors: &[(String, Shape)], seed: u64) -> BTreeMap<String, Tensor<T>> {
    let shapes: BTreeMap<&str, &Shape> = tensors.iter().map(|(name, shape)| (name.as_str(), shape)).collect();
    tensors
        .iter()
        .map(|(name, shape)| {
            let (layer, leaf) = name.rsplit_once('.').unwrap_or(("", name));
            let mut random = Random::new(seed, name);
            let mut tensor = Tensor::zeros(shape.clone());
            match leaf {
                "rho" => fill(&mut tensor, || if layer.contains("UpBlock1_") { 0.9 } else { 0.0 }),
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

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    /// A sequence of its own for every name (FNV-1a).
    fn new(seed: u64, name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut random = Self(seed);
        Self(random.bits() ^ hash)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1.
    fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller's.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
