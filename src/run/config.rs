//! What the settings of a run mean: read, layered, checked, and given to what computes.

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::graph::Arithmetic;
use crate::io::ModelMetadata;
use crate::model::GeneratorConfig;
use crate::train::{Adam, Epochs, LoaderOptions, LossWeights, Preprocess, Schedule, StepConfig};

use super::precision::Precision;
use super::preprocess_kind::PreprocessKind;
pub(super) use super::settings::RunConfig;
use super::settings::SETTINGS;

/// Sheets are made at these iterations, and then at every multiple of `print_freq`.
pub(super) const EARLY_SHEETS: [u64; 7] = [1, 10, 50, 100, 200, 500, 1000];

pub(super) fn parse(text: &str) -> Result<Table> {
    text.parse().map_err(|e: toml::de::Error| {
        let before = e.span().and_then(|span| text.get(..span.start));
        let place = before.map_or(String::new(), |text| format!("line {}: ", text.matches('\n').count() + 1));
        Error::Config(format!("{place}{}", e.message()))
    })
}

impl RunConfig {
    /// The defaults, changed by the preset, then by each of `layers`: the text of a TOML file and
    /// settings given by hand, for example.
    ///
    /// # Errors
    /// [`Error::Config`] where a key is unknown, with the nearest known one, or a value is of the
    /// wrong kind.
    pub fn layered(preset: Option<&str>, layers: &[Table]) -> Result<Self> {
        let mut table = preset.map(Self::preset).transpose()?.unwrap_or_default();
        layers.iter().for_each(|layer| table.extend(layer.clone()));
        Self::default().with(table)
    }

    /// These settings with those of `changes` in their place.
    ///
    /// # Errors
    /// As [`Self::layered`].
    pub fn with(&self, changes: Table) -> Result<Self> {
        let mut table = self.table()?;
        for key in changes.keys() {
            if !table.contains_key(key) {
                let meant = match key.as_str() {
                    // Options of the command that say a setting in another way.
                    "full" => Some("light = false"),
                    "no_flip" => Some("flip = false"),
                    "steps" => Some("iteration"),
                    _ => nearest(key, table.keys().map(String::as_str)),
                };
                let meant = meant.map(|meant| format!("; did you mean `{meant}`?"));
                return Err(Error::Config(format!(
                    "there is no setting `{key}`{}",
                    meant.unwrap_or_default()
                )));
            }
        }
        table.extend(changes);
        Value::Table(table).try_into().map_err(|e: toml::de::Error| Error::Config(e.to_string()))
    }

    /// The settings in a TOML text, which need not give all.
    ///
    /// # Errors
    /// [`Error::Config`] where the text is no TOML; unknown keys are found by [`Self::with`].
    pub fn read(text: &str) -> Result<Table> {
        // Hyphens are as good as underscores, and the authors write `GP_ld`.
        let table = parse(text)?;
        let key = |key: String| key.replace('-', "_").to_ascii_lowercase();
        let mut table: Table = table.into_iter().map(|(name, value)| (key(name), value)).collect();
        if let Some(flag) = table.remove("augment_flag") {
            let augment = flag.as_bool().ok_or_else(|| {
                Error::Config("augment_flag is true or false, as in the authors' program".into())
            })?;
            Self::augment(&mut table, augment);
        }
        Ok(table)
    }

    /// What `augment_flag` of the authors' TensorFlow program stands for.
    pub fn augment(settings: &mut Table, flag: bool) {
        let how = if flag { PreprocessKind::Tensorflow } else { PreprocessKind::Resize };
        settings.insert("preprocess".into(), how.to_string().into());
        if !flag {
            settings.insert("flip".into(), false.into());
        }
    }

    /// The settings as TOML.
    ///
    /// # Errors
    /// [`Error::Config`] where a number is too large for TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::Config(e.to_string()))
    }

    fn table(&self) -> Result<Table> {
        Table::try_from(self).map_err(|e| Error::Config(e.to_string()))
    }

    /// The settings that the other has changed and that a run cannot change on its way, with both
    /// values: those of the networks, the seed, and what the weights began with.
    ///
    /// # Errors
    /// As [`Self::to_toml`].
    pub fn fixed_differences(&self, other: &Self) -> Result<Vec<(String, String, String)>> {
        let (ours, theirs) = (self.table()?, other.table()?);
        let fixed = SETTINGS.iter().filter(|setting| setting.fixed).map(|setting| setting.name);
        let differs = fixed.filter(|key| ours.get(*key) != theirs.get(*key));
        let text = |table: &Table, key: &str| table.get(key).map(Value::to_string).unwrap_or_default();
        Ok(differs.map(|key| (key.to_owned(), text(&ours, key), text(&theirs, key))).collect())
    }

    /// What is computed.
    pub fn step(&self) -> StepConfig {
        StepConfig {
            generator: GeneratorConfig {
                ch: self.ch,
                n_res: self.n_res,
                n_res_decoder: if self.n_res_decoder == 0 { self.n_res } else { self.n_res_decoder },
                img_size: self.img_size,
                img_ch: self.img_ch,
                light: self.light,
                dialect: self.dialect,
                decoder_norm: self.decoder_norm,
                cam: self.g_cam,
                smoothing: self.smoothing,
            },
            global_layers: self.n_dis_global,
            local_layers: self.n_dis_local,
            batch: self.batch_size,
            accumulation: self.accumulation,
            recompute: self.recompute,
            f16: self.precision == Precision::F16,
            arithmetic: if self.exact { Arithmetic::Exact } else { Arithmetic::Fast },
            ranks: 1,
            gan_type: self.gan_type,
            gp_ld: self.gp_ld,
            n_critic: self.n_critic,
            sn: self.sn,
            d_cam: self.d_cam,
            seed: self.seed,
            ema: self.ema,
            weights: LossWeights {
                adversarial: self.adv_weight,
                cycle: self.cycle_weight,
                identity: self.identity_weight,
                cam: self.cam_weight,
            },
            adam: Adam { weight_decay: self.weight_decay, ..Adam::default() },
            schedule: Schedule {
                lr: self.lr,
                iterations: self.iterations(),
                decay: self.decay_flag,
                epochs: (self.epoch > 0).then_some(Epochs {
                    length: self.iteration,
                    decay_from: if self.decay_epoch == 0 { self.epoch / 2 } else { self.decay_epoch },
                }),
            },
        }
    }

    /// Iterations of the whole run.
    pub fn iterations(&self) -> u64 {
        self.iteration.saturating_mul(self.epoch.max(1))
    }

    /// The first so many pictures of each domain, where not all are used.
    pub fn limit(&self) -> Option<usize> {
        Some(self.overfit).filter(|&n| n > 0)
    }

    /// Whether sheets are due after iteration `step`.
    pub(super) fn shows(&self, step: u64) -> bool {
        EARLY_SHEETS.contains(&step) || step.is_multiple_of(self.print_freq)
    }

    /// Whether sheets, a checkpoint or both are due after iteration `step`.
    pub(super) fn writes(&self, step: u64) -> bool {
        self.shows(step) || step.is_multiple_of(self.save_freq) || step == self.iterations()
    }

    /// How pictures are read, in the order of `seed`.
    pub fn loader_options(&self, seed: u64) -> LoaderOptions {
        LoaderOptions {
            size: self.img_size,
            channels: self.img_ch,
            batch: self.batch_size,
            preprocess: self.preprocess(),
            flip: self.flip,
            seed,
            limit: self.limit(),
            ..LoaderOptions::default()
        }
    }

    /// How pictures are brought to the training size.
    pub fn preprocess(&self) -> Preprocess {
        match self.preprocess {
            PreprocessKind::ScaleCrop => {
                Preprocess::ScaleCrop { load: Some(self.load_size).filter(|&side| side > 0) }
            }
            PreprocessKind::Resize => Preprocess::Resize,
            PreprocessKind::None => Preprocess::Crop,
            PreprocessKind::Tensorflow => Preprocess::Tensorflow,
        }
    }

    /// What the model files say of themselves; `provenance` as given.
    pub fn metadata(&self, provenance: String) -> ModelMetadata {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        ModelMetadata {
            domain_a: some(&self.domain_a),
            domain_b: some(&self.domain_b),
            license: some(&self.license),
            provenance: Some(provenance),
        }
    }

    /// Checks what can be checked without data and device.
    ///
    /// # Errors
    /// [`Error::Config`] with the setting and what it may be.
    pub fn validate(&self) -> Result<()> {
        let refuse = |problem: String| Err(Error::Config(problem));
        for (name, value) in [
            ("iteration", self.iteration),
            ("log_freq", self.log_freq),
            ("print_freq", self.print_freq),
            ("save_freq", self.save_freq),
            ("keep", self.keep as u64),
            ("local_steps", self.local_steps),
        ] {
            if value == 0 {
                return refuse(format!("{name} is 0; it must be 1 or more"));
            }
        }
        for (name, value) in [
            ("lr", self.lr),
            ("weight_decay", self.weight_decay),
            ("adv_weight", f64::from(self.adv_weight)),
            ("cycle_weight", f64::from(self.cycle_weight)),
            ("identity_weight", f64::from(self.identity_weight)),
            ("cam_weight", f64::from(self.cam_weight)),
        ] {
            if !value.is_finite() || value < 0.0 {
                return refuse(format!("{name} is {value}; it must be 0 or more"));
            }
        }
        if self.decay_epoch > 0 && self.decay_epoch >= self.epoch {
            return refuse(match self.epoch {
                0 => "decay_epoch is a number of epochs, and there are none; give epoch with it, or use decay_flag".into(),
                epoch => format!("decay_epoch {} is not below epoch {epoch}", self.decay_epoch),
            });
        }
        if self.iteration.checked_mul(self.epoch.max(1)).is_none() {
            return refuse(format!("{} epochs of {} iterations are too many", self.epoch, self.iteration));
        }
        if !matches!(self.img_ch, 1 | 3) {
            return refuse(format!("img_ch is {}; picture files have 1 or 3 channels", self.img_ch));
        }
        if self.load_size != 0 && self.load_size < self.img_size {
            return refuse(format!(
                "load_size {} is less than img_size {}; nothing of that size can be cut out",
                self.load_size, self.img_size
            ));
        }
        self.step().validate()
    }
}

/// The known name that is nearest to `name`, where any is near.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|k| (strsim::jaro_winkler(name, k), k))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}
