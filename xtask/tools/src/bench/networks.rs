//! Whole translations.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use ugatit::exec::{Executor, Parameters};
use ugatit::gpu::Gpu;
use ugatit::graph::{Graph, NodeId, fuse};
use ugatit::model::{Generator, GeneratorConfig};
use ugatit::plan::{ParameterMap, Plan};
use ugatit::{Tensor, cpu};

use super::measure::{counted, enough, filled, median};

/// ch and size of the light generators measured; the last only where it does not take minutes.
const SIZES: [(usize, usize); 4] = [(16, 64), (32, 128), (64, 128), (64, 256)];

const RUNS: usize = 5;

#[derive(Serialize)]
pub(crate) struct Network {
    pub(crate) device: String,
    pub(crate) ch: usize,
    pub(crate) size: usize,
    /// From the weights in memory to the first result: upload, compilation, one run.
    pub(crate) first_ms: f64,
    /// The median of later runs, upload and read-back included.
    pub(crate) ms: f64,
    pub(crate) gflop: f64,
    pub(crate) weights_mib: f64,
    pub(crate) memory_mib: Option<f64>,
}

pub(crate) async fn measure(gpu: &Gpu, large: bool) -> Result<Vec<Network>> {
    let mut rows = vec![];
    for (ch, size) in SIZES {
        let config = GeneratorConfig { ch, img_size: size, ..GeneratorConfig::default() };
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 3, size, size]);
        let net = Generator::build(&mut graph, &config, "", x)?;
        let outputs: Vec<_> = [Some(net.image), net.cam_logit, net.heatmap].into_iter().flatten().collect();
        let (graph, outputs) = fuse(&graph, &outputs);
        let weights = weights(&graph)?;
        let x = filled(&[1, 3, size, size].into())?;
        if size < 256 || large {
            rows.push(on_gpu(gpu, &config, &graph, &outputs, &weights, &x).await?);
        }
        rows.push(on_cpu(&config, &graph, &outputs, &weights, &x)?);
    }
    Ok(rows)
}

/// A light generator and its weights.
pub(crate) fn light(ch: usize, size: usize) -> Result<(GeneratorConfig, BTreeMap<String, Tensor>)> {
    let config = GeneratorConfig { ch, img_size: size, ..GeneratorConfig::default() };
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 3, size, size]);
    Generator::build(&mut graph, &config, "", x)?;
    Ok((config, weights(&graph)?.into_iter().collect()))
}

/// Weights of the size that initialisation gives.
pub(crate) fn weights(graph: &Graph) -> Result<HashMap<String, Tensor>> {
    let weight = |node: &ugatit::graph::Node| {
        let fan_in = node.shape.elements() / node.shape.dims()[0];
        let bound = 1.0 / (fan_in as f32).sqrt();
        Ok((node.name.clone(), filled(&node.shape)?.map(|v| v * bound)))
    };
    graph.parameters().map(|(_, node)| weight(node)).collect()
}

async fn on_gpu(
    gpu: &Gpu,
    config: &GeneratorConfig,
    graph: &Graph,
    outputs: &[NodeId],
    weights: &HashMap<String, Tensor>,
    x: &Tensor,
) -> Result<Network> {
    let held = || gpu.device().get_internal_counters().hal.buffer_memory.read();
    let before = held();
    let started = Instant::now();
    let map = ParameterMap::new(graph, &gpu.target())?;
    let parameters = Arc::new(Parameters::upload(gpu, map, |name| weights.get(name))?);
    let plan = Plan::compile(graph, outputs, parameters.map(), &gpu.target())?;
    let flops = plan.flops();
    let mut executor = Executor::new(gpu, plan, parameters)?;
    executor.run(&[x]).await?;
    let first = started.elapsed().as_secs_f64();
    let mut times = vec![];
    while !enough(&times) {
        let started = Instant::now();
        executor.run(&[x]).await?;
        times.push(started.elapsed().as_secs_f64());
    }
    Ok(Network {
        device: gpu.name().into(),
        ch: config.ch,
        size: config.img_size,
        first_ms: first * 1e3,
        ms: median(counted(&times).to_vec()) * 1e3,
        gflop: flops as f64 / 1e9,
        weights_mib: executor.parameter_bytes() as f64 / f64::from(1 << 20),
        // What the driver has really allocated, the weights included.
        memory_mib: Some((held() - before) as f64 / f64::from(1 << 20)),
    })
}

fn on_cpu(
    config: &GeneratorConfig,
    graph: &Graph,
    outputs: &[NodeId],
    weights: &HashMap<String, Tensor>,
    x: &Tensor,
) -> Result<Network> {
    let mut times = vec![];
    for _ in 0..=RUNS {
        let started = Instant::now();
        cpu::run(graph, outputs, &|name| if name == "x" { Some(x) } else { weights.get(name) })?;
        times.push(started.elapsed().as_secs_f64());
    }
    let first = times.remove(0);
    let plan = {
        let target = ugatit::plan::Target::browser(ugatit::plan::AdapterClass::Gpu);
        Plan::compile(graph, outputs, &ParameterMap::new(graph, &target)?, &target)?
    };
    Ok(Network {
        device: "CPU device".into(),
        ch: config.ch,
        size: config.img_size,
        first_ms: first * 1e3,
        ms: median(times) * 1e3,
        gflop: plan.flops() as f64 / 1e9,
        weights_mib: weights.values().map(|w| w.data().len()).sum::<usize>() as f64 * 4.0
            / f64::from(1 << 20),
        memory_mib: None,
    })
}
