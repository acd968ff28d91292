//! One player's part of an iteration on a GPU, and its part of the report.

use crate::error::Result;
use crate::exec::Program;
use crate::gpu::{Buffer, Gpu};

use super::super::player::Player;
use super::places::{Placed, REPORT_QUADS, group};
use super::plan;
use super::stores::Stores;

/// One player's part of an iteration.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) player: Player,
    pub(super) terms: Vec<(String, f32)>,
    pub(super) blocks: Vec<(usize, String)>,
    pub(super) parts: Vec<plan::Part>,
    pub(super) step: Program,
    /// So many of its launches run before the discriminators' turn.
    pub(super) first: usize,
    pub(super) vectors: Option<Program>,
    pub(super) sum: Option<[Program; 2]>,
    pub(super) keep: Program,
    pub(super) update: Program,
}

impl Turn {
    pub(super) fn new(
        gpu: &Gpu,
        stores: &Stores,
        activations: &[Buffer],
        turn: plan::TurnPlan,
    ) -> Result<Self> {
        let own = |placed: &Placed| &activations[..placed.plan.buffers.len()];
        let bare = |placed| stores.program(gpu, placed, &[]);
        let sum = match turn.sum {
            Some([first, further]) => Some([bare(first)?, bare(further)?]),
            None => None,
        };
        Ok(Self {
            player: turn.player,
            terms: turn.terms,
            blocks: turn.blocks,
            parts: turn.parts,
            vectors: match turn.vectors {
                Some(vectors) => Some(stores.program(gpu, vectors.clone(), own(&vectors))?),
                None => None,
            },
            first: turn.first,
            step: stores.program(gpu, turn.step.clone(), own(&turn.step))?,
            sum,
            keep: bare(turn.keep)?,
            update: bare(turn.update)?,
        })
    }

    /// The part of the report that is this player's: the losses, the norms, what is not finite.
    pub(super) fn report(&self, quads: &[[f32; 4]]) -> TurnReport {
        let own = &quads[1 + REPORT_QUADS * group(self.player)..][..REPORT_QUADS];
        let [term, block, ..] = own[0];
        let fault = if term > 0.0 {
            self.terms.get(term as usize - 1).map(|(name, _)| format!("the loss {name}"))
        } else if block > 0.0 {
            let after = self.blocks.partition_point(|(first, _)| *first < block as usize);
            self.blocks[..after].last().map(|(_, name)| format!("the gradient of {name}"))
        } else {
            None
        };
        let values = own[2..].as_flattened();
        let mut total = 0.0;
        let mut losses: Vec<(String, f64)> = vec![];
        for ((name, weight), value) in self.terms.iter().zip(values) {
            total += f64::from(*weight) * f64::from(*value);
            losses.push((name.clone(), f64::from(*value)));
        }
        losses.push((format!("{}/total", self.player.letter()), total));
        let norms = self.player.networks().iter().zip(own[1]);
        let norms = norms.map(|(network, squares)| (*network, f64::from(squares).sqrt())).collect();
        TurnReport { losses, norms, fault }
    }
}

pub(super) struct TurnReport {
    pub(super) losses: Vec<(String, f64)>,
    pub(super) norms: Vec<(&'static str, f64)>,
    pub(super) fault: Option<String>,
}
