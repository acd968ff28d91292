//! Everything of a run that people look at, kept up to date together.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::error::Result;
use crate::train::StepReport;

use super::config::RunConfig;
use super::events::EventWriter;
use super::log::RunLog;
use super::metrics::{MetricsLog, scalars};
use super::page::{RunPage, RunPhase, RunStatus};
use super::samples::Sheet;

/// So many iterations are all in the curves; of later ones every `log_freq`-th is.
pub(super) const ALL_LOGGED: u64 = 1000;
/// The page is written at most so often.
const PAGE_EVERY: Duration = Duration::from_secs(15);
/// Over how much of the past the rate is measured, seconds.
const RATE_WINDOW: f64 = 20.0;

/// Curves, events, log and page of a run.
#[derive(Debug)]
pub(super) struct Records {
    root: PathBuf,
    device: String,
    /// What the columns of the sheets are, and their rows.
    columns: String,
    rows: [Vec<String>; 2],
    metrics: MetricsLog,
    events: EventWriter,
    log: RunLog,
    page: RunPage,
    rate: Rate,
    /// The last iteration that has come to its end.
    reported: u64,
    /// When this part of the run began, and how long those before took, seconds.
    started: Instant,
    before: f64,
}

impl Records {
    /// Goes on after iteration `step` and `before` seconds.
    pub(super) fn open(root: &Path, step: u64, before: f64, device: &str, columns: &str) -> Result<Self> {
        Ok(Self {
            root: root.into(),
            device: device.into(),
            columns: columns.into(),
            rows: [vec![], vec![]],
            metrics: MetricsLog::open(root.join("metrics.jsonl"), step)?,
            events: EventWriter::create(root, step)?,
            log: RunLog::open(root.join("log.txt"))?,
            page: RunPage::new(root, PAGE_EVERY),
            rate: Rate::default(),
            reported: step,
            started: Instant::now(),
            before,
        })
    }

    /// Seconds that the run has taken, over all its parts.
    pub(super) fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Iterations a second of late; `None` at the beginning.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate.value()
    }

    /// A line of the log.
    pub(super) fn note(&mut self, text: impl AsRef<str>) -> Result<()> {
        self.log.line(text)
    }

    /// An iteration has come to its end.
    pub(super) fn iteration(&mut self, report: &StepReport, log_freq: u64) -> Result<()> {
        self.reported = report.step;
        self.rate.add(report.step);
        if report.step > ALL_LOGGED && !report.step.is_multiple_of(log_freq) {
            return Ok(());
        }
        self.metrics.write(report, self.seconds())?;
        self.events.scalars(report.step, SystemTime::now(), &scalars(report))
    }

    /// Sheets have been written; gives their files.
    pub(super) fn sheets(&mut self, step: u64, sheets: [Sheet; 2]) -> Result<Vec<PathBuf>> {
        for Sheet { direction, picture, png, .. } in &sheets {
            let tag = format!("samples/{direction}");
            self.events.image(step, SystemTime::now(), &tag, picture.width, picture.height, png)?;
        }
        let [a2b, b2a] = sheets;
        self.rows = [a2b.rows, b2a.rows];
        Ok(vec![a2b.path, b2a.path])
    }

    /// Whether it is time for the page.
    pub(super) fn page_due(&self) -> bool {
        self.page.due()
    }

    /// Hands the curves to the operating system.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.metrics.flush()?;
        self.events.flush()
    }

    /// Hands everything to the operating system, the page included.
    pub(super) fn publish(&mut self, phase: RunPhase, config: &RunConfig) -> Result<()> {
        self.flush()?;
        let name = self.root.file_name().map(|name| name.to_string_lossy().into_owned());
        let status = RunStatus {
            title: name.unwrap_or_else(|| self.root.display().to_string()),
            phase,
            step: self.reported,
            total: config.iterations(),
            rate: self.rate.value(),
            elapsed: Duration::try_from_secs_f64(self.seconds()).unwrap_or_default(),
            device: self.device.clone(),
            config: config.to_toml()?,
            columns: self.columns.clone(),
            rows: self.rows.clone(),
        };
        self.page.write(&status, self.metrics.curves())
    }
}

/// Iterations a second over the last [`RATE_WINDOW`] seconds.
#[derive(Debug, Default)]
struct Rate {
    /// Iterations with the time of their report, at most one a second.
    marks: VecDeque<(u64, Instant)>,
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
