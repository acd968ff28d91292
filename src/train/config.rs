//! What defines a training step.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::{Graph, Shape};
use crate::model::{
    Direction, Discriminator, DiscriminatorConfig, Generator, GeneratorConfig, SpectralState,
};

use super::adam::Adam;
use super::losses::LossWeights;
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
    /// Pictures of each domain in one iteration.
    pub batch: usize,
    /// What the terms of the losses count.
    pub weights: LossWeights,
    /// The optimiser of both players.
    pub adam: Adam,
    /// Its rate.
    pub schedule: Schedule,
}

impl Default for StepConfig {
    fn default() -> Self {
        Self {
            generator: GeneratorConfig::default(),
            global_layers: 7,
            local_layers: 5,
            batch: 1,
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
        for scale in SCALES {
            let discriminator = self.discriminator(scale);
            discriminator.validate()?;
            discriminator.check_size(self.generator.img_size, self.generator.img_size)?;
        }
        Ok(())
    }

    /// The discriminator of `scale`: `GA`, `GB` global, `LA`, `LB` local.
    pub(super) fn discriminator(&self, scale: &str) -> DiscriminatorConfig {
        let n_layers = if scale.starts_with('G') { self.global_layers } else { self.local_layers };
        DiscriminatorConfig { ch: self.generator.ch, n_layers, img_ch: self.generator.img_ch }
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
