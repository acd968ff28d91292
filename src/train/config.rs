//! What defines a training step.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::{Graph, Shape};
use crate::model::{
    Direction, Discriminator, DiscriminatorConfig, Generator, GeneratorConfig, SpectralState,
};

use super::adam::Adam;
use super::losses::LossWeights;
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

impl Default for StepConfig {
    fn default() -> Self {
        Self {
            generator: GeneratorConfig::default(),
            global_layers: 7,
            local_layers: 5,
            batch: 1,
            accumulation: 1,
            ranks: alone(),
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
        DiscriminatorConfig { ch: self.generator.ch, n_layers, img_ch: self.generator.img_ch }
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
