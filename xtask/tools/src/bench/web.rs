//! `cargo xtask bench --web`: translations in a browser, in turn with onnxruntime-web, LiteRT.js and
//! TensorFlow.js.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ugatit::Tensor;
use ugatit::graph::Arithmetic;
use ugatit::io::{Model, ModelMetadata, Precision};
use ugatit::model::Direction;
use ugatit::translate::{Device, Translator};

use super::measure::python_with;
use super::networks::light;
use xtask::process::{root, say};
use xtask::web;

/// Where the models for all lie, from the repository's root.
const MODELS: &str = "out/bench-web";
/// ch and size of the light generators; the last with `--large`.
const SIZES: [(usize, usize); 3] = [(16, 64), (32, 128), (64, 256)];
/// What `web/bench/peers` has, bundled as a site would ship it.
const BUNDLES: [&str; 3] = ["litert", "tensorflow-wasm", "tensorflow-webgpu"];
/// What a bundle for a page does not have; libraries ask for it in Node.js only.
const NODE_MODULES: [&str; 6] = ["fs", "path", "worker_threads", "perf_hooks", "os", "util"];

pub(crate) async fn run(large: bool) -> Result<()> {
    web::build()?;
    web::npm::install_in("web/bench")?;
    let folder = root().join(MODELS);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    bundle(&folder)?;
    let python = python_with(&["tensorflow"]);
    if python.is_none() {
        say("LiteRT.js is left out: TensorFlow makes its models\n");
    }
    let sizes = if large { &SIZES[..] } else { &SIZES[..2] };
    for &(ch, size) in sizes {
        models(&folder, ch, size).await?;
        let path = folder.join(format!("ch{ch}.tflite"));
        match &python {
            Some(python) => litert_model(python, &folder, ch, size)?,
            // One of weights that have changed since would be compared with others.
            None if path.exists() => std::fs::remove_file(path)?,
            None => {}
        }
    }
    let browser = web::chromium()?;
    let mut environment = vec![("CHROMIUM", browser.as_str())];
    if large {
        environment.push(("UGATIT_BENCH_LARGE", "1"));
    }
    web::npm::exec("playwright", &["test", "--config", "bench"], &environment)
}

/// The libraries of [`BUNDLES`].
fn bundle(folder: &Path) -> Result<()> {
    let out = format!("--outdir={}", folder.join("bundles").display());
    let entries = BUNDLES.map(|name| format!("bench/peers/{name}.js"));
    let external = NODE_MODULES.map(|name| format!("--external:{name}"));
    let fixed = ["--bundle", "--minify", "--format=esm", "--target=es2022", "--log-level=warning"];
    let mut arguments: Vec<&str> = entries.iter().chain(&external).map(String::as_str).collect();
    arguments.extend(fixed);
    arguments.push(&out);
    web::npm::exec("esbuild", &arguments, &[])
}

/// One generator for every runtime, and what it makes of the page's picture, exactly.
async fn models(folder: &Path, ch: usize, size: usize) -> Result<()> {
    let (config, tensors) = light(ch, size)?;
    let tensors = tensors.into_iter().enumerate().map(|(i, (name, tensor))| Ok((name, turned(&tensor, i)?)));
    let tensors = tensors.collect::<Result<_>>()?;
    for_tensorflow(folder, ch, &tensors)?;
    let model = Model::new(config, Direction::A2B, ModelMetadata::default(), tensors)?;
    model.save(folder.join(format!("ch{ch}.safetensors")), Precision::F32, true)?;
    model.save_onnx(folder.join(format!("ch{ch}.onnx")), Precision::F32, true)?;
    let mut exact = Translator::new(Device::Cpu, model).await?.with_arithmetic(Arithmetic::Exact);
    let reference = exact.run(&picture(size)?).await?.image;
    write_numbers(&folder.join(format!("ch{ch}.reference.f32")), reference.data())
}

/// The same numbers from the `by`th on: a converter would keep equal tensors once.
fn turned(tensor: &Tensor, by: usize) -> Result<Tensor> {
    let mut data = tensor.data().to_vec();
    let len = data.len();
    data.rotate_left(by % len);
    Ok(Tensor::new(tensor.shape(), data)?)
}

/// The picture of `web/bench/site/bench.js`.
fn picture(size: usize) -> Result<Tensor> {
    let area = size * size;
    let value = |i: usize| ((4 * (i % area) + i / area) * 7919 % 251) as f32 / 127.5 - 1.0;
    Ok(Tensor::new([1, 3, size, size], (0..3 * area).map(value).collect())?)
}

/// The weights in TensorFlow's layouts: convolutions as `[height, width, in, out]`, matrices as
/// `[in, out]`, what belongs to channels as `[channels]`. A list says what lies where.
fn for_tensorflow(folder: &Path, ch: usize, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let mut list = vec![];
    let mut numbers: Vec<f32> = vec![];
    for (name, tensor) in tensors {
        let start = numbers.len();
        let data = tensor.data();
        let shape = match *tensor.shape().dims() {
            [outputs, inputs, height, width] if name.ends_with(".weight") => {
                let window = height * width;
                for tap in 0..window {
                    for i in 0..inputs {
                        numbers.extend((0..outputs).map(|o| data[(o * inputs + i) * window + tap]));
                    }
                }
                vec![height, width, inputs, outputs]
            }
            [outputs, inputs] => {
                for i in 0..inputs {
                    numbers.extend((0..outputs).map(|o| data[o * inputs + i]));
                }
                vec![inputs, outputs]
            }
            _ => {
                numbers.extend(data);
                vec![data.len()]
            }
        };
        list.push((name, shape, start));
    }
    let path = folder.join(format!("ch{ch}.json"));
    std::fs::write(&path, serde_json::to_string(&list)?).with_context(|| path.display().to_string())?;
    write_numbers(&folder.join(format!("ch{ch}.f32")), &numbers)
}

fn write_numbers(path: &Path, numbers: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}

fn litert_model(python: &str, folder: &Path, ch: usize, size: usize) -> Result<()> {
    let script = root().join("docs/benchmarks/litert_model.py");
    let made =
        Command::new(python).arg(script).arg(folder).args([format!("ch{ch}"), size.to_string()]).output()?;
    let told = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "litert_model.py has made no model of ch {ch}:\n{told}");
    Ok(())
}
