//! Everything of a training run on a GPU that can be decided without one: where weights,
//! gradients and moments lie, and the launches of both players' turns.

use std::collections::HashMap;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::plan::layout::Layout;
use crate::plan::{Around, Bound, Destination, Leaf, Memory, ParameterMap, Piece, Plan, Storage, Target};

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
    /// So many of its launches run before the discriminators' turn, which reads what they translate.
    pub(super) first: usize,
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
    /// Bytes of them that the generators' turn would need alone.
    generators_alone: u64,
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
    /// The turns share their translations unless that takes more memory.
    pub(super) fn new(config: &StepConfig, target: &Target) -> Result<Self> {
        let target = &Target { arithmetic: config.arithmetic, f16: config.f16, ..target.clone() };
        let sum = |plan: &Self| plan.activations.iter().sum::<u64>();
        let shared = Self::of(&StepGraph::both_on_gpu(config)?, config, target)?;
        if shared.turns[1].first == 0 || sum(&shared) <= shared.generators_alone {
            return Ok(shared);
        }
        let apart = Self::of(&StepGraph::apart(config)?, config, target)?;
        // Tensors of another order fit their buffers better or worse by so much.
        Ok(if sum(&shared) > sum(&apart) / 100 * 101 { apart } else { shared })
    }

    /// The plan of both graphs.
    fn of(graphs: &[StepGraph; 2], config: &StepConfig, target: &Target) -> Result<Self> {
        let map = ParameterMap::of_groups(&groups(graphs)?, BLOCK, target)?;
        if let Some(cut) = map.pieces.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let (name, shape) = (&cut[0].name, &cut[0].shape);
            return Err(target.limit(format!(
                "`{name}` {shape} is larger than one binding, {} MiB, and training needs it whole; use light generators, smaller pictures, or the processor",
                target.max_binding >> 20
            )));
        }
        let [discriminators, generators] = graphs;
        let written = [discriminators, generators].map(|step| Written::of_turn(step, config, &map, target));
        let [to_discriminators, to_generators] = written;
        let (to_discriminators, to_generators) = (to_discriminators?, to_generators?);
        let vectors = graphs.iter().filter(|_| config.ranks > 1).map(StepGraph::vectors);
        let vectors: Vec<StepGraph> = vectors.collect();
        let to_vectors = vectors.iter().map(|step| Written::of_vectors(step, &map));
        let to_vectors: Vec<Written> = to_vectors.collect::<Result<_>>()?;
        let of_vectors = vectors.iter().zip(&to_vectors);
        let of_vectors: Vec<_> = of_vectors.map(|(step, to)| (&step.graph, &to.destinations[..])).collect();
        let to = [&to_discriminators.destinations[..], &to_generators.destinations];
        let plans = plans(graphs, to, &of_vectors, &map, target)?;
        let Plans { steps, first, vectors, activations, generators_alone } = plans;
        let [of_discriminators, of_generators] = steps;
        let placed = |plan, to: Written| Placed { plan, given: to.given };
        let discriminators_placed = placed(of_discriminators, to_discriminators);
        let generators_placed = placed(of_generators, to_generators);
        let mut turns = [
            turn(discriminators, discriminators_placed, config, &map, target)?,
            turn(generators, generators_placed, config, &map, target)?,
        ];
        turns[1].first = first;
        for (turn, (plan, to)) in turns.iter_mut().zip(vectors.into_iter().zip(to_vectors)) {
            turn.vectors = Some(placed(plan, to));
        }
        let blocks = |player: Player| map.buffers[map.group(group(player))].iter().sum::<u64>() / BLOCK;
        let most_terms = turns.iter().map(|turn| turn.terms.len()).max().unwrap_or(0);
        let blocks = Player::BOTH.map(blocks).into_iter().max().unwrap_or(0);
        Ok(Self {
            turns,
            activations,
            generators_alone,
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

/// What a graph is to write, and where.
struct Written {
    destinations: Vec<Destination>,
    given: Vec<Place>,
}

impl Written {
    /// Terms, gradients and vectors.
    fn of_turn(step: &StepGraph, config: &StepConfig, map: &ParameterMap, target: &Target) -> Result<Self> {
        if step.terms.len() > MAX_TERMS {
            let terms = step.terms.len();
            return Err(Error::Config(format!("{terms} terms of a loss; there can be {MAX_TERMS}")));
        }
        let several = config.accumulation > 1;
        let mut written = Self { destinations: vec![], given: vec![] };
        for (k, term) in step.terms.iter().enumerate() {
            let store = if several { Store::BatchTerms } else { Store::Terms };
            let layout = Layout::activation(step.graph.shape(term.node));
            written.destinations.push(Destination { node: term.node, layout, buffer: 0 });
            written.given.push(Place { store, offset: k as u64 * term_stride(target) });
        }
        let store = if several { Store::BatchGradients } else { Store::Gradients };
        written.tensors(&step.gradients, map, store)?;
        written.tensors(&step.buffers, map, Store::Vectors)?;
        Ok(written)
    }

    /// The vectors of the spectral normalisation only.
    fn of_vectors(step: &StepGraph, map: &ParameterMap) -> Result<Self> {
        let mut written = Self { destinations: vec![], given: vec![] };
        written.tensors(&step.buffers, map, Store::Vectors)?;
        Ok(written)
    }

    /// Tensors that lie in a store as the parameters of their names do.
    fn tensors(
        &mut self,
        named: &[(String, NodeId)],
        map: &ParameterMap,
        store: fn(usize) -> Store,
    ) -> Result<()> {
        for (name, node) in named {
            let piece = place(map, name)?;
            let (layout, buffer) = (piece.layout, 1 + piece.buffer);
            self.destinations.push(Destination { node: *node, layout, buffer });
            self.given.push(Place { store: store(piece.buffer), offset: piece.offset });
        }
        Ok(())
    }
}

/// Where a parameter lies.
fn place<'a>(map: &'a ParameterMap, name: &str) -> Result<&'a Piece> {
    let piece = map.get(name).and_then(|pieces| map.pieces[pieces].first());
    piece.ok_or_else(|| Error::Internal(format!("`{name}` has no place among the parameters")))
}

/// The plans of both players, the discriminators' first.
struct Plans {
    steps: [Plan; 2],
    /// So many launches of the generators' run before the discriminators'.
    first: usize,
    /// Of both, or none.
    vectors: Vec<Plan>,
    activations: Vec<u64>,
    /// See [`TrainPlan`].
    generators_alone: u64,
}

/// Plans graphs with their destinations: of both players' turns, and of their vectors.
fn plans(
    graphs: &[StepGraph; 2],
    [to_discriminators, to_generators]: [&[Destination]; 2],
    vectors: &[(&Graph, &[Destination])],
    map: &ParameterMap,
    target: &Target,
) -> Result<Plans> {
    let [discriminators, generators] = graphs;
    let step = (&discriminators.graph, to_discriminators);
    if generators.first() > 0 {
        let first = (generators.first(), &generators.translated[..]);
        let between = [&[step][..], vectors].concat();
        let around = Plan::compile_around((&generators.graph, to_generators), first, &between, map, target)?;
        let Around { plan, first, mut between, alone } = around;
        let activations = plan.buffers.clone();
        let vectors = between.split_off(1);
        let steps = [between.remove(0), plan];
        return Ok(Plans { steps, first, vectors, activations, generators_alone: alone });
    }
    // Only one turn is computed at a time: the smaller one uses the buffers of the larger.
    let generators = Plan::compile_into(&generators.graph, to_generators, &[], map, target)?;
    let discriminators = Plan::compile_into(step.0, step.1, &generators.buffers, map, target)?;
    let generators_alone = generators.buffers.iter().sum();
    let mut activations = discriminators.buffers.clone();
    let mut of_vectors = vec![];
    for (graph, destinations) in vectors {
        let plan = Plan::compile_into(graph, destinations, &activations, map, target)?;
        activations.clone_from(&plan.buffers);
        of_vectors.push(plan);
    }
    let steps = [discriminators, generators];
    Ok(Plans { steps, first: 0, vectors: of_vectors, activations, generators_alone })
}

/// All of a turn but [`TurnPlan::first`] and [`TurnPlan::vectors`].
fn turn(
    step: &StepGraph,
    placed: Placed,
    config: &StepConfig,
    map: &ParameterMap,
    target: &Target,
) -> Result<TurnPlan> {
    let (sum, keep, update) = update(step, config, map, target)?;
    let buffers = map.group(group(step.player));
    let parts = if config.ranks > 1 { parts(&placed, map, buffers.clone()) } else { vec![] };
    let mut blocks = vec![];
    for (name, _) in &step.gradients {
        let piece = place(map, name)?;
        let before: u64 = map.buffers[buffers.start..piece.buffer].iter().sum();
        blocks.push((((before + piece.offset) / BLOCK) as usize, name.clone()));
    }
    blocks.sort();
    Ok(TurnPlan {
        player: step.player,
        terms: step.terms.iter().map(|term| (term.name.clone(), term.weight)).collect(),
        step: placed,
        first: 0,
        vectors: None,
        parts,
        sum,
        keep,
        update,
        blocks,
    })
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
