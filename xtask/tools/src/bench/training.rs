//! `cargo xtask bench --train`: whole iterations of training, and where their time goes.

mod together;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use ugatit::Tensor;
use ugatit::cpu::Walk;
use ugatit::exec::{Executor, Parameters, Timing};
use ugatit::gpu::Gpu;
use ugatit::graph::{Arithmetic, Graph, Op, Seed, backward, fuse};
use ugatit::model::{Generator, GeneratorConfig};
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target};
use ugatit::train::{CpuEngine, GpuTrainer, Player, StepConfig, Team, TrainState, Trainer};
use ugatit_mpi::{Ranks, Wire};

use super::cpu::{self, label};
use super::measure::{counted, enough, filled, median, python_with};
use super::peer::Peer;
use together::Together;
use xtask::process::root;

#[derive(Args)]
pub(crate) struct TrainOptions {
    /// Instead of translations: an iteration of training, and each kernel's share of it
    #[arg(long)]
    pub(crate) train: bool,
    /// With --train: channels
    #[arg(long, requires = "train")]
    ch: Option<usize>,
    /// With --train: the pictures' size
    #[arg(long, requires = "train")]
    size: Option<usize>,
    /// With --train: layers of the global discriminators
    #[arg(long, requires = "train")]
    layers: Option<usize>,
    /// With --train: full generators, not light ones
    #[arg(long, requires = "train")]
    full: bool,
    /// With --train and several ranks: gradients in 16 bits
    #[arg(long, requires = "train")]
    bf16: bool,
    /// With --train: iterations that are measured, after one that is not
    #[arg(long, requires = "train")]
    runs: Option<usize>,
}

impl TrainOptions {
    fn config(&self, ch: usize, size: usize, layers: usize) -> StepConfig {
        let generator = GeneratorConfig {
            ch: self.ch.unwrap_or(ch),
            img_size: self.size.unwrap_or(size),
            light: !self.full,
            ..GeneratorConfig::default()
        };
        StepConfig { generator, global_layers: self.layers.unwrap_or(layers), ..StepConfig::default() }
    }

    fn wire(&self) -> Wire {
        if self.bf16 { Wire::Bf16 } else { Wire::F32 }
    }
}

/// How often ours and PyTorch take their turns, and the iterations of each turn.
const ROUNDS: usize = 3;
const TURN: usize = 5;

/// Iterations on the processor of which the median is taken, after one that is not counted.
const RUNS: usize = 3;

#[derive(Default, Serialize)]
pub(crate) struct Training {
    device: String,
    work: String,
    /// Of one iteration: the median, its operations.
    ms: f64,
    gflop: f64,
    /// GPU memory, MiB.
    memory_mib: Option<f64>,
    /// One generator, ch 16, 64x64, forward and backward.
    generator_ms: Option<f64>,
    /// Milliseconds by kernel and by what was computed.
    kernels: Vec<Share>,
    labels: Vec<Share>,
    /// Of all kernels' time the sums, the report and Adam.
    optimiser: f64,
    /// PyTorch's, in turn with ours.
    others: Vec<Other>,
    /// On the processor: milliseconds by operation, as a table.
    operations: String,
    /// Where several ranks train together.
    together: Option<Together>,
}

/// The same iteration by another program.
#[derive(Serialize)]
struct Other {
    name: &'static str,
    /// Its median, and ours divided by it.
    ms: f64,
    ratio: f64,
}

/// PyTorch's step with `options`, where Python has it and, for CUDA, a card.
fn pytorch(config: &StepConfig, cuda: bool, name: &'static str, options: &[&str]) -> Result<Option<Peer>> {
    let Some(python) = python_with(&["torch"]) else { return Ok(None) };
    let mut command = Command::new(python);
    command.arg(root().join("docs/benchmarks/pytorch_step.py"));
    let g = &config.generator;
    let threads = std::thread::available_parallelism()?.get();
    for (option, value) in [
        ("--ch", g.ch),
        ("--size", g.img_size),
        ("--layers", config.global_layers),
        ("--local-layers", config.local_layers),
        ("--threads", threads),
        ("--steps", TURN),
    ] {
        command.args([option, &value.to_string()]);
    }
    command.args(["--device", if cuda { "cuda" } else { "cpu" }, "--turns"]).args(options);
    if !g.light {
        command.arg("--full");
    }
    Peer::start(name, &mut command, &[]).map(Some)
}

/// Runs turns of `ours` (milliseconds of an iteration) and of the others; our median, and theirs.
async fn in_turn(
    others: Vec<(&'static str, Peer)>,
    mut ours: impl AsyncFnMut() -> Result<f64>,
) -> Result<(f64, Vec<Other>)> {
    let mut our_ms = vec![];
    let mut others: Vec<_> = others.into_iter().map(|(name, peer)| (name, peer, vec![])).collect();
    for _ in 0..ROUNDS {
        for _ in 0..TURN {
            our_ms.push(ours().await?);
        }
        for (_, peer, ms) in &mut others {
            ms.extend(peer.turn()?);
        }
    }
    let our_ms = median(our_ms);
    let mut measured = vec![];
    for (name, peer, ms) in others {
        peer.finish()?;
        let ms = median(ms);
        measured.push(Other { name, ms, ratio: our_ms / ms });
    }
    Ok((our_ms, measured))
}

#[derive(Serialize)]
struct Share {
    name: String,
    launches: usize,
    ms: f64,
    gflops: f64,
    share: f64,
}

fn batch(config: &StepConfig) -> Result<[Tensor; 2]> {
    Ok([filled(&config.pictures())?, filled(&config.pictures())?.map(|x| 0.5 - 0.5 * x)])
}

fn work(config: &StepConfig) -> String {
    let g = &config.generator;
    let kind = g.architecture();
    format!("{kind}, ch {}, {2}x{2}, {} layers", g.ch, config.global_layers, g.img_size)
}

pub(crate) async fn on_gpu(gpu: &Gpu, options: &TrainOptions) -> Result<Training> {
    let config = options.config(32, 128, 7);
    let mut trainer = GpuTrainer::new(gpu, &gpu.target(), config, &TrainState::new(&config, 1)?)?;
    let batches = [batch(&config)?];
    let mut times = vec![];
    while !enough(&times) {
        let started = Instant::now();
        trainer.iterate(&batches).await?;
        trainer.finish().await?;
        times.push(started.elapsed().as_secs_f64());
    }
    let flops: u64 = Player::BOTH.iter().map(|player| trainer.plan(*player).flops()).sum();
    let mut result = Training {
        device: gpu.name().into(),
        work: work(&config),
        ms: median(counted(&times).to_vec()) * 1e3,
        gflop: flops as f64 / 1e9,
        memory_mib: Some(trainer.memory().total() as f64 / f64::from(1 << 20)),
        ..Training::default()
    };
    let card = !gpu.is_software() && has_cuda();
    let mut others = vec![];
    for (name, options) in [
        ("PyTorch, f32", &["--lean", "--cudnn-benchmark"][..]),
        ("PyTorch, TF32", &["--lean", "--cudnn-benchmark", "--tf32"]),
    ] {
        let peer = if card { pytorch(&config, true, name, options)? } else { None };
        others.extend(peer.map(|peer| (name, peer)));
    }
    if !others.is_empty() {
        (result.ms, result.others) = in_turn(others, async || {
            let started = Instant::now();
            trainer.iterate(&batches).await?;
            trainer.finish().await?;
            Ok(started.elapsed().as_secs_f64() * 1e3)
        })
        .await?;
    }
    if gpu.has_timestamps() {
        let [discriminators, generators] = trainer.profile().await?;
        let seconds = |timings: &[Timing]| timings.iter().map(|t| t.seconds).sum::<f64>();
        let update = seconds(&discriminators[1]) + seconds(&generators[1]);
        let all: Vec<Timing> = [discriminators, generators].into_iter().flatten().flatten().collect();
        result.optimiser = update / seconds(&all);
        result.kernels = shares(&all, |t| t.kernel.name().into_owned());
        result.labels = shares(&all, |t| format!("{}: {}", t.kernel.name(), t.label));
        result.labels.truncate(40);
    }
    drop(trainer);
    result.generator_ms = Some(generator(gpu).await?);
    Ok(result)
}

/// The launches of an iteration that uses all that there is in training, by the kernels of `class`.
pub(crate) async fn kernels(gpu: &Gpu, class: AdapterClass) -> Result<Vec<Timing>> {
    let hopeless = gpu.is_software() || class != gpu.target().class;
    let (ch, img_size) = if hopeless { (16, 64) } else { (64, 256) };
    let generator = GeneratorConfig { ch, img_size, ..GeneratorConfig::default() };
    let config =
        StepConfig { generator, global_layers: 6, accumulation: 2, ema: 0.999, ..StepConfig::default() };
    let target = Target { class, ..gpu.target() };
    let mut trainer = GpuTrainer::new(gpu, &target, config, &TrainState::new(&config, 1)?)?;
    trainer.iterate(&[batch(&config)?, batch(&config)?]).await?;
    trainer.finish().await?;
    let timings = trainer.profile().await?;
    Ok(timings.into_iter().flatten().flatten().collect())
}

/// The time by what `key` says, the most first.
fn shares(timings: &[Timing], key: impl Fn(&Timing) -> String) -> Vec<Share> {
    let all: f64 = timings.iter().map(|t| t.seconds).sum();
    let mut groups: BTreeMap<String, (usize, f64, u64)> = BTreeMap::new();
    for timing in timings {
        let group = groups.entry(key(timing)).or_default();
        *group = (group.0 + 1, group.1 + timing.seconds, group.2 + timing.flops);
    }
    let share = |(name, (launches, seconds, flops)): (String, (usize, f64, u64))| Share {
        name,
        launches,
        ms: seconds * 1e3,
        gflops: flops as f64 / seconds / 1e9,
        share: seconds / all,
    };
    let mut shares: Vec<Share> = groups.into_iter().map(share).collect();
    shares.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    shares
}

/// Milliseconds of one light generator's forward and backward at ch 16, 64x64, and of reading
/// its gradients back.
async fn generator(gpu: &Gpu) -> Result<f64> {
    let config = GeneratorConfig { ch: 16, img_size: 64, ..GeneratorConfig::default() };
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 3, 64, 64]);
    let net = Generator::build(&mut graph, &config, "", x)?;
    let mut losses = vec![graph.add(Op::Mse { target: 0.5 }, &[net.image])?];
    if let Some(logit) = net.cam_logit {
        losses.push(graph.add(Op::BceWithLogits { target: 1.0 }, &[logit])?);
    }
    let (mut graph, losses) = fuse(&graph, &losses);
    let wrt: Vec<_> = graph.parameters().map(|(id, _)| id).collect();
    let seeds: Vec<_> = losses.iter().map(|&loss| (loss, Seed::Weight(1.0))).collect();
    let outputs: Vec<_> = backward(&mut graph, &seeds, &wrt)?.into_iter().flatten().collect();
    let weights = super::networks::weights(&graph)?;
    let map = ParameterMap::new(&graph, &gpu.target())?;
    let parameters = Arc::new(Parameters::upload(gpu, map, |name| weights.get(name))?);
    let plan = Plan::compile(&graph, &outputs, parameters.map(), &gpu.target())?;
    let mut executor = Executor::new(gpu, plan, parameters)?;
    let picture = filled(&[1, 3, 64, 64].into())?;
    let mut times = vec![];
    while !enough(&times) {
        let started = Instant::now();
        executor.run(&[&picture]).await?;
        times.push(started.elapsed().as_secs_f64());
    }
    Ok(median(counted(&times).to_vec()) * 1e3)
}

/// The time of each operation of both turns on the processor.
fn operations(trainer: &Trainer<f32>, [a, b]: &[Tensor; 2]) -> Result<String> {
    let feed = |name: &str| match name {
        // Any pictures of their shape do for the translated ones.
        "real_A" | "fake_A" => Some(a),
        "real_B" | "fake_B" => Some(b),
        _ => trainer.state.tensors.get(name),
    };
    let mut rows = vec![];
    for player in Player::BOTH {
        let step = trainer.graph(player);
        let outputs = step.outputs();
        let mut walk = Walk::new(&step.graph, &outputs, Arithmetic::Exact);
        for (_, node) in step.graph.iter() {
            let started = Instant::now();
            walk.step(&feed)?;
            rows.push((label(&step.graph, node), started.elapsed().as_secs_f64() * 1e3));
        }
    }
    cpu::shares(rows.into_iter())
}

/// Whether Python's PyTorch finds a card.
fn has_cuda() -> bool {
    let Some(python) = python_with(&["torch"]) else { return false };
    let asked = Command::new(python).args(["-c", "import torch; assert torch.cuda.is_available()"]).output();
    asked.is_ok_and(|output| output.status.success())
}

/// Several ranks on GPUs, without the kernels' shares.
pub(crate) async fn of_ranks(gpu: &Gpu, options: &TrainOptions, ranks: &Ranks) -> Result<Training> {
    let config = StepConfig { ranks: ranks.ranks(), ..options.config(32, 128, 7) };
    let mut trainer = GpuTrainer::new(gpu, &gpu.target(), config, &TrainState::new(&config, 1)?)?;
    let batches = [batch(&config)?];
    let mut team = Team::new(ranks.connection(options.wire()));
    let (mut times, mut waits) = (vec![], vec![]);
    for _ in 0..=options.runs.unwrap_or(RUNS) {
        let (started, waited) = (Instant::now(), team.waited());
        trainer.iterate_in(Some(&mut team), &batches).await?;
        trainer.finish().await?;
        times.push(started.elapsed().as_secs_f64());
        waits.push((team.waited() - waited).as_secs_f64());
    }
    let together = Together::new(&config, options.wire(), &times[1..], &waits[1..], &mut team)?;
    let flops: u64 = Player::BOTH.iter().map(|player| trainer.plan(*player).flops()).sum();
    Ok(Training {
        device: gpu.name().into(),
        work: work(&config),
        ms: median(times.split_off(1)) * 1e3,
        gflop: flops as f64 / 1e9,
        memory_mib: Some(trainer.memory().total() as f64 / f64::from(1 << 20)),
        together: Some(together),
        ..Training::default()
    })
}

pub(crate) async fn on_cpu(options: &TrainOptions, ranks: Option<&Ranks>) -> Result<Training> {
    let config = StepConfig { ranks: ranks.map_or(1, Ranks::ranks), ..options.config(16, 64, 6) };
    let mut trainer = Trainer::<f32>::new(config, TrainState::new(&config, 1)?, CpuEngine::default())?;
    let batches = [batch(&config)?];
    let mut team = ranks.map(|ranks| Team::new(ranks.connection(options.wire())));
    let (mut times, mut waits) = (vec![], vec![]);
    for _ in 0..=options.runs.unwrap_or(RUNS) {
        let waited = team.as_ref().map(Team::waited).unwrap_or_default();
        let started = Instant::now();
        trainer.iterate_in(team.as_mut(), &batches)?;
        times.push(started.elapsed().as_secs_f64());
        waits.push((team.as_ref().map(Team::waited).unwrap_or_default() - waited).as_secs_f64());
    }
    times.remove(0);
    let together = match &mut team {
        Some(team) => Some(Together::new(&config, options.wire(), &times, &waits[1..], team)?),
        None => None,
    };
    let target = Target::browser(AdapterClass::Gpu);
    let flops = Player::BOTH.map(|player| {
        let step = trainer.graph(player);
        let map = ParameterMap::new(&step.graph, &target)?;
        anyhow::Ok(Plan::compile(&step.graph, &step.outputs(), &map, &target)?.flops())
    });
    let [a, b] = flops;
    let mut result = Training {
        device: "CPU device".into(),
        work: work(&config),
        ms: median(times) * 1e3,
        gflop: (a? + b?) as f64 / 1e9,
        together,
        ..Training::default()
    };
    if ranks.is_some() {
        return Ok(result);
    }
    result.operations = operations(&trainer, &batches[0])?;
    let name = "PyTorch, f32";
    if let Some(peer) = pytorch(&config, false, name, &["--lean"])? {
        (result.ms, result.others) = in_turn(vec![(name, peer)], async || {
            let started = Instant::now();
            trainer.iterate(&batches)?;
            Ok(started.elapsed().as_secs_f64() * 1e3)
        })
        .await?;
    }
    Ok(result)
}

impl Training {
    pub(crate) fn write(&self, text: &mut String, practical_gflops: f64) -> std::fmt::Result {
        let gflops = self.gflop / self.ms * 1e3;
        writeln!(text, "\nOne iteration of training on {}: {}.\n", self.device, self.work)?;
        writeln!(text, "| | |\n|---|---|\n| an iteration | {:.1} ms |", self.ms)?;
        for Other { name, ms, ratio } in &self.others {
            writeln!(text, "| {name}, in turn | {ms:.1} ms; ours takes {ratio:.2} of it |")?;
        }
        writeln!(text, "| convolutions and products | {:.1} GFLOP, {gflops:.1} GFLOP/s |", self.gflop)?;
        if let Some(together) = &self.together {
            together.write(self.ms, text)?;
        }
        let Some(memory) = self.memory_mib else { return writeln!(text, "\n{}", self.operations) };
        writeln!(text, "| of the practical peak | {:.0} % |", 100.0 * gflops / practical_gflops)?;
        writeln!(text, "| GPU memory, all of it | {memory:.0} MiB |")?;
        if let Some(ms) = self.generator_ms {
            writeln!(text, "| one generator forward and backward, ch 16, 64x64 | {ms:.0} ms |")?;
        }
        if self.kernels.is_empty() {
            return Ok(());
        }
        writeln!(text, "| sums, report and Adam | {:.1} % of the kernels' time |", 100.0 * self.optimiser)?;
        for (what, rows) in [("kernel", &self.kernels), ("kernel: work (the first forty)", &self.labels)] {
            writeln!(text, "\n| {what} | launches | ms | GFLOP/s | share |\n|---|---:|---:|---:|---:|")?;
            for row in rows {
                let gflops = if row.gflops > 0.0 { format!("{:.1}", row.gflops) } else { String::new() };
                let share = 100.0 * row.share;
                writeln!(
                    text,
                    "| {} | {} | {:.1} | {gflops} | {share:.1} % |",
                    row.name, row.launches, row.ms
                )?;
            }
        }
        Ok(())
    }
}
