//! How the training goes: a bar on a terminal, a line now and then elsewhere.

use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use ugatit::run::{self, Run};
use ugatit::text::memory;
use ugatit::train::StepReport;

use crate::console::{self, line};

/// Where there is no terminal, a line is written so often.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// What is shown of the losses is their average over about so many iterations.
const SMOOTH: f64 = 50.0;

pub(super) struct ProgressLine {
    bar: Option<ProgressBar>,
    /// Discriminators, generators, cycle: smoothed.
    losses: [Option<f64>; 3],
    last_line: Option<Instant>,
}

impl ProgressLine {
    pub(super) fn new(run: &Run, folder: &Path, from: u64) -> Self {
        let total = run.config().iterations();
        let what = if from > 0 {
            format!("going on from iteration {from} of {total}")
        } else {
            format!("{total} iterations")
        };
        let ranks = match run.ranks() {
            1 => String::new(),
            n => format!(", {n} ranks"),
        };
        line(format_args!(
            "{what} on {}{ranks}; open {} to watch",
            run.device_name(),
            folder.join("index.html").display()
        ));
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_position(from);
            if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self { bar, losses: [None; 3], last_line: None }
    }

    /// After an iteration.
    pub(super) fn show(&mut self, run: &Run, made: &run::Progress) {
        let Some(report) = &made.report else { return };
        self.smooth(report);
        let text = || {
            let [d, g, cycle] = self.losses.map(|loss| loss.map_or("-".into(), |x| format!("{x:.3}")));
            let rate = run.rate();
            let speed = rate.map_or(String::new(), |rate| format!("  {rate:.2}/s"));
            let left = run.config().iterations().saturating_sub(report.step) as f64;
            let eta = rate.map_or(String::new(), |rate| {
                format!("  {} left", HumanDuration(Duration::from_secs_f64((left / rate).min(1e9))))
            });
            let gpu = run.gpu_bytes().map_or(String::new(), |bytes| format!("  GPU {}", memory(bytes)));
            format!("D {d}  G {g}  cycle {cycle}  lr {:.1e}{speed}{eta}{gpu}", report.lr)
        };
        if let Some(bar) = &self.bar {
            bar.set_position(report.step);
            bar.set_message(text());
        } else if self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY) || run.is_done() {
            line(format_args!("{}/{}  {}", report.step, run.config().iterations(), text()));
            self.last_line = Some(Instant::now());
        }
    }

    /// A line that stays.
    pub(super) fn note(&self, text: impl fmt::Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| console::error(text)),
            None => console::error(text),
        }
    }

    pub(super) fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn smooth(&mut self, report: &StepReport) {
        let value = |name: &str| report.losses.iter().find(|(n, _)| n == name).map(|(_, x)| *x);
        let cycle = value("G/A/cycle").zip(value("G/B/cycle")).map(|(a, b)| a + b);
        for (smooth, new) in self.losses.iter_mut().zip([value("D/total"), value("G/total"), cycle]) {
            *smooth = match (*smooth, new) {
                (Some(old), Some(new)) => Some(old + (new - old) / SMOOTH),
                // Generators that do not move in every iteration are not heard of in every one.
                (old, new) => new.or(old),
            };
        }
    }
}
