//! `index.html`: a run on one page.
//!
//! The page needs nothing but the sheets beside it: style, script and curves are within, and it
//! asks nobody for anything.

mod chart;
mod samples;
mod text;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::error::Result;
use crate::io::write_atomically;
use crate::model::Direction;
use crate::text::{escape, grouped};

use super::clock::{duration, unix_seconds, utc};
use super::curves::{Curves, Point};
use super::sheet::{row_names, sheet_path};

use chart::{LOG_FROM, Look, chart};
use text::number;

/// How often an open page of a running run loads itself again, seconds.
const REFRESH: u64 = 30;

/// What a run is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunPhase {
    /// It goes on.
    Running,
    /// All iterations are done.
    Finished,
    /// It was stopped before its end, and can be resumed.
    Stopped(String),
    /// An error ended it.
    Failed(String),
}

/// What the page says of a run beside curves and sheets.
#[derive(Clone, Debug)]
pub struct RunStatus {
    /// Such as the folder's name.
    pub title: String,
    /// What the run is doing.
    pub phase: RunPhase,
    /// Iterations done.
    pub step: u64,
    /// Iterations that the run is to have.
    pub total: u64,
    /// The rate of late, iterations a second.
    pub rate: Option<f64>,
    /// How long the run has taken, over all its parts.
    pub elapsed: Duration,
    /// What computes.
    pub device: String,
    /// The configuration as text (TOML).
    pub config: String,
    /// What the columns of the sheets are, such as "5 pictures of the training set, then 5 of the
    /// test set".
    pub columns: String,
    /// The names of the rows of both sheets, in the order of [`Direction::BOTH`]; where there is
    /// none, those of the official sheet.
    pub rows: [Vec<String>; 2],
}

/// Writes the page of a run, again and again.
#[derive(Debug)]
pub struct RunPage {
    run: PathBuf,
    every: Duration,
    written: Option<Instant>,
}

impl RunPage {
    /// A page in the folder `run`, to be written at most every `every`.
    pub fn new(run: impl Into<PathBuf>, every: Duration) -> Self {
        Self { run: run.into(), every, written: None }
    }

    /// Whether it is time to write.
    pub fn due(&self) -> bool {
        self.written.is_none_or(|at| at.elapsed() >= self.every)
    }

    /// Writes `index.html`, whole or not at all.
    ///
    /// # Errors
    /// [`crate::Error::Output`] where it cannot be written, [`crate::Error::Io`] where the samples' folder cannot
    /// be read.
    pub fn write(&mut self, status: &RunStatus, curves: &Curves) -> Result<()> {
        let html = render(&self.run, status, curves)?;
        write_atomically(&self.run.join("index.html"), true, |out| out.write_all(html.as_bytes()))?;
        self.written = Some(Instant::now());
        Ok(())
    }
}

fn render(run: &Path, status: &RunStatus, curves: &Curves) -> Result<String> {
    let mut out = String::with_capacity(1 << 19);
    head(&mut out, status, curves);
    sheets(&mut out, run, status)?;
    losses(&mut out, curves);
    if !status.config.trim().is_empty() {
        let config = escape(status.config.trim_end());
        let _ = write!(
            out,
            "<h2>Configuration</h2><details><summary>config.toml</summary><pre>{config}</pre></details>"
        );
    }
    let _ = write!(
        out,
        "<footer>Written {} by ugatit {}. All numbers are in <a href=\"metrics.jsonl\">metrics.jsonl</a>, \
         what happened in <a href=\"log.txt\">log.txt</a>.</footer>\n<script>{}</script></body></html>\n",
        utc(SystemTime::now()),
        env!("CARGO_PKG_VERSION"),
        include_str!("script.js")
    );
    Ok(out)
}

fn head(out: &mut String, status: &RunStatus, curves: &Curves) {
    let running = status.phase == RunPhase::Running;
    let (phase, reason) = match &status.phase {
        RunPhase::Running => ("running", None),
        RunPhase::Finished => ("finished", None),
        RunPhase::Stopped(reason) => ("stopped", Some(reason)),
        RunPhase::Failed(reason) => ("failed", Some(reason)),
    };
    let title = escape(&status.title);
    let (refresh, attributes) = if running {
        let updated = unix_seconds(SystemTime::now()) as u64;
        (
            format!("<noscript><meta http-equiv=\"refresh\" content=\"{REFRESH}\"></noscript>"),
            format!(" data-refresh=\"{REFRESH}\" data-updated=\"{updated}\""),
        )
    } else {
        (String::new(), String::new())
    };
    let share = if status.total == 0 { 0.0 } else { 100.0 * status.step as f64 / status.total as f64 };
    let share = share.min(100.0);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">{refresh}\
         <title>{share:.0} % {title}</title><link rel=\"icon\" href=\"data:,\">\
         <style>{}</style></head>\n<body{attributes}><header><div class=\"head\"><h1>{title}</h1>\
         <span class=\"phase {phase}\">{phase}</span></div>",
        include_str!("style.css")
    );
    if let Some(reason) = reason.filter(|r| !r.is_empty()) {
        let _ = write!(out, "<p class=\"reason {phase}\">{}</p>", escape(reason));
    }
    let _ = write!(
        out,
        "<p class=\"stale\" hidden></p><div class=\"bar\" role=\"progressbar\" aria-label=\"progress\" \
         aria-valuenow=\"{share:.0}\" aria-valuemin=\"0\" aria-valuemax=\"100\">\
         <i style=\"width:{share:.2}%\"></i></div><dl>"
    );
    let mut fact = |name: &str, value: String| {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    };
    fact("Step", format!("{} of {}", grouped(status.step), grouped(status.total)));
    if let Some(rate) = status.rate.filter(|r| r.is_finite() && *r > 0.0) {
        let slow = rate < 0.5;
        let text =
            if slow { format!("{} s a step", number(1.0 / rate)) } else { format!("{rate:.1} steps/s") };
        fact("Speed", text);
        let left = status.total.saturating_sub(status.step) as f64 / rate;
        if running && let Ok(left) = Duration::try_from_secs_f64(left) {
            fact("Remaining", duration(left));
        }
    }
    fact("Elapsed", duration(status.elapsed));
    if let Some(lr) = curves.latest("lr") {
        fact("Learning rate", number(lr));
    }
    fact("Device", status.device.clone());
    out.push_str("</dl></header>");
}

fn sheets(out: &mut String, run: &Path, status: &RunStatus) -> Result<()> {
    let mut all = vec![];
    for direction in Direction::BOTH {
        all.push(samples::steps(run, direction, status.step)?);
    }
    out.push_str("<h2>Samples</h2>");
    let mut steps: Vec<u64> = all.concat();
    steps.sort_unstable();
    steps.dedup();
    let Some(last) = steps.len().checked_sub(1) else {
        out.push_str("<p class=\"hint\">The first sheets come soon.</p>");
        return Ok(());
    };
    let _ = write!(out, "<p class=\"hint\">Columns: {}.</p>", escape(&status.columns));
    let values: Vec<String> = steps.iter().map(u64::to_string).collect();
    let _ = write!(
        out,
        "<label class=\"pick\" hidden><input type=\"range\" min=\"0\" max=\"{last}\" value=\"{last}\" \
         data-steps=\"{}\" aria-label=\"sheets of step\"><output></output></label><div class=\"sheets\">",
        values.join(" ")
    );
    for ((direction, steps), names) in Direction::BOTH.into_iter().zip(&all).zip(&status.rows) {
        let Some(&step) = steps.last() else { continue };
        let path = format!("samples/{direction}_{step:07}.png");
        let size = samples::png_size(&sheet_path(run, direction, step));
        let size = size.map_or(String::new(), |(w, h)| format!(" width=\"{w}\" height=\"{h}\""));
        let official = row_names(direction);
        let names = if names.is_empty() { &official[..] } else { &names[..] };
        let rows: String = names.iter().map(|name| format!("<li>{}</li>", escape(name))).collect();
        let _ = write!(
            out,
            "<figure class=\"sheet\"><figcaption>{direction}, <span>step {}</span></figcaption>\
             <div class=\"rows\"><ol>{rows}</ol>\
             <a href=\"{path}\" data-direction=\"{direction}\"><img src=\"{path}\"{size} alt=\"{direction} sheet\"></a>\
             </div></figure>",
            grouped(step)
        );
    }
    out.push_str("</div>");
    if last > 0 {
        let _ =
            write!(out, "<details><summary>All {} steps with sheets</summary><ul class=\"all\">", last + 1);
        for &step in steps.iter().rev() {
            let _ = write!(out, "<li>{}", grouped(step));
            for (direction, steps) in Direction::BOTH.into_iter().zip(&all) {
                if steps.binary_search(&step).is_ok() {
                    let _ = write!(out, " <a href=\"samples/{direction}_{step:07}.png\">{direction}</a>");
                }
            }
            out.push_str("</li>");
        }
        out.push_str("</ul></details>");
    }
    Ok(())
}

fn losses(out: &mut String, curves: &Curves) {
    let draw = |name: &str, shown: &str, class: &str| {
        let points: Vec<Point> = curves.points(name).collect();
        // Norms of gradients are compared by their magnitude.
        let log_from = if name.starts_with("grad_norm/") { 3.0 } else { LOG_FROM };
        let look = Look { name: shown, class, log_from, last_step: curves.last_step() };
        chart(look, &points, curves.latest(name))
    };
    let grid = |out: &mut String, charts: &[String], large: bool| {
        let class = if large { "charts large" } else { "charts" };
        let _ = write!(out, "<div class=\"{class}\">{}</div>", charts.concat());
    };
    let class = |name: &str| match name.as_bytes().first() {
        Some(b'D') => "d",
        Some(b'G') => "g",
        _ => "n",
    };
    out.push_str(
        "<h2>Losses</h2><p class=\"hint\">The line is the moving mean, the band the range of the single \
         steps. Totals are weighted, terms are not. The number is the last step's.</p>",
    );
    let (totals, rest): (Vec<&str>, Vec<&str>) = curves.names().partition(|n| n.ends_with("/total"));
    grid(out, &totals.iter().map(|n| draw(n, n, class(n))).collect::<Vec<_>>(), true);
    let (terms, other): (Vec<&str>, Vec<&str>) =
        rest.into_iter().partition(|n| n.starts_with("D/") || n.starts_with("G/"));
    for (title, prefix) in [("Terms of the discriminators", "D/"), ("Terms of the generators", "G/")] {
        let names: Vec<&&str> = terms.iter().filter(|n| n.starts_with(prefix)).collect();
        if !names.is_empty() {
            let _ = write!(out, "<h3>{title}</h3>");
            grid(out, &names.iter().map(|n| draw(n, n, class(n))).collect::<Vec<_>>(), false);
        }
    }
    let (norms, other): (Vec<&str>, Vec<&str>) = other.into_iter().partition(|n| n.starts_with("grad_norm/"));
    if !norms.is_empty() {
        out.push_str(
            "<h2>Gradients</h2><p class=\"hint\">The Euclidean norm of each network's gradient.</p>",
        );
        let norms = norms.iter().map(|n| {
            let network = n.trim_start_matches("grad_norm/");
            draw(n, network, if network.starts_with("dis") { "d" } else { "g" })
        });
        grid(out, &norms.collect::<Vec<_>>(), false);
    }
    if !other.is_empty() {
        out.push_str("<h2>Learning rate</h2>");
        let shown = |name| if name == "lr" { "rate" } else { name };
        grid(out, &other.iter().map(|n| draw(n, shown(n), "n")).collect::<Vec<_>>(), false);
    }
}
