//! One iteration after another.

use std::collections::BTreeMap;

use crate::cpu::{Pool, Real, Walk, parallel};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

use super::adam::clip_rho;
use super::config::StepConfig;
use super::penalty::values;
use super::reduce::Team;
use super::state::TrainState;
use super::step::{Player, StepGraph};
use super::summing::Summing;

/// Something that computes the graph of a step. All else in training is independent of where
/// that is done.
pub trait Engine<T> {
    /// [`StepGraph::outputs`] in their order; `feed` gives every input and parameter by name.
    ///
    /// # Errors
    /// Where a tensor is missing or of another shape, and what the engine reports.
    fn run<'a>(
        &mut self,
        step: &StepGraph,
        feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
    ) -> Result<Vec<Tensor<T>>>
    where
        T: 'a;

    /// [`Self::run`], with somebody who watches. An engine that has the outputs only all together shows them at the
    /// end.
    ///
    /// # Errors
    /// Those of [`Self::run`] and of the watcher.
    fn run_watched<'a>(
        &mut self,
        step: &StepGraph,
        feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
        watcher: &mut dyn Watch<T>,
    ) -> Result<Vec<Tensor<T>>>
    where
        T: 'a,
    {
        let outputs = self.run(step, feed)?;
        for (i, output) in outputs.iter().enumerate() {
            watcher.output(i, output.data())?;
        }
        Ok(outputs)
    }

    /// Takes the memory of an output that nobody reads any more, for what is computed next.
    fn reuse(&mut self, _memory: Vec<T>) {}

    /// Gives back the memory that is kept for what is computed next.
    fn release(&mut self) {}
}

/// Who sees the outputs of a step while the rest is still computed.
pub trait Watch<T> {
    /// The output of this number in [`StepGraph::outputs`] is there.
    ///
    /// # Errors
    /// Those of the watcher, which end the computing.
    fn output(&mut self, number: usize, values: &[T]) -> Result<()>;

    /// An operation has been computed.
    ///
    /// # Errors
    /// As [`Self::output`].
    fn operation(&mut self) -> Result<()>;
}

/// The CPU executor. It keeps its memory from one graph to the next.
#[derive(Debug)]
pub struct CpuEngine<T = f32> {
    pool: Pool<T>,
}

impl<T> Default for CpuEngine<T> {
    fn default() -> Self {
        Self { pool: Pool::default() }
    }
}

/// Nobody watches.
struct Alone;

impl<T> Watch<T> for Alone {
    fn output(&mut self, _: usize, _: &[T]) -> Result<()> {
        Ok(())
    }

    fn operation(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<T: Real> Engine<T> for CpuEngine<T> {
    fn run<'a>(
        &mut self,
        step: &StepGraph,
        feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
    ) -> Result<Vec<Tensor<T>>>
    where
        T: 'a,
    {
        self.run_watched(step, feed, &mut Alone)
    }

    fn run_watched<'a>(
        &mut self,
        step: &StepGraph,
        feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
        watcher: &mut dyn Watch<T>,
    ) -> Result<Vec<Tensor<T>>>
    where
        T: 'a,
    {
        let outputs = step.outputs();
        let mut numbers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, id) in outputs.iter().enumerate() {
            numbers.entry(id.index()).or_default().push(number);
        }
        self.pool.allow(step.elements);
        let pool = std::mem::take(&mut self.pool);
        let mut walk = Walk::reusing(pool, &step.graph, &outputs, step.arithmetic);
        while walk.step(feed)? {
            let (behind, _) = walk.progress();
            for &number in numbers.get(&(behind - 1)).into_iter().flatten() {
                watcher.output(number, walk.value(outputs[number]))?;
            }
            watcher.operation()?;
        }
        let (results, pool) = walk.finish_reusing()?;
        self.pool = pool;
        Ok(results)
    }

    fn reuse(&mut self, memory: Vec<T>) {
        self.pool.give(memory);
    }

    fn release(&mut self) {
        *self = Self::default();
    }
}

/// The sum of the losses of two batches, in the precision in which ranks send them to each other: so the sum of all is the
/// same however many ranks there are.
pub(super) fn added<T: Real>(a: f64, b: f64) -> f64 {
    (T::from_f64(a) + T::from_f64(b)).to_f64()
}

/// What the graph of a step has given.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// Whose.
    pub player: Player,
    /// Each term of the loss by name, without its weight, then `D/total` or `G/total`, the
    /// weighted sum.
    pub losses: Vec<(String, f64)>,
    /// By parameter, without weight decay.
    pub gradients: BTreeMap<String, Tensor<T>>,
    /// The vectors of the spectral normalisation after the step.
    pub buffers: BTreeMap<String, Tensor<T>>,
}

impl<T: Real> Outcome<T> {
    fn new(step: &StepGraph, results: Vec<Tensor<T>>) -> Self {
        let mut results = results.into_iter();
        let mut losses = vec![];
        let mut total = 0.0;
        for (term, value) in step.terms.iter().zip(&mut results) {
            let value = value.data().first().map_or(f64::NAN, |x| x.to_f64());
            total += f64::from(term.weight) * value;
            losses.push((term.name.clone(), value));
        }
        losses.push((format!("{}/total", step.player.letter()), total));
        let mut named = |list: &[(String, _)]| {
            list.iter().map(|(name, _)| name.clone()).zip(&mut results).collect::<BTreeMap<_, _>>()
        };
        let gradients = named(&step.gradients);
        let buffers = named(&step.buffers);
        Self { player: step.player, losses, gradients, buffers }
    }

    /// Adds what another batch has given; `self` is the sum of those before.
    fn add(&mut self, other: Self) {
        for ((_, sum), (_, x)) in self.losses.iter_mut().zip(other.losses) {
            *sum = added::<T>(*sum, x);
        }
        for (sum, x) in self.gradients.values_mut().zip(other.gradients.values()) {
            for (sum, x) in sum.data_mut().iter_mut().zip(x.data()) {
                *sum += *x;
            }
        }
        self.buffers = other.buffers;
    }

    /// From the sum of `count` batches to their mean.
    fn divide(&mut self, count: usize) {
        if count == 1 {
            return;
        }
        let factor = 1.0 / count as f64;
        self.losses.iter_mut().for_each(|(_, x)| *x *= factor);
        let factor = T::from_f64(factor);
        for gradient in self.gradients.values_mut() {
            gradient.data_mut().iter_mut().for_each(|x| *x = *x * factor);
        }
    }

    /// [`Self::gradient_norms`], where all is finite.
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the first term or gradient that is NaN or infinite.
    fn finite_norms(&self, step: u64) -> Result<Vec<(&'static str, f64)>> {
        let refuse = |what: String| Err(Error::NonFinite { step, what });
        if let Some((name, _)) = self.losses.iter().find(|(_, x)| !x.is_finite()) {
            return refuse(format!("the loss {name}"));
        }
        let squares = self.squares();
        for ((name, gradient), squares) in self.gradients.iter().zip(&squares) {
            // The sum may be infinite where no element is.
            if !squares.is_finite() && gradient.data().iter().any(|x| !x.to_f64().is_finite()) {
                return refuse(format!("the gradient of {name}"));
            }
        }
        Ok(self.norms(&squares))
    }

    /// The Euclidean norm of all gradients of each network.
    pub fn gradient_norms(&self) -> Vec<(&'static str, f64)> {
        self.norms(&self.squares())
    }

    /// Of each gradient the sum of its squares.
    fn squares(&self) -> Vec<f64> {
        self.gradients.values().map(|gradient| parallel::sum_of_squares(gradient.data())).collect()
    }

    fn norms(&self, squares: &[f64]) -> Vec<(&'static str, f64)> {
        let of = |network: &str| -> f64 {
            let all = self.gradients.keys().zip(squares);
            all.filter(|(name, _)| name.split('.').next() == Some(network)).map(|(_, squares)| squares).sum()
        };
        self.player.networks().iter().map(|network| (*network, of(network).sqrt())).collect()
    }
}

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
    /// [`Error::Config`] where the configuration cannot work.
    pub fn new(config: StepConfig, state: TrainState<T>, engine: E) -> Result<Self> {
        let [discriminators, generators] = Player::BOTH;
        let steps = [StepGraph::build(discriminators, &config)?, StepGraph::build(generators, &config)?];
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
        for player in Player::BOTH {
            if !self.config.moves(player, step) {
                self.state.step = step;
                continue;
            }
            let outcome = match team.as_deref_mut() {
                Some(team) => self.accumulate_in(team, player, batches)?,
                None => self.accumulate(player, batches)?,
            };
            gradient_norms.extend(outcome.finite_norms(step)?);
            losses.extend_from_slice(&outcome.losses);
            self.apply(outcome)?;
        }
        Ok(StepReport { step, lr, losses, gradient_norms })
    }

    /// The mean of what [`Self::compute`] gives for each batch. The power iterations of each go
    /// on from those of the one before.
    fn accumulate(&mut self, player: Player, batches: &[[Tensor<T>; 2]]) -> Result<Outcome<T>> {
        let sum = self.sum(player, 0, batches)?;
        let mut mean = sum.ok_or_else(|| Error::Shape("an iteration without a batch".into()))?;
        mean.divide(batches.len());
        Ok(mean)
    }

    /// The sum of what [`Self::compute`] gives for each batch of a rank; `None` where there are none.
    fn sum(&mut self, player: Player, rank: usize, batches: &[[Tensor<T>; 2]]) -> Result<Option<Outcome<T>>> {
        let mut sum: Option<Outcome<T>> = None;
        let first = self.first_batch(rank);
        for (number, [real_a, real_b]) in (first..).zip(batches) {
            let outcome = self.compute_batch(player, number, real_a, real_b)?;
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
    ) -> Result<Outcome<T>> {
        let Some(([real_a, real_b], before)) = batches.split_last() else {
            return Err(Error::Shape("an iteration without a batch".into()));
        };
        // The power iterations of the batches that other ranks have before and behind this one's.
        let (first, count) = (team.rank() * batches.len(), self.config.batches());
        self.power_iterations(player, first)?;
        let number = self.first_batch(team.rank()) + before.len() as u64;
        let drawn = values(&self.config, player, number, [real_a, real_b])?;
        let sum = self.sum(player, team.rank(), before)?;
        let index = usize::from(player == Player::Generators);
        let (step, tensors) = (&self.steps[index], &self.state.tensors);
        let mut summing = Summing::new(team, step, sum.as_ref());
        let results = self.engine.run_watched(step, &feed(tensors, &drawn, real_a, real_b), &mut summing)?;
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
        self.compute_batch(player, self.first_batch(0), real_a, real_b)
    }

    fn compute_batch(
        &mut self,
        player: Player,
        number: u64,
        real_a: &Tensor<T>,
        real_b: &Tensor<T>,
    ) -> Result<Outcome<T>> {
        let drawn = values(&self.config, player, number, [real_a, real_b])?;
        let step = &self.steps[usize::from(player == Player::Generators)];
        let feed = feed(&self.state.tensors, &drawn, real_a, real_b);
        let results = self.engine.run(step, &feed)?;
        Ok(Outcome::new(step, results))
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
    drawn: &'a [(String, Tensor<T>)],
    real_a: &'a Tensor<T>,
    real_b: &'a Tensor<T>,
) -> impl Fn(&str) -> Option<&'a Tensor<T>> {
    move |name| match name {
        "real_A" => Some(real_a),
        "real_B" => Some(real_b),
        _ => tensors
            .get(name)
            .or_else(|| drawn.iter().find(|(drawn, _)| drawn == name).map(|(_, value)| value)),
    }
}
