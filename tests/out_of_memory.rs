//! A GPU whose memory runs out, for real: a software adapter takes its memory from the process, and
//! the process may only grow by a little.
//!
//! The limit would fall on other tests too, so each of these runs in a process of its own. Linux with
//! `prlimit` (util-linux) and a software adapter; elsewhere they say that they have not run.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

#[path = "support/adapter.rs"]
mod adapter;

use std::collections::BTreeMap;
use std::process::Command;

use ugatit::gpu::Gpu;
use ugatit::io::{Model, ModelMetadata};
use ugatit::model::{Direction, GeneratorConfig};
use ugatit::train::{Session, StepConfig, TrainState};
use ugatit::translate::{Device, Translator};
use ugatit::{Error, Tensor};

/// What the process may grow by: more than the runs need on the processor, and a fraction of what
/// they need on the GPU.
const MORE: u64 = 256 << 20;
const CHILD: &str = "UGATIT_OUT_OF_MEMORY_CHILD";

/// Runs `body` in a process of its own, with the device and what limits the memory from then on.
fn alone(test: &str, body: impl FnOnce(Gpu, &dyn Fn())) {
    if std::env::var_os(CHILD).is_none() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args([test, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        println!("{}", text.concat());
        assert!(output.status.success() && !text.concat().contains("panicked"), "{}", output.status);
        return;
    }
    let gpu = pollster::block_on(Gpu::open(&adapter::any())).unwrap();
    if !gpu.is_software() || Command::new("prlimit").arg("--version").output().is_err() {
        println!("NOT RUN: it takes prlimit and a software adapter, and this is {}", gpu.name());
        return;
    }
    body(gpu, &|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.strip_suffix("kB")).unwrap();
        let size: u64 = size.trim().parse().unwrap();
        let pid = std::process::id().to_string();
        let limit = format!("--as={}", size * 1024 + MORE);
        assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
    });
}

fn assert_says_what_to_do(error: &Error) {
    println!("{error}");
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("out of memory") && text.contains("smaller") && text.contains("the processor"));
}

fn generator(ch: usize, img_size: usize) -> GeneratorConfig {
    GeneratorConfig {
        ch,
        n_res: 1,
        n_res_decoder: 1,
        img_size,
        img_ch: 3,
        light: true,
        ..GeneratorConfig::default()
    }
}

#[test]
fn a_translation_errs_and_a_smaller_one_works() {
    alone("a_translation_errs_and_a_smaller_one_works", |gpu, limit| {
        let config = generator(32, 64);
        let tensors: BTreeMap<_, _> = Model::expected(&config)
            .unwrap()
            .into_iter()
            .map(|(key, shape)| {
                let data = (0..shape.elements()).map(|i| (i as f32 * 0.7).sin() * 0.05).collect();
                (key, Tensor::new(shape, data).unwrap())
            })
            .collect();
        let model = Model::new(config, Direction::A2B, ModelMetadata::default(), tensors).unwrap();
        let large = Tensor::zeros([1, 3, 1024, 1024]);
        pollster::block_on(async {
            let mut translator = Translator::new(Device::Gpu(gpu), model).await.unwrap();
            let before = translator.run(&Tensor::zeros([1, 3, 64, 64])).await.unwrap();
            limit();
            for _ in 0..2 {
                assert_says_what_to_do(&translator.run(&large).await.unwrap_err());
            }
            let after = translator.run(&Tensor::zeros([1, 3, 64, 64])).await.unwrap();
            assert_eq!(before.image, after.image);
        });
    });
}

#[test]
fn a_training_errs_and_a_smaller_one_works() {
    alone("a_training_errs_and_a_smaller_one_works", |gpu, limit| {
        let step = |ch, size| StepConfig {
            generator: generator(ch, size),
            global_layers: 4,
            local_layers: 3,
            ..StepConfig::default()
        };
        let (large, small) = (step(32, 256), step(4, 16));
        let states = [large, small].map(|config| TrainState::new(&config, 1).unwrap());
        let [large_state, small_state] = states;
        let device = Device::Gpu(gpu);
        pollster::block_on(async {
            limit();
            for _ in 0..2 {
                let error = Session::new(&device, large, large_state.clone()).await.unwrap_err();
                assert_says_what_to_do(&error);
            }
            let mut session = Session::new(&device, small, small_state).await.unwrap();
            let picture = Tensor::zeros(small.pictures());
            session.iterate(&[[picture.clone(), picture]]).await.unwrap();
            let report = session.finish().await.unwrap().unwrap();
            assert_eq!(report.step, 1);
        });
    });
}
