//! What an iteration submits.

use crate::exec::Recorder;

use super::super::player::Player;
use super::places::REPORT;
use super::plan::Inputs;
use super::turn::Turn;
use super::{Ended, GpuTrainer, Pending, Writable};

impl GpuTrainer {
    /// One whole iteration.
    pub(super) fn submit(&self, step: u64, lr: f64) -> Ended {
        let mut recorder = Recorder::new(&self.gpu, &self.budget);
        for turn in self.moving(step) {
            for batch in 0..self.config.accumulation {
                self.begin_turn(&mut recorder, turn, step, batch);
                recorder.run_part(&turn.step, turn.first..turn.step.plan.launches.len());
                if let Some([first, further]) = &turn.sum {
                    recorder.run(if batch == 0 { first } else { further });
                }
                if batch + 1 < self.config.accumulation {
                    recorder.run(&turn.keep);
                }
            }
            recorder.run(&turn.update);
        }
        self.end(recorder, step, lr)
    }

    /// The turns of an iteration.
    pub(super) fn moving(&self, step: u64) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter(move |turn| self.config.moves(turn.player, step))
    }

    /// Feeds a turn one of the iteration's batches. Before the discriminators' turn it has the generators' first part
    /// computed, where there is one, so that their turn finds it done.
    pub(super) fn begin_turn(&self, recorder: &mut Recorder<'_>, turn: &Turn, step: u64, batch: usize) {
        if turn.first > 0 {
            return;
        }
        if turn.player == Player::Discriminators {
            let [_, generators] = &self.turns;
            if generators.first > 0 {
                self.feed(recorder, generators, step, batch);
                recorder.run_part(&generators.step, 0..generators.first);
            }
        }
        self.feed(recorder, turn, step, batch);
    }

    /// What one of the iteration's batches brings, to where the turn reads it.
    pub(super) fn feed(&self, recorder: &mut Recorder<'_>, turn: &Turn, step: u64, batch: usize) {
        let slot = &self.slots[(step % 2) as usize];
        let inputs = Inputs::new(&self.config);
        for terminal in &turn.step.plan.inputs {
            let Some((range, _)) = inputs.range(batch, &terminal.name) else { continue };
            let to = &turn.step.buffers[terminal.buffer];
            recorder.copy((&slot.upload, range.start), (to, 0), range.end - range.start);
        }
    }

    /// The report on its way, and the pictures' buffer to be written again.
    pub(super) fn end(&self, mut recorder: Recorder<'_>, step: u64, lr: f64) -> Ended {
        let slot = &self.slots[(step % 2) as usize];
        recorder.copy((&self.stores.report, 0), (&slot.download, 0), REPORT);
        let submission = recorder.finish();
        let upload_mapping = self.gpu.begin_map(&slot.upload, wgpu::MapMode::Write);
        let writable = Writable::After(upload_mapping, submission.clone());
        let mapping = self.gpu.begin_map(&slot.download, wgpu::MapMode::Read);
        Ended { pending: Pending { step, lr, mapping, submission }, writable }
    }
}
