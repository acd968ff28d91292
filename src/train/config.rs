//! What defines a training step.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::{Arithmetic, Graph, Shape};
use crate::model::{
    Direction, Discriminator, DiscriminatorConfig, Generator, GeneratorConfig, SpectralState,
};

use super::adam::Adam;
use super::gan::GanType;
use super::losses::LossWeights;
use super::player::Player;
use super::reduce::Team;
use super::schedule::Schedule;

/// The discriminators: of each domain a global one (`disG`) and a local one (`disL`).
pub(super) const SCALES: [&str; 4] = ["GA", "GB", "LA", "LB"];

/// Everything that the numbers of a training run depend on, but the data and the weights.
/// The default is the official program's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepConfig {
    /// Both generators. Pictures are `img_size` x `img_size`; the discriminators have as many
    /// channels in their first layer.
    pub generator: GeneratorConfig,
    /// Layers of the global discriminators (official 7, from 96 pixels).
    pub global_layers: usize,
    /// Layers of the local ones (official 5).
    pub local_layers: usize,
    /// Pictures of each domain that are computed together.
    pub batch: usize,
    /// So many batches make one iteration: their gradients are averaged before the optimiser
    /// moves. As many pictures in one batch would give the same gradients but for the power
    /// iterations of the spectral normalisation, which here are one for each batch.
    pub accumulation: usize,
    /// So many processes train together ([`super::Team`]), each with as many batches: an iteration has
    /// `ranks * accumulation` of them.
    #[serde(default = "alone")]
    pub ranks: usize,
    /// What the discriminators' judgements cost (official: least squares).
    #[serde(default)]
    pub gan_type: GanType,
    /// The weight of the gradient penalty in the adversarial loss, where there is one (`GP_ld` of the authors'
    /// TensorFlow program).
    #[serde(default = "ten")]
    pub gp_ld: f32,
    /// The generators move in the first of so many iterations, the discriminators in all (`n_critic` there).
    #[serde(default = "one")]
    pub n_critic: u64,
    /// Whether the discriminators are spectrally normalised (`sn` there).
    #[serde(default = "yes")]
    pub sn: bool,
    /// Whether the discriminators have attention (the paper's `D_CAM`).
    #[serde(default = "yes")]
    pub d_cam: bool,
    /// Whether pictures between operations are computed a second time for the gradients instead of being kept until
    /// then: less memory, more time, the same numbers to the bit. On a GPU that runs out of memory without it, a run
    /// does it unasked.
    #[serde(default)]
    pub recompute: bool,
    /// Whether a GPU keeps the pictures between operations, which the gradients read, as f16: about half the memory for them.
    /// What is computed is computed with f32, and weights, gradients, moments, statistics of normalisations, losses, and what
    /// the networks are given and give stay f32. Not on the processor.
    #[serde(default)]
    pub f16: bool,
    /// Which algorithms may be taken. [`Arithmetic::Exact`] is that of the official program; what [`Arithmetic::Fast`] is
    /// off stays within what that program is off between its own `f32` and `f64`.
    #[serde(default)]
    pub arithmetic: Arithmetic,
    /// Of the random numbers of the gradient penalty.
    #[serde(default)]
    pub seed: u64,
    /// The decay of the generators' exponential moving average; 0 for none. (Not in the
    /// official program; it does not change the training.)
    pub ema: f64,
    /// What the terms of the losses count.
    pub weights: LossWeights,
    /// The optimiser of both players.
    pub adam: Adam,
    /// Its rate.
    pub schedule: Schedule,
}

fn alone() -> usize {
    1
}

fn one() -> u64 {
    1
}

fn ten() -> f32 {
    10.0
}

fn yes() -> bool {
    true
}

impl Default for StepConfig {
    fn default() -> Self {
        Self {
            generator: GeneratorConfig::default(),
            global_layers: 7,
            local_layers: 5,
            batch: 1,
            accumulation: 1,
            ranks: alone(),
            gan_type: GanType::default(),
            gp_ld: ten(),
            n_critic: one(),
            sn: true,
            d_cam: true,
            recompute: false,
            f16: false,
            arithmetic: Arithmetic::default(),
            seed: 0,
            ema: 0.0,
            weights: LossWeights::default(),
            adam: Adam::default(),
            schedule: Schedule::default(),
        }
    }
}

impl StepConfig {
    /// Checks that the step can be built.
    ///
    /// # Errors
    /// [`Error::Config`] with the field and what it may be.
    pub fn validate(&self) -> Result<()> {
        self.generator.validate()?;
        if self.batch == 0 {
            return Err(Error::Config("batch is 0; it must be 1 or more".into()));
        }
        if self.accumulation == 0 {
            return Err(Error::Config("accumulation is 0; it must be 1 or more".into()));
        }
        if self.ranks == 0 {
            return Err(Error::Config("ranks is 0; it must be 1 or more".into()));
        }
        if self.n_critic == 0 {
            return Err(Error::Config("n_critic is 0; it must be 1 or more".into()));
        }
        if !self.gp_ld.is_finite() || self.gp_ld < 0.0 {
            return Err(Error::Config(format!("GP_ld is {}; it must be 0 or more", self.gp_ld)));
        }
        if !(0.0..1.0).contains(&self.ema) {
            return Err(Error::Config(format!("ema is {}; it must be 0 (off) or below 1", self.ema)));
        }
        for scale in SCALES {
            let discriminator = self.discriminator(scale);
            discriminator.validate()?;
            discriminator.check_size(self.generator.img_size, self.generator.img_size)?;
        }
        Ok(())
    }

    /// # Errors
    /// [`Error::Shape`] where an iteration is given another number of batches.
    pub(super) fn check_batches(&self, given: usize) -> Result<()> {
        if given == self.accumulation {
            return Ok(());
        }
        Err(Error::Shape(format!("an iteration takes {} batches, {given} were given", self.accumulation)))
    }

    /// The batches of an iteration, those of all ranks.
    pub(super) fn batches(&self) -> usize {
        self.accumulation * self.ranks
    }

    /// # Errors
    /// [`Error::Ranks`] where an iteration is computed by another number of ranks.
    pub(super) fn check_ranks(&self, team: Option<&Team>) -> Result<()> {
        let given = team.map_or(1, Team::ranks);
        if given == self.ranks {
            return Ok(());
        }
        Err(Error::Ranks(format!(
            "an iteration is planned for {} of them, and there are {given}",
            self.ranks
        )))
    }

    /// The discriminator of `scale`: `GA`, `GB` global, `LA`, `LB` local.
    pub(super) fn discriminator(&self, scale: &str) -> DiscriminatorConfig {
        let n_layers = if scale.starts_with('G') { self.global_layers } else { self.local_layers };
        let GeneratorConfig { ch, img_ch, .. } = self.generator;
        DiscriminatorConfig { ch, n_layers, img_ch, cam: self.d_cam, sn: self.sn }
    }

    /// Whether a player moves in iteration `step`, the first being 1.
    pub fn moves(&self, player: Player, step: u64) -> bool {
        player == Player::Discriminators || (step.max(1) - 1).is_multiple_of(self.n_critic)
    }

    /// How often a player's optimiser has moved when iteration `step` is done.
    pub(super) fn moves_until(&self, player: Player, step: u64) -> u64 {
        match player {
            Player::Discriminators => step,
            Player::Generators => step.div_ceil(self.n_critic),
        }
    }

    /// Whether the translations that the discriminators judge are those of the generators' turn that follows: it must be
    /// one of the same pictures, in every iteration, and what it has computed must stay until then, which no memory has
    /// room for where there are several batches.
    pub(super) fn shares_translations(&self) -> bool {
        self.accumulation == 1 && self.n_critic == 1
    }

    /// The decay of the moving average at iteration `step`: [`Self::ema`], less in the first
    /// iterations, so that the beginning is forgotten soon: `min(ema, (1 + step) / (10 + step))`.
    pub fn ema_decay(&self, step: u64) -> f64 {
        let step = step as f64;
        self.ema.min((1.0 + step) / (10.0 + step))
    }

    /// `[N, C, H, W]` of the pictures of one domain in one iteration.
    pub fn pictures(&self) -> Shape {
        let GeneratorConfig { img_ch, img_size, .. } = self.generator;
        [self.batch, img_ch, img_size, img_size].into()
    }

    /// Every tensor of the six networks by its name, in their order: what is trained, and the
    /// vectors of the spectral normalisation.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn tensors(&self) -> Result<Vec<(String, Shape)>> {
        self.validate()?;
        let mut graph = Graph::new();
        let x = graph.input("x", self.pictures());
        for direction in Direction::BOTH {
            Generator::build(&mut graph, &self.generator, &format!("{}.", direction.network()), x)?;
        }
        let mut vectors = SpectralState::train();
        for scale in SCALES {
            let config = self.discriminator(scale);
            Discriminator::build(&mut graph, &config, &format!("dis{scale}."), x, &mut vectors)?;
        }
        Ok(graph.parameters().map(|(_, node)| (node.name.clone(), node.shape.clone())).collect())
    }
}
