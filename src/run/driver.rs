//! A training run from its first iteration to its last, whatever happens in between.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::io::{Dataset, Precision};
use crate::tensor::Tensor;
use crate::train::Loader;
use crate::train::{Player, Session, StepConfig, StepReport, TrainState};

use super::checkpoint::{Checkpoint, Position};
use super::config::RunConfig;
use super::events::EventWriter;
use super::folder::RunFolder;
use super::log::RunLog;
use super::metrics::{MetricsLog, scalars};
use super::page::{RunPage, RunPhase, RunStatus};
use super::samples::{Samples, Sheet, models};

/// Sheets are made at these iterations, and then at every multiple of `print_freq`.
const EARLY_SHEETS: [u64; 7] = [1, 10, 50, 100, 200, 500, 1000];
/// The page is written at most so often.
const PAGE_EVERY: Duration = Duration::from_secs(10);
/// Over how much of the past the rate is measured, seconds.
const RATE_WINDOW: f64 = 20.0;

/// What a call of [`Run::advance`] has brought.
#[derive(Debug, Default)]
pub struct Progress {
    /// The iteration that has come to its end, where one has: on a GPU it is one late.
    pub report: Option<StepReport>,
    /// The sheets that were written.
    pub sheets: Vec<PathBuf>,
    /// The checkpoint that was written.
    pub checkpoint: Option<PathBuf>,
}

/// What a run began with.
#[derive(Debug)]
pub struct Beginning {
    /// Iterations that were done already; 0 where it is new.
    pub step: u64,
    /// Checkpoints that could not be read and were passed over.
    pub unreadable: Vec<Error>,
}

/// A training run in its folder: trains, and keeps there everything that it needs to go on
/// after whatever end, and all that people look at.
pub struct Run {
    folder: RunFolder,
    config: RunConfig,
    step_config: StepConfig,
    dataset: Dataset,
    device: Device,
    device_name: String,
    session: Session,
    loader: Loader,
    samples: Samples,
    metrics: MetricsLog,
    events: EventWriter,
    log: RunLog,
    page: RunPage,
    rows: [Vec<String>; 2],
    /// Iterations begun and iterations reported.
    begun: u64,
    reported: u64,
    /// Iterations of the last checkpoint.
    saved: u64,
    position: Position,
    /// When this part of the run began, and how long those before took.
    started: Instant,
    before: f64,
    rate: Rate,
}

impl Run {
    /// Begins a run in `folder`, or goes on with the one there from its newest checkpoint. The
    /// settings are `config` in either case.
    ///
    /// # Errors
    /// [`Error::Config`] where `config` cannot work, or differs from the checkpoint's in what a run
    /// cannot change; [`Error::Output`] and [`Error::Io`] where files cannot be read or written;
    /// what the device reports.
    pub async fn open(
        folder: impl Into<PathBuf>,
        dataset: Dataset,
        config: RunConfig,
        device: Device,
    ) -> Result<(Self, Beginning)> {
        config.validate()?;
        let folder = RunFolder::open(folder)?;
        let step_config = config.step();
        let (checkpoint, unreadable) = folder.newest()?;
        let (state, position) = match checkpoint {
            Some(checkpoint) => resumed(checkpoint, &step_config)?,
            None => {
                (TrainState::new(&step_config, config.seed)?, Position { seed: config.seed, ..Position::default() })
            }
        };
        let step = state.step;
        folder.write_config(&config)?;
        let root = folder.root().to_path_buf();
        let loader = Loader::new(&dataset, config.loader_options(position.seed), position.samples)?;
        let samples = Samples::read(&dataset, &step_config.generator, config.limit())?;
        let metrics = MetricsLog::open(root.join("metrics.jsonl"), step)?;
        let device_name = match &device {
            Device::Cpu => "CPU".to_owned(),
            Device::Gpu(gpu) => gpu.name().to_owned(),
        };
        let mut log = RunLog::open(root.join("log.txt"))?;
        for error in &unreadable {
            log.line(format!("a checkpoint cannot be read and is passed over: {error}"))?;
        }
        let [a, b] = [0, 1].map(|i| dataset.train[i].pictures.len());
        log.line(format!(
            "ugatit {}, {device_name}: {} at iteration {step} of {} on {} ({a} and {b} pictures)",
            env!("CARGO_PKG_VERSION"),
            if step == 0 { "begins" } else { "goes on" },
            config.iteration,
            dataset.root.display()
        ))?;
        let session = Session::new(&device, step_config, state).await?;
        let run = Self {
            events: EventWriter::create(&root, step)?,
            page: RunPage::new(&root, PAGE_EVERY),
            rate: Rate::default(),
            before: position.seconds,
            started: Instant::now(),
            rows: [vec![], vec![]],
            begun: step,
            reported: step,
            saved: step,
            folder,
            config,
            step_config,
            dataset,
            device,
            device_name,
            session,
            loader,
            samples,
            metrics,
            log,
            position,
        };
        Ok((run, Beginning { step, unreadable }))
    }

    /// The settings.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Iterations begun.
    pub fn step(&self) -> u64 {
        self.begun
    }

    /// Whether all iterations are done.
    pub fn is_done(&self) -> bool {
        self.begun >= self.config.iteration
    }

    /// Iterations a second of late; `None` at the beginning.
    pub fn rate(&self) -> Option<f64> {
        self.rate.value()
    }

    /// Bytes of GPU memory that the training takes, where there is a GPU.
    pub fn gpu_bytes(&self) -> Option<u64> {
        self.session.gpu_bytes()
    }

    /// The name of what computes.
    pub fn device_name(&self) -> &str {
        &self.device_name
    }

    /// Trains one iteration, and writes what is due after it.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where the training has diverged, [`Error::DeviceLost`] (see
    /// [`Self::recover`]), [`Error::Picture`] where a picture cannot be read, and where files cannot
    /// be written. The last checkpoint is as it was.
    pub async fn advance(&mut self) -> Result<Progress> {
        let batches: Vec<[Tensor; 2]> =
            (0..self.config.accumulation).map(|_| self.loader.next_batch()).collect::<Result<_>>()?;
        let report = self.session.iterate(&batches).await?;
        self.begun += 1;
        self.position.samples += (self.config.accumulation * self.config.batch_size) as u64;
        let mut progress = Progress { report, ..Progress::default() };
        if let Some(report) = &progress.report {
            record(&mut self.metrics, &mut self.events, report, self.before + self.started.elapsed().as_secs_f64())?;
            self.reported = report.step;
            self.rate.add(report.step);
        }
        let step = self.begun;
        let sheet_due = EARLY_SHEETS.contains(&step) || step.is_multiple_of(self.config.print_freq);
        let save_due = step.is_multiple_of(self.config.save_freq) || self.is_done();
        if sheet_due || save_due {
            let state = self.settle().await?;
            if sheet_due {
                progress.sheets = self.write_sheets(&state).await?;
            }
            if save_due {
                progress.checkpoint = Some(self.write_checkpoint(state)?);
            }
        }
        if self.page.due() || sheet_due || save_due {
            let phase = if self.is_done() { RunPhase::Finished } else { RunPhase::Running };
            self.write_page(phase)?;
        }
        Ok(progress)
    }

    /// Keeps the run as it is, for a later one to go on with. `reason` is for the page: why it is
    /// stopped before its end.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub async fn stop(mut self, reason: &str) -> Result<Option<PathBuf>> {
        let mut checkpoint = None;
        if self.saved != self.begun {
            let state = self.settle().await?;
            checkpoint = Some(self.write_checkpoint(state)?);
        }
        self.log.line(format!("stopped after iteration {}: {reason}", self.begun))?;
        self.write_page(RunPhase::Stopped(reason.into()))?;
        Ok(checkpoint)
    }

    /// Notes on the page and in the log that an error has ended the run. The last checkpoint is
    /// the state that it goes on from.
    ///
    /// # Errors
    /// Where the files cannot be written.
    pub fn fail(&mut self, error: &Error) -> Result<()> {
        self.log.line(format!("failed after iteration {}: {error}", self.reported))?;
        self.metrics.flush()?;
        self.events.flush()?;
        self.write_page(RunPhase::Failed(error.to_string()))
    }

    /// Goes on from the last checkpoint on a new device, after the old one was lost.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn recover(self, device: Device) -> Result<Self> {
        let Self { mut log, folder, dataset, config, .. } = self;
        log.line("the device was lost; going on from the last checkpoint")?;
        let root = folder.root().to_path_buf();
        // The lock has to be free for its next holder.
        drop(folder);
        let (run, _) = Self::open(root, dataset, config, device).await?;
        Ok(run)
    }

    /// Everything done and reported, and where the run is then.
    async fn settle(&mut self) -> Result<TrainState<f32>> {
        if let Some(report) = self.session.finish().await? {
            record(&mut self.metrics, &mut self.events, &report, self.before + self.started.elapsed().as_secs_f64())?;
            self.reported = report.step;
            self.rate.add(report.step);
        }
        self.session.state().await
    }

    async fn write_sheets(&mut self, state: &TrainState<f32>) -> Result<Vec<PathBuf>> {
        let sheets = self.samples.write(self.folder.root(), &self.device, state).await?;
        let now = SystemTime::now();
        for Sheet { direction, picture, png, .. } in &sheets {
            let tag = format!("samples/{direction}");
            self.events.image(state.step, now, &tag, picture.width, picture.height, png)?;
        }
        self.events.flush()?;
        let [a2b, b2a] = sheets;
        self.rows = [a2b.rows, b2a.rows];
        Ok(vec![a2b.path, b2a.path])
    }

    /// The state first, so that whatever the other files hold, a run can go on from it.
    fn write_checkpoint(&mut self, state: TrainState<f32>) -> Result<PathBuf> {
        self.position.seconds = self.before + self.started.elapsed().as_secs_f64();
        let checkpoint = Checkpoint { config: self.step_config, state, position: self.position };
        let path = self.folder.save(&checkpoint)?;
        self.saved = checkpoint.state.step;
        self.write_models(&checkpoint.state)?;
        self.metrics.flush()?;
        self.events.flush()?;
        self.folder.prune(self.config.keep, self.config.keep_every)?;
        Ok(path)
    }

    /// The generators, ready for use: their average where there is one, and as they are.
    fn write_models(&self, state: &TrainState<f32>) -> Result<()> {
        let config = &self.step_config.generator;
        let folder = self.folder.root().join("models");
        for average in [true, false] {
            if average && state.ema.is_empty() {
                continue;
            }
            let how = if average { format!(", moving average {}", self.config.ema) } else { String::new() };
            let provenance = format!(
                "trained with ugatit {}: {} of {} iterations, batch {}, {}, learning rate {}, seed {}{how}",
                env!("CARGO_PKG_VERSION"),
                state.step,
                self.config.iteration,
                self.config.batch_size * self.config.accumulation,
                self.config.preprocess,
                self.config.lr,
                self.position.seed,
            );
            let folder = if average || state.ema.is_empty() { folder.clone() } else { folder.join("raw") };
            for model in models(config, state, average, &self.config.metadata(provenance))? {
                let path = folder.join(format!("{}.safetensors", model.direction));
                model.save(path, Precision::F32, true)?;
            }
        }
        Ok(())
    }

    fn write_page(&mut self, phase: RunPhase) -> Result<()> {
        let root = self.folder.root();
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned());
        let status = RunStatus {
            title: name.unwrap_or_else(|| root.display().to_string()),
            phase,
            step: self.reported,
            total: self.config.iteration,
            rate: self.rate.value(),
            elapsed: Duration::from_secs_f64(self.before + self.started.elapsed().as_secs_f64()),
            device: self.device_name.clone(),
            config: self.config.to_toml()?,
            columns: self.samples.columns.clone(),
            rows: self.rows.clone(),
        };
        self.page.write(&status, self.metrics.curves())
    }
}

/// An iteration into the files that hold its numbers.
fn record(metrics: &mut MetricsLog, events: &mut EventWriter, report: &StepReport, seconds: f64) -> Result<()> {
    metrics.write(report, seconds)?;
    events.scalars(report.step, SystemTime::now(), &scalars(report))
}

/// The state and place of a checkpoint, where a run of `config` can go on from it.
fn resumed(checkpoint: Checkpoint, config: &StepConfig) -> Result<(TrainState<f32>, Position)> {
    let Checkpoint { config: old, mut state, position } = checkpoint;
    let shape = |c: &StepConfig| (c.generator, c.global_layers, c.local_layers);
    if shape(&old) != shape(config) {
        return Err(Error::Config(format!(
            "the run's networks are {:?}, not {:?}; a run cannot change them, begin another in a new folder",
            shape(&old),
            shape(config)
        )));
    }
    // The average may be switched on and off.
    if config.ema == 0.0 {
        state.ema.clear();
    } else if state.ema.is_empty() {
        let own = state.tensors.iter().filter(|(name, _)| Player::Generators.trains(name));
        state.ema = own.map(|(name, t)| (name.clone(), t.clone())).collect();
    }
    Ok((state, position))
}

/// Iterations a second over the last [`RATE_WINDOW`] seconds.
#[derive(Debug, Default)]
struct Rate {
    /// Iterations with the time of their report, at most one a second.
    marks: std::collections::VecDeque<(u64, Instant)>,
    last: Option<(u64, Instant)>,
}

impl Rate {
    fn add(&mut self, step: u64) {
        let now = Instant::now();
        self.last = Some((step, now));
        if self.marks.back().is_none_or(|(_, at)| (now - *at).as_secs_f64() >= 1.0) {
            self.marks.push_back((step, now));
        }
        while self.marks.len() > 2 && (now - self.marks[1].1).as_secs_f64() > RATE_WINDOW {
            self.marks.pop_front();
        }
    }

    fn value(&self) -> Option<f64> {
        let ((first, begin), (last, end)) = (self.marks.front()?, self.last.as_ref()?);
        let seconds = (*end - *begin).as_secs_f64();
        (last > first && seconds > 0.0).then(|| (last - first) as f64 / seconds)
    }
}
