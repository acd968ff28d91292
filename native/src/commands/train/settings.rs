//! What `train` is told: options, a TOML file, a preset, and the run that is there already.

use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::Table;
use ugatit::model::DecoderNorm;
use ugatit::run::{PRESETS, PreprocessKind, RunConfig, RunFolder};
use ugatit::train::GanType;

use crate::console::Usage;

/// The options that are settings of the run: the names of `config.toml`, with hyphens.
///
/// What is not given is left out, so that it does not hide what a file or a preset says.
#[derive(Debug, Default, Serialize, clap::Args)]
#[command(next_help_heading = "Settings (also keys of --config)")]
pub(crate) struct Settings {
    /// The light generator (the default): any size of picture, 10.6 million parameters at ch 64
    #[arg(long, num_args = 0..=1, require_equals = false, default_missing_value = "true", value_name = "BOOL", value_parser = boolean)]
    #[serde(skip_serializing_if = "Option::is_none")]
    light: Option<bool>,
    /// The full generator, as the paper's figures: one size of picture, 279 million at 256 px
    #[arg(long, conflicts_with = "light")]
    #[serde(skip)]
    full: bool,
    /// Whose generator: pytorch, or to train on with an imported model (--init) its own, which `ugatit info` tells
    #[arg(long, value_name = "NAME", value_parser = ["pytorch", "tensorflow", "photo2cartoon"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<String>,
    /// Side of the training pictures, pixels
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    img_size: Option<usize>,
    /// 3, or 1 for grey pictures
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    img_ch: Option<usize>,
    /// Channels of the first layers
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ch: Option<usize>,
    /// Residual blocks of the encoder and of the decoder
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    n_res: Option<usize>,
    /// Residual blocks of the decoder alone; 0 for as many as n-res
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    n_res_decoder: Option<usize>,
    /// What normalises the decoder: adalin, or for an ablation in, ln, adain or gn
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    decoder_norm: Option<DecoderNorm>,
    /// Whether the generators have attention; false for an ablation
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = boolean)]
    #[serde(skip_serializing_if = "Option::is_none")]
    g_cam: Option<bool>,
    /// Whether the discriminators have attention; false for an ablation
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = boolean)]
    #[serde(skip_serializing_if = "Option::is_none")]
    d_cam: Option<bool>,
    /// Whether the generators use rho less 0.1, as the authors' program in TensorFlow
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = boolean)]
    #[serde(skip_serializing_if = "Option::is_none")]
    smoothing: Option<bool>,
    /// Whether the discriminators are spectrally normalised
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = boolean)]
    #[serde(skip_serializing_if = "Option::is_none")]
    sn: Option<bool>,
    /// Layers of the global discriminators; 7 needs 96 px, 6 needs 64
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    n_dis_global: Option<usize>,
    /// Layers of the local discriminators
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    n_dis_local: Option<usize>,
    /// Iterations of the whole run; with --epoch those of one epoch
    #[arg(long, alias = "steps", value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    iteration: Option<u64>,
    /// Epochs of the run, of --iteration iterations each; the learning rate falls from one to the next
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    /// With --epoch: the first epoch whose learning rate falls, counted from 0 [default: half of them]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    decay_epoch: Option<u64>,
    /// Whether the learning rate falls to zero in the second half
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = boolean)]
    #[serde(skip_serializing_if = "Option::is_none")]
    decay_flag: Option<bool>,
    /// Learning rate of the first half
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    lr: Option<f64>,
    /// L2 decay of every parameter
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_decay: Option<f64>,
    /// The adversarial loss: lsgan, gan, hinge, wgan-gp, wgan-lp or dragan
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    gan_type: Option<GanType>,
    /// Weight of the gradient penalty of wgan-gp, wgan-lp and dragan
    #[arg(long, alias = "GP-ld", value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    gp_ld: Option<f64>,
    /// The generators move in the first of so many iterations, the discriminators in all
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    n_critic: Option<u64>,
    /// Weight of the adversarial terms
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    adv_weight: Option<f64>,
    /// Weight of the cycle terms
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cycle_weight: Option<f64>,
    /// Weight of the identity terms
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_weight: Option<f64>,
    /// Weight of the attention's classifiers
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cam_weight: Option<f64>,
    /// Pictures of each domain that are computed together
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<usize>,
    /// Batches whose gradients make one iteration: a larger batch in the memory of a small one
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    accumulation: Option<usize>,
    /// Compute pictures between operations a second time for the gradients: less memory, more time, the same numbers.
    /// Where memory would not do, a run does it unasked
    #[arg(long, alias = "checkpointing")]
    #[serde(skip)]
    recompute: bool,
    /// Where several ranks train together: each trains N iterations by itself, then all go on from the mean of their
    /// weights; for slow networks
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    local_steps: Option<u64>,
    /// Decay of the generators' moving average, which becomes the final model; 0 for none
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ema: Option<f64>,
    /// Of the initial weights, the order of the pictures and their augmentation
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// Begin with the weights of a model where they fit: a run, a checkpoint, an official .pt, a model's
    /// folder or file
    #[arg(long, value_name = "MODEL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<PathBuf>,
    /// How pictures become img-size: scale-crop, resize, none, or tensorflow for the authors' program's way
    #[arg(long, value_name = "HOW")]
    #[serde(skip_serializing_if = "Option::is_none")]
    preprocess: Option<PreprocessKind>,
    /// The side that scale-crop scales to before it crops; 0 for img-size + 30
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    load_size: Option<usize>,
    /// The authors' program in TensorFlow: true is --preprocess tensorflow, false --preprocess resize --no-flip
    #[arg(long, value_name = "BOOL", value_parser = boolean, conflicts_with_all = ["preprocess", "no_flip"])]
    #[serde(skip)]
    augment_flag: Option<bool>,
    /// Do not mirror pictures at random
    #[arg(long)]
    #[serde(skip)]
    no_flip: bool,
    /// Train on the first N pictures of each domain only, to see whether they can be learned
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    overfit: Option<usize>,
    /// Iterations between two entries of the curves, after the first 1000
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_freq: Option<u64>,
    /// Iterations between two sample sheets, after those at 1, 10, 50, 100, 200, 500 and 1000
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    print_freq: Option<u64>,
    /// Iterations between two checkpoints
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    save_freq: Option<u64>,
    /// The last N checkpoints are kept
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    keep: Option<usize>,
    /// Checkpoints of multiples of N iterations are kept for ever; 0 for none
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_every: Option<u64>,
    /// What domain A shows, for example selfie
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_a: Option<String>,
    /// What domain B shows, for example anime
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_b: Option<String>,
    /// The licence of the trained weights
    #[arg(long, value_name = "LICENCE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<String>,
}

/// As the official program's `str2bool`, but a typing error is one.
fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" | "on" => Ok(true),
        "false" | "no" | "0" | "off" => Ok(false),
        _ => Err("use true or false".into()),
    }
}

/// The names of the presets for `--help`.
pub(crate) fn presets() -> String {
    let list = PRESETS.iter().map(|(name, what)| format!("  {name:<15} {what}"));
    format!("Presets:\n{}", list.collect::<Vec<_>>().join("\n"))
}

impl Settings {
    /// As they would stand in a file.
    fn table(&self) -> anyhow::Result<Table> {
        let mut table = Table::try_from(self)?;
        if self.full {
            table.insert("light".into(), false.into());
        }
        if self.recompute {
            table.insert("recompute".into(), true.into());
        }
        if self.no_flip {
            table.insert("flip".into(), false.into());
        }
        if let Some(flag) = self.augment_flag {
            RunConfig::augment(&mut table, flag);
        }
        Ok(table)
    }
}

/// The settings of the run: the defaults or those of the run in `folder`, then the preset, the
/// file, and the options, each over what was before.
///
/// # Errors
/// [`Usage`] where a setting is unknown or cannot be, or would change what a run cannot change.
pub(crate) fn collect(
    settings: &Settings,
    preset: Option<&str>,
    file: Option<&PathBuf>,
    folder: Option<&Path>,
) -> anyhow::Result<RunConfig> {
    let usage = |error: ugatit::Error| anyhow::Error::from(Usage(error.to_string()));
    let mut layers = vec![];
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(ugatit::Error::io(path))?;
        let table = RunConfig::read(&text)
            .and_then(|table| RunConfig::layered(None, std::slice::from_ref(&table)).map(|_| table));
        layers.push(table.map_err(|e| Usage(format!("{}: {e}", path.display())))?);
    }
    layers.push(settings.table()?);
    let old = folder.map(RunFolder::config).transpose()?.flatten();
    let config = match &old {
        None => RunConfig::layered(preset, &layers).map_err(usage)?,
        Some(old) => {
            let mut config = old.clone();
            if let Some(preset) = preset {
                layers.insert(0, RunConfig::preset(preset).map_err(usage)?);
            }
            for layer in layers {
                config = config.with(layer).map_err(usage)?;
            }
            config
        }
    };
    if let (Some(old), Some(folder)) = (&old, folder)
        && let [(key, before, now), ..] = &old.fixed_differences(&config)?[..]
    {
        return Err(Usage(format!(
            "the run in {} has {key} = {before}, and {key} = {now} is asked for; a run cannot change that on its way. Leave it out to go on, or begin another run in a new folder",
            folder.display()
        ))
        .into());
    }
    config.validate().map_err(usage)?;
    Ok(config)
}
