//! Settings that go together.

use toml::Table;

use crate::error::{Error, Result};

use super::config::parse;
use super::settings::RunConfig;

/// Settings that go together, under a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What `--preset` and [`RunConfig::preset`] call it.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// The settings, as they would stand in a file.
    pub settings: &'static str,
}

const fn preset(name: &'static str, purpose: &'static str, settings: &'static str) -> Preset {
    Preset { name, purpose, settings }
}

/// All presets. The paper trains every task alike: the full network, 256 px, a million iterations.
pub const PRESETS: [Preset; 8] = [
    preset(
        "official",
        "what the official program does without options: the full network, 256 px",
        "light = false\nema = 0.0",
    ),
    preset(
        "selfie2anime",
        "the paper's selfie to anime",
        "light = false\ndomain_a = \"selfie\"\ndomain_b = \"anime\"",
    ),
    preset(
        "horse2zebra",
        "the paper's horse to zebra",
        "light = false\ndomain_a = \"horse\"\ndomain_b = \"zebra\"",
    ),
    preset("cat2dog", "the paper's cat to dog", "light = false\ndomain_a = \"cat\"\ndomain_b = \"dog\""),
    preset(
        "photo2portrait",
        "the paper's photo to portrait",
        "light = false\ndomain_a = \"photo\"\ndomain_b = \"portrait\"",
    ),
    preset(
        "photo2vangogh",
        "the paper's photo to van Gogh",
        "light = false\ndomain_a = \"photo\"\ndomain_b = \"van Gogh\"",
    ),
    preset(
        "small",
        "light, 128 px, ch 32, 100,000 iterations: a first result in hours",
        "img_size = 128\nch = 32\niteration = 100000\ncam_weight = 1.0\nkeep_every = 25000",
    ),
    preset(
        "tiny",
        "light, 64 px, ch 16, 20,000 iterations: without a GPU",
        "img_size = 64\nch = 16\nn_dis_global = 6\niteration = 20000\nlr = 2e-4\ncam_weight = 1.0\npreprocess = \"resize\"\nkeep_every = 5000",
    ),
];

impl RunConfig {
    /// The settings of a preset, as they would stand in a file.
    ///
    /// # Errors
    /// [`Error::Config`] where there is none of that name.
    pub fn preset(name: &str) -> Result<Table> {
        match PRESETS.iter().find(|preset| preset.name == name) {
            Some(preset) => parse(preset.settings),
            None => {
                let names = PRESETS.map(|preset| preset.name).join(", ");
                Err(Error::Config(format!("there is no preset {name:?}; there are {names}")))
            }
        }
    }
}
