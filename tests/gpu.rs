//! The device itself: memory, allocation, loss, choice of adapter.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

#[path = "support/adapter.rs"]
mod adapter;

use std::sync::Arc;

use ugatit::exec::{Executor, Parameters};
use ugatit::gpu::{AdapterOptions, Gpu, adapters};
use ugatit::graph::{Graph, fuse};
use ugatit::model::{Generator, GeneratorConfig};
use ugatit::plan::{ParameterMap, Plan};
use ugatit::{Error, Tensor};

fn open() -> Gpu {
    pollster::block_on(Gpu::open(&adapter::any())).unwrap()
}

fn generator(gpu: &Gpu, config: &GeneratorConfig, size: usize) -> Executor {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, config.img_ch, size, size]);
    let net = Generator::build(&mut graph, config, "", x).unwrap();
    let (graph, outputs) = fuse(&graph, &[net.image]);
    let map = ParameterMap::new(&graph, &gpu.target()).unwrap();
    let zeros: std::collections::HashMap<String, Tensor> =
        graph.parameters().map(|(_, n)| (n.name.clone(), Tensor::zeros(&n.shape))).collect();
    let parameters = Parameters::upload(gpu, map, |name| zeros.get(name)).unwrap();
    let plan = Plan::compile(&graph, &outputs, parameters.map(), &gpu.target()).unwrap();
    Executor::new(gpu, plan, Arc::new(parameters)).unwrap()
}

/// Bytes and buffers that the driver holds.
fn allocated(gpu: &Gpu) -> (isize, isize) {
    let counters = gpu.device().get_internal_counters().hal;
    (counters.buffer_memory.read(), counters.buffers.read())
}

#[test]
fn a_run_allocates_what_the_plan_says_and_later_runs_nothing() {
    let gpu = open();
    let config = GeneratorConfig { ch: 16, img_size: 64, ..Default::default() };
    let (before, _) = allocated(&gpu);
    let mut executor = generator(&gpu, &config, 64);
    let x = Tensor::zeros([1, 3, 64, 64]);
    pollster::block_on(executor.run(&[&x])).unwrap();
    let after_first = allocated(&gpu);
    let held = after_first.0 - before;
    let planned = (executor.memory() + executor.parameter_bytes()) as isize;
    // The driver rounds each buffer up, and wgpu keeps some small ones of its own.
    assert!((held - planned).abs() <= 64 << 10, "planned {planned}, held {held}");
    for _ in 0..20 {
        pollster::block_on(executor.run(&[&x])).unwrap();
        assert_eq!(allocated(&gpu), after_first);
    }
}

#[test]
fn a_lost_device_is_a_typed_error_and_does_not_hang() {
    let gpu = open();
    let config = GeneratorConfig { ch: 4, img_size: 32, ..Default::default() };
    let mut executor = generator(&gpu, &config, 32);
    let x = Tensor::zeros([1, 3, 32, 32]);
    pollster::block_on(executor.run(&[&x])).unwrap();
    gpu.device().destroy();
    for _ in 0..2 {
        let error = pollster::block_on(executor.run(&[&x])).unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    }
}

#[test]
fn inputs_of_another_shape_are_refused() {
    let gpu = open();
    let config = GeneratorConfig { ch: 4, img_size: 32, ..Default::default() };
    let mut executor = generator(&gpu, &config, 32);
    for inputs in [vec![], vec![Tensor::zeros([1, 3, 32, 36])]] {
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        assert!(matches!(pollster::block_on(executor.run(&inputs)), Err(Error::Shape(_))));
    }
    // And the executor is as good as before.
    pollster::block_on(executor.run(&[&Tensor::zeros([1, 3, 32, 32])])).unwrap();
}

#[test]
fn adapters_are_chosen_by_name_and_kind() {
    let all = pollster::block_on(adapters());
    let name = all[0].name.clone();
    let part = name[1..name.len() / 2].to_uppercase();
    let gpu =
        pollster::block_on(Gpu::open(&AdapterOptions { name: Some(part), allow_software: false })).unwrap();
    assert_eq!(gpu.name(), name);

    let unknown = AdapterOptions { name: Some("no such adapter".into()), allow_software: true };
    let error = pollster::block_on(Gpu::open(&unknown)).unwrap_err();
    assert!(
        matches!(&error, Error::AdapterNotFound { available, .. } if available.contains(&name)),
        "{error}"
    );

    if all.iter().all(|a| a.kind == "software") {
        let hardware = AdapterOptions { name: None, allow_software: false };
        let error = pollster::block_on(Gpu::open(&hardware)).unwrap_err();
        assert!(
            matches!(error, Error::OnlySoftware { .. }) && error.to_string().contains("on the processor"),
            "{error}"
        );
    }
}

/// Timestamps are there on the adapter that CI has, and tell a plausible time.
#[test]
fn a_profile_times_every_launch() {
    let gpu = open();
    let config = GeneratorConfig { ch: 8, img_size: 64, ..Default::default() };
    let mut executor = generator(&gpu, &config, 64);
    pollster::block_on(executor.run(&[&Tensor::zeros([1, 3, 64, 64])])).unwrap();
    if gpu.has_timestamps() {
        let timings = pollster::block_on(executor.profile()).unwrap();
        assert_eq!(timings.len(), executor.plan().launches().len());
        let seconds: f64 = timings.iter().map(|t| t.seconds).sum();
        assert!(seconds > 0.0 && seconds < 60.0, "{seconds}");
    }
}
