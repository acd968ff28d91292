//! `cargo xtask bench --cpu`: translations on the processor, in turn with ONNX Runtime, and where
//! their time goes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ugatit::Tensor;
use ugatit::cpu::{Pool, Walk, memory};
use ugatit::graph::{Arithmetic, Graph, Node, Op};
use ugatit::io::{Model, ModelMetadata, Precision};
use ugatit::model::{Direction, GeneratorConfig};
use ugatit::translate::{Device, Translator, network};

use super::measure::{filled, median, python_with};
use super::networks::light;
use super::peer::Peer;
use xtask::process::{root, say};

/// ch and size of the light generators.
const SIZES: [(usize, usize); 3] = [(16, 64), (32, 128), (64, 256)];
/// How often all take their turn, and how many runs a turn has.
const ROUNDS: usize = 5;
const RUNS: usize = 5;
/// For so long a turn runs before it counts: after a pause the system takes some tens of milliseconds until it has the
/// threads of a program on cores of their own.
const WARM_UP: Duration = Duration::from_millis(150);
/// What ONNX Runtime's threads are given to go to sleep after a turn: they wait busily for 40 ms.
const PAUSE: Duration = Duration::from_millis(300);

pub(crate) async fn run() -> Result<()> {
    let mut text = String::from(
        "| light generator, on the processor | exact, ms | fast, ms | fast / exact | ONNX Runtime, ms | fast / ONNX Runtime | largest difference, of 255 |\n|---|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut profiles = String::new();
    for (ch, size) in SIZES {
        let (config, tensors) = light(ch, size)?;
        let model = || Model::new(config, Direction::A2B, ModelMetadata::default(), tensors.clone());
        let x = filled(&[1, 3, size, size].into())?;

        let folder = root().join("out/bench-cpu");
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let path = folder.join(format!("ch{ch}.onnx"));
        model()?.save_onnx(&path, Precision::F32, true)?;
        let mut peer = onnx_runtime(&path, &x)?;

        let mut exact = Translator::new(Device::Cpu, model()?).await?.with_arithmetic(Arithmetic::Exact);
        let mut fast = Translator::new(Device::Cpu, model()?).await?;
        let (reference, ours) = (exact.run(&x).await?, fast.run(&x).await?);
        let (mut exact_ms, mut fast_ms, mut peer_ms) = (vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            for (translator, ms) in [(&mut exact, &mut exact_ms), (&mut fast, &mut fast_ms)] {
                let turn = Instant::now();
                while turn.elapsed() < WARM_UP {
                    translator.run(&x).await?;
                }
                for _ in 0..RUNS {
                    let started = Instant::now();
                    translator.run(&x).await?;
                    ms.push(started.elapsed().as_secs_f64() * 1e3);
                }
            }
            if let Some(peer) = &mut peer {
                peer_ms.extend(peer.turn()?);
                std::thread::sleep(PAUSE);
            }
        }
        let off = |image: &Tensor| -> f32 {
            let pairs = image.data().iter().zip(reference.image.data());
            pairs.map(|(a, b)| (a - b).abs() * 127.5).fold(0.0, f32::max)
        };
        let (exact_ms, fast_ms) = (median(exact_ms), median(fast_ms));
        let (theirs, ratio) = match median(peer_ms) {
            ms if ms.is_nan() => ("not installed".to_owned(), String::new()),
            ms => (format!("{ms:.1}"), format!("{:.2}", fast_ms / ms)),
        };
        writeln!(
            text,
            "| ch {ch}, {size}x{size} | {exact_ms:.1} | {fast_ms:.1} | {:.2} | {theirs} | {ratio} | {:.4} |",
            fast_ms / exact_ms,
            off(&ours.image)
        )?;
        if let Some(mut peer) = peer {
            let theirs = picture(&mut peer, &x)?;
            peer.finish()?;
            ensure!(off(&theirs) < 0.5, "ONNX Runtime gives another picture");
        }
        writeln!(profiles, "\nch {ch}, {size}x{size}:\n")?;
        profiles.push_str(&profile(&config, &tensors, &x)?);
    }
    say(&text);
    say(&profiles);
    Ok(())
}

/// Milliseconds by what is computed, medians of [`RUNS`] and more, the largest first.
fn profile(config: &GeneratorConfig, weights: &BTreeMap<String, Tensor>, x: &Tensor) -> Result<String> {
    let (graph, outputs) = network(config, x.shape())?;
    let feed = |name: &str| if name == "x" { Some(x) } else { weights.get(name) };
    let mut times: Vec<Vec<f64>> = vec![vec![]; graph.nodes().len()];
    let mut pool = Pool::default();
    pool.allow(memory::<f32>(&graph, &outputs, Arithmetic::Fast) / size_of::<f32>() as u64);
    let turn = Instant::now();
    while turn.elapsed() < WARM_UP || times[0].len() < 2 * RUNS {
        let mut walk = Walk::<f32>::reusing(pool, &graph, &outputs, Arithmetic::Fast);
        for times in &mut times {
            let started = Instant::now();
            walk.step(&feed)?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        pool = walk.finish_reusing()?.1;
    }
    let rows = graph.nodes().iter().zip(times);
    shares(rows.map(|(node, times)| (label(&graph, node), median(times[times.len() / 2..].to_vec()))))
}

/// A table of milliseconds by label, the largest first.
pub(super) fn shares(rows: impl Iterator<Item = (String, f64)>) -> Result<String> {
    let mut shares: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    for (label, ms) in rows {
        let share = shares.entry(label).or_default();
        *share = (share.0 + 1, share.1 + ms);
    }
    let mut shares: Vec<_> = shares.into_iter().collect();
    shares.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
    let all: f64 = shares.iter().map(|share| share.1.1).sum();
    let mut text = String::from("| | times | ms | share |\n|---|---:|---:|---:|\n");
    for (label, (count, ms)) in shares.iter().filter(|share| share.1.1 > 0.005 * all) {
        writeln!(text, "| {label} | {count} | {ms:.2} | {:.0} % |", 100.0 * ms / all)?;
    }
    Ok(text)
}

/// What a node computes, of what size.
pub(super) fn label(graph: &Graph, node: &Node) -> String {
    let kind = format!("{:?}", node.op);
    let name = kind.split([' ', '(', '{']).next().unwrap_or(&kind).to_owned();
    match node.op {
        Op::Conv2dGradInput { conv, .. } => {
            let weight = graph.shape(node.inputs[1]);
            format!("{name} {:?} of {weight}, to {}", conv.upsample, node.shape)
        }
        Op::Conv2dGradWeight { conv, .. } => {
            let g = graph.shape(node.inputs[1]);
            format!("{name} {:?} to {}, from {g}", conv.upsample, node.shape)
        }
        Op::Conv2d(conv) => {
            let weight = graph.shape(node.inputs[1]);
            format!("{name} {:?} of {weight}, to {}", conv.upsample, node.shape)
        }
        _ => format!("{name}, {}", node.shape),
    }
}

/// ONNX Runtime with the threads that it takes by itself; none where Python lacks it.
fn onnx_runtime(model: &Path, x: &Tensor) -> Result<Option<Peer>> {
    let Some(python) = python_with(&["onnxruntime", "numpy"]) else { return Ok(None) };
    let mut command = Command::new(&python);
    command.arg(root().join("docs/benchmarks/onnxruntime_translate.py")).arg(model);
    let warm_up = usize::try_from(WARM_UP.as_millis())?;
    command.args([x.shape().dims()[3], RUNS, warm_up].map(|n| n.to_string()));
    Peer::start("ONNX Runtime", &mut command, bytemuck::cast_slice(x.data())).map(Some)
}

/// Its picture.
fn picture(peer: &mut Peer, x: &Tensor) -> Result<Tensor> {
    let line = peer.ask("picture")?;
    let values = line.split_whitespace().map(|value| Ok(value.parse()?)).collect::<Result<Vec<f32>>>()?;
    Ok(Tensor::new(x.shape(), values)?)
}
