//! An iteration of which each of several ranks computes a part: gradients leave the GPU, and their sums come back.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::exec::{Recorder, flush};
use crate::gpu::Buffer;

use super::super::reduce::{Precision, Team};
use super::turn::Turn;
use super::{Ended, GpuTrainer};

/// Bytes on their way to the GPU at most.
const IN_FLIGHT: u64 = 16 << 20;

impl GpuTrainer {
    /// One whole iteration. The gradients that are ready first are copied out first, so that the other ranks get them
    /// while the GPU computes the rest of the step.
    pub(super) async fn submit_in(&self, team: &mut Team, step: u64, lr: f64) -> Result<Ended> {
        let (own, all) = (self.config.accumulation, self.config.batches());
        let before = own * team.rank();
        let mut recorder = Recorder::new(&self.gpu, &self.budget);
        for turn in self.moving(step) {
            for _ in 0..before {
                turn.vectors.iter().for_each(|vectors| recorder.run(vectors));
                recorder.run(&turn.keep);
            }
            for batch in 0..own - 1 {
                self.begin_turn(&mut recorder, turn, step, batch);
                recorder.run(&turn.step);
                if let Some([first, further]) = &turn.sum {
                    recorder.run(if batch == 0 { first } else { further });
                }
                recorder.run(&turn.keep);
            }
            self.begin_turn(&mut recorder, turn, step, own - 1);
            let mut copies = self.last_batch(&mut recorder, turn);
            for _ in before + own..all {
                recorder.run(&turn.keep);
                turn.vectors.iter().for_each(|vectors| recorder.run(vectors));
            }
            if let Some(staging) = self.stores.staging.last() {
                let bytes = self.stores.terms.size();
                recorder.copy((&self.stores.terms, 0), (staging, 0), bytes);
                copies.push(Copied {
                    to: &self.stores.terms,
                    bytes: 0..bytes,
                    staging,
                    precision: Precision::Full,
                    submission: None,
                });
            }
            let last = recorder.submit();
            self.sum(team, copies, last).await?;
            recorder.run(&turn.update);
        }
        Ok(self.end(recorder, step, lr))
    }

    /// The rest of loss and gradients of a turn's last batch, with copies of each part as soon as it is there.
    fn last_batch<'a>(&'a self, recorder: &mut Recorder<'_>, turn: &'a Turn) -> Vec<Copied<'a>> {
        let launches = turn.step.plan.launches.len();
        let mut copies: Vec<Copied<'a>> = vec![];
        let (mut done, mut sent) = (turn.first, 0);
        for parts in turn.parts.chunk_by(|a, b| a.ready == b.ready) {
            let ready = parts[0].ready;
            recorder.run_part(&turn.step, done..ready);
            if let (true, Some([_, further])) = (ready == launches, &turn.sum) {
                recorder.run(further);
            }
            done = ready;
            for part in parts {
                let (to, staging) = (&self.stores.gradients[part.buffer], &self.stores.staging[copies.len()]);
                recorder.copy((to, part.bytes.start), (staging, 0), part.bytes.end - part.bytes.start);
                let (bytes, precision) = (part.bytes.clone(), Precision::Gradient);
                copies.push(Copied { to, bytes, staging, precision, submission: None });
            }
            if done < launches {
                let submission = recorder.submit();
                copies[sent..].iter_mut().for_each(|copy| copy.submission = Some(submission.clone()));
                sent = copies.len();
            }
        }
        if done < launches {
            recorder.run_part(&turn.step, done..launches);
        }
        copies
    }

    /// Hands what has been copied to the other ranks, and puts the sums in its place. `last` is the submission with
    /// the copies that have none of their own.
    async fn sum(&self, team: &mut Team, copies: Vec<Copied<'_>>, last: wgpu::SubmissionIndex) -> Result<()> {
        let begin = |copy: &Copied<'_>| self.gpu.begin_map(copy.staging, wgpu::MapMode::Read);
        let mappings: Vec<_> = copies.iter().map(begin).collect();
        for (copy, mapping) in copies.iter().zip(mappings) {
            let submission = copy.submission.clone().unwrap_or_else(|| last.clone());
            let mapped = self.gpu.mapped(mapping, Some(submission)).await?;
            let bytes = copy.bytes.end - copy.bytes.start;
            let values = bytemuck::pod_collect_to_vec::<u8, f32>(&mapped.read(..bytes)?);
            drop(mapped);
            team.begin_bucket(values, copy.precision)?;
            team.progress()?;
        }
        let sums = team.finish()?;
        let mut in_flight = 0;
        for (i, copy) in copies.iter().enumerate() {
            let sum: &[u8] = sums.get(i).map_or(&[], |sum| bytemuck::cast_slice(sum));
            if sum.len() as u64 != copy.bytes.end - copy.bytes.start {
                return Err(Error::Ranks("a sum has come back of another size than it was sent".into()));
            }
            self.gpu.queue().write_buffer(copy.to, copy.bytes.start, sum);
            in_flight += sum.len() as u64;
            if in_flight >= IN_FLIGHT {
                flush(&self.gpu)?;
                in_flight = 0;
            }
        }
        Ok(())
    }
}

/// A part of a buffer that is copied out, and whose sum takes its place.
struct Copied<'a> {
    to: &'a Buffer,
    bytes: Range<u64>,
    staging: &'a Buffer,
    precision: Precision,
    /// That has the copy; none where it is the turn's last.
    submission: Option<wgpu::SubmissionIndex>,
}
