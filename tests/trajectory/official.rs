//! An official run: its configuration, first weights, pictures, losses and final weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use ugatit::Tensor;
use ugatit::cpu::Real;
use ugatit::io::Model;
use ugatit::model::GeneratorConfig;
use ugatit::train::{Adam, CpuEngine, LossWeights, Schedule, StepConfig, StepReport, TrainState, Trainer};

use crate::support::golden::{File, folder};

/// Terms smaller than this are compared as if they were this large: they are squares of nearly
/// cancelled numbers.
const SMALL: f64 = 1e-2;

pub(crate) type Log = BTreeMap<String, f64>;

/// One official run.
pub(crate) struct Trajectory {
    pub(crate) name: String,
    pub(crate) config: StepConfig,
    pub(crate) iterations: usize,
    pub(crate) init: File,
    pub(crate) data: File,
    /// All losses and gradient norms of each iteration, in `f64`.
    pub(crate) log: Vec<Log>,
    pub(crate) drift: Value,
}

impl Trajectory {
    pub(crate) fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let c = &json["config"];
        let count = |key: &str| c[key].as_u64().unwrap_or_else(|| panic!("{name}: {key}")) as usize;
        let real = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{name}: {value}"));
        let file = |part: &str| File::read(&path.with_file_name(format!("{name}_{part}.safetensors")));
        let generator = GeneratorConfig {
            ch: count("ch"),
            n_res: count("n_res"),
            n_res_decoder: count("n_res"),
            img_size: count("img"),
            img_ch: 3,
            light: c["light"].as_bool().unwrap(),
            ..GeneratorConfig::default()
        };
        let weight = |key: &str| real(&c[key]) as f32;
        let config = StepConfig {
            generator,
            global_layers: count("n_layers_global"),
            local_layers: count("n_layers_local"),
            batch: count("batch"),
            weights: LossWeights {
                adversarial: weight("adv"),
                cycle: weight("cycle"),
                identity: weight("identity"),
                cam: weight("cam"),
            },
            adam: Adam {
                betas: [real(&c["betas"][0]), real(&c["betas"][1])],
                eps: real(&c["eps"]),
                weight_decay: real(&c["weight_decay"]),
            },
            schedule: Schedule::constant(real(&c["lr"])),
            ..StepConfig::default()
        };
        let log: Vec<Log> = serde_json::from_value(json["log_f64"].clone()).unwrap();
        let (init, data) = (file("init"), file("data"));
        let iterations = count("iters");
        assert_eq!(log.len(), iterations, "{name}");
        Self { config, iterations, init, data, log, drift: json["drift"].clone(), name }
    }

    pub(crate) fn state<T: Real>(&self) -> TrainState<T> {
        let tensors = named(&self.init.tensors).into_iter().map(|(key, t)| (key, convert(t))).collect();
        TrainState::from_tensors(&self.config, tensors).unwrap()
    }

    pub(crate) fn trainer<T: Real>(&self) -> Trainer<T> {
        Trainer::new(self.config, self.state(), CpuEngine::default()).unwrap()
    }

    /// The pictures of one iteration.
    pub(crate) fn pictures<T: Real>(&self, iteration: usize) -> [Tensor<T>; 2] {
        ["real_A", "real_B"].map(|name| {
            let all = self.data.tensor(name);
            let shape = self.config.pictures();
            let one = shape.elements();
            assert_eq!(all.data().len(), self.iterations * one, "{}", self.name);
            convert(&Tensor::new(shape, all.data()[iteration * one..][..one].to_vec()).unwrap())
        })
    }

    pub(crate) fn number(&self, key: &str) -> f64 {
        self.drift[key].as_f64().unwrap_or_else(|| panic!("{}: no drift {key}", self.name))
    }

    /// The official final weights: of all networks where the file is there, else of the
    /// generators where the checkpoint of the same run is.
    pub(crate) fn finals(&self) -> Option<BTreeMap<String, Tensor>> {
        let path = folder().join(format!("{}_final.safetensors", self.name));
        if path.exists() {
            let file = File::read(&path);
            return Some(named(&file.tensors).into_iter().map(|(k, t)| (k, t.clone())).collect());
        }
        let path = folder().join(format!("tiny_params_{:07}.pt", self.iterations));
        if self.name != "traj_light_ch4_96" || !path.exists() || cfg!(not(feature = "pytorch")) {
            return None;
        }
        let mut tensors = BTreeMap::new();
        for model in Model::open_all(&path).unwrap() {
            let network = model.direction.network();
            tensors.extend(model.tensors.into_iter().map(|(key, t)| (format!("{network}.{key}"), t)));
        }
        Some(tensors)
    }
}

/// Tensors by our names: `net.key`, where the files say `net/key`.
pub(crate) fn named(tensors: &BTreeMap<String, Tensor>) -> BTreeMap<String, &Tensor> {
    tensors.iter().map(|(key, t)| (key.replacen('/', ".", 1), t)).collect()
}

pub(crate) fn convert<T: Real>(t: &Tensor) -> Tensor<T> {
    t.map(|&x| T::from_f64(f64::from(x)))
}

/// The official runs in the folder.
pub(crate) fn trajectories() -> Vec<Trajectory> {
    let folder = folder();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let found: Vec<Trajectory> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("traj_"))
        .map(|path| Trajectory::read(path))
        .collect();
    if found.is_empty() {
        println!("NO OFFICIAL TRAINING RUN in {}: only our own f32 and f64 are compared", folder.display());
    }
    found
}

pub(crate) fn log(report: &StepReport) -> Log {
    let norms = report.gradient_norms.iter().map(|(network, norm)| (format!("gradnorm/{network}"), *norm));
    report.losses.iter().cloned().chain(norms).collect()
}

/// The worst relative difference of the losses and of the gradient norms.
pub(crate) fn log_errors(place: &str, found: &Log, official: &Log) -> [f64; 2] {
    assert!(found.keys().eq(official.keys()), "{place}: {:?} {:?}", found.keys(), official.keys());
    let mut worst = [0.0_f64; 2];
    for (key, value) in official {
        let error = (found[key] - value).abs() / value.abs().max(SMALL);
        let worst = &mut worst[usize::from(key.starts_with("gradnorm/"))];
        if std::env::var_os("UGATIT_GOLDEN_REPORT").is_some() {
            println!("{place}: {key} {} for {value}, off by {error:.1e}", found[key]);
        }
        // NaN must stay.
        if error > *worst || error.is_nan() {
            *worst = error;
        }
    }
    worst
}

/// Root mean square of the differences and the share of those above `limit`, of all elements of
/// `found`, as the files count: tensors that are not in `official` are taken to be equal.
pub(crate) fn weight_errors<T: Real, U: Real>(
    found: &BTreeMap<String, Tensor<T>>,
    official: &BTreeMap<String, Tensor<U>>,
    limit: f64,
) -> [f64; 2] {
    let count: usize = found.values().map(|t| t.data().len()).sum();
    let (mut squares, mut above) = (0.0, 0_usize);
    for (name, value) in official {
        assert_eq!(found[name].shape(), value.shape(), "{name}");
        for (a, b) in found[name].data().iter().zip(value.data()) {
            let d = (a.to_f64() - b.to_f64()).abs();
            squares += d * d;
            above += usize::from(d.is_nan() || d > limit);
        }
    }
    [(squares / count as f64).sqrt(), above as f64 / count as f64]
}
