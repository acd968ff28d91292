//! The models of a run, ready for use.

use crate::error::{Error, Result};
use crate::io::Precision;
use crate::train::TrainState;

use super::config::RunConfig;
use super::folder::RunFolder;
use super::samples::models;

/// Writes the generators, ready for use: their average where there is one, and as they are.
pub(super) fn write_models(
    folder: &RunFolder,
    config: &RunConfig,
    ranks: usize,
    state: &TrainState<f32>,
) -> Result<()> {
    let architecture = config.step().generator;
    let models_folder = folder.root().join("models");
    let raw = models_folder.join("raw");
    // What lay beside an average that has been switched off.
    if state.ema.is_empty()
        && let Err(error) = std::fs::remove_dir_all(&raw)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(Error::io(raw)(error));
    }
    for average in [true, false] {
        if average && state.ema.is_empty() {
            continue;
        }
        let how = if average { format!(", moving average {}", config.ema) } else { String::new() };
        let origin = match config.init.file_name() {
            // Without the path, which nobody else can read anything from.
            Some(name) => format!(", begun with the weights of {}", name.display()),
            None => String::new(),
        };
        let local = match config.local_steps {
            k if k > 1 && ranks > 1 => format!(", {ranks} ranks averaged every {k} iterations"),
            _ => String::new(),
        };
        let usual = RunConfig::default();
        let loss = match config.gan_type {
            kind if kind == usual.gan_type => String::new(),
            kind => format!(", gan_type {kind}"),
        };
        let critics =
            if config.n_critic > 1 { format!(", n_critic {}", config.n_critic) } else { String::new() };
        let parts = [(config.d_cam, "D_CAM"), (config.sn, "spectral normalisation")];
        let without = parts.into_iter().filter(|(there, _)| !there);
        let without: String = without.map(|(_, part)| format!(", without {part}")).collect();
        let provenance = format!(
            "trained with ugatit {}: {} of {} iterations, batch {}, {}, learning rate {}, seed {}{loss}{critics}{without}{local}{how}{origin}",
            env!("CARGO_PKG_VERSION"),
            state.step,
            config.iterations(),
            config.batch_size * config.accumulation * ranks,
            config.preprocess,
            config.lr,
            config.seed,
        );
        let beside = !average && !state.ema.is_empty();
        let target = if beside { &raw } else { &models_folder };
        for model in models(&architecture, state, average, &config.metadata(provenance))? {
            let path = target.join(format!("{}.safetensors", model.direction));
            model.save(path, Precision::F32, true)?;
        }
    }
    Ok(())
}
