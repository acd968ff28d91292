//! What translations and training take on every machine alike: launches, multiplications, memory. A committed table has it,
//! so that a change which costs more is seen in its diff, where a clock would need a quiet machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::fmt::Write as _;
use std::path::Path;

use ugatit::cpu;
use ugatit::graph::{Arithmetic, Graph, NodeId};
use ugatit::model::GeneratorConfig;
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target};
use ugatit::train::{self, StepConfig, StepGraph};
use ugatit::translate::network;

/// Where the table is, and the variable that has it written anew.
const TABLE: &str = "docs/counts.md";
const UPDATE: &str = "UGATIT_UPDATE_COUNTS";

const HEAD: &str = "\
# Counts

What a translation and an iteration of training take, on every machine alike. The test `tests/counts.rs` makes this file, and
fails where a count has changed; `UGATIT_UPDATE_COUNTS=1 cargo test --release --test counts` writes it anew.
[benchmarks.md](benchmarks.md) says how long things take, and `web/package/scripts/size.mjs` how large the WebAssembly module may be.

| column | |
|---|---|
| launches, kernels | launches of one run, and how many different kernels they launch |
| GFLOP | their floating-point operations; a multiplication and an addition are two |
| buffers, MiB | what is allocated beside the weights |
| weights | their MiB |

The limits are those that every browser grants.
";

/// The kinds of adapters for which there are different choices.
fn targets() -> [(&'static str, Target); 3] {
    let gpu = Target::browser(AdapterClass::Gpu);
    [
        ("graphics card", Target { discrete: true, ..gpu.clone() }),
        ("other GPU", gpu),
        ("software", Target::browser(AdapterClass::Software)),
    ]
}

/// Generators by kind, ch and the pictures' size.
const GENERATORS: [(bool, usize, usize); 5] =
    [(true, 16, 64), (true, 32, 128), (true, 64, 256), (true, 64, 512), (false, 64, 256)];

/// Runs of training: a light generator's ch, size, and the layers of the global discriminator.
const RUNS: [(usize, usize, usize); 3] = [(16, 64, 6), (32, 128, 7), (64, 256, 7)];

fn generator(light: bool, ch: usize, img_size: usize) -> GeneratorConfig {
    GeneratorConfig { light, ch, img_size, ..GeneratorConfig::default() }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A plan's part of a row.
fn plan(graph: &Graph, outputs: &[NodeId], target: &Target) -> String {
    let map = ParameterMap::new(graph, target).unwrap();
    let plan = Plan::compile(graph, outputs, &map, target).unwrap();
    let [launches, kernels, buffers] = [plan.launches().len(), plan.kernels().len(), plan.buffers().len()];
    let (gflop, memory, weights) = (plan.flops() as f64 / 1e9, mib(plan.memory()), mib(map.bytes()));
    format!("{launches} | {kernels} | {gflop:.3} | {buffers} | {memory:.2} | {weights:.2}")
}

fn translations(text: &mut String) {
    let head = "| generator | on | launches | kernels | GFLOP | buffers | MiB | weights |\n|---|---|---:|---:|---:|---:|---:|---:|";
    writeln!(text, "\n## A translation\n\n{head}").unwrap();
    for (light, ch, size) in GENERATORS {
        let config = generator(light, ch, size);
        let (graph, outputs) = network(&config, &[1, 3, size, size].into()).unwrap();
        let kind = config.architecture();
        for (on, target) in targets() {
            for (how, arithmetic) in [("", Arithmetic::Fast), (", exact", Arithmetic::Exact)] {
                let target = Target { arithmetic, ..target.clone() };
                let row = plan(&graph, &outputs, &target);
                writeln!(text, "| {kind}, ch {ch}, {size} px | {on}{how} | {row} |").unwrap();
            }
        }
        let bytes =
            [Arithmetic::Fast, Arithmetic::Exact].map(|a| mib(cpu::memory::<f32>(&graph, &outputs, a)));
        writeln!(
            text,
            "| {kind}, ch {ch}, {size} px | processor, and exact | | | | | {:.2}, {:.2} | |",
            bytes[0], bytes[1]
        )
        .unwrap();
    }
}

fn training(text: &mut String) {
    let head = "| run | turn | on | launches | kernels | GFLOP | buffers | MiB | weights |\n|---|---|---|---:|---:|---:|---:|---:|---:|";
    writeln!(text, "\n## An iteration of training\n\nLight generators, a batch of one. *All* is what a run takes of a GPU's memory, with\n`--precision f16` too.\n\n{head}").unwrap();
    for (ch, size, layers) in RUNS {
        let run = format!("ch {ch}, {size} px, {layers} layers");
        let config = StepConfig {
            generator: generator(true, ch, size),
            global_layers: layers,
            ..StepConfig::default()
        };
        let (turns, on_gpu) = (StepGraph::both(&config).unwrap(), StepGraph::both_on_gpu(&config).unwrap());
        let names = ["discriminators", "generators"];
        for (on, target) in targets() {
            let target = Target { arithmetic: config.arithmetic, ..target };
            for (name, turn) in names.iter().zip(&on_gpu) {
                writeln!(text, "| {run} | {name} | {on} | {} |", plan(&turn.graph, &turn.outputs(), &target))
                    .unwrap();
            }
            for (what, f16) in [("all", false), ("all, f16", true)] {
                let memory = train::memory(&StepConfig { f16, ..config }, &target).unwrap();
                writeln!(text, "| {run} | {what} | {on} | | | | | {:.2} | |", mib(memory.total())).unwrap();
            }
        }
        for (name, turn) in names.iter().zip(&turns) {
            let bytes = mib(turn.memory::<f32>());
            writeln!(text, "| {run} | {name} | processor | | | | | {bytes:.2} | |").unwrap();
        }
    }
}

#[test]
fn counts_are_those_of_the_table() {
    let mut text = HEAD.to_owned();
    translations(&mut text);
    training(&mut text);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let changed: Vec<String> = kept
        .lines()
        .zip(text.lines())
        .filter(|(kept, now)| kept != now)
        .map(|(kept, now)| format!("- {kept}\n+ {now}"))
        .collect();
    assert!(
        kept == text,
        "{TABLE} has other counts; where that is meant, run {UPDATE}=1 cargo test --release --test counts\n{}",
        changed.join("\n")
    );
}
