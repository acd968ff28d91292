//! How it goes: a progress bar on a terminal, plain lines elsewhere, JSON for programs.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde::Serialize;

use crate::compiling::{Spinner, compiling};
use crate::console;
use crate::ranks::Crew;

use super::inputs::PassedOver;
use super::outputs::Job;

/// Told about every picture, from any thread.
pub(super) struct Reporter {
    json: bool,
    /// That of the last picture, in the end.
    device: Mutex<String>,
    started: Instant,
    /// Counts pictures, or the tiles of a single one; drawn as soon as there is something to count.
    bar: Option<ProgressBar>,
    single: bool,
    counts: Mutex<Counts>,
    /// Of a single picture, which has no bar yet.
    compiling: Mutex<Option<Spinner>>,
}

/// How large a result is, and of how many tiles, where it is made of tiles.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) tiles: Option<usize>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    translated: usize,
    failed: usize,
    passed_over: usize,
    /// Not translated again with `--missing`.
    there_already: usize,
}

/// A line of `--json`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Translated {
        #[serde(serialize_with = "crate::shown::path")]
        input: &'a Path,
        #[serde(serialize_with = "crate::shown::path")]
        output: &'a Path,
        #[serde(serialize_with = "crate::shown::optional")]
        attention: Option<&'a PathBuf>,
        #[serde(serialize_with = "crate::shown::optional")]
        sheet: Option<&'a PathBuf>,
        width: usize,
        height: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        tiles: Option<usize>,
        milliseconds: f64,
    },
    Failed {
        #[serde(serialize_with = "crate::shown::path")]
        input: &'a Path,
        error: &'a str,
    },
    /// What there is to say of a picture that was read.
    Remark {
        #[serde(serialize_with = "crate::shown::path")]
        input: &'a Path,
        remark: &'a str,
    },
    PassedOver {
        #[serde(serialize_with = "crate::shown::path")]
        input: &'a Path,
        reason: &'a str,
    },
    Summary {
        translated: usize,
        failed: usize,
        passed_over: usize,
        there_already: usize,
        interrupted: bool,
        seconds: f64,
        device: &'a str,
    },
}

impl Reporter {
    pub(super) fn new(total: usize, json: bool, device: String) -> Self {
        let single = total <= 1;
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let bar = if single { ProgressBar::hidden() } else { ProgressBar::new(total as u64) };
            if let Ok(style) =
                ProgressStyle::with_template("{wide_bar} {pos}/{len}  {rate:>8}  {eta} left  {msg}")
            {
                bar.set_style(style.with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
                    let _ = write!(text, "{:.1}/s", state.per_sec());
                }));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            json,
            device: Mutex::new(device),
            started: Instant::now(),
            bar,
            single,
            counts: Mutex::default(),
            compiling: Mutex::default(),
        }
    }

    /// So many tiles of a large picture are done.
    pub(super) fn tile(&self, done: usize, total: usize) {
        let Some(bar) = &self.bar else { return };
        if !self.single {
            return bar.set_message(format!("tile {done} of {total}"));
        }
        if done == 0 {
            bar.set_length(total as u64);
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.set_position(done as u64);
        if done == total {
            bar.finish_and_clear();
        }
    }

    /// So many kernels are compiled. Where they are in a cache, nobody sees it.
    pub(super) fn compiling(&self, done: usize, total: usize) {
        let Some(bar) = &self.bar else { return };
        if !self.single {
            let text = if done < total { compiling(done, total) } else { String::new() };
            return bar.set_message(text);
        }
        let mut line = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        let line = line.get_or_insert_with(Spinner::new);
        line.show((done < total).then_some((done, total)));
    }

    pub(super) fn translated(&self, job: &Job, Size { width, height, tiles }: Size, took: Duration) {
        self.count(|counts| counts.translated += 1);
        let milliseconds = took.as_secs_f64() * 1e3;
        if self.json {
            self.event(&Event::Translated {
                input: &job.input,
                output: &job.output,
                attention: job.attention.as_ref(),
                sheet: job.sheet.as_ref(),
                width,
                height,
                tiles,
                milliseconds: (milliseconds * 1e3).round() / 1e3,
            });
        } else if let Some(bar) = self.bar.as_ref().filter(|_| !self.single) {
            bar.set_message(job.input.file_name().unwrap_or_default().to_string_lossy().into_owned());
        } else {
            let tiles = tiles.map(|n| format!(" in {n} tiles")).unwrap_or_default();
            console::line(format_args!(
                "{} -> {} ({width}x{height}{tiles}, {milliseconds:.0} ms)",
                job.input.display(),
                job.output.display()
            ));
        }
        self.advance();
    }

    pub(super) fn failed(&self, input: &Path, problem: &str) {
        self.count(|counts| counts.failed += 1);
        if self.json {
            self.event(&Event::Failed { input, error: problem });
        } else {
            self.say(&format_args!("{}: {problem}", input.display()));
        }
        self.advance();
    }

    /// What there is to say of a picture's file.
    pub(super) fn remark(&self, input: &Path, remark: &str) {
        if self.json {
            self.event(&Event::Remark { input, remark });
        } else {
            self.say(&format_args!("{}: {remark}", input.display()));
        }
    }

    /// Files that are not translated. People are told the name of each picture among them, and how many others
    /// there are of each kind.
    pub(super) fn passed_over(&self, files: &[PassedOver]) {
        self.count(|counts| counts.passed_over += files.len());
        if self.json {
            for PassedOver { path, reason, .. } in files {
                self.event(&Event::PassedOver { input: path, reason });
            }
            return;
        }
        let mut others: BTreeMap<String, usize> = BTreeMap::new();
        for PassedOver { path, reason, is_picture } in files {
            if *is_picture {
                self.say(&format_args!("{}: passed over: {reason}", path.display()));
            } else {
                let ending = path.extension().map_or("without an ending".into(), |ending| {
                    format!(".{}", ending.to_string_lossy().to_ascii_lowercase())
                });
                *others.entry(ending).or_default() += 1;
            }
        }
        if !others.is_empty() {
            let kinds: Vec<String> =
                others.iter().map(|(ending, count)| format!("{count} {ending}")).collect();
            self.say(&format_args!("passed over too: {}", kinds.join(", ")));
        }
    }

    /// So many results are there from before, and are left as they are.
    pub(super) fn there_already(&self, count: usize) {
        self.count(|counts| counts.there_already += count);
    }

    /// A line for people.
    pub(super) fn note(&self, text: impl fmt::Display) {
        if !self.json {
            self.say(&text);
        }
    }

    /// Another device goes on.
    pub(super) fn moved(&self, device: String) {
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = device;
    }

    fn say(&self, text: &dyn fmt::Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| console::error(text)),
            None => console::error(text),
        }
    }

    /// How many were translated, and how many failed.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let counts = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (counts.translated, counts.failed)
    }

    /// The last word, by the first of several ranks for all of them. Whether all went well, as far as it is this
    /// one's to say.
    pub(super) fn finish(self, interrupted: bool, crew: &Crew) -> bool {
        let own = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers =
            [own.translated, own.failed, own.passed_over, own.there_already, usize::from(interrupted)];
        let Some([translated, failed, passed_over, there_already, interrupted]) = crew.sum(numbers) else {
            return true;
        };
        let interrupted = interrupted > 0;
        let device = &*self.device.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = self.started.elapsed().as_secs_f64();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.json {
            let seconds = (seconds * 1e3).round() / 1e3;
            self.event(&Event::Summary {
                translated,
                failed,
                passed_over,
                there_already,
                interrupted,
                seconds,
                device,
            });
        } else if translated + failed != 1 || passed_over + there_already > 0 || interrupted {
            let more = |count: usize, what: &str| {
                if count > 0 { format!(", {count} {what}") } else { String::new() }
            };
            console::line(format_args!(
                "{translated} translated{}{}{} in {seconds:.1} s ({device}{})",
                more(failed, "failed"),
                more(there_already, "there already"),
                more(passed_over, "passed over"),
                if crew.count() > 1 { more(crew.count(), "ranks") } else { String::new() }
            ));
        }
        failed == 0 && !interrupted
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn advance(&self) {
        if let Some(bar) = self.bar.as_ref().filter(|_| !self.single) {
            bar.inc(1);
        }
    }

    fn event(&self, event: &Event<'_>) {
        match serde_json::to_string(event) {
            Ok(text) => console::line(text),
            Err(error) => console::error(format_args!("error: {error}")),
        }
    }
}
