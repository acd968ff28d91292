//! Exported models in ONNX Runtime and in tract, against the official numbers and against the CPU executor
//! in `f64`.
//!
//! Both run in Python, `tests/onnx/check.py`. The first run makes a virtual environment
//! under `target/` with the packages of `tests/onnx/requirements.txt`, from PyPI;
//! `UGATIT_ONNX_PYTHON` names a Python that has them instead. `UGATIT_GOLDEN_REPORT=1` prints
//! every error (with `--nocapture`).
#![cfg(feature = "pytorch")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

mod files;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};
use support::golden::{self, File};
use support::random::{Noise, weights};
use tempfile::TempDir;
use ugatit::cpu::{self, Real};
use ugatit::graph::Graph;
use ugatit::io::{ImportOptions, Model, ModelMetadata, Precision, read_checkpoint};
use ugatit::model::{DecoderNorm, Dialect, Direction, Generator, GeneratorConfig};
use ugatit::{Error, Tensor};

const OUTPUTS: [&str; 3] = ["translated", "attention", "cam_logit"];

/// The largest difference allowed, over the largest absolute value: four times what torch's own
/// `f32` is off from `f64` in these networks (`tests/golden.rs`), since ONNX Runtime is another
/// `f32` with sums in another order.
fn tolerance(output: &str) -> f64 {
    4.0 * match output {
        "translated" => 2.4e-6,
        "attention" => 9.4e-7,
        _ => 3.9e-6,
    }
}

/// The Python that has ONNX Runtime.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let works = |python: &Path| {
            let output = Command::new(python).args(["-c", "import numpy, onnx, onnxruntime, tract"]).output();
            output.is_ok_and(|o| o.status.success())
        };
        if let Some(named) = std::env::var_os("UGATIT_ONNX_PYTHON").map(PathBuf::from) {
            assert!(works(&named), "UGATIT_ONNX_PYTHON: {} lacks numpy, onnx, onnxruntime or tract", named.display());
            return named;
        }
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx-venv");
        let inside = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        if !works(&inside) {
            let advice = "these tests need Python 3.11 or newer with venv (Debian: python3-venv) and PyPI, or UGATIT_ONNX_PYTHON, a Python with numpy, onnx, onnxruntime and tract";
            let run = |command: &mut Command| {
                let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; {advice}"));
                assert!(output.status.success(), "{command:?} failed: {}; {advice}", text(&output));
            };
            let system = if cfg!(windows) { "python" } else { "python3" };
            run(Command::new(system).args(["-m", "venv", "--clear"]).arg(&venv));
            let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/requirements.txt");
            let install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-r"];
            run(Command::new(&inside).args(install).arg(requirements));
        }
        inside
    })
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Cases for `check.py`, in a folder.
struct Cases {
    folder: TempDir,
    list: Vec<Value>,
    /// That are compared in each runtime.
    tensors: usize,
}

impl Cases {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), list: vec![], tensors: 0 }
    }

    /// The exported model's name.
    fn model(&self, name: &str, model: &Model, precision: Precision) -> String {
        let file = format!("{name}.onnx");
        model.save_onnx(self.folder.path().join(&file), precision, false).unwrap();
        file
    }

    fn tensor(&self, file: &str, tensor: &Tensor) {
        let shape: Vec<String> = tensor.shape().dims().iter().map(|d| format!("{d},")).collect();
        let mut header =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", shape.join(" "));
        // Magic, version and length are ten bytes; the data begins on a multiple of 64.
        while !(header.len() + 11).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(tensor.data().iter().flat_map(|v| v.to_le_bytes()));
        fs::write(self.folder.path().join(file), bytes).unwrap();
    }

    /// `model` must make `expected` (image, heat-map, logits; without attention the image) of `x`, as near as `f32`
    /// comes.
    fn push(&mut self, name: &str, model: &str, x: &Tensor, expected: &[(&Tensor, f64)]) {
        let file = |what: &str| format!("{}_{what}.npy", self.list.len());
        let mut outputs = serde_json::Map::new();
        self.tensors += expected.len();
        for (output, (tensor, tolerance)) in OUTPUTS.into_iter().zip(expected) {
            self.tensor(&file(output), tensor);
            outputs.insert(output.into(), json!([file(output), tolerance]));
        }
        self.tensor(&file("image"), x);
        self.list.push(json!({ "name": name, "model": model, "input": file("image"), "outputs": outputs }));
    }

    /// Expects the official numbers.
    fn push_official(&mut self, file: &File, model: &str, results: [&Tensor; 3]) {
        let expected = [0, 1, 2].map(|i| (results[i], tolerance(OUTPUTS[i])));
        self.push(&file.name, model, file.tensor("x"), &expected);
    }

    /// Expects what the CPU executor gives in `f64`. Where that executor in `f32` is further
    /// off from it than usual (few pixels at the bottleneck, so that deviations are small and
    /// rounding shows), so may the others be: again four times that.
    fn push_computed(&mut self, file: &str, model: &Model, shape: [usize; 4]) {
        let x = picture(shape);
        let (exact, single) = (translate::<f64>(model, &x), translate::<f32>(model, &x));
        let drift = |i: usize| golden::relative_error(&single[i], &exact[i]);
        let allowed = |i: usize| tolerance(OUTPUTS[i]).max(4.0 * drift(i));
        let expected: Vec<_> = exact.iter().enumerate().map(|(i, t)| (t, allowed(i))).collect();
        self.push(&format!("{file} {shape:?}"), file, &x, &expected);
    }

    fn check(&self) -> Output {
        let list = self.folder.path().join("cases.json");
        fs::write(&list, serde_json::to_vec(&self.list).unwrap()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/check.py");
        Command::new(python()).arg(script).arg(list).output().unwrap()
    }

    /// All of it is right, and all was looked at.
    fn pass(&self) {
        let output = self.check();
        assert!(output.status.success(), "{}", text(&output));
        let out = String::from_utf8(output.stdout).unwrap();
        let compared = format!("\n{} tensors compared", 2 * self.tensors);
        assert!(out.contains(&compared), "{out}");
        if std::env::var_os("UGATIT_GOLDEN_REPORT").is_some() {
            println!("{out}");
        }
        // Such as an output of another shape than the model declares.
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Waves and noise, so that neither the channels nor the samples are alike.
fn picture([n, c, h, w]: [usize; 4]) -> Tensor {
    let mut noise = Noise::seeded(1);
    let values = (0..n * c * h * w).map(|i| {
        let noise = 0.5 * noise.value() as f32;
        let (x, y, plane) = ((i % w) as f32, (i / w % h) as f32, (i / (h * w)) as f32);
        (0.6 * ((x * (0.11 + 0.03 * plane)).sin() + (y * 0.07 + plane).cos()) + 0.4 * noise).clamp(-1.0, 1.0)
    });
    Tensor::new([n, c, h, w], values.collect()).unwrap()
}

/// Image and, with attention, heat-map and logits as the CPU executor computes them in `T`.
fn translate<T: Real>(model: &Model, x: &Tensor) -> Vec<Tensor> {
    let mut graph = Graph::new();
    let image = graph.input("image", x.shape());
    let net = Generator::build(&mut graph, &model.config, "", image).unwrap();
    let convert = |tensor: &Tensor| tensor.map(|&v| T::from_f64(v.into()));
    let mut feed: BTreeMap<&str, Tensor<T>> =
        model.tensors.iter().map(|(key, tensor)| (key.as_str(), convert(tensor))).collect();
    feed.insert("image", convert(x));
    let outputs: Vec<_> = [Some(net.image), net.heatmap, net.cam_logit].into_iter().flatten().collect();
    let results = cpu::run(&graph, &outputs, &|name| feed.get(name)).unwrap();
    results.iter().map(|t| t.map(|v| v.to_f64() as f32)).collect()
}

fn golden_model(file: &File) -> Model {
    let config = GeneratorConfig {
        ch: file.field("ch"),
        n_res: file.field("n_res"),
        n_res_decoder: file.field("n_res"),
        img_size: file.field("img_h"),
        img_ch: file.tensor("x").shape().dims()[1],
        light: file.field("light"),
        ..GeneratorConfig::default()
    };
    let state =
        file.tensors.iter().filter_map(|(key, t)| Some((key.strip_prefix("state/")?.into(), t.clone())));
    Model::new(config, Direction::A2B, ModelMetadata::default(), state.collect()).unwrap()
}

/// The official numbers.
#[test]
fn golden_networks() {
    let mut cases = Cases::new();
    for path in golden::files("gen_") {
        let file = File::read(&path);
        let model = cases.model(&file.name, &golden_model(&file), Precision::F32);
        cases.push_official(&file, &model, ["y", "heatmap", "cam_logit"].map(|name| file.tensor(name)));
    }
    cases.pass();
}

/// One file for every batch and, of a light model, every size.
#[test]
fn other_batches_and_sizes() {
    let mut cases = Cases::new();
    let mut full = 0;
    for path in golden::files("gen_") {
        let file = File::read(&path);
        let model = golden_model(&file);
        let name = cases.model(&file.name, &model, Precision::F32);
        let size = model.config.img_size;
        let shapes = match model.config.light {
            true => [[3, 3, 40, 64], [1, 3, 100, 36]],
            false => [[1, 3, size, size], [3, 3, size, size]],
        };
        full += usize::from(!model.config.light);
        for shape in shapes {
            cases.push_computed(&name, &model, shape);
        }
    }
    assert!(full > 0 && full < cases.list.len() / 2, "light and full networks");
    cases.pass();
}

/// Weights of a training run, both directions; a size near the smallest and a usual one.
#[test]
fn official_checkpoint() {
    let mut cases = Cases::new();
    for model in read_checkpoint(files::tiny_checkpoint(), None, &ImportOptions::default()).unwrap() {
        let name = cases.model(&model.direction.to_string(), &model, Precision::F32);
        for shape in [[2, 3, 8, 12], [1, 3, 256, 256]] {
            cases.push_computed(&name, &model, shape);
        }
    }
    cases.pass();
}

/// Generators of other programs, of the fixtures that are committed: a size of their own, a larger one, and batches.
#[test]
fn dialects() {
    let mut cases = Cases::new();
    for fixture in ["tf/tf_light_ch4_48_nosmooth", "p2c/p2c_ngf4_32.pt"] {
        let path = files::committed_dir().join(fixture);
        let model = read_checkpoint(path, Some(Direction::A2B), &ImportOptions::default()).unwrap().remove(0);
        let name = cases.model(model.config.dialect.name(), &model, Precision::F32);
        for shape in [[1, 3, 48, 48], [2, 3, 64, 96]] {
            cases.push_computed(&name, &model, shape);
        }
    }
    cases.pass();
}

/// The paper's ablations, with weights of nobody.
#[test]
fn ablations() {
    let mut cases = Cases::new();
    let usual =
        GeneratorConfig { ch: 6, n_res: 1, n_res_decoder: 2, img_size: 32, ..GeneratorConfig::default() };
    let mut configs: Vec<_> =
        DecoderNorm::ALL.map(|decoder_norm| GeneratorConfig { decoder_norm, ..usual }).into();
    configs.push(GeneratorConfig { cam: false, smoothing: true, ..usual });
    configs.push(GeneratorConfig { dialect: Dialect::Tensorflow, decoder_norm: DecoderNorm::Gn, ..usual });
    for (i, config) in configs.into_iter().enumerate() {
        let metadata = ModelMetadata::default();
        let model = Model::new(config, Direction::A2B, metadata, weights(&config, 1)).unwrap();
        let name = cases.model(&format!("{}{i}", config.decoder_norm), &model, Precision::F32);
        for shape in [[1, 3, 32, 32], [2, 3, 40, 48]] {
            cases.push_computed(&name, &model, shape);
        }
    }
    cases.pass();
}

/// Rounded once, in the file: the same as a model of ours that is stored so.
#[test]
fn half_weights() {
    let mut cases = Cases::new();
    for path in golden::files("gen_") {
        let file = File::read(&path);
        let model = golden_model(&file);
        let name = cases.model(&file.name, &model, Precision::F16);
        let stored = model.to_bytes(Precision::F16).unwrap();
        let rounded = Model::from_bytes("rounded", &stored, None).unwrap();
        assert!(rounded.tensors != model.tensors);
        let shape = file.tensor("x").shape().nchw().unwrap();
        cases.push_computed(&name, &rounded, shape);
    }
    cases.pass();
}

/// The comparison itself can fail.
#[test]
fn a_wrong_number_is_found() {
    let path = golden::files("gen_light").remove(0);
    let file = File::read(&path);
    for (wrong, output) in OUTPUTS.into_iter().enumerate() {
        let mut cases = Cases::new();
        let model = cases.model(&file.name, &golden_model(&file), Precision::F32);
        let mut expected = ["y", "heatmap", "cam_logit"].map(|name| file.tensor(name).clone());
        let largest = expected[wrong].data().iter().fold(0.0, |m: f32, v| m.max(v.abs()));
        if let Some(last) = expected[wrong].data_mut().last_mut() {
            *last += largest * 3.0 * tolerance(output) as f32;
        }
        cases.push_official(&file, &model, expected.each_ref());
        let output_of = cases.check();
        let told = String::from_utf8_lossy(&output_of.stderr);
        assert!(!output_of.status.success() && told.contains(&format!("{output} [")), "{told}");
        assert!(told.contains("2 of 6 tensors are wrong"), "{told}");
    }
}

#[test]
fn files_are_not_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.onnx");
    let model = golden_model(&File::read(&golden::files("gen_light").remove(0)));
    model.save_onnx(&path, Precision::F32, false).unwrap();
    let first = fs::read(&path).unwrap();
    assert_eq!(first, model.to_onnx(Precision::F32).unwrap());
    assert!(matches!(model.save_onnx(&path, Precision::F16, false), Err(Error::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), first);
    model.save_onnx(&path, Precision::F16, true).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < first.len() as u64 * 6 / 10);
    // A weight that f16 cannot hold.
    let mut large = model.clone();
    large.tensors.get_mut("conv1x1.bias").unwrap().data_mut()[0] = 1e6;
    let error = large.save_onnx(folder.path().join("b.onnx"), Precision::F16, false).unwrap_err();
    assert!(matches!(&error, Error::Output { problem, .. } if problem.contains("conv1x1.bias")), "{error}");
}
