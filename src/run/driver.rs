//! A training run from its first iteration to its last, whatever happens in between.

use std::path::PathBuf;
use std::time::Duration;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::io::Dataset;
use crate::train::{StepConfig, Team};

use super::checkpoint::{Checkpoint, Position};
use super::config::RunConfig;
use super::folder::RunFolder;
use super::helper::lead;
use super::inherit::{Inherited, InheritedNetwork};
use super::models::write_models;
use super::needs::{Free, RECOMPUTES, RunNeeds};
use super::page::RunPhase;
use super::precision::Precision;
use super::progress::{Notices, Progress};
use super::records::Records;
use super::resume::{other_batches, other_precision, refuse_idle_settings, resumed};
use super::samples::Samples;
use super::trained_on::{OtherData, TrainedOn};
use super::work::{Iterated, Work};

/// What a run began with.
#[derive(Debug)]
pub struct Beginning {
    /// Iterations that were done already; 0 where it is new.
    pub step: u64,
    /// Checkpoints that could not be read and were passed over.
    pub unreadable: Vec<Error>,
    /// What a new run has taken over from the model that it begins with.
    pub inherited: Option<Inherited>,
    /// What may surprise later: room that may not do for the whole run ([`RunNeeds::check`]), another dataset.
    pub notices: Vec<String>,
}

/// A training run in its folder: trains, and keeps there everything that it needs to go on
/// after whatever end, and all that people look at.
pub struct Run {
    folder: RunFolder,
    config: RunConfig,
    step_config: StepConfig,
    dataset: Dataset,
    device: Device,
    work: Work,
    samples: Samples,
    records: Records,
    /// Iterations of the last checkpoint.
    saved: u64,
    /// When a checkpoint that could not be written is tried again.
    save_again: Option<u64>,
    position: Position,
    notices: Notices,
}

impl Run {
    /// Begins a run in `folder` ([`RunConfig::start`]), or goes on with the one there from its newest
    /// checkpoint. The settings are `config` in either case. A run that was trained on another dataset is refused.
    ///
    /// # Errors
    /// As [`RunConfig::start`];
    /// [`Error::OtherDataset`]; [`Error::DiskSpace`] and [`Error::Memory`] where the run would not fit
    /// ([`RunNeeds::check`]);
    /// [`Error::Config`] where `config` cannot work, or differs from the checkpoint's in what a run
    /// cannot change, or in anything where no iteration is left to train; [`Error::Output`] and
    /// [`Error::Io`] where files cannot be read or written; what the device reports.
    pub async fn open(
        folder: impl Into<PathBuf>,
        dataset: Dataset,
        config: RunConfig,
        device: Device,
    ) -> Result<(Self, Beginning)> {
        Self::open_on(folder, dataset, config, device, OtherData::Refuse).await
    }

    /// [`Self::open`], with `other` telling what to do where the run was trained on another dataset.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_on(
        folder: impl Into<PathBuf>,
        dataset: Dataset,
        config: RunConfig,
        device: Device,
        other: OtherData,
    ) -> Result<(Self, Beginning)> {
        Self::open_in(None, folder, dataset, config, device, other).await
    }

    /// [`Self::open_on`] as rank 0 of a team, whose other ranks call [`super::Helper::join`].
    ///
    /// # Errors
    /// As [`Self::open`], and [`Error::Ranks`] where the ranks are not alike.
    pub async fn open_in(
        mut team: Option<Team>,
        folder: impl Into<PathBuf>,
        dataset: Dataset,
        mut config: RunConfig,
        device: Device,
        other: OtherData,
    ) -> Result<(Self, Beginning)> {
        config.validate()?;
        let folder = RunFolder::open(folder)?;
        let trained_on = TrainedOn::new(&dataset)?;
        let mut notices: Vec<String> = trained_on.check(folder.root(), other)?.into_iter().collect();
        let ranks = team.as_ref().map_or(1, Team::ranks);
        // Before anything takes memory.
        if RunFolder::last_step(folder.root())? < config.iterations() {
            let free = Free::for_each_of(team.as_ref().map_or(1, Team::neighbours), folder.root());
            let on_gpu = matches!(device, Device::Gpu(_));
            notices.extend(RunNeeds::settle(&mut config, &dataset, on_gpu, ranks, (folder.root(), &free))?.1);
        }
        let step_config = StepConfig { ranks, ..config.step() };
        let (checkpoint, mut unreadable) = RunFolder::newest(folder.root())?;
        let (mut state, position, inherited) = match checkpoint {
            Some(checkpoint) => {
                notices.extend(other_batches(&checkpoint.config, &step_config));
                notices.extend(other_precision(&checkpoint.config, &step_config));
                let (state, position) = resumed(checkpoint, &step_config)?;
                (state, position, None)
            }
            None => {
                let start = config.start()?;
                unreadable.extend(start.unreadable);
                (start.state, Position { seed: config.seed, ..Position::default() }, start.inherited)
            }
        };
        let step = state.step;
        let root = folder.root().to_path_buf();
        refuse_idle_settings(&root, &config, step)?;
        let samples = Samples::read(&dataset, &step_config.generator, config.limit())?;
        if step > 0 {
            // A killed process may have left those of an earlier checkpoint.
            write_models(&folder, &config, ranks, &state)?;
        }
        if let Some(team) = &mut team {
            lead(team, &config, &trained_on, &position, &mut state)?;
        }
        let work = Work::new(&config, &dataset, &device, state, &position, team).await?;
        if work.recomputes() && !config.recompute {
            notices.push(RECOMPUTES.into());
        }
        // Only now, so that what fails before does not bind the folder to its settings.
        folder.write_config(&config)?;
        trained_on.write(&root)?;
        let mut records = Records::open(&root, step, position.seconds, device.name(), &samples.columns)?;
        for error in &unreadable {
            records.note(format!("a checkpoint cannot be read and is passed over: {error}"))?;
        }
        for notice in &notices {
            records.note(notice)?;
        }
        let [a, b] = [0, 1].map(|i| dataset.train[i].pictures.len());
        records.note(format!(
            "ugatit {}, {}, {}: {} at iteration {step} of {} on {} ({a} and {b} pictures)",
            env!("CARGO_PKG_VERSION"),
            device.name(),
            config.precision,
            if step == 0 { "begins" } else { "goes on" },
            config.iterations(),
            dataset.root.display()
        ))?;
        if let Some(inherited) = &inherited {
            let source = inherited.source.display();
            records.note(format!("the weights are those of {source}, where they fit"))?;
            let networks = inherited.networks.iter().map(InheritedNetwork::to_string);
            networks.chain(inherited.rounding()).try_for_each(|line| records.note(line))?;
        }
        let run = Self {
            folder,
            config,
            step_config,
            dataset,
            device,
            work,
            samples,
            records,
            saved: step,
            save_again: None,
            position,
            notices: Notices::default(),
        };
        Ok((run, Beginning { step, unreadable, inherited, notices }))
    }

    /// The settings.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Iterations begun.
    pub fn step(&self) -> u64 {
        self.work.begun
    }

    /// Whether all iterations are done.
    pub fn is_done(&self) -> bool {
        self.work.begun >= self.config.iterations()
    }

    /// Iterations a second of late; `None` at the beginning.
    pub fn rate(&self) -> Option<f64> {
        self.records.rate()
    }

    /// Bytes of GPU memory that the training takes, where there is a GPU.
    pub fn gpu_bytes(&self) -> Option<u64> {
        self.work.session.gpu_bytes()
    }

    /// How many ranks train this run together.
    pub fn ranks(&self) -> usize {
        self.work.ranks()
    }

    /// How long this rank has done nothing but wait for the others, where there are others.
    pub fn waited(&self) -> Option<Duration> {
        self.work.waited()
    }

    /// What any rank wishes, as bits, before an iteration that all begin together: each gives its own wishes, and all
    /// get the same answer. Alone it is one's own wish. While each rank trains by itself there is none.
    ///
    /// # Errors
    /// [`Error::Ranks`] where the others cannot be reached.
    pub fn agree(&mut self, wishes: u64) -> Result<u64> {
        self.work.agree(wishes)
    }

    /// The name of what computes.
    pub fn device_name(&self) -> &str {
        self.device.name()
    }

    /// Trains one iteration, and writes what is due after it.
    ///
    /// What people only look at (page, sheets, curves, log) and a checkpoint that cannot be written do not end the
    /// run, nor does a picture that cannot be read: see [`Progress::notices`]. The checkpoint is tried again soon.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where the training has diverged, [`Error::DeviceLost`] (see
    /// [`Self::recover`]), [`Error::Picture`] where too many pictures cannot be read, and where the last
    /// checkpoint of all cannot be written. [`Self::fail`] then keeps what there is.
    pub async fn advance(&mut self) -> Result<Progress> {
        let Iterated { reports, notice } = self.work.iterate().await?;
        let pictures = self.config.accumulation * self.work.ranks() * self.config.batch_size;
        self.position.samples += pictures as u64;
        let mut progress = Progress { report: None, ..Progress::default() };
        for error in self.work.loader.left_out() {
            let text = format!("left out of the training: {error}");
            let noted = self.records.note(&text);
            progress.notices.push(text);
            self.notices.seen(noted, &mut progress);
        }
        if let Some(notice) = notice {
            let noted = self.records.note(&notice);
            progress.notices.push(notice);
            self.notices.seen(noted, &mut progress);
        }
        for report in reports {
            let noted = self.records.iteration(&report, self.config.log_freq);
            self.notices.seen(noted, &mut progress);
            progress.report = Some(report);
        }
        let step = self.work.begun;
        let sheet_due = self.config.shows(step);
        let again = self.save_again.is_some_and(|again| step >= again);
        let save_due = step.is_multiple_of(self.config.save_freq) || self.is_done() || again;
        if sheet_due || save_due {
            let written = self.write(sheet_due, save_due, &mut progress).await;
            self.tried(written, &mut progress)?;
        }
        if self.is_done() {
            let noted = self.records.note(format!("all {step} iterations are done"));
            self.notices.seen(noted, &mut progress);
        }
        if self.records.page_due() || sheet_due || save_due {
            let phase = if self.is_done() { RunPhase::Finished } else { RunPhase::Running };
            let published = self.records.publish(phase, &self.config);
            self.notices.seen(published, &mut progress);
        }
        Ok(progress)
    }

    /// Takes in how it went with a checkpoint.
    ///
    /// # Errors
    /// The error, where the run cannot go on with it.
    fn tried(&mut self, result: Result<()>, progress: &mut Progress) -> Result<()> {
        /// A checkpoint is tried again after this part of the time between two.
        const SOONER: u64 = 10;
        match result {
            Err(error @ (Error::Output { .. } | Error::Io { .. })) if !self.is_done() => {
                let wait = (self.config.save_freq / SOONER).max(1);
                self.save_again = Some(self.work.begun + wait);
                let text = format!(
                    "NO CHECKPOINT COULD BE WRITTEN ({error}). The run goes on from memory and tries again every {wait} iterations; what was trained since iteration {} would be lost if it ended now",
                    self.saved
                );
                let noted = self.records.note(&text);
                self.notices.add(text, progress);
                self.notices.seen(noted, progress);
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// Keeps the run as it is, for a later one to go on with. `reason` is for the page: why it is
    /// stopped before its end.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub async fn stop(mut self, reason: &str) -> Result<Option<PathBuf>> {
        let mut progress = Progress::default();
        if self.saved != self.work.begun {
            self.write(false, true, &mut progress).await?;
        }
        let noted = self.records.note(format!("stopped after iteration {}: {reason}", self.work.begun));
        let published = self.records.publish(RunPhase::Stopped(reason.into()), &self.config);
        self.notices.seen(noted.and(published), &mut progress);
        Ok(progress.checkpoint)
    }

    /// Keeps the run as it is after `error`, and notes on the page and in the log that it has ended the run.
    /// What has diverged, or was lost with its device, is not kept: there the last checkpoint is the state that
    /// it goes on from. Gives the iteration that the same command goes on from.
    ///
    /// # Errors
    /// Where the checkpoint cannot be written.
    pub async fn fail(&mut self, error: &Error) -> Result<u64> {
        let mut progress = Progress::default();
        let lost = matches!(error, Error::NonFinite { .. } | Error::DeviceLost { .. });
        let kept = match self.saved == self.work.begun || lost {
            true => Ok(()),
            false => self.write(false, true, &mut progress).await,
        };
        let noted = self.records.note(format!("failed in iteration {}: {error}", self.work.begun + 1));
        let published = self.records.publish(RunPhase::Failed(error.to_string()), &self.config);
        self.notices.seen(noted.and(published), &mut progress);
        kept.map(|()| self.saved)
    }

    /// Goes on from the last checkpoint on a new device, after the old one was lost. `notice` is for
    /// the log: what is to be said of the new one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn recover(self, device: Device, notice: Option<&str>) -> Result<Self> {
        let (root, dataset, mut config) = self.give_up()?;
        if matches!(device, Device::Cpu) {
            // The processor has nothing else, and another run of the same command asks for what it asked for before.
            config.precision = Precision::F32;
        }
        let (mut run, _) = Self::open_on(root, dataset, config, device, OtherData::Take).await?;
        if let Some(notice) = notice {
            run.records.note(notice)?;
        }
        Ok(run)
    }

    /// Ends everything that a run holds, so that another can take its place: two of them would need
    /// twice the memory, and would write one file from two places. The settings are what is left.
    fn give_up(self) -> Result<(PathBuf, Dataset, RunConfig)> {
        // Whatever is not named here is dropped at the end of this function.
        let Self { mut records, folder, dataset, config, .. } = self;
        let root = folder.root().to_path_buf();
        records.note("the device was lost; going on from the last checkpoint")?;
        records.flush()?;
        Ok((root, dataset, config))
    }

    /// Waits for everything begun, and writes of its state sheets, a checkpoint, or both.
    async fn write(&mut self, sheets: bool, checkpoint: bool, progress: &mut Progress) -> Result<()> {
        if let Some(report) = self.work.session.finish().await? {
            let noted = self.records.iteration(&report, self.config.log_freq);
            self.notices.seen(noted, progress);
            progress.report = Some(report);
        }
        let state = self.work.state().await?;
        if sheets {
            let made = self.samples.write(self.folder.root(), &self.device, &state).await;
            match made.and_then(|sheets| self.records.sheets(state.step, sheets)) {
                Ok(sheets) => progress.sheets = sheets,
                Err(error @ Error::DeviceLost { .. }) => return Err(error),
                Err(error) => self.notices.seen(Err(error), progress),
            }
        }
        if checkpoint {
            // First the curves up to here, since a run that goes on from the checkpoint does not
            // write them again; then the state; then what is made of it.
            let flushed = self.records.flush();
            self.notices.seen(flushed, progress);
            self.position.seconds = self.records.seconds();
            let checkpoint = Checkpoint { config: self.step_config, state, position: self.position };
            progress.checkpoint = Some(self.save(&checkpoint)?);
            self.saved = checkpoint.state.step;
            self.save_again = None;
            // They are made anew when the run goes on.
            let models = write_models(&self.folder, &self.config, self.work.ranks(), &checkpoint.state);
            let pruned = self.folder.prune(self.config.keep, self.config.keep_every);
            match models.and(pruned) {
                Err(error) if self.work.begun >= self.config.iterations() => return Err(error),
                others => self.notices.seen(others, progress),
            }
        }
        Ok(())
    }
}

impl Run {
    /// Writes a checkpoint. What hinders it for a moment (a scanner, a network) is waited for.
    fn save(&self, checkpoint: &Checkpoint<'_>) -> Result<PathBuf> {
        const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
        for pause in PAUSES {
            match self.folder.save(checkpoint) {
                Err(Error::Output { .. } | Error::Io { .. }) => std::thread::sleep(pause),
                done => return done,
            }
        }
        self.folder.save(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{AdapterOptions, Gpu};
    use crate::io::{Picture, PictureFormat, write_picture};

    #[test]
    fn a_run_that_is_given_up_holds_nothing() {
        let place = tempfile::tempdir().unwrap();
        for folder in ["trainA", "trainB"] {
            let path = place.path().join("data").join(folder).join("a.png");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let picture = Picture::new(16, 16, 3, vec![90; 16 * 16 * 3]).unwrap();
            write_picture(&path, &picture, PictureFormat::Png, false).unwrap();
        }
        let text = "img_size = 16\nch = 4\nn_res = 1\nn_dis_global = 4\nn_dis_local = 3\niteration = 6";
        let config = RunConfig::layered(None, &[RunConfig::read(text).unwrap()]).unwrap();
        let gpu = pollster::block_on(Gpu::open(&AdapterOptions::any())).unwrap();
        let dataset = Dataset::open(place.path().join("data")).unwrap();
        let device = Device::Gpu(gpu.clone());
        let opened = Run::open(place.path().join("run"), dataset, config, device);
        let (mut run, _) = pollster::block_on(opened).unwrap();
        // The line of the second, which came last, is not handed to the operating system by itself.
        for _ in 0..3 {
            pollster::block_on(run.advance()).unwrap();
        }
        let (root, ..) = run.give_up().unwrap();
        assert_eq!(gpu.holders(), 1, "only this test's");
        assert!(RunFolder::open(&root).is_ok(), "the lock is free");
        let metrics = std::fs::read_to_string(root.join("metrics.jsonl")).unwrap();
        assert_eq!(metrics.lines().count(), 2, "the iterations that were reported: {metrics}");
    }
}
