//! One iteration after another.

use std::collections::BTreeMap;

use crate::cpu::Real;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

use super::adam::clip_rho;
use super::config::StepConfig;
use super::engine::{Alone, CpuEngine, Engine, Named, Outcome};
use super::penalty::values;
use super::player::Player;
use super::reduce::Team;
use super::state::TrainState;
use super::step::StepGraph;
use super::summing::Summing;

/// What one iteration was like.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The iteration, the first being 1.
    pub step: u64,
    /// Its learning rate.
    pub lr: f64,
    /// Each term of both losses by name, without its weight, and the weighted sums `D/total`
    /// and `G/total`.
    pub losses: Vec<(String, f64)>,
    /// Of each network the Euclidean norm of its gradients, without weight decay.
    pub gradient_norms: Vec<(&'static str, f64)>,
}

/// A training run on one engine.
#[derive(Debug)]
pub struct Trainer<T, E = CpuEngine<T>> {
    pub(super) config: StepConfig,
    /// In the order of [`Player::BOTH`].
    steps: [StepGraph; 2],
    /// The same, but only the power iterations of the spectral normalisation.
    vectors: [StepGraph; 2],
    engine: E,
    /// Where the run is.
    pub state: TrainState<T>,
}

impl<T: Real, E: Engine<T>> Trainer<T, E> {
    /// Builds both graphs.
    ///
    /// # Errors
    /// [`Error::Config`] where the configuration cannot work, or asks for f16.
    pub fn new(config: StepConfig, state: TrainState<T>, engine: E) -> Result<Self> {
        if config.f16 {
            return Err(Error::Config(
                "precision f16 is a way to save a GPU's memory, and the processor has none: use f32, or a GPU".into(),
            ));
        }
        let steps = StepGraph::both(&config)?;
        let vectors = steps.each_ref().map(StepGraph::vectors);
        Ok(Self { config, steps, vectors, engine, state })
    }

    /// Gives back the memory that is kept for the next iteration.
    pub fn release(&mut self) {
        self.engine.release();
    }

    /// The graph of one player.
    pub fn graph(&self, player: Player) -> &StepGraph {
        &self.steps[usize::from(player == Player::Generators)]
    }

    /// One whole iteration: the discriminators, then the generators, where [`StepConfig::n_critic`] says so, then the
    /// clipping of rho.
    /// `batches` are [`StepConfig::accumulation`] pairs of pictures of domain A and of domain B,
    /// each [`StepConfig::pictures`] in -1..1. After an error the iteration may be half done.
    ///
    /// # Errors
    /// [`Error::Shape`] where the pictures are of another shape or number,
    /// [`Error::NonFinite`] where a loss or gradient is not finite (the player's networks have
    /// not moved then), and what the engine reports.
    pub fn iterate(&mut self, batches: &[[Tensor<T>; 2]]) -> Result<StepReport> {
        self.iterate_in(None, batches)
    }

    /// [`Self::iterate`] as one of the [`StepConfig::ranks`] of a team, each with its own batches. The losses and the
    /// gradients are the means of all, and all ranks move alike.
    ///
    /// # Errors
    /// As [`Self::iterate`], and [`Error::Ranks`] where there are not as many ranks, or they cannot be reached.
    pub fn iterate_in(
        &mut self,
        mut team: Option<&mut Team>,
        batches: &[[Tensor<T>; 2]],
    ) -> Result<StepReport> {
        self.config.check_batches(batches.len())?;
        self.config.check_ranks(team.as_deref())?;
        let step = self.state.step + 1;
        let lr = self.config.schedule.at(step);
        let (mut losses, mut gradient_norms) = (vec![], vec![]);
        let mut begun = None;
        for player in Player::BOTH {
            if !self.config.moves(player, step) {
                self.state.step = step;
                continue;
            }
            let outcome = match team.as_deref_mut() {
                Some(team) => self.accumulate_in(team, player, batches, &mut begun)?,
                None => self.accumulate(player, batches, &mut begun)?,
            };
            gradient_norms.extend(outcome.finite_norms(step)?);
            losses.extend_from_slice(&outcome.losses);
            self.apply(outcome)?;
        }
        Ok(StepReport { step, lr, losses, gradient_norms })
    }

    /// The mean of what [`Self::compute`] gives for each batch. The power iterations of each go
    /// on from those of the one before. `begun` is what the discriminators' turn leaves to the generators'.
    fn accumulate(
        &mut self,
        player: Player,
        batches: &[[Tensor<T>; 2]],
        begun: &mut Option<E::Begun>,
    ) -> Result<Outcome<T>> {
        let sum = self.sum(player, 0, batches, begun)?;
        let mut mean = sum.ok_or_else(|| Error::Shape("an iteration without a batch".into()))?;
        mean.divide(batches.len());
        Ok(mean)
    }

    /// The sum of what [`Self::compute`] gives for each batch of a rank; `None` where there are none.
    fn sum(
        &mut self,
        player: Player,
        rank: usize,
        batches: &[[Tensor<T>; 2]],
        begun: &mut Option<E::Begun>,
    ) -> Result<Option<Outcome<T>>> {
        let mut sum: Option<Outcome<T>> = None;
        let first = self.first_batch(rank);
        for (number, [real_a, real_b]) in (first..).zip(batches) {
            let outcome = self.compute_batch(player, number, [real_a, real_b], begun)?;
            if self.config.batches() > 1 {
                self.state.tensors.extend(outcome.buffers.clone());
            }
            match &mut sum {
                None => sum = Some(outcome),
                Some(sum) => sum.add(outcome),
            }
        }
        Ok(sum)
    }

    /// As [`Self::accumulate`] over the batches of all ranks, those of rank 0 first. While the last of this rank's is
    /// computed, the sums of the gradients that are ready are on their way.
    fn accumulate_in(
        &mut self,
        team: &mut Team,
        player: Player,
        batches: &[[Tensor<T>; 2]],
        begun: &mut Option<E::Begun>,
    ) -> Result<Outcome<T>> {
        let Some(([real_a, real_b], before)) = batches.split_last() else {
            return Err(Error::Shape("an iteration without a batch".into()));
        };
        // The power iterations of the batches that other ranks have before and behind this one's.
        let (first, count) = (team.rank() * batches.len(), self.config.batches());
        self.power_iterations(player, first)?;
        let number = self.first_batch(team.rank()) + before.len() as u64;
        let sum = self.sum(player, team.rank(), before, begun)?;
        let fed = self.fed(player, number, [real_a, real_b], begun)?;
        let index = usize::from(player == Player::Generators);
        let (step, tensors) = (&self.steps[index], &self.state.tensors);
        let mut summing = Summing::new(team, step, sum.as_ref());
        let begun = if player == Player::Generators { begun.take() } else { None };
        let pictures = [real_a, real_b];
        let results = self.engine.run_watched(step, begun, &feed(tensors, &fed, pictures), &mut summing)?;
        let mut outcome = Outcome::new(step, results);
        summing.finish(&mut outcome)?;
        self.state.tensors.extend(std::mem::take(&mut outcome.buffers));
        self.power_iterations(player, count - first - batches.len())?;
        outcome.divide(count);
        Ok(outcome)
    }

    /// So many of the power iterations that [`Self::compute`] does for a batch.
    fn power_iterations(&mut self, player: Player, batches: usize) -> Result<()> {
        let vectors = &self.vectors[usize::from(player == Player::Generators)];
        for _ in 0..batches {
            let tensors = &self.state.tensors;
            let results = self.engine.run(vectors, &|name: &str| tensors.get(name))?;
            self.state.tensors.extend(Outcome::new(vectors, results).buffers);
        }
        Ok(())
    }

    /// The number of a rank's first batch of the next iteration, among all batches of the run.
    fn first_batch(&self, rank: usize) -> u64 {
        self.state.step * self.config.batches() as u64 + (rank * self.config.accumulation) as u64
    }

    /// Loss and gradients of one player for the first batch of the next iteration; changes nothing.
    ///
    /// # Errors
    /// As [`Self::iterate`].
    pub fn compute(&mut self, player: Player, real_a: &Tensor<T>, real_b: &Tensor<T>) -> Result<Outcome<T>> {
        self.compute_batch(player, self.first_batch(0), [real_a, real_b], &mut None)
    }

    fn compute_batch(
        &mut self,
        player: Player,
        number: u64,
        pictures: [&Tensor<T>; 2],
        begun: &mut Option<E::Begun>,
    ) -> Result<Outcome<T>> {
        let fed = self.fed(player, number, pictures, begun)?;
        let step = &self.steps[usize::from(player == Player::Generators)];
        let feed = feed(&self.state.tensors, &fed, pictures);
        let begun = if player == Player::Generators { begun.take() } else { None };
        let results = self.engine.run_watched(step, begun, &feed, &mut Alone)?;
        Ok(Outcome::new(step, results))
    }

    /// What a player's turn is fed for one batch beside the pictures: what is drawn, and the translations, for which the
    /// generators' turn is begun.
    fn fed(
        &mut self,
        player: Player,
        number: u64,
        pictures: [&Tensor<T>; 2],
        begun: &mut Option<E::Begun>,
    ) -> Result<Named<T>> {
        let mut fed = values(&self.config, player, number, pictures)?;
        let [_, generators] = &self.steps;
        if player == Player::Discriminators && generators.first() > 0 {
            let (translated, rest) =
                self.engine.begin(generators, &feed(&self.state.tensors, &[], pictures))?;
            fed.extend(translated);
            *begun = Some(rest);
        }
        Ok(fed)
    }

    /// Moves one player's parameters and takes over the vectors. The generators' turn clips rho
    /// and ends the iteration.
    ///
    /// # Errors
    /// [`Error::Shape`] where a tensor of `outcome` does not fit the state.
    pub fn apply(&mut self, outcome: Outcome<T>) -> Result<()> {
        let step = self.state.step + 1;
        let lr = self.config.schedule.at(step);
        let moves = self.config.moves_until(outcome.player, step);
        for (name, gradient) in outcome.gradients {
            let (Some(parameter), Some(moments)) =
                (self.state.tensors.get_mut(&name), self.state.moments.get_mut(&name))
            else {
                return Err(Error::Shape(format!("a gradient of `{name}`, which is not trained")));
            };
            if gradient.shape() != parameter.shape() || moments.elements() != parameter.data().len() {
                return Err(Error::Shape(format!(
                    "`{name}` {} has a gradient of shape {} and moments of {} elements",
                    parameter.shape(),
                    gradient.shape(),
                    moments.elements()
                )));
            }
            self.config.adam.update(lr, moves, parameter.data_mut(), gradient.data(), moments);
            if name.ends_with(".rho") {
                clip_rho(parameter.data_mut());
            }
            self.engine.reuse(gradient.into_data());
        }
        self.state.tensors.extend(outcome.buffers);
        if outcome.player == Player::Generators {
            let decay = T::from_f64(self.config.ema_decay(step));
            for (name, average) in &mut self.state.ema {
                let Some(parameter) = self.state.tensors.get(name) else { continue };
                for (average, x) in average.data_mut().iter_mut().zip(parameter.data()) {
                    *average = *x + decay * (*average - *x);
                }
            }
            self.state.step = step;
        }
        Ok(())
    }
}

/// What a step is fed.
fn feed<'a, T>(
    tensors: &'a BTreeMap<String, Tensor<T>>,
    fed: &'a [(String, Tensor<T>)],
    [real_a, real_b]: [&'a Tensor<T>; 2],
) -> impl Fn(&str) -> Option<&'a Tensor<T>> {
    move |name| match name {
        "real_A" => Some(real_a),
        "real_B" => Some(real_b),
        _ => tensors.get(name).or_else(|| fed.iter().find(|(fed, _)| fed == name).map(|(_, value)| value)),
    }
}
