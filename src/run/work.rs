//! What a rank computes of a run, whoever keeps it.

use std::borrow::Cow;
use std::time::Duration;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::io::Dataset;
use crate::tensor::Tensor;
use crate::train::{Loader, Session, Share, StepConfig, StepReport, Team, TrainState};

use super::checkpoint::Position;
use super::config::RunConfig;

/// The iterations of a run as one process computes them: alone, or as one rank of a team.
pub(super) struct Work {
    pub(super) session: Session,
    pub(super) loader: Loader,
    team: Option<Team>,
    /// Iterations begun.
    pub(super) begun: u64,
    config: RunConfig,
    /// Where ranks train by themselves for a while: what this one has come to, which it tells at the next meeting.
    diverged: Option<Error>,
}

/// What an iteration has brought.
#[derive(Default)]
pub(super) struct Iterated {
    /// The iterations that have come to their end.
    pub(super) reports: Vec<StepReport>,
    /// What is to be said of it.
    pub(super) notice: Option<String>,
}

impl Work {
    /// Brings a state onto a device. The team has it already.
    pub(super) async fn new(
        config: &RunConfig,
        dataset: &Dataset,
        device: &Device,
        state: TrainState<f32>,
        position: &Position,
        mut team: Option<Team>,
    ) -> Result<Self> {
        let (rank, ranks) = team.as_ref().map_or((0, 1), |team| (team.rank(), team.ranks()));
        let share = Share::of_rank(rank, ranks, config.accumulation);
        let options = crate::train::LoaderOptions { share, ..config.loader_options(position.seed) };
        let loader = Loader::new(dataset, options, position.samples)?;
        let begun = state.step;
        let alone = config.local_steps > 1;
        let mut step = StepConfig { ranks: if alone { 1 } else { ranks }, ..config.step() };
        if alone {
            // So that they do not all draw the same.
            step.seed = step.seed.wrapping_add(rank as u64);
        }
        let session = Session::new(device, step, state).await?;
        if let Some(team) = team.as_mut().filter(|_| !alone) {
            let what = "what computes (the processor, or GPUs of one kind)";
            team.check_same(what, session.layout())?;
        }
        Ok(Self { session, loader, team, begun, config: config.clone(), diverged: None })
    }

    /// Whether pictures are computed a second time for the gradients.
    pub(super) fn recomputes(&self) -> bool {
        self.session.recomputes()
    }

    /// How many ranks there are.
    pub(super) fn ranks(&self) -> usize {
        self.team.as_ref().map_or(1, Team::ranks)
    }

    /// How long this rank has waited for the others.
    pub(super) fn waited(&self) -> Option<Duration> {
        self.team.as_ref().map(Team::waited)
    }

    /// Whether all ranks come together after iteration `step`, which each knows by itself.
    fn meets(&self, step: u64) -> bool {
        step.is_multiple_of(self.config.local_steps)
            || step.is_multiple_of(self.config.save_freq)
            || step == self.config.iterations()
    }

    /// The wishes of all ranks, before an iteration; none while each trains by itself.
    pub(super) fn agree(&mut self, wishes: u64) -> Result<u64> {
        let meets = self.meets(self.begun);
        match &mut self.team {
            None => Ok(wishes),
            Some(team) if meets => team.any(wishes),
            Some(_) => Ok(0),
        }
    }

    /// One iteration.
    pub(super) async fn iterate(&mut self) -> Result<Iterated> {
        let batches: Vec<[Tensor; 2]> =
            (0..self.config.accumulation).map(|_| self.loader.next_batch()).collect::<Result<_>>()?;
        let mut done = Iterated::default();
        if self.config.local_steps == 1 || self.team.is_none() {
            done.reports.extend(self.session.iterate_in(self.team.as_mut(), &batches).await?);
            self.begun += 1;
            // Rank 0 looks at the state for its sheets and checkpoints. If it finds divergence, all do.
            if self.team.is_some() && self.config.writes(self.begun) {
                done.reports.extend(self.session.finish().await?);
            }
            if self.team.is_some() && self.begun.is_multiple_of(self.config.save_freq) {
                done.notice = self.align().await?;
            }
            return Ok(done);
        }
        if self.diverged.is_none() {
            let report = self.session.iterate(&batches).await;
            done.reports.extend(self.unless_diverged(report)?);
        }
        self.begun += 1;
        if self.meets(self.begun) {
            let report = self.session.finish().await;
            done.reports.extend(self.unless_diverged(report)?);
            self.average().await?;
        }
        Ok(done)
    }

    /// Keeps divergence for the next meeting: the others come there, and would wait.
    fn unless_diverged(&mut self, result: Result<Option<StepReport>>) -> Result<Option<StepReport>> {
        match result {
            Err(error @ Error::NonFinite { .. }) => {
                self.diverged.get_or_insert(error);
                Ok(None)
            }
            other => other,
        }
    }

    /// All ranks go on from the mean of where they are: weights, moments, averages.
    async fn average(&mut self) -> Result<()> {
        let Some(team) = &mut self.team else { return Ok(()) };
        let bit = u64::from(self.diverged.is_some());
        if team.any(bit)? != 0 {
            let step = self.begun;
            let what = "a loss or a gradient of another rank".into();
            return Err(self.diverged.take().unwrap_or(Error::NonFinite { step, what }));
        }
        let mut state = self.session.state().await?.into_owned();
        team.average(tensors(&mut state))?;
        self.session.set_state(state).await
    }

    /// Makes sure that all ranks are where rank 0 is. They are, where the same sums have moved the same weights on the
    /// same kind of device; others round differently. Gives what is to be said where they were not.
    async fn align(&mut self) -> Result<Option<String>> {
        let Some(team) = &mut self.team else { return Ok(None) };
        let state = self.session.state().await?;
        let own = checksum(&state);
        let mut first = own.to_string();
        team.broadcast_text(&mut first)?;
        if team.any(u64::from(first != own.to_string()))? == 0 {
            return Ok(None);
        }
        let mut state = state.into_owned();
        send(team, &mut state)?;
        self.session.set_state(state).await?;
        Ok(Some(format!(
            "after iteration {} the ranks had not quite the same weights, as different devices round differently; all go on with rank 0's",
            self.begun
        )))
    }

    /// The state, for the one who keeps the run.
    pub(super) async fn state(&self) -> Result<Cow<'_, TrainState<f32>>> {
        self.session.state().await
    }
}

/// All numbers of a state, in an order that all ranks have.
fn tensors(state: &mut TrainState<f32>) -> impl Iterator<Item = &mut [f32]> {
    let TrainState { tensors, moments, ema, .. } = state;
    let moments = moments.values_mut().flat_map(|moments| [&mut moments.m[..], &mut moments.v[..]]);
    tensors.values_mut().map(Tensor::data_mut).chain(moments).chain(ema.values_mut().map(Tensor::data_mut))
}

/// Gives rank 0's state to all.
pub(super) fn send(team: &mut Team, state: &mut TrainState<f32>) -> Result<()> {
    tensors(state).try_for_each(|values| team.broadcast(values))
}

/// Of all numbers of a state.
fn checksum(state: &TrainState<f32>) -> u32 {
    let TrainState { tensors, moments, ema, .. } = state;
    let moments = moments.values().flat_map(|moments| [&moments.m[..], &moments.v[..]]);
    let all = tensors.values().map(Tensor::data).chain(moments).chain(ema.values().map(Tensor::data));
    all.fold(0, |sum, values| crc32c::crc32c_append(sum, bytemuck::cast_slice(values)))
}
