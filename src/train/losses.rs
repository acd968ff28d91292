//! The terms of both losses.
//!
//! All are means over all elements with targets of exactly 1 and 0, without a factor 1/2, as in
//! the official code; the adversarial ones are those of a [`GanType`]. The names are `D/{discriminator}/..` and `G/{discriminator or domain}/..`
//! with `GA` for the global discriminator of domain A, `LB` for the local one of domain B.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::graph::{Graph, NodeId, Op};
use crate::model::Discriminator;

use super::gan::{Cost, GanType};

/// What a step needs of a generator's result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Translation {
    pub(super) image: NodeId,
    pub(super) cam_logit: Option<NodeId>,
}

/// What the terms count (official `--adv_weight`, `--cycle_weight`, `--identity_weight`,
/// `--cam_weight`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossWeights {
    /// Of what the discriminators say, of pictures and of their attention's classifiers.
    pub adversarial: f32,
    /// Of the difference after there and back.
    pub cycle: f32,
    /// Of the difference that translating a picture of the target domain makes.
    pub identity: f32,
    /// Of what the classifiers in the generators' attention say.
    pub cam: f32,
}

impl Default for LossWeights {
    fn default() -> Self {
        Self { adversarial: 1.0, cycle: 10.0, identity: 10.0, cam: 1000.0 }
    }
}

/// One summand of a loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Such as `D/GA/ad_real` or `G/A/cycle`.
    pub name: String,
    /// Its value without the weight, a scalar.
    pub node: NodeId,
    /// What it counts in the sum.
    pub weight: f32,
}

/// The terms of one loss while they are appended to a graph.
pub(super) struct Terms<'a> {
    pub(super) weights: &'a LossWeights,
    pub(super) gan_type: GanType,
    pub(super) list: Vec<Term>,
}

impl<'a> Terms<'a> {
    pub(super) fn new(weights: &'a LossWeights, gan_type: GanType) -> Self {
        Self { weights, gan_type, list: vec![] }
    }

    fn add(&mut self, graph: &mut Graph, name: String, op: Op, inputs: &[NodeId], weight: f32) -> Result<()> {
        let node = graph.add(op, inputs)?;
        self.list.push(Term { name, node, weight });
        Ok(())
    }

    /// A judgement, where there is one: a network without attention has no logits.
    fn adversarial(
        &mut self,
        graph: &mut Graph,
        name: String,
        (op, sign): Cost,
        judgement: Option<NodeId>,
    ) -> Result<()> {
        let Some(judgement) = judgement else { return Ok(()) };
        self.add(graph, name, op, &[judgement], sign * self.weights.adversarial)
    }

    /// Discriminator `scale` (`GA`, ...) learns to tell real pictures from translated ones.
    pub(super) fn judge(
        &mut self,
        graph: &mut Graph,
        scale: &str,
        real: &Discriminator,
        fake: &Discriminator,
    ) -> Result<()> {
        let [of_real, of_fake] = self.gan_type.judged();
        for (leaf, node, cost) in [
            ("ad_real", Some(real.judgement), of_real.clone()),
            ("ad_fake", Some(fake.judgement), of_fake.clone()),
            ("cam_real", real.cam_logit, of_real),
            ("cam_fake", fake.cam_logit, of_fake),
        ] {
            self.adversarial(graph, format!("D/{scale}/{leaf}"), cost, node)?;
        }
        Ok(())
    }

    /// A generator learns to be taken for real by discriminator `scale`.
    pub(super) fn convince(&mut self, graph: &mut Graph, scale: &str, fake: &Discriminator) -> Result<()> {
        let cost = self.gan_type.convincing();
        self.adversarial(graph, format!("G/{scale}/ad"), cost.clone(), Some(fake.judgement))?;
        self.adversarial(graph, format!("G/{scale}/ad_cam"), cost, fake.cam_logit)
    }

    /// What is lost in a picture of `domain` (`A` or `B`), all by the generator into `domain`:
    /// `translated` is its translation of a picture of the other domain, `identity` that of
    /// `real`, `cycled` that of the translation of `real`. Its classifier learns 1 for its
    /// source domain and 0 for its target domain.
    pub(super) fn reconstruct(
        &mut self,
        graph: &mut Graph,
        domain: &str,
        real: NodeId,
        [translated, identity, cycled]: [&Translation; 3],
    ) -> Result<()> {
        let LossWeights { cycle, identity: same, cam, .. } = *self.weights;
        let name = |leaf: &str| format!("G/{domain}/{leaf}");
        let bce = |target: f32| Op::BceWithLogits { target };
        self.add(graph, name("cycle"), Op::L1, &[cycled.image, real], cycle)?;
        self.add(graph, name("identity"), Op::L1, &[identity.image, real], same)?;
        let (Some(translated), Some(identity)) = (translated.cam_logit, identity.cam_logit) else {
            return Ok(());
        };
        self.add(graph, name("cam_translated1"), bce(1.0), &[translated], cam)?;
        self.add(graph, name("cam_identity0"), bce(0.0), &[identity], cam)
    }
}
