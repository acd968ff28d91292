//! What the gradient penalty is fed beside the pictures: random numbers, or pictures near real ones.

use crate::cpu::Real;
use crate::error::Result;
use crate::graph::Shape;
use crate::random::Random;
use crate::tensor::Tensor;

use super::config::StepConfig;
use super::gan::Penalized;
use super::player::Player;

/// The domains, in the order of a batch.
const DOMAINS: [&str; 2] = ["A", "B"];

/// The input with the share of the translated picture in what lies between it and the real one.
pub(super) fn share(config: &StepConfig, domain: &str) -> (String, Shape) {
    (format!("share_{domain}"), [config.batch, 1].into())
}

/// The input with pictures near real ones.
pub(super) fn near(config: &StepConfig, domain: &str) -> (String, Shape) {
    (format!("near_{domain}"), config.pictures())
}

/// The inputs of the discriminators' step beside `real_A` and `real_B`: both domains, or none.
pub(super) fn inputs(config: &StepConfig) -> Vec<(String, Shape)> {
    match config.gan_type.penalized() {
        None => vec![],
        Some(Penalized::Between) => DOMAINS.map(|domain| share(config, domain)).into(),
        Some(Penalized::Near) => DOMAINS.map(|domain| near(config, domain)).into(),
    }
}

/// The values of a player's for one batch. `number` counts the batches of the run, from 0 on, so that a run that goes on draws what
/// it would have drawn.
///
/// # Errors
/// [`crate::Error::Shape`] where the pictures are of another shape than those of `config`.
pub(super) fn values<T: Real>(
    config: &StepConfig,
    player: Player,
    number: u64,
    pictures: [&Tensor<T>; 2],
) -> Result<Vec<(String, Tensor<T>)>> {
    let mut values = vec![];
    if player == Player::Generators {
        return Ok(values);
    }
    for ((name, shape), real) in inputs(config).into_iter().zip(pictures) {
        let mut random = Random::new(config.seed, &format!("{name}/{number}"));
        let value = match config.gan_type.penalized() {
            Some(Penalized::Near) => beside(real, &mut random),
            _ => (0..shape.elements()).map(|_| uniform(&mut random)).map(T::from_f64).collect(),
        };
        values.push((name, Tensor::new(shape, value)?));
    }
    Ok(values)
}

/// As `f32` holds it, so that runs in `f32` and in `f64` draw the same.
fn uniform(random: &mut Random) -> f64 {
    f64::from(random.uniform() as f32)
}

/// `x + alpha * std / 2 * eps`: alpha of each sample and eps of each value in 0..1, the deviation that of all values.
fn beside<T: Real>(real: &Tensor<T>, random: &mut Random) -> Vec<T> {
    let x = real.data();
    let count = x.len() as f64;
    let mean = x.iter().map(|x| x.to_f64()).sum::<f64>() / count;
    let variance = x.iter().map(|x| (x.to_f64() - mean).powi(2)).sum::<f64>() / count;
    let samples = real.shape().dims().first().copied().unwrap_or(1).max(1);
    let mut values = Vec::with_capacity(x.len());
    for sample in x.chunks((x.len() / samples).max(1)) {
        let reach = 0.5 * variance.sqrt() * uniform(random);
        values.extend(sample.iter().map(|x| T::from_f64(x.to_f64() + reach * uniform(random))));
    }
    values
}
