//! The two graphs of one iteration.

use crate::cpu::{self, Real};
use crate::error::{Error, Result};
use crate::graph::{Again, Arithmetic, Graph, NodeId, Op, Seed, Shape, backward, fuse, in_groups, recompute};
use crate::model::{Direction, Discriminator, Generator, SpectralState};

use super::config::{SCALES, StepConfig};
use super::gan::Penalized;
use super::losses::{Term, Terms, Translation};
use super::penalty::{near, share};
use super::player::Player;

/// What one player computes in an iteration: its loss and the gradients. Inputs are `real_A`
/// and `real_B` `[N, img_ch, S, S]` in -1..1; parameters are the tensors of all networks that
/// take part.
#[derive(Clone, Debug)]
pub struct StepGraph {
    /// Whose.
    pub player: Player,
    /// Fused, with the gradients behind.
    pub graph: Graph,
    /// The summands of its loss.
    pub terms: Vec<Term>,
    /// The gradient of the weighted sum at each parameter that the player trains, by name.
    pub gradients: Vec<(String, NodeId)>,
    /// The vectors of the spectral normalisation after this step's power iterations, by name:
    /// they take the place of what was fed under this name.
    pub buffers: Vec<(String, NodeId)>,
    /// What the first part of the graph gives to the discriminators' turn, by the name of its input there. That part is the
    /// nodes up to the last of these; it reads nothing that the discriminators' turn changes.
    pub translated: Vec<(String, NodeId)>,
    /// What may be traded for speed.
    pub(super) arithmetic: Arithmetic,
    /// Elements that the processor holds at most while it computes, [`Self::beside`] included.
    pub(super) elements: u64,
    /// Elements that the first part of the other player's graph has left there meanwhile.
    beside: u64,
}

impl StepGraph {
    /// The graph of `player` on the processor.
    ///
    /// # Errors
    /// [`Error::Config`] where the configuration cannot work.
    pub fn build(player: Player, config: &StepConfig) -> Result<Self> {
        let [discriminators, generators] = Self::both(config)?;
        Ok(if player == Player::Discriminators { discriminators } else { generators })
    }

    /// The graphs of both players on the processor, in the order of [`Player::BOTH`]. They share as many translations as
    /// they can without taking more memory than those that share none.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn both(config: &StepConfig) -> Result<[Self; 2]> {
        let apart = Self::apart(config)?;
        let most = apart[0].elements.max(apart[1].elements);
        for shared in [&FAKES[..], &FAKES[..1]].into_iter().filter(|_| config.shares_translations()) {
            let graphs = Self::sharing(config, shared)?;
            if graphs[0].elements <= most {
                return Ok(graphs);
            }
        }
        Ok(apart)
    }

    /// The graphs of both players on a GPU, where they share both translations if they can share any.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn both_on_gpu(config: &StepConfig) -> Result<[Self; 2]> {
        Self::sharing(config, if config.shares_translations() { &FAKES } else { &[] })
    }

    /// The graphs of both players, which share nothing.
    pub(super) fn apart(config: &StepConfig) -> Result<[Self; 2]> {
        Self::sharing(config, &[])
    }

    /// The graphs of both players, of which the discriminators' has those of [`FAKES`] from the generators'.
    fn sharing(config: &StepConfig, shared: &[&str]) -> Result<[Self; 2]> {
        let mut discriminators = Self::discriminators(config, shared)?;
        let generators = Self::generators(config, shared)?;
        let held = cpu::held(&generators.graph, &generators.outputs(), generators.first());
        let copies = shared.len() * config.pictures().elements();
        discriminators.beside = (held + copies) as u64;
        discriminators.elements += discriminators.beside;
        Ok([discriminators, generators])
    }

    /// Each discriminator judges real pictures, then translated ones, with a power iteration
    /// before each. Both are one batch, as the weights do not change between them. No gradient goes
    /// into the generators. (In the official code it does, and is thrown away.) What is `shared` the
    /// generators' turn has translated already.
    fn discriminators(config: &StepConfig, shared: &[&str]) -> Result<Self> {
        let mut nets = Networks::new(config)?;
        let (real_a, real_b) = (nets.real_a, nets.real_b);
        let mut fake = |name, direction, real| match shared.contains(&name) {
            true => Ok(nets.graph.input(name, config.pictures())),
            false => nets.translate(direction, real).map(|translation| translation.image),
        };
        let [name_b, name_a] = FAKES;
        let fake_b = fake(name_b, Direction::A2B, real_a)?;
        let fake_a = fake(name_a, Direction::B2A, real_b)?;
        let penalized =
            [nets.penalized("A", nets.real_a, fake_a)?, nets.penalized("B", nets.real_b, fake_b)?];
        let mut terms = Terms::new(&config.weights, config.gan_type);
        let of_a = nets.graph.add(Op::Stack, &[real_a, fake_a])?;
        let of_b = nets.graph.add(Op::Stack, &[real_b, fake_b])?;
        for scale in SCALES {
            let is_b = scale.ends_with('B');
            let [real, fake] = nets.judge_both(scale, if is_b { of_b } else { of_a })?;
            terms.judge(&mut nets.graph, scale, &real, &fake)?;
            if let Some(at) = penalized[usize::from(is_b)] {
                let judged = nets.judge(scale, at)?;
                nets.penalties.push(Penalty { name: format!("D/{scale}/gp"), at, of: judged.judgement });
                let logits = judged.cam_logit;
                let of_logits = |of| Penalty { name: format!("D/{scale}/gp_cam"), at, of };
                nets.penalties.extend(logits.map(of_logits));
            }
        }
        nets.finish(Player::Discriminators, terms.list, &[])
    }

    /// Six translations, judged by the discriminators in training (a power iteration each),
    /// which get no gradient. Each generator has its pictures of both domains in one batch: no sample
    /// knows of another, and half as many launches do the same work.
    fn generators(config: &StepConfig, shared: &[&str]) -> Result<Self> {
        use Direction::{A2B, B2A};
        let mut nets = Networks::new(config)?;
        let (real_a, real_b) = (nets.real_a, nets.real_b);
        let [fake_b, same_b] = nets.translate_both(A2B, [real_a, real_b])?;
        let [fake_a, same_a] = nets.translate_both(B2A, [real_b, real_a])?;
        let cycled_a = nets.translate(B2A, fake_b.image)?;
        let cycled_b = nets.translate(A2B, fake_a.image)?;
        let mut terms = Terms::new(&config.weights, config.gan_type);
        for scale in SCALES {
            let fake = if scale.ends_with('A') { &fake_a } else { &fake_b };
            let judged = nets.judge(scale, fake.image)?;
            terms.convince(&mut nets.graph, scale, &judged)?;
        }
        terms.reconstruct(&mut nets.graph, "A", real_a, [&fake_a, &same_a, &cycled_a])?;
        terms.reconstruct(&mut nets.graph, "B", real_b, [&fake_b, &same_b, &cycled_b])?;
        let translated = FAKES.into_iter().zip([fake_b.image, fake_a.image]);
        let shared: Vec<_> = translated.filter(|(name, _)| shared.contains(name)).collect();
        nets.finish(Player::Generators, terms.list, &shared)
    }

    /// Has the gradients compute that a second time.
    fn recompute(&mut self, again: Again) {
        let losses: Vec<NodeId> = self.terms.iter().map(|term| term.node).collect();
        let named: Vec<NodeId> = self.named().map(|(_, node)| *node).collect();
        let (graph, named) = recompute(&self.graph, again, &losses, &named);
        self.graph = graph;
        self.named().zip(named).for_each(|((_, node), new)| *node = new);
    }

    /// Has all that one discriminator needs computed before what only the next needs: the pictures inside them do not
    /// live beside each other.
    fn in_turn(&mut self) {
        // Terms are `D/GA/ad_real`, tensors `disGA.`
        let scale = |name: &str| SCALES.iter().position(|scale| name.contains(scale)).unwrap_or(0);
        let mut groups = SCALES.map(|_| vec![]);
        self.named().for_each(|(name, node)| groups[scale(name)].push(*node));
        let (graph, groups) = in_groups(&self.graph, &groups);
        self.graph = graph;
        let mut groups = groups.map(Vec::into_iter);
        self.named().for_each(|(name, node)| {
            if let Some(new) = groups[scale(name)].next() {
                *node = new;
            }
        });
    }

    /// All nodes that are known by their names.
    fn named(&mut self) -> impl Iterator<Item = (&str, &mut NodeId)> {
        let terms = self.terms.iter_mut().map(|term| (&*term.name, &mut term.node));
        let named = self.gradients.iter_mut().chain(&mut self.buffers).chain(&mut self.translated);
        terms.chain(named.map(|(name, node)| (&**name, node)))
    }

    /// What is left where only the vectors of the spectral normalisation go on, which needs no pictures.
    pub(super) fn vectors(&self) -> Self {
        let nodes: Vec<NodeId> = self.buffers.iter().map(|(_, node)| *node).collect();
        let (graph, nodes) = fuse(&self.graph, &nodes);
        let buffers = self.buffers.iter().map(|(name, _)| name.clone()).zip(nodes).collect();
        Self {
            player: self.player,
            graph,
            terms: vec![],
            gradients: vec![],
            translated: vec![],
            buffers,
            ..*self
        }
    }

    /// The nodes of the first part, which gives [`Self::translated`].
    pub(super) fn first(&self) -> usize {
        self.translated.iter().map(|(_, node)| node.index() + 1).max().unwrap_or(0)
    }

    /// Bytes that the processor holds at most while it computes. Those that the first part of the other player's graph
    /// has left there are among them.
    pub fn memory<T: Real>(&self) -> u64 {
        self.beside * size_of::<T>() as u64 + cpu::memory::<T>(&self.graph, &self.outputs(), self.arithmetic)
    }

    /// All that is to be computed: the terms, the gradients, the buffers, in their orders.
    pub fn outputs(&self) -> Vec<NodeId> {
        let named = self.gradients.iter().chain(&self.buffers).map(|(_, node)| *node);
        self.terms.iter().map(|term| term.node).chain(named).collect()
    }
}

/// The translated pictures as inputs of the discriminators' turn, in the order in which the generators' computes them.
const FAKES: [&str; 2] = ["fake_B", "fake_A"];

/// A gradient that is to have the length 1.
struct Penalty {
    /// Of the term.
    name: String,
    /// The pictures that it is the gradient at.
    at: NodeId,
    /// The judgements whose sum it is the gradient of.
    of: NodeId,
}

/// The networks in the graph of a step while it is built.
struct Networks<'a> {
    config: &'a StepConfig,
    graph: Graph,
    vectors: SpectralState,
    real_a: NodeId,
    real_b: NodeId,
    penalties: Vec<Penalty>,
}

impl<'a> Networks<'a> {
    fn new(config: &'a StepConfig) -> Result<Self> {
        config.validate()?;
        let mut graph = Graph::new();
        let [real_a, real_b] = ["real_A", "real_B"].map(|name| graph.input(name, config.pictures()));
        Ok(Self { config, graph, vectors: SpectralState::train(), real_a, real_b, penalties: vec![] })
    }

    fn translate(&mut self, direction: Direction, x: NodeId) -> Result<Translation> {
        let prefix = format!("{}.", direction.network());
        let net = Generator::build(&mut self.graph, &self.config.generator, &prefix, x)?;
        Ok(Translation { image: net.image, cam_logit: net.cam_logit })
    }

    /// Two batches of pictures as one.
    fn translate_both(&mut self, direction: Direction, [a, b]: [NodeId; 2]) -> Result<[Translation; 2]> {
        let x = self.graph.add(Op::Stack, &[a, b])?;
        let Translation { image, cam_logit } = self.translate(direction, x)?;
        let count = self.config.batch;
        let mut part = |first: usize| {
            let mut samples = |of: NodeId| self.graph.add(Op::Samples { first, count }, &[of]);
            Ok(Translation { image: samples(image)?, cam_logit: cam_logit.map(samples).transpose()? })
        };
        Ok([part(0)?, part(count)?])
    }

    /// The judgements of real pictures and of translated ones, which `x` has behind them.
    fn judge_both(&mut self, scale: &str, x: NodeId) -> Result<[Discriminator; 2]> {
        let (config, prefix) = (self.config.discriminator(scale), format!("dis{scale}."));
        let both = Discriminator::build_both(&mut self.graph, &config, &prefix, x, &mut self.vectors)?;
        let count = self.config.batch;
        let mut part = |first: usize| {
            let mut samples = |of: NodeId| self.graph.add(Op::Samples { first, count }, &[of]);
            let cam_logit = both.cam_logit.map(&mut samples).transpose()?;
            Ok(Discriminator { judgement: samples(both.judgement)?, cam_logit, heatmap: None })
        };
        Ok([part(0)?, part(count)?])
    }

    fn judge(&mut self, scale: &str, x: NodeId) -> Result<Discriminator> {
        let config = self.config.discriminator(scale);
        Discriminator::build(&mut self.graph, &config, &format!("dis{scale}."), x, &mut self.vectors)
    }

    /// The pictures of a domain at which the discriminators' gradients are held, where they are.
    fn penalized(&mut self, domain: &str, real: NodeId, fake: NodeId) -> Result<Option<NodeId>> {
        let mut input = |(name, shape): (String, Shape)| self.graph.input(name, shape);
        match self.config.gan_type.penalized() {
            None => Ok(None),
            Some(Penalized::Near) => Ok(Some(input(near(self.config, domain)))),
            Some(Penalized::Between) => {
                let share = input(share(self.config, domain));
                self.graph.add(Op::Interpolate, &[real, fake, share]).map(Some)
            }
        }
    }

    /// Fuses what was built, then appends the gradients. `shared` is what the discriminators' turn is to have.
    fn finish(self, player: Player, mut terms: Vec<Term>, shared: &[(&str, NodeId)]) -> Result<StepGraph> {
        let (names, updated): (Vec<String>, Vec<NodeId>) = self.vectors.updated().unzip();
        let of_penalties = self.penalties.iter().flat_map(|penalty| [penalty.at, penalty.of]);
        let kept = terms.iter().map(|t| t.node).chain(shared.iter().map(|(_, node)| *node));
        let kept: Vec<NodeId> = kept.chain(updated).chain(of_penalties).collect();
        let (mut graph, kept) = fuse(&self.graph, &kept);
        let (losses, kept) = kept.split_at(terms.len());
        let (translated, kept) = kept.split_at(shared.len());
        let translated =
            shared.iter().zip(translated).map(|((name, _), node)| ((*name).to_owned(), *node)).collect();
        let (updated, of_penalties) = kept.split_at(names.len());
        for (term, &node) in terms.iter_mut().zip(losses) {
            term.node = node;
        }
        let StepConfig { weights, gan_type, gp_ld, .. } = self.config;
        for (penalty, nodes) in self.penalties.into_iter().zip(of_penalties.chunks(2)) {
            let gradient = gradient_of_sum(&mut graph, nodes[1], nodes[0])?;
            let node = graph.add(gan_type.penalty(), &[gradient])?;
            terms.push(Term { name: penalty.name, node, weight: weights.adversarial * gp_ld });
        }
        let (trained, wrt): (Vec<String>, Vec<NodeId>) = graph
            .parameters()
            .filter(|(_, node)| player.trains(&node.name))
            .map(|(id, node)| (node.name.clone(), id))
            .unzip();
        let seeds: Vec<(NodeId, Seed)> = terms.iter().map(|t| (t.node, Seed::Weight(t.weight))).collect();
        let found = backward(&mut graph, &seeds, &wrt)?;
        let gradients = trained
            .into_iter()
            .zip(found)
            .map(|(name, node)| match node {
                Some(node) => Ok((name, node)),
                None => Err(Error::Config(format!("no term of the loss depends on `{name}`"))),
            })
            .collect::<Result<_>>()?;
        let buffers = names.into_iter().zip(updated.iter().copied()).collect();
        let arithmetic = self.config.arithmetic;
        let (elements, beside) = (0, 0);
        let mut step =
            StepGraph { player, graph, terms, gradients, buffers, translated, arithmetic, elements, beside };
        step.recompute(if self.config.recompute { Again::Pictures } else { Again::Weights });
        if player == Player::Discriminators {
            step.in_turn();
        }
        step.elements = step.memory::<f32>() / size_of::<f32>() as u64;
        Ok(step)
    }
}

/// The gradient of the sum of all elements of `of` at `at`, which leads there.
fn gradient_of_sum(graph: &mut Graph, of: NodeId, at: NodeId) -> Result<NodeId> {
    let scale = graph.shape(of).elements() as f32;
    let ones = graph.add(Op::MeanGrad { scale }, &[of])?;
    let gradient = backward(graph, &[(of, Seed::Node(ones))], &[at])?.pop().flatten();
    gradient.ok_or_else(|| Error::Internal("what is judged does not lead to the judgement".into()))
}
