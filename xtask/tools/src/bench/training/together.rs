//! What several ranks send, and how long they wait for each other.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use ugatit::train::{Player, StepConfig, Team};
use ugatit_mpi::Wire;

use super::RUNS;

/// An iteration of several ranks, as rank 0 sees it.
#[derive(Serialize)]
pub(super) struct Together {
    ranks: usize,
    /// The fastest iteration.
    best_ms: f64,
    /// Of each iteration what it has waited for the others.
    waited_ms: f64,
    waited: f64,
    /// Bytes that this rank sends, in an iteration.
    bytes: u64,
    /// What sums of as many values take where nothing is computed meanwhile.
    alone_ms: f64,
}

impl Together {
    /// `times` and `waits` are those of each iteration, in seconds.
    pub(super) fn new(
        config: &StepConfig,
        wire: Wire,
        times: &[f64],
        waits: &[f64],
        team: &mut Team,
    ) -> Result<Self> {
        let tensors = config.tensors()?;
        let trained = tensors.iter().filter(|(name, _)| Player::BOTH.iter().any(|p| p.trains(name)));
        let values: usize = trained.map(|(_, shape)| shape.elements()).sum();
        let size = if wire == Wire::F32 { 4 } else { 2 };
        let mut alone = f64::INFINITY;
        let mut sums = vec![1.0_f32; values];
        for _ in 0..RUNS {
            team.any(0)?;
            let started = Instant::now();
            team.average(std::iter::once(&mut sums[..]))?;
            alone = started.elapsed().as_secs_f64().min(alone);
        }
        let ranks = config.ranks as u64;
        let (time, wait): (f64, f64) = (times.iter().sum(), waits.iter().sum());
        Ok(Self {
            ranks: config.ranks,
            best_ms: times.iter().copied().fold(f64::INFINITY, f64::min) * 1e3,
            waited_ms: wait / waits.len() as f64 * 1e3,
            waited: wait / time,
            // A part from and to each other one, then the sum of it to and from each.
            bytes: 2 * values as u64 * size * (ranks - 1) / ranks,
            alone_ms: alone * 1e3,
        })
    }

    /// Rows of a table; an iteration takes so many milliseconds.
    pub(super) fn write(&self, ms: f64, text: &mut String) -> std::fmt::Result {
        let Self { ranks, best_ms, waited_ms, waited, bytes, alone_ms } = self;
        writeln!(text, "| the fastest | {best_ms:.1} ms |")?;
        writeln!(text, "| ranks | {ranks}, {:.2} pictures a second |", *ranks as f64 / ms * 1e3)?;
        writeln!(text, "| sent by each | {:.1} MB |", *bytes as f64 / 1e6)?;
        writeln!(text, "| waited for the others | {waited_ms:.1} ms, {:.1} % |", 100.0 * waited)?;
        writeln!(text, "| f32 sums of as many values, with nothing else to do | {alone_ms:.1} ms |")
    }
}
