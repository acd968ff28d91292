//! Everything of a training run on a GPU that can be decided without one: where weights,
//! gradients and moments lie, and the launches of both players' turns.

use std::collections::HashMap;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::plan::layout::Layout;
use crate::plan::{Bound, Destination, Leaf, Memory, ParameterMap, Plan, Storage, Target};

use super::super::config::StepConfig;
use super::super::penalty;
use super::super::player::Player;
use super::super::reduce::BUCKET;
use super::super::step::StepGraph;
use super::memory::TrainMemory;
use super::places::{BLOCK, MAX_TERMS, Place, Placed, REPORT, Store, VECTORS, group, term_stride};
use super::update::update;

/// One player's part of an iteration.
#[derive(Clone, Debug)]
pub(super) struct TurnPlan {
    pub(super) player: Player,
    /// The names of the terms and their weights.
    pub(super) terms: Vec<(String, f32)>,
    /// Loss and gradients of a batch.
    pub(super) step: Placed,
    /// What the first batch, and each further one, adds to the sums; where there are several.
    pub(super) sum: Option<[Placed; 2]>,
    /// Takes over the vectors of a batch that is not the last.
    pub(super) keep: Placed,
    /// The report; then takes over the vectors, and moves the weights.
    pub(super) update: Placed,
    /// Where there are several ranks, only the power iterations of a batch.
    pub(super) vectors: Option<Placed>,
    /// Where there are several ranks, the parts that the gradients are summed in, in the order in which they are
    /// ready.
    pub(super) parts: Vec<Part>,
    /// The first block of each trained tensor, in ascending order.
    pub(super) blocks: Vec<(usize, String)>,
}

/// A part of a buffer of gradients, [`BUCKET`] values at most.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Of the map.
    pub(super) buffer: usize,
    pub(super) bytes: Range<u64>,
    /// All of it is there after so many launches of the step.
    pub(super) ready: usize,
}

/// The whole run.
#[derive(Clone, Debug)]
pub(super) struct TrainPlan {
    pub(super) map: ParameterMap,
    pub(super) turns: [TurnPlan; 2],
    /// Of both turns: each uses as many as its plan has, from the first on.
    pub(super) activations: Vec<u64>,
    pub(super) accumulates: bool,
    pub(super) ranks: usize,
    pub(super) averages: bool,
    pub(super) terms: u64,
    pub(super) partials: u64,
    /// What all batches of an iteration bring.
    pub(super) upload: u64,
    /// What is new in each iteration: of each player, one term's bytes apart.
    pub(super) numbers: u64,
}

/// What a batch brings to the GPU: pictures of both domains, and what is drawn with them, one behind the other.
pub(super) struct Inputs(Vec<(String, Layout)>);

impl Inputs {
    pub(super) fn new(config: &StepConfig) -> Self {
        let pictures = ["real_A", "real_B"].map(|name| (name.to_owned(), config.pictures()));
        let all = pictures.into_iter().chain(penalty::inputs(config));
        Self(all.map(|(name, shape)| (name, Layout::activation(&shape))).collect())
    }

    /// Of one batch.
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(|(_, layout)| layout.bytes()).sum()
    }

    /// Where one of a batch lies in an iteration's upload buffer, and how.
    pub(super) fn range(&self, batch: usize, name: &str) -> Option<(Range<u64>, Layout)> {
        let at = self.0.iter().position(|(own, _)| own == name)?;
        let before: u64 = self.0[..at].iter().map(|(_, layout)| layout.bytes()).sum();
        let start = batch as u64 * self.bytes() + before;
        let layout = self.0[at].1;
        Some((start..start + layout.bytes(), layout))
    }
}

/// What a run takes of a GPU's memory, without one.
///
/// # Errors
/// [`crate::Error::Config`] where the configuration cannot work, [`crate::Error::GpuLimit`] where
/// it cannot on this adapter.
pub fn memory(config: &StepConfig, target: &Target) -> Result<TrainMemory> {
    Ok(TrainPlan::new(config, target)?.memory())
}

impl TrainPlan {
    pub(super) fn new(config: &StepConfig, target: &Target) -> Result<Self> {
        let target = &Target { arithmetic: config.arithmetic, f16: config.f16, ..target.clone() };
        let graphs = Player::BOTH.map(|player| StepGraph::build(player, config));
        let [discriminators, generators] = graphs;
        let graphs = [discriminators?, generators?];
        let map = ParameterMap::of_groups(&groups(&graphs)?, BLOCK, target)?;
        if let Some(cut) = map.pieces.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let (name, shape) = (&cut[0].name, &cut[0].shape);
            return Err(target.limit(format!(
                "`{name}` {shape} is larger than one binding, {} MiB, and training needs it whole; use light generators, smaller pictures, or the processor",
                target.max_binding >> 20
            )));
        }
        // Only one turn is computed at a time: the smaller one uses the buffers of the larger.
        let [discriminators, generators] = &graphs;
        let generators = turn(generators, config, &[], &map, target)?;
        let discriminators = turn(discriminators, config, &generators.step.plan.buffers, &map, target)?;
        let mut activations = discriminators.step.plan.buffers.clone();
        let mut turns = [discriminators, generators];
        if config.ranks > 1 {
            for (turn, graph) in turns.iter_mut().zip(&graphs) {
                let vectors = graph.vectors();
                let (destinations, given) = vectors_of(&vectors, &map)?;
                let plan = Plan::compile_into(&vectors.graph, &destinations, &activations, &map, target)?;
                activations.clone_from(&plan.buffers);
                turn.vectors = Some(Placed { plan, given });
            }
        }
        let blocks = |player: Player| map.buffers[map.group(group(player))].iter().sum::<u64>() / BLOCK;
        let most_terms = turns.iter().map(|turn| turn.terms.len()).max().unwrap_or(0);
        let blocks = Player::BOTH.map(blocks).into_iter().max().unwrap_or(0);
        Ok(Self {
            turns,
            activations,
            accumulates: config.accumulation > 1,
            ranks: config.ranks,
            averages: config.ema > 0.0,
            terms: most_terms as u64 * term_stride(target),
            partials: 16 * blocks,
            upload: config.accumulation as u64 * Inputs::new(config).bytes(),
            numbers: 2 * term_stride(target),
            map,
        })
    }

    /// The buffers of the map that are trained.
    pub(super) fn trained(&self) -> Range<usize> {
        0..self.map.group(VECTORS).start
    }

    pub(super) fn memory(&self) -> TrainMemory {
        let sum = |buffers: &[u64]| buffers.iter().sum::<u64>();
        let trained = sum(&self.map.buffers[self.trained()]);
        let (batches, terms) = if self.accumulates { (2, 2 * self.terms) } else { (1, self.terms) };
        let uniforms = |turn: &TurnPlan| {
            let plans = turn.sum.iter().flatten().chain(&turn.vectors);
            let plans = plans.chain([&turn.step, &turn.keep, &turn.update]);
            plans.map(|placed| placed.plan.uniforms.len() as u64).sum::<u64>()
        };
        TrainMemory {
            parameters: self.map.bytes(),
            gradients: batches * trained,
            moments: 2 * trained,
            average: if self.averages { sum(&self.map.buffers[self.map.group(1)]) } else { 0 },
            activations: sum(&self.activations),
            turns: self.turns.each_ref().map(|turn| sum(&turn.step.plan.buffers)),
            other: sum(&self.map.buffers[self.map.group(VECTORS)])
                + terms
                + self.partials
                + REPORT
                + self.numbers
                + self.turns.iter().map(uniforms).sum::<u64>(),
            staging: 2 * (self.upload + REPORT) + self.staging().iter().sum::<u64>(),
        }
    }

    /// Bytes of the buffers in which gradients and terms come to the other ranks: one for each part of the larger
    /// turn, and one for the terms.
    pub(super) fn staging(&self) -> Vec<u64> {
        if self.ranks == 1 {
            return vec![];
        }
        let parts = self.turns.iter().map(|turn| turn.parts.len()).max().unwrap_or(0);
        let mut sizes = vec![size_of::<f32>() as u64 * BUCKET as u64; parts];
        sizes.push(self.terms);
        sizes
    }
}

/// Every tensor of both graphs with its layout, in the groups of the map; those of one network
/// side by side, rho first.
fn groups(graphs: &[StepGraph; 2]) -> Result<Vec<Vec<Leaf>>> {
    let mut leaves: Vec<Leaf> = vec![];
    let mut known: HashMap<String, usize> = HashMap::new();
    for step in graphs {
        let graph = &step.graph;
        let parameters = graph.parameters().map(|(id, node)| (node.name.clone(), id));
        for (name, id) in parameters.chain(step.buffers.iter().cloned()) {
            let (shape, layout) = (graph.shape(id).clone(), Layout::of_leaf(graph, id)?);
            match known.get(&name).map(|&i| &leaves[i]) {
                Some(leaf) if leaf.layout != layout => {
                    return Err(Error::Shape(format!(
                        "`{name}` lies differently for both players: {:?} and {layout:?}",
                        leaf.layout
                    )));
                }
                Some(_) => {}
                None => {
                    known.insert(name.clone(), leaves.len());
                    leaves.push(Leaf { name, shape, layout, storage: Storage::F32 });
                }
            }
        }
    }
    let mut groups = vec![vec![], vec![], vec![]];
    for leaf in leaves {
        let trains = |player: &Player| player.trains(&leaf.name);
        let group = Player::BOTH.iter().position(trains).unwrap_or(VECTORS);
        groups[group].push(leaf);
    }
    for group in &mut groups {
        group.sort_by_cached_key(|leaf| {
            let network = leaf.name.split('.').next().unwrap_or_default().to_string();
            (network, !leaf.name.ends_with(".rho"), leaf.name.clone())
        });
    }
    Ok(groups)
}

fn turn(
    step: &StepGraph,
    config: &StepConfig,
    pool: &[u64],
    map: &ParameterMap,
    target: &Target,
) -> Result<TurnPlan> {
    if step.terms.len() > MAX_TERMS {
        return Err(Error::Config(format!("{} terms of a loss; there can be {MAX_TERMS}", step.terms.len())));
    }
    let several = config.accumulation > 1;
    let (mut destinations, mut given) = (vec![], vec![]);
    let mut place = |node, layout, store, offset, buffer| {
        destinations.push(Destination { node, layout, buffer });
        given.push(Place { store, offset });
    };
    let mut blocks = vec![];
    for (k, term) in step.terms.iter().enumerate() {
        let store = if several { Store::BatchTerms } else { Store::Terms };
        let layout = Layout::activation(step.graph.shape(term.node));
        place(term.node, layout, store, k as u64 * term_stride(target), 0);
    }
    for (first, names) in [(group(step.player), &step.gradients), (VECTORS, &step.buffers)] {
        let buffers = map.group(first);
        for (name, node) in names {
            let pieces = map.get(name).unwrap_or_default();
            let Some(piece) = map.pieces[pieces].first() else {
                return Err(Error::Internal(format!("`{name}` has no place among the parameters")));
            };
            let store = match first {
                VECTORS => Store::Vectors(piece.buffer),
                _ if several => Store::BatchGradients(piece.buffer),
                _ => Store::Gradients(piece.buffer),
            };
            place(*node, piece.layout, store, piece.offset, 1 + piece.buffer);
            if first != VECTORS {
                let before: u64 = map.buffers[buffers.start..piece.buffer].iter().sum();
                blocks.push((((before + piece.offset) / BLOCK) as usize, name.clone()));
            }
        }
    }
    blocks.sort();
    let plan = Plan::compile_into(&step.graph, &destinations, pool, map, target)?;
    let (sum, keep, update) = update(step, config, map, target)?;
    let step_placed = Placed { plan, given };
    let parts =
        if config.ranks > 1 { parts(&step_placed, map, map.group(group(step.player))) } else { vec![] };
    Ok(TurnPlan {
        player: step.player,
        terms: step.terms.iter().map(|term| (term.name.clone(), term.weight)).collect(),
        step: step_placed,
        vectors: None,
        parts,
        sum,
        keep,
        update,
        blocks,
    })
}

/// Where the vectors of the spectral normalisation go.
fn vectors_of(step: &StepGraph, map: &ParameterMap) -> Result<(Vec<Destination>, Vec<Place>)> {
    let (mut destinations, mut given) = (vec![], vec![]);
    for (name, node) in &step.buffers {
        let piece = map.get(name).and_then(|pieces| map.pieces[pieces].first());
        let piece =
            piece.ok_or_else(|| Error::Internal(format!("`{name}` has no place among the parameters")))?;
        destinations.push(Destination { node: *node, layout: piece.layout, buffer: piece.buffer });
        given.push(Place { store: Store::Vectors(piece.buffer), offset: piece.offset });
    }
    Ok((destinations, given))
}

/// What the gradients of a group are cut into, that which is ready first first.
fn parts(step: &Placed, map: &ParameterMap, group: Range<usize>) -> Vec<Part> {
    let plan = &step.plan;
    // After how many launches nobody writes any more what is given.
    let ready = |given: usize| {
        let launches = plan.launches.iter().enumerate().rev();
        let writes = |bound: &Bound| bound.memory == Memory::Given(given);
        let last = launches.into_iter().find(|(_, step)| step.bindings.iter().any(writes));
        let copied = plan.copies.iter().any(|(_, to, _)| *to == given);
        last.filter(|_| !copied).map_or(plan.launches.len(), |(i, _)| i + 1)
    };
    let mut written: Vec<(usize, u64, usize)> = vec![];
    for (i, place) in step.given.iter().enumerate() {
        if let Store::Gradients(buffer) = place.store {
            written.push((buffer, place.offset, ready(i)));
        }
    }
    written.sort_unstable();
    let size = (size_of::<f32>() * BUCKET) as u64;
    let mut parts = vec![];
    for buffer in group {
        let own: Vec<_> = written.iter().filter(|(b, ..)| *b == buffer).collect();
        for start in (0..map.buffers[buffer]).step_by(size as usize) {
            let end = (start + size).min(map.buffers[buffer]);
            // The one that the part begins within, and those that begin in it.
            let first = own.partition_point(|(_, offset, _)| *offset <= start).saturating_sub(1);
            let within = own[first..].iter().take_while(|(_, offset, _)| *offset < end);
            // Sums of several batches are there at the end only.
            let ready = within.map(|(.., ready)| *ready).max().unwrap_or(plan.launches.len());
            parts.push(Part { buffer, bytes: start..end, ready });
        }
    }
    parts.sort_by_key(|part| part.ready);
    parts
}
