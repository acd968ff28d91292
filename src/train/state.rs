//! What a training run carries from one iteration to the next.

use std::collections::BTreeMap;

use crate::cpu::Real;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

use super::adam::Moments;
use super::config::StepConfig;
use super::init::initial;
use super::player::Player;

/// The six networks, the optimisers' moments and the number of iterations done. (The sampler
/// and the random numbers of the augmentation belong to the data.)
#[derive(Clone, Debug, PartialEq)]
pub struct TrainState<T> {
    /// Every tensor of [`StepConfig::tensors`].
    pub tensors: BTreeMap<String, Tensor<T>>,
    /// For each tensor that is trained.
    pub moments: BTreeMap<String, Moments<T>>,
    /// The generators' exponential moving average by the names of their tensors; empty where
    /// [`StepConfig::ema`] is 0.
    pub ema: BTreeMap<String, Tensor<T>>,
    /// Iterations done.
    pub step: u64,
}

impl<T: Real> TrainState<T> {
    /// The beginning of a run, from PyTorch's default initialisation.
    ///
    /// # Errors
    /// [`Error::Config`] where the configuration cannot work.
    pub fn new(config: &StepConfig, seed: u64) -> Result<Self> {
        Ok(Self::begin(config, initial(&config.tensors()?, config.generator.smoothing, seed)))
    }

    /// The beginning of a run from given networks.
    ///
    /// # Errors
    /// [`Error::NotFed`] where one is missing, [`Error::Shape`] where one is of another shape
    /// or belongs to none of the networks.
    pub fn from_tensors(config: &StepConfig, tensors: BTreeMap<String, Tensor<T>>) -> Result<Self> {
        let expected: BTreeMap<_, _> = config.tensors()?.into_iter().collect();
        if let Some(name) = tensors.keys().find(|name| !expected.contains_key(*name)) {
            return Err(Error::Shape(format!("none of the six networks has a tensor `{name}`")));
        }
        for (name, shape) in expected {
            match tensors.get(&name).map(Tensor::shape) {
                None => return Err(Error::NotFed { name, expected: shape }),
                Some(found) if *found != shape => {
                    return Err(Error::Shape(format!("tensor `{name}` must be {shape}, not {found}")));
                }
                Some(_) => {}
            }
        }
        Ok(Self::begin(config, tensors))
    }

    fn begin(config: &StepConfig, tensors: BTreeMap<String, Tensor<T>>) -> Self {
        let trained = tensors.iter().filter(|(name, _)| Player::BOTH.iter().any(|p| p.trains(name)));
        let moments = trained.map(|(name, t)| (name.clone(), Moments::zeros(t.shape().elements()))).collect();
        let averaged = tensors.iter().filter(|(name, _)| config.ema > 0.0 && Player::Generators.trains(name));
        let ema = averaged.map(|(name, t)| (name.clone(), t.clone())).collect();
        Self { tensors, moments, ema, step: 0 }
    }
}
