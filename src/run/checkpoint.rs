//! A whole training state as one safetensors file.
//!
//! The networks have their official keys after the network's name (`genA2B.conv1x1.bias`), the
//! moments of Adam stand under `adam.m/` and `adam.v/`, the moving average under `ema/`, each
//! followed by the parameter's name. The metadata say the rest.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::Shape;
use crate::io::open::mapped;
use crate::io::safetensors::{self, Entry, View};
use crate::io::training_state::{self, AVERAGE, About, FORMAT, VERSION};
use crate::io::write_atomically;
use crate::tensor::Tensor;
use crate::train::{Moments, StepConfig, TrainState};

/// No run takes longer than this: three hundred years.
const MOST_SECONDS: f64 = 1e10;
/// No run makes more iterations or draws more pictures than this.
const MOST_COUNTED: u64 = 1 << 48;
/// Before the names of what belongs to a parameter.
const MEAN: &str = "adam.m/";
const SQUARE: &str = "adam.v/";

/// Where a run is beside its tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Of the initial weights, the sampler and the augmentation. All random numbers are
    /// functions of it and of what is counted here, so that nothing else has to be kept.
    pub seed: u64,
    /// Pictures drawn of each domain.
    pub samples: u64,
    /// Seconds of training so far.
    pub seconds: f64,
}

/// A training state as it lies on disk. One that is only written may borrow the state of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint<'a> {
    /// What the run computes.
    pub config: StepConfig,
    /// The networks, the moments, the average, the iterations done.
    pub state: Cow<'a, TrainState<f32>>,
    /// Where the data are.
    pub position: Position,
}

impl Checkpoint<'_> {
    /// Writes the file; it is there whole or not at all.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where a tensor holds NaN or infinite values, which are not worth
    /// keeping; [`Error::Output`] where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let TrainState { tensors, moments, ema, step } = &*self.state;
        let mut list: Vec<(String, &Shape, &[f32])> = vec![];
        for (name, tensor) in tensors {
            list.push((name.clone(), tensor.shape(), tensor.data()));
        }
        for (name, moments) in moments {
            let Some(shape) = tensors.get(name).map(Tensor::shape) else {
                return Err(Error::Shape(format!("moments of `{name}`, which the networks do not have")));
            };
            list.push((format!("{MEAN}{name}"), shape, &moments.m));
            list.push((format!("{SQUARE}{name}"), shape, &moments.v));
        }
        for (name, tensor) in ema {
            list.push((format!("{AVERAGE}{name}"), tensor.shape(), tensor.data()));
        }
        if let Some((name, ..)) = list.iter().find(|(_, _, data)| data.iter().any(|x| !x.is_finite())) {
            return Err(Error::NonFinite { step: *step, what: format!("the tensor {name}") });
        }
        let json = |value: serde_json::Result<String>| {
            value.map_err(|e| Error::Output { path: path.into(), problem: e.to_string() })
        };
        let metadata: BTreeMap<String, String> = [
            ("format", FORMAT.to_owned()),
            ("format_version", VERSION.to_string()),
            ("step", step.to_string()),
            ("config", json(serde_json::to_string(&self.config))?),
            ("position", json(serde_json::to_string(&self.position))?),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
        let entry = |(name, shape, data)| Entry::floats(name, shape, data, false);
        let entries: Vec<Entry<'_>> = list.into_iter().map(entry).collect();
        write_atomically(path, true, |out| safetensors::write(out, &metadata, &entries))
    }

    /// Whether a file is one that [`Self::save`] wrote, by what it says of itself.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read.
    pub fn is_one(path: &Path) -> Result<bool> {
        // An empty file cannot be mapped.
        if std::fs::metadata(path).map_err(Error::io(path))?.len() == 0 {
            return Ok(false);
        }
        let map = mapped(path)?;
        let contents = safetensors::parse(path, &map);
        Ok(contents.is_ok_and(|contents| training_state::is_one(&contents)))
    }

    /// Reads a file that [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::NewerVersion`] where a newer version of this program
    /// wrote it, [`Error::ModelFile`] where it is damaged or of
    /// another kind, [`Error::MissingTensor`] and [`Error::TensorShape`] where the tensors are
    /// not those of its configuration.
    pub fn load(path: &Path) -> Result<Checkpoint<'static>> {
        let map = mapped(path)?;
        let contents = safetensors::parse(path, &map)?;
        let about = About::of(path, &contents)?;
        let damaged = |key: &str| about.damaged(key);
        let config: StepConfig =
            serde_json::from_str(about.text("config")?).map_err(|_| damaged("config"))?;
        let position: Position =
            serde_json::from_str(about.text("position")?).map_err(|_| damaged("position"))?;
        let step: u64 = about.text("step")?.parse().map_err(|_| damaged("step"))?;
        // The file may come from anywhere, and these are counted on from here.
        if !(0.0..MOST_SECONDS).contains(&position.seconds) || position.samples > MOST_COUNTED {
            return Err(damaged("position"));
        }
        if step > MOST_COUNTED {
            return Err(damaged("step"));
        }

        let mut file = Tensors { path, views: contents.tensors };
        let mut tensors = BTreeMap::new();
        for (name, shape) in config.tensors()? {
            let tensor = file.take(&name, &shape)?;
            tensors.insert(name, tensor);
        }
        // The networks say which moments and averages there are.
        let mut state = TrainState::from_tensors(&config, tensors)?;
        for (name, moments) in &mut state.moments {
            let shape = state.tensors[name].shape();
            let m = file.take(&format!("{MEAN}{name}"), shape)?.into_data();
            let v = file.take(&format!("{SQUARE}{name}"), shape)?.into_data();
            *moments = Moments { m, v };
        }
        for (name, average) in &mut state.ema {
            *average = file.take(&format!("{AVERAGE}{name}"), average.shape())?;
        }
        if let Some(name) = file.views.keys().next() {
            let problem = format!("it has a tensor `{name}` that belongs to nothing");
            return Err(Error::ModelFile { path: path.into(), problem });
        }
        state.step = step;
        Ok(Checkpoint { config, state: Cow::Owned(state), position })
    }
}

/// The tensors of a file that nobody has taken yet.
struct Tensors<'a> {
    path: &'a Path,
    views: BTreeMap<String, View<'a>>,
}

impl Tensors<'_> {
    fn take(&mut self, name: &str, expected: &Shape) -> Result<Tensor> {
        let path = || PathBuf::from(self.path);
        let Some(view) = self.views.remove(name) else {
            return Err(Error::MissingTensor { path: path(), key: name.into(), expected: expected.clone() });
        };
        let found = Shape::from(view.shape.as_slice());
        if found != *expected {
            let (key, expected) = (name.into(), expected.clone());
            return Err(Error::TensorShape { path: path(), key, expected, found });
        }
        let element = view.element.ok_or_else(|| Error::ModelFile {
            path: path(),
            problem: format!("tensor `{name}` is of type {}", view.dtype),
        })?;
        let data = element.decode(view.bytes);
        if data.iter().any(|x| !x.is_finite()) {
            let count = data.iter().filter(|x| !x.is_finite()).count();
            return Err(Error::NonFiniteWeights { path: path(), key: name.into(), count });
        }
        Tensor::new(found, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GeneratorConfig;

    /// A file from elsewhere may say anything of where it is; what cannot be is refused, before
    /// someone computes with it.
    #[test]
    fn a_position_that_cannot_be_is_refused() {
        let generator = GeneratorConfig {
            ch: 1,
            n_res: 0,
            n_res_decoder: 0,
            img_size: 16,
            img_ch: 1,
            light: true,
            ..GeneratorConfig::default()
        };
        let config = StepConfig { generator, global_layers: 4, local_layers: 3, ..StepConfig::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let loaded = |step: u64, seconds: f64, samples: u64| {
            let mut state = TrainState::new(&config, 1).unwrap();
            state.step = step;
            let position = Position { seed: 1, samples, seconds };
            Checkpoint { config, state: Cow::Owned(state), position }.save(&path).unwrap();
            Checkpoint::load(&path).map(|checkpoint| (checkpoint.state.step, checkpoint.position))
        };
        assert_eq!(loaded(7, 1.5, 9).unwrap(), (7, Position { seed: 1, samples: 9, seconds: 1.5 }));
        for seconds in [-1.0, 1e300, f64::NAN, f64::INFINITY] {
            let text = loaded(7, seconds, 9).unwrap_err().to_string();
            assert!(text.contains("`position` cannot be read"), "{seconds}: {text}");
        }
        assert!(loaded(7, 1.0, u64::MAX).unwrap_err().to_string().contains("`position`"));
        assert!(loaded(u64::MAX, 1.0, 9).unwrap_err().to_string().contains("`step`"));
    }
}
