//! What computes the graph of a step, and what comes out.

use std::collections::BTreeMap;

use crate::cpu::{Paused, Pool, Real, Walk, parallel};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

use super::player::Player;
use super::step::StepGraph;

/// Tensors with the names of the inputs that they are fed to.
pub type Named<T> = Vec<(String, Tensor<T>)>;

/// Something that computes the graph of a step. All else in training is independent of where
/// that is done.
pub trait Engine<T> {
    /// What the first part of a step has computed, for the rest of it.
    type Begun;

    /// The first part of a step: [`StepGraph::translated`] by name, and what [`Self::run_watched`] goes on from. What was
    /// fed to it must be the same then.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn begin<'a>(
        &mut self,
        step: &StepGraph,
        feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
    ) -> Result<(Named<T>, Self::Begun)>
    where
        T: 'a;

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

    /// [`Self::run`], with somebody who watches, or the rest of what was begun. An engine that has the outputs only all
    /// together shows them at the end.
    ///
    /// # Errors
    /// Those of [`Self::run`] and of the watcher.
    fn run_watched<'a>(
        &mut self,
        step: &StepGraph,
        begun: Option<Self::Begun>,
        feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
        watcher: &mut dyn Watch<T>,
    ) -> Result<Vec<Tensor<T>>>
    where
        T: 'a;

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
pub(super) struct Alone;

impl<T> Watch<T> for Alone {
    fn output(&mut self, _: usize, _: &[T]) -> Result<()> {
        Ok(())
    }

    fn operation(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<T: Real> Engine<T> for CpuEngine<T> {
    type Begun = Paused<T>;

    fn begin<'a>(
        &mut self,
        step: &StepGraph,
        feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
    ) -> Result<(Named<T>, Paused<T>)>
    where
        T: 'a,
    {
        self.pool.allow(step.elements);
        let outputs = step.outputs();
        let pool = std::mem::take(&mut self.pool);
        let mut walk = Walk::reusing(pool, &step.graph, &outputs, step.arithmetic);
        while walk.progress().0 < step.first() {
            walk.step(feed)?;
        }
        let translated = step.translated.iter().map(|(name, node)| {
            let picture = Tensor::new(step.graph.shape(*node), walk.value(*node).to_vec())?;
            Ok((name.clone(), picture))
        });
        let translated = translated.collect::<Result<_>>()?;
        let (paused, pool) = walk.pause();
        self.pool = pool;
        Ok((translated, paused))
    }

    fn run<'a>(
        &mut self,
        step: &StepGraph,
        feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
    ) -> Result<Vec<Tensor<T>>>
    where
        T: 'a,
    {
        self.run_watched(step, None, feed, &mut Alone)
    }

    fn run_watched<'a>(
        &mut self,
        step: &StepGraph,
        begun: Option<Paused<T>>,
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
        let mut walk = match begun {
            Some(begun) => Walk::resume(begun, pool, &step.graph, &outputs, step.arithmetic, feed)?,
            None => Walk::reusing(pool, &step.graph, &outputs, step.arithmetic),
        };
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
    pub(super) fn new(step: &StepGraph, results: Vec<Tensor<T>>) -> Self {
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
    pub(super) fn add(&mut self, other: Self) {
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
    pub(super) fn divide(&mut self, count: usize) {
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
    pub(super) fn finite_norms(&self, step: u64) -> Result<Vec<(&'static str, f64)>> {
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
