//! The memory of a training run on a GPU.

use std::sync::Arc;

use wgpu::BufferUsages as Usage;

use crate::error::Result;
use crate::exec::{Parameters, Program, STORED, Slice};
use crate::gpu::{Buffer, Gpu};

use super::super::player::Player;
use super::places::{Place, Placed, REPORT, Store, VECTORS, group};
use super::plan::TrainPlan;

/// The buffers that live as long as the run.
#[derive(Debug)]
pub(super) struct Stores {
    pub(super) parameters: Arc<Parameters>,
    /// By the buffers of the parameters, as the next three.
    pub(super) gradients: Vec<Buffer>,
    pub(super) batch_gradients: Vec<Buffer>,
    pub(super) first_moments: Vec<Buffer>,
    pub(super) second_moments: Vec<Buffer>,
    /// From the first buffer of the generators on; empty where there is no average.
    pub(super) averages: Vec<Buffer>,
    pub(super) first_average: usize,
    pub(super) terms: Buffer,
    pub(super) batch_terms: Buffer,
    /// From the first buffer of the vectors on.
    pub(super) vectors: Vec<Buffer>,
    pub(super) first_vectors: usize,
    pub(super) partials: Buffer,
    pub(super) report: Buffer,
    pub(super) numbers: Buffer,
    /// See [`TrainPlan::staging`].
    pub(super) staging: Vec<Buffer>,
}

impl Stores {
    pub(super) fn new(gpu: &Gpu, plan: &TrainPlan, parameters: Arc<Parameters>) -> Result<Self> {
        let one = |label: &str, bytes: u64| gpu.buffer(label, bytes, STORED);
        let all = |label: &str, sizes: &[u64]| -> Result<Vec<Buffer>> {
            sizes.iter().map(|&bytes| one(label, bytes)).collect()
        };
        let buffers = &plan.map.buffers;
        let (trained, generators) = (&buffers[plan.trained()], plan.map.group(group(Player::Generators)));
        let batch = |sizes: &[u64]| if plan.accumulates { sizes.to_vec() } else { vec![] };
        let averaged = if plan.averages { &buffers[generators.clone()] } else { &[] };
        Ok(Self {
            gradients: all("gradients", trained)?,
            batch_gradients: all("gradients", &batch(trained))?,
            first_moments: all("moments", trained)?,
            second_moments: all("moments", trained)?,
            averages: all("average", averaged)?,
            first_average: generators.start,
            terms: one("terms", plan.terms)?,
            batch_terms: one("terms", batch(&[plan.terms]).iter().sum())?,
            vectors: all("vectors", &buffers[plan.map.group(VECTORS)])?,
            first_vectors: plan.map.group(VECTORS).start,
            partials: one("partials", plan.partials)?,
            report: one("report", REPORT)?,
            numbers: one("numbers", plan.numbers)?,
            staging: plan
                .staging()
                .iter()
                .map(|&bytes| gpu.buffer("sums", bytes, Usage::MAP_READ | Usage::COPY_DST))
                .collect::<Result<_>>()?,
            parameters,
        })
    }

    /// Where a player's numbers lie in their buffer.
    pub(super) fn numbers_of(&self, player: Player) -> u64 {
        self.numbers.size() / 2 * group(player) as u64
    }

    pub(super) fn get(&self, store: Store) -> &Buffer {
        match store {
            Store::Weights(i) => &self.parameters.buffers[i],
            Store::Gradients(i) => &self.gradients[i],
            Store::BatchGradients(i) => &self.batch_gradients[i],
            Store::FirstMoments(i) => &self.first_moments[i],
            Store::SecondMoments(i) => &self.second_moments[i],
            Store::Averages(i) => &self.averages[i - self.first_average],
            Store::Terms => &self.terms,
            Store::BatchTerms => &self.batch_terms,
            Store::Vectors(i) => &self.vectors[i - self.first_vectors],
            Store::Partials => &self.partials,
            Store::Report => &self.report,
            Store::Numbers => &self.numbers,
        }
    }

    pub(super) fn program(&self, gpu: &Gpu, placed: Placed, buffers: &[Buffer]) -> Result<Program> {
        let slice = |place: &Place| Slice { buffer: (**self.get(place.store)).clone(), offset: place.offset };
        let given = placed.given.iter().map(slice).collect();
        Program::new(gpu, placed.plan, buffers, &self.parameters, given)
    }
}
