//! `cargo xtask bench --web`: translations in a browser, side by side with onnxruntime-web.

use anyhow::{Context, Result};
use ugatit::graph::Graph;
use ugatit::io::{Model, ModelMetadata, Precision};
use ugatit::model::{Direction, Generator, GeneratorConfig};

use super::networks::weights;
use crate::process::root;
use crate::web;

/// Where the models for both lie, from the repository's root.
const MODELS: &str = "out/bench-web";
/// ch and size of the light generators.
const SIZES: [(usize, usize); 2] = [(16, 64), (32, 128)];

pub(crate) fn run() -> Result<()> {
    web::build()?;
    let folder = root().join(MODELS);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (ch, size) in SIZES {
        let config = GeneratorConfig { ch, img_size: size, ..GeneratorConfig::default() };
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 3, size, size]);
        Generator::build(&mut graph, &config, "", x)?;
        let tensors = weights(&graph)?.into_iter().collect();
        let model = Model::new(config, Direction::A2B, ModelMetadata::default(), tensors)?;
        model.save(folder.join(format!("ch{ch}.safetensors")), Precision::F32, true)?;
        model.save_onnx(folder.join(format!("ch{ch}.onnx")), Precision::F32, true)?;
    }
    web::npm::install_in("web/bench")?;
    let browser = web::chromium()?;
    web::npm::exec("playwright", &["test", "--config", "bench"], &[("CHROMIUM", &browser)])
}
