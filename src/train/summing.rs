//! Gradients on their way to the sums of all ranks while the rest of them is still computed.

use crate::cpu::Real;
use crate::error::{Error, Result};

use super::engine::{Outcome, Watch, added};
use super::reduce::{BUCKET, Precision, Team};
use super::step::StepGraph;

/// Watches the last batch of a rank: as soon as a gradient is there, it joins those of the batches before, and
/// begins its way in buckets.
pub(super) struct Summing<'a, T> {
    team: &'a mut Team,
    step: &'a StepGraph,
    /// Of this rank's batches before.
    before: Option<&'a Outcome<T>>,
    bucket: Vec<f32>,
    /// The gradients by their numbers, in the order in which they came.
    order: Vec<usize>,
}

impl<'a, T: Real> Summing<'a, T> {
    pub(super) fn new(team: &'a mut Team, step: &'a StepGraph, before: Option<&'a Outcome<T>>) -> Self {
        Self { team, step, before, bucket: vec![], order: vec![] }
    }

    /// Waits for the sums and puts them in the place of what this rank has computed.
    pub(super) fn finish(mut self, outcome: &mut Outcome<T>) -> Result<()> {
        self.send()?;
        let own = outcome.losses.iter().enumerate().map(|(i, (_, loss))| {
            let before = self.before.and_then(|before| before.losses.get(i)).map_or(0.0, |(_, x)| *x);
            added::<T>(before, *loss) as f32
        });
        let losses: Vec<f32> = own.collect();
        self.team.begin(&losses, Precision::Full)?;
        let sums = self.team.finish()?;
        let Some((losses, gradients)) = sums.split_last().filter(|(last, _)| last.len() == losses.len())
        else {
            return Err(lost());
        };
        for ((_, loss), sum) in outcome.losses.iter_mut().zip(losses) {
            *loss = f64::from(*sum);
        }
        let mut values = gradients.iter().flatten();
        for number in self.order {
            let gradient = outcome.gradients.get_mut(&self.step.gradients[number].0).ok_or_else(lost)?;
            for x in gradient.data_mut() {
                *x = T::from_f64(f64::from(*values.next().ok_or_else(lost)?));
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        if self.bucket.is_empty() {
            return Ok(());
        }
        let bucket = std::mem::replace(&mut self.bucket, Vec::with_capacity(BUCKET));
        self.team.begin_bucket(bucket, Precision::Gradient)
    }
}

/// Sums that are not those that were asked for.
fn lost() -> Error {
    Error::Ranks("a sum has come back of another size than it was sent".into())
}

impl<T: Real> Watch<T> for Summing<'_, T> {
    fn output(&mut self, number: usize, values: &[T]) -> Result<()> {
        // The terms of the loss come first, the vectors last.
        let gradient = number.checked_sub(self.step.terms.len()).filter(|&i| i < self.step.gradients.len());
        let Some(number) = gradient else { return Ok(()) };
        let name = &self.step.gradients[number].0;
        let before = self.before.and_then(|before| before.gradients.get(name));
        self.order.push(number);
        let mut at = 0;
        while at < values.len() {
            let end = values.len().min(at + BUCKET - self.bucket.len());
            let part = &values[at..end];
            match before {
                Some(before) => {
                    let sums = before.data()[at..end].iter().zip(part);
                    self.bucket.extend(sums.map(|(sum, x)| (*sum + *x).to_f64() as f32));
                }
                None => self.bucket.extend(part.iter().map(|x| x.to_f64() as f32)),
            }
            at = end;
            if self.bucket.len() == BUCKET {
                self.send()?;
            }
        }
        Ok(())
    }

    fn operation(&mut self) -> Result<()> {
        self.team.progress()
    }
}
