//! A training run on a GPU: weights, gradients, moments and averages stay there. Pictures go in
//! and reports come out through two buffers each, in turn, so that the GPU works on one iteration
//! while the next is prepared.

mod memory;
mod places;
mod plan;
mod stores;
mod submit;
mod together;
mod turn;
mod update;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use wgpu::BufferUsages as Usage;

use crate::error::{Error, Result};
use crate::exec::{Budget, Clock, Parameters, STORED, Timing, flush};
use crate::gpu::{Buffer, Gpu, Mapped, Mapping};
use crate::plan::{Plan, Target};
use crate::tensor::Tensor;

use super::adam::Moments;
use super::config::StepConfig;
use super::penalty::values;
use super::player::Player;
use super::reduce::Team;
use super::state::TrainState;
use super::trainer::StepReport;

pub use memory::TrainMemory;
use places::{REPORT, group};
pub use plan::memory;
use plan::{Inputs, TrainPlan};
use stores::Stores;
use turn::Turn;

/// The way in and out of every second iteration.
#[derive(Debug)]
struct Slot {
    /// Of `upload`; none while an iteration is prepared.
    writable: Option<Writable>,
    upload: Buffer,
    download: Buffer,
}

/// When an upload buffer can be written.
#[derive(Debug)]
enum Writable {
    Now(Mapped),
    /// After the submission that reads it.
    After(Mapping, wgpu::SubmissionIndex),
}

impl Slot {
    fn new(gpu: &Gpu, plan: &TrainPlan) -> Result<Self> {
        let (upload, mapped) =
            gpu.mapped_buffer("upload", plan.upload, Usage::MAP_WRITE | Usage::COPY_SRC)?;
        let download = gpu.buffer("download", REPORT, Usage::MAP_READ | Usage::COPY_DST)?;
        Ok(Self { writable: Some(Writable::Now(mapped)), upload, download })
    }
}

/// An iteration that the GPU works on.
#[derive(Debug)]
struct Pending {
    step: u64,
    lr: f64,
    mapping: Mapping,
    submission: wgpu::SubmissionIndex,
}

/// What is left of an iteration when all of it is submitted.
struct Ended {
    pending: Pending,
    writable: Writable,
}

/// A training run that stays on a GPU.
#[derive(Debug)]
pub struct GpuTrainer {
    gpu: Gpu,
    pub(super) config: StepConfig,
    memory: TrainMemory,
    stores: Stores,
    activations: Vec<Buffer>,
    turns: [Turn; 2],
    slots: [Slot; 2],
    pending: Option<Pending>,
    /// Iterations begun.
    step: u64,
    /// The iteration in which the run halted, and what was not finite.
    halted: Option<(u64, String)>,
    /// Why an iteration failed, where one did: the weights may have moved by half of it.
    failed: Option<String>,
    budget: Budget,
    /// Runs since the last report came.
    clock: Option<Clock>,
}

impl GpuTrainer {
    /// Plans a run for `target` (that of `gpu`, or one that names other kernels), allocates all
    /// that it will ever need, and uploads `state`.
    ///
    /// # Errors
    /// [`Error::Config`] where the configuration cannot work, [`Error::Shape`] where the state is
    /// that of another, [`Error::GpuLimit`], [`Error::OutOfMemory`], and what the GPU reports.
    pub fn new(gpu: &Gpu, target: &Target, config: StepConfig, state: &TrainState<f32>) -> Result<Self> {
        if config.f16 {
            gpu.check_f16()?;
        }
        let plan = TrainPlan::new(&config, target)?;
        let memory = plan.memory();
        let parameters = Parameters::upload(gpu, plan.map.clone(), |name| state.tensors.get(name))?;
        let stores = Stores::new(gpu, &plan, Arc::new(parameters))?;
        let allocate = |&bytes| gpu.buffer("activations", bytes, STORED);
        let activations = plan.activations.iter().map(allocate).collect::<Result<Vec<Buffer>>>()?;
        let slots = [Slot::new(gpu, &plan)?, Slot::new(gpu, &plan)?];
        let [discriminators, generators] = plan.turns;
        let turn = |turn| Turn::new(gpu, &stores, &activations, turn);
        let turns = [turn(discriminators)?, turn(generators)?];
        flush(gpu)?;
        let trainer = Self {
            gpu: gpu.clone(),
            config,
            memory,
            stores,
            activations,
            turns,
            slots,
            pending: None,
            step: state.step,
            halted: None,
            failed: None,
            budget: Budget::default(),
            clock: None,
        };
        trainer.upload(state)?;
        gpu.save_pipelines();
        Ok(trainer)
    }

    /// Moments and averages.
    fn upload(&self, state: &TrainState<f32>) -> Result<()> {
        let Stores { parameters, first_moments, second_moments, averages, first_average, .. } = &self.stores;
        let shapes: BTreeMap<&str, _> =
            parameters.map().pieces.iter().map(|piece| (piece.name.as_str(), &piece.shape)).collect();
        let moment = |name: &str, of: fn(&Moments<f32>) -> &Vec<f32>| {
            let data = of(state.moments.get(name)?).clone();
            Tensor::new(*shapes.get(name)?, data).ok().map(Cow::Owned)
        };
        parameters.write(&self.gpu, first_moments, 0, |name| moment(name, |moments| &moments.m))?;
        parameters.write(&self.gpu, second_moments, 0, |name| moment(name, |moments| &moments.v))?;
        parameters.write(&self.gpu, averages, *first_average, |name| state.ema.get(name).map(Cow::Borrowed))
    }

    /// As [`super::Session::set_state`].
    ///
    /// # Errors
    /// As [`super::Session::set_state`].
    pub fn set_state(&mut self, state: &TrainState<f32>) -> Result<()> {
        self.check_failed()?;
        let parameters = &self.stores.parameters;
        let tensor = |name: &str| state.tensors.get(name).map(Cow::Borrowed);
        parameters.write(&self.gpu, &parameters.buffers, 0, tensor)?;
        self.upload(state)?;
        self.step = state.step;
        Ok(())
    }

    /// As [`super::Session::layout`].
    pub fn layout(&self) -> u64 {
        let parts = self.turns.iter().flat_map(|turn| &turn.parts);
        // FNV-1a over where the parts lie and in which order they are ready.
        parts
            .flat_map(|part| [part.buffer as u64 + 1, part.bytes.start, part.bytes.end])
            .fold(0xcbf2_9ce4_8422_2325, |hash, number| (hash ^ number).wrapping_mul(0x0100_0000_01b3))
    }

    /// What the run takes of the GPU's memory.
    pub fn memory(&self) -> &TrainMemory {
        &self.memory
    }

    /// The plan of a player's loss and gradients.
    pub fn plan(&self, player: Player) -> &Plan {
        &self.turns[group(player)].step.plan
    }

    /// As [`super::Session::iterate`].
    ///
    /// # Errors
    /// As [`super::Session::iterate`].
    pub async fn iterate(&mut self, batches: &[[Tensor; 2]]) -> Result<Option<StepReport>> {
        self.iterate_in(None, batches).await
    }

    /// As [`super::Session::iterate_in`].
    ///
    /// # Errors
    /// As [`super::Session::iterate_in`].
    pub async fn iterate_in(
        &mut self,
        team: Option<&mut Team>,
        batches: &[[Tensor; 2]],
    ) -> Result<Option<StepReport>> {
        self.config.check_batches(batches.len())?;
        self.config.check_ranks(team.as_deref())?;
        self.check_halted()?;
        let pictures = self.config.pictures();
        for (name, tensor) in batches.iter().flat_map(|[a, b]| [("real_A", a), ("real_B", b)]) {
            if *tensor.shape() != pictures {
                let given = tensor.shape();
                return Err(Error::Shape(format!("input `{name}` must be {pictures}, not {given}")));
            }
        }
        self.check_failed()?;
        let result = self.begin(team, batches).await;
        self.note_failure(result)
    }

    async fn begin(
        &mut self,
        team: Option<&mut Team>,
        batches: &[[Tensor; 2]],
    ) -> Result<Option<StepReport>> {
        self.clock.get_or_insert_with(Clock::now);
        let step = self.step + 1;
        let lr = self.config.schedule.at(step);
        let first = team.as_deref().map_or(0, |team| team.rank() * self.config.accumulation);
        self.write_pictures(step, first, batches).await?;
        self.write_numbers(step, lr);
        let Ended { pending, writable } = match team {
            Some(team) => self.submit_in(team, step, lr).await?,
            None => self.submit(step, lr),
        };
        self.slots[(step % 2) as usize].writable = Some(writable);
        self.step = step;
        match self.pending.replace(pending) {
            Some(before) => self.receive(before).await.map(Some),
            None => self.gpu.check().map(|()| None),
        }
    }

    /// As [`super::Session::finish`].
    ///
    /// # Errors
    /// As [`super::Session::iterate`].
    pub async fn finish(&mut self) -> Result<Option<StepReport>> {
        self.check_failed()?;
        let report = match self.pending.take() {
            Some(pending) => self.receive(pending).await.map(Some),
            None => self.check_halted().map(|()| None),
        };
        self.clock = None;
        self.note_failure(report)
    }

    /// Takes note of a result after which nobody knows what the weights are.
    fn note_failure<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && !matches!(error, Error::NonFinite { .. })
        {
            self.failed = Some(error.to_string());
        }
        result
    }

    fn check_failed(&self) -> Result<()> {
        let Some(cause) = &self.failed else { return Ok(()) };
        // A lost device stays the reason.
        self.gpu.check()?;
        Err(self.gpu.error(&format!(
            "an iteration of this session has failed ({cause}); begin a new session with the last state that was kept"
        )))
    }

    /// As [`super::Session::state`].
    ///
    /// # Errors
    /// What the device reports.
    pub async fn state(&self) -> Result<TrainState<f32>> {
        self.check_failed()?;
        let Stores { parameters, first_moments, second_moments, averages, first_average, .. } = &self.stores;
        let (mut tensors, mut ema) = (BTreeMap::new(), BTreeMap::new());
        let mut moments: BTreeMap<String, Moments<f32>> = BTreeMap::new();
        parameters
            .read(&self.gpu, &parameters.buffers, 0, |name, t| drop(tensors.insert(name.into(), t)))
            .await?;
        parameters
            .read(&self.gpu, first_moments, 0, |name, t| {
                moments.insert(name.into(), Moments { m: t.into_data(), v: vec![] });
            })
            .await?;
        parameters
            .read(&self.gpu, second_moments, 0, |name, t| {
                moments.entry(name.into()).or_default().v = t.into_data();
            })
            .await?;
        parameters
            .read(&self.gpu, averages, *first_average, |name, t| drop(ema.insert(name.into(), t)))
            .await?;
        let step = self.halted.as_ref().map_or(self.step, |(step, _)| step - 1);
        Ok(TrainState { tensors, moments, ema, step })
    }

    /// Overwrites what no iteration may rely on. Tests do this, with NaN.
    ///
    /// # Errors
    /// What the GPU reports.
    pub fn poison(&self, value: f32) -> Result<()> {
        let Stores { terms, batch_terms, partials, .. } = &self.stores;
        for buffer in self.activations.iter().chain([terms, batch_terms, partials]) {
            let floats = vec![value; buffer.size() as usize / 4];
            self.gpu.queue().write_buffer(buffer, 0, bytemuck::cast_slice(&floats));
        }
        flush(&self.gpu)
    }

    /// Runs both turns with a timestamp around each launch, on the pictures of the last
    /// iteration: loss and gradients of each player, then the sums of batches and what moves its
    /// weights. Call
    /// [`Self::finish`] before; the weights move once more.
    ///
    /// # Errors
    /// [`Error::GpuLimit`] where the adapter has no timestamps, and what the GPU reports.
    pub async fn profile(&self) -> Result<[[Vec<Timing>; 2]; 2]> {
        let mut result = [[vec![], vec![]], [vec![], vec![]]];
        let [_, generators] = &self.turns;
        result[1][0] = generators.step.profile_part(&self.gpu, 0..generators.first).await?;
        for (turn, timings) in self.turns.iter().zip(&mut result) {
            let rest = turn.first..turn.step.plan.launches.len();
            timings[0].extend(turn.step.profile_part(&self.gpu, rest).await?);
            for program in turn.sum.iter().flatten().chain([&turn.update]) {
                timings[1].extend(program.profile(&self.gpu).await?);
            }
        }
        Ok(result)
    }

    fn check_halted(&self) -> Result<()> {
        match &self.halted {
            Some((step, what)) => Err(Error::NonFinite { step: *step, what: what.clone() }),
            None => Ok(()),
        }
    }

    /// Packs the pictures, and what is drawn with them, into this iteration's upload buffer. `first` is the number of
    /// the first batch among those of all ranks.
    async fn write_pictures(&mut self, step: u64, first: usize, batches: &[[Tensor; 2]]) -> Result<()> {
        let slot = &mut self.slots[(step % 2) as usize];
        let mapped = match slot.writable.take() {
            Some(Writable::Now(mapped)) => mapped,
            // Done since the report of the iteration before the last one.
            Some(Writable::After(mapping, submission)) => self.gpu.mapped(mapping, Some(submission)).await?,
            None => self.gpu.map(&slot.upload, wgpu::MapMode::Write).await?,
        };
        let inputs = Inputs::new(&self.config);
        let write = |batch: usize, name: &str, tensor: &Tensor| {
            let Some((range, layout)) = inputs.range(batch, name) else { return Ok(()) };
            let packed = layout.pack(tensor.data());
            mapped.write(range)?.copy_from_slice(bytemuck::cast_slice(&packed));
            Ok(())
        };
        for (i, [real_a, real_b]) in batches.iter().enumerate() {
            write(i, "real_A", real_a)?;
            write(i, "real_B", real_b)?;
            let number = (step - 1) * self.config.batches() as u64 + (first + i) as u64;
            for (name, value) in values(&self.config, Player::Discriminators, number, [real_a, real_b])? {
                write(i, &name, &value)?;
            }
        }
        Ok(())
    }

    /// Rate, bias correction and the average's decay, in `f64` until here.
    fn write_numbers(&self, step: u64, lr: f64) {
        let [beta1, beta2] = self.config.adam.betas;
        for turn in &self.turns {
            let t = self.config.moves_until(turn.player, step).min(i32::MAX as u64) as i32;
            let rate = lr / (1.0 - beta1.powi(t));
            let correction = 1.0 / (1.0 - beta2.powi(t)).sqrt();
            let numbers = [rate as f32, correction as f32, self.config.ema_decay(step) as f32, 0.0];
            let at = self.stores.numbers_of(turn.player);
            self.gpu.queue().write_buffer(&self.stores.numbers, at, bytemuck::cast_slice(&numbers));
        }
    }

    /// Waits for an iteration's report.
    async fn receive(&mut self, pending: Pending) -> Result<StepReport> {
        let Pending { step, lr, mapping, submission } = pending;
        let mapped = self.gpu.mapped(mapping, Some(submission)).await?;
        if let Some(clock) = self.clock.replace(Clock::now()) {
            let flops: u64 = self.moving(step).map(|turn| turn.step.plan.flops()).sum();
            self.budget.measure(flops * self.config.accumulation as u64, clock.seconds());
        }
        let quads: Vec<[f32; 4]> = bytemuck::pod_collect_to_vec::<u8, [f32; 4]>(&mapped.read(..)?);
        drop(mapped);

        let outcomes: Vec<_> = self.moving(step).map(|turn| turn.report(&quads)).collect();
        if quads[0][0] != 0.0 && self.halted.is_none() {
            let what = outcomes.iter().find_map(|outcome| outcome.fault.clone());
            self.halted = Some((step, what.unwrap_or_else(|| "a gradient".into())));
        }
        self.check_halted()?;
        let (mut losses, mut gradient_norms) = (vec![], vec![]);
        for outcome in outcomes {
            losses.extend(outcome.losses);
            gradient_norms.extend(outcome.norms);
        }
        Ok(StepReport { step, lr, losses, gradient_norms })
    }
}
