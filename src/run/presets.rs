//! Settings that go together.

use toml::Table;

use crate::error::{Error, Result};

use super::config::{RunConfig, parse};

/// The names of the presets, with what they are for.
pub const PRESETS: [(&str, &str); 8] = [
    ("official", "what the official program does without options: the full network, 256 px"),
    ("selfie2anime", "the paper's selfie to anime"),
    ("horse2zebra", "the paper's horse to zebra"),
    ("cat2dog", "the paper's cat to dog"),
    ("photo2portrait", "the paper's photo to portrait"),
    ("photo2vangogh", "the paper's photo to van Gogh"),
    ("small", "light, 128 px, ch 32, 100,000 iterations: a first result in hours"),
    ("tiny", "light, 64 px, ch 16, 20,000 iterations: without a GPU"),
];

impl RunConfig {
    /// The settings of a preset, as they would stand in a file.
    ///
    /// # Errors
    /// [`Error::Config`] where there is none of that name.
    pub fn preset(name: &str) -> Result<Table> {
        let text = match name {
            "official" => "light = false\nema = 0.0",
            // The paper trains every task alike: the full network, 256 px, a million iterations.
            "selfie2anime" => "light = false\ndomain_a = \"selfie\"\ndomain_b = \"anime\"",
            "horse2zebra" => "light = false\ndomain_a = \"horse\"\ndomain_b = \"zebra\"",
            "cat2dog" => "light = false\ndomain_a = \"cat\"\ndomain_b = \"dog\"",
            "photo2portrait" => "light = false\ndomain_a = \"photo\"\ndomain_b = \"portrait\"",
            "photo2vangogh" => "light = false\ndomain_a = \"photo\"\ndomain_b = \"van Gogh\"",
            "small" => "img_size = 128\nch = 32\niteration = 100000\ncam_weight = 1.0\nkeep_every = 25000",
            "tiny" => {
                "img_size = 64\nch = 16\nn_dis_global = 6\niteration = 20000\nlr = 2e-4\ncam_weight = 1.0\npreprocess = \"resize\"\nkeep_every = 5000"
            }
            _ => {
                let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
                return Err(Error::Config(format!(
                    "there is no preset {name:?}; there are {}",
                    names.join(", ")
                )));
            }
        };
        parse(text)
    }
}
