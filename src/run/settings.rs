//! The settings of a run, each declared once: its name, what it is, its default. From this list come [`RunConfig`], the
//! keys of `config.toml` and the options of `ugatit train`.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{DecoderNorm, Dialect};
use crate::train::{GanType, StepConfig};

use super::precision::Precision;
use super::preprocess_kind::PreprocessKind;

/// What there is to know of a setting beside its value.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// A field of [`RunConfig`] and a key of `config.toml`; with hyphens an option of `ugatit train`.
    pub name: &'static str,
    /// What it is, in lines; what follows an empty one is more than a first reader needs.
    lines: &'static [&'static str],
    /// What its values are.
    pub kind: SettingKind,
    /// Whether a run cannot change it on its way: it is of the networks, or of how the run began.
    pub fixed: bool,
}

impl Setting {
    /// What it is, in a line.
    pub fn summary(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(|line| line.trim()).collect();
        lines.split(|line| line.is_empty()).next().unwrap_or_default().join(" ")
    }
}

/// What the values of a setting are.
#[derive(Clone, Copy, Debug)]
pub enum SettingKind {
    /// True or false.
    Switch,
    /// A whole number, not negative.
    Whole,
    /// A number.
    Number,
    /// One of a few words: gives the word as the file has it.
    Word(fn(&str) -> Result<String>),
    /// Any text.
    Text,
    /// A file or folder.
    Path,
}

/// The word that a file has for a value that was typed.
fn word<T: FromStr<Err = Error> + Display>(text: &str) -> Result<String> {
    text.parse::<T>().map(|value| value.to_string())
}

macro_rules! settings {
    ($step:ident; $($(#[doc = $line:literal])+ $name:ident: $type:ty = $default:expr, $kind:expr $(, $fixed:ident)?;)+) => {
        /// Everything that a training run is told. The names are those of the official program's
        /// options; what it does not have is marked. The default is the official program's, but light.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct RunConfig {
            $($(#[doc = $line])+ pub $name: $type,)+
        }

        impl Default for RunConfig {
            fn default() -> Self {
                let $step = StepConfig::default();
                Self { $($name: $default,)+ }
            }
        }

        /// All settings, in the order of [`RunConfig`].
        pub const SETTINGS: &[Setting] = &[
            $(Setting {
                name: stringify!($name),
                lines: &[$($line),+],
                kind: $kind,
                fixed: !<[&str]>::is_empty(&[$(stringify!($fixed),)?]),
            },)+
        ];
    };
}

settings! { step;
    /// The light generator (the default): any size of picture, 10.6 million parameters at ch 64
    ///
    /// Official `--light`, there off by default: the full one needs a GPU of 16 GB or more.
    light: bool = true, SettingKind::Switch, fixed;
    /// Whose generator: pytorch, or to train on with an imported model (`init`) its own, which `ugatit info` tells
    ///
    /// `pytorch`, `tensorflow` or `photo2cartoon` (official: its own).
    dialect: Dialect = step.generator.dialect, SettingKind::Word(word::<Dialect>), fixed;
    /// Side of the training pictures, pixels
    ///
    /// A multiple of 4 (of 16 with photo2cartoon's generator).
    img_size: usize = step.generator.img_size, SettingKind::Whole, fixed;
    /// 3, or 1 for grey pictures
    img_ch: usize = step.generator.img_ch, SettingKind::Whole, fixed;
    /// Channels of the first layers
    ch: usize = step.generator.ch, SettingKind::Whole, fixed;
    /// Residual blocks of the encoder and of the decoder
    n_res: usize = step.generator.n_res, SettingKind::Whole, fixed;
    /// Residual blocks of the decoder alone; 0 for as many as `n_res`
    ///
    /// Not in the official program.
    n_res_decoder: usize = 0, SettingKind::Whole, fixed;
    /// What normalises the decoder: adalin, or for the paper's ablation in, ln, adain or gn
    decoder_norm: DecoderNorm = step.generator.decoder_norm, SettingKind::Word(word::<DecoderNorm>), fixed;
    /// Whether the generators have attention; false for the paper's ablation
    g_cam: bool = step.generator.cam, SettingKind::Switch, fixed;
    /// Whether the discriminators have attention; false for the paper's ablation
    d_cam: bool = step.d_cam, SettingKind::Switch, fixed;
    /// Whether the generators use rho less 0.1, as the authors' program in TensorFlow
    ///
    /// As `max(rho - 0.1, 0)`; there on by default.
    smoothing: bool = step.generator.smoothing, SettingKind::Switch, fixed;
    /// Whether the discriminators are spectrally normalised
    ///
    /// In TensorFlow.
    sn: bool = step.sn, SettingKind::Switch, fixed;
    /// Layers of the global discriminators; 7 needs 96 px, 6 needs 64
    ///
    /// Official: always 7.
    n_dis_global: usize = step.global_layers, SettingKind::Whole, fixed;
    /// Layers of the local discriminators
    ///
    /// Official: always 5.
    n_dis_local: usize = step.local_layers, SettingKind::Whole, fixed;

    /// Iterations of the whole run; with `epoch` those of one epoch
    ///
    /// [`Self::iterations`] are all.
    iteration: u64 = step.schedule.iterations, SettingKind::Whole;
    /// Epochs of the run, of `iteration` iterations each; the learning rate falls from one to the next
    ///
    /// In TensorFlow; 0 for a run that has none.
    epoch: u64 = 0, SettingKind::Whole;
    /// With `epoch`: the first epoch whose learning rate falls, counted from 0 [default: half of them]
    ///
    /// It falls until it would be zero (in TensorFlow); 0 for half of them.
    decay_epoch: u64 = 0, SettingKind::Whole;
    /// Whether the learning rate falls to zero in the second half
    decay_flag: bool = step.schedule.decay, SettingKind::Switch;
    /// Learning rate of the first half
    lr: f64 = step.schedule.lr, SettingKind::Number;
    /// L2 decay of every parameter
    weight_decay: f64 = step.adam.weight_decay, SettingKind::Number;
    /// The adversarial loss: lsgan, gan, hinge, wgan-gp, wgan-lp or dragan
    ///
    /// All but the first in TensorFlow.
    gan_type: GanType = step.gan_type, SettingKind::Word(word::<GanType>);
    /// Weight of the gradient penalty of wgan-gp, wgan-lp and dragan
    ///
    /// `GP_ld` in TensorFlow.
    gp_ld: f32 = step.gp_ld, SettingKind::Number;
    /// The generators move in the first of so many iterations, the discriminators in all
    ///
    /// In TensorFlow.
    n_critic: u64 = step.n_critic, SettingKind::Whole;
    /// Weight of the adversarial terms
    adv_weight: f32 = step.weights.adversarial, SettingKind::Number;
    /// Weight of the cycle terms
    cycle_weight: f32 = step.weights.cycle, SettingKind::Number;
    /// Weight of the identity terms
    identity_weight: f32 = step.weights.identity, SettingKind::Number;
    /// Weight of the attention's classifiers
    cam_weight: f32 = step.weights.cam, SettingKind::Number;
    /// Pictures of each domain that are computed together
    batch_size: usize = step.batch, SettingKind::Whole;
    /// Batches whose gradients make one iteration: a larger batch in the memory of a small one
    ///
    /// Not in the official program.
    accumulation: usize = 1, SettingKind::Whole;
    /// Compute pictures between operations a second time for the gradients: less memory, more time, the same numbers.
    /// Where memory would not do, a run does it unasked
    ///
    /// Not in the official program.
    recompute: bool = false, SettingKind::Switch;
    /// How a GPU keeps the pictures between operations: f32, or f16 for less memory and slightly other numbers
    ///
    /// Not in the official program.
    precision: Precision = Precision::default(), SettingKind::Word(word::<Precision>);
    /// Compute convolutions as the formulas state them, as the official program does, and not by Winograd's algorithm
    /// where that is faster
    ///
    /// Not in the official program.
    exact: bool = false, SettingKind::Switch;
    /// Where several ranks train together: each trains so many iterations by itself, then all go on from the mean of their
    /// weights; for slow networks
    ///
    /// 1 for sums of the gradients in every iteration (not in the official program).
    local_steps: u64 = 1, SettingKind::Whole;
    /// Decay of the generators' moving average, which becomes the final model; 0 for none
    ///
    /// Not in the official program.
    ema: f64 = 0.999, SettingKind::Number;
    /// Of the initial weights, the order of the pictures and their augmentation
    seed: u64 = 0, SettingKind::Whole, fixed;
    /// Begin with the weights of a model where they fit: a run, a checkpoint, an official .pt, a model's
    /// folder or file
    ///
    /// Where names and shapes fit ([`Self::start`]); empty for fresh weights (not in the official program).
    init: PathBuf = PathBuf::new(), SettingKind::Path, fixed;

    /// How pictures become `img_size`: scale-crop, resize, none, or tensorflow for the authors' program's way
    preprocess: PreprocessKind = PreprocessKind::ScaleCrop, SettingKind::Word(word::<PreprocessKind>);
    /// The side that scale-crop scales to before it crops; 0 for `img_size` + 30
    load_size: usize = 0, SettingKind::Whole;
    /// Whether pictures are mirrored at random
    flip: bool = true, SettingKind::Switch;
    /// Train on the first so many pictures of each domain only, to see whether they can be learned
    ///
    /// 0 for all.
    overfit: usize = 0, SettingKind::Whole;

    /// Iterations between two entries of the curves, after the first 1000
    ///
    /// Those all have one. A million entries would be gigabytes.
    log_freq: u64 = 10, SettingKind::Whole;
    /// Iterations between two sample sheets, after those at 1, 10, 50, 100, 200, 500 and 1000
    print_freq: u64 = 1000, SettingKind::Whole;
    /// Iterations between two checkpoints
    save_freq: u64 = 1000, SettingKind::Whole;
    /// The last so many checkpoints are kept
    keep: usize = 3, SettingKind::Whole;
    /// Checkpoints of multiples of so many iterations are kept for ever; 0 for none
    keep_every: u64 = 100_000, SettingKind::Whole;

    /// What domain A shows, for example selfie
    ///
    /// For the model's file.
    domain_a: String = String::new(), SettingKind::Text;
    /// What domain B shows, for example anime
    ///
    /// For the model's file.
    domain_b: String = String::new(), SettingKind::Text;
    /// The licence of the trained weights
    license: String = String::new(), SettingKind::Text;
}

#[cfg(test)]
mod tests {
    use toml::Value;

    use super::*;

    /// The list, the file and the kinds say the same.
    #[test]
    fn every_setting_is_a_key_of_the_file_with_a_value_of_its_kind() {
        let table = toml::Table::try_from(RunConfig::default()).unwrap();
        assert_eq!(table.len(), SETTINGS.len());
        for setting in SETTINGS {
            let value = &table[setting.name];
            let fits = match setting.kind {
                SettingKind::Switch => value.is_bool(),
                SettingKind::Whole => value.is_integer(),
                SettingKind::Number => value.is_float(),
                SettingKind::Word(parse) => {
                    let text = value.as_str().unwrap();
                    parse(text).unwrap() == text && parse("no such word").is_err()
                }
                SettingKind::Text | SettingKind::Path => *value == Value::String(String::new()),
            };
            assert!(fits, "{}: {value}", setting.name);
            assert!(!setting.summary().is_empty() && !setting.summary().ends_with('.'), "{}", setting.name);
        }
    }
}
