//! What computes the graph of a step, and what comes out.

use std::collections::BTreeMap;

use crate::cpu::{self, Real, Walk};
use crate::error::{Error, Result};
use crate::graph::Arithmetic;
use crate::tensor::Tensor;

use super::player::Player;
use super::step::StepGraph;

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

/// The CPU executor.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuEngine;

impl<T: Real> Engine<T> for CpuEngine {
    fn run<'a>(
        &mut self,
        step: &StepGraph,
        feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
    ) -> Result<Vec<Tensor<T>>>
    where
        T: 'a,
    {
        cpu::run(&step.graph, &step.outputs(), feed)
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
        let mut walk = Walk::new(&step.graph, &outputs, Arithmetic::Exact);
        while walk.step(feed)? {
            let (behind, _) = walk.progress();
            for &number in numbers.get(&(behind - 1)).into_iter().flatten() {
                watcher.output(number, walk.value(outputs[number]))?;
            }
            watcher.operation()?;
        }
        walk.finish()
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

    /// # Errors
    /// [`Error::NonFinite`] with the first term or gradient that is NaN or infinite.
    pub(super) fn check_finite(&self, step: u64) -> Result<()> {
        let refuse = |what: String| Err(Error::NonFinite { step, what });
        if let Some((name, _)) = self.losses.iter().find(|(_, x)| !x.is_finite()) {
            return refuse(format!("the loss {name}"));
        }
        for (name, gradient) in &self.gradients {
            if gradient.data().iter().any(|x| !x.to_f64().is_finite()) {
                return refuse(format!("the gradient of {name}"));
            }
        }
        Ok(())
    }

    /// The Euclidean norm of all gradients of each network.
    pub fn gradient_norms(&self) -> Vec<(&'static str, f64)> {
        let squares = |network: &str| -> f64 {
            let own = self.gradients.iter().filter(|(name, _)| name.split('.').next() == Some(network));
            own.flat_map(|(_, g)| g.data()).map(|x| x.to_f64().powi(2)).sum()
        };
        self.player.networks().iter().map(|network| (*network, squares(network).sqrt())).collect()
    }
}
