//! Pictures that are computed a second time for the gradients instead of being kept: the same numbers, less memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod support;

use support::engine::gpu;
use support::training::picture;
use ugatit::device::Device;
use ugatit::gpu::{AdapterOptions, Gpu, InjectedFault};
use ugatit::model::GeneratorConfig;
use ugatit::plan::{AdapterClass, Target};
use ugatit::train::{
    GanType, GpuTrainer, Player, Session, StepConfig, StepGraph, StepReport, TrainState, memory,
};

fn config(light: bool, gan_type: GanType) -> StepConfig {
    let generator = GeneratorConfig {
        ch: 6,
        n_res: 2,
        n_res_decoder: 2,
        img_size: 16,
        light,
        ..GeneratorConfig::default()
    };
    StepConfig { generator, gan_type, global_layers: 4, local_layers: 3, ..StepConfig::default() }
}

/// The losses of two iterations, and where they end.
fn train(mut session: Session, config: &StepConfig) -> (Vec<StepReport>, TrainState<f32>) {
    pollster::block_on(async {
        let mut reports = vec![];
        for phase in [0.1, 0.2] {
            reports.extend(
                session.iterate(&[[picture(config, phase), picture(config, phase + 1.0)]]).await.unwrap(),
            );
        }
        reports.extend(session.finish().await.unwrap());
        (reports, session.state().await.unwrap().into_owned())
    })
}

#[test]
fn the_numbers_are_the_same_to_the_bit() {
    for (light, gan_type) in [(true, GanType::Lsgan), (false, GanType::Lsgan), (true, GanType::WganGp)] {
        let config = config(light, gan_type);
        let start = TrainState::new(&config, 3).unwrap();
        let again = StepConfig { recompute: true, ..config };
        let on_processor = |config: &StepConfig| {
            pollster::block_on(Session::new(&Device::Cpu, *config, start.clone())).unwrap()
        };
        let (reports, state) = train(on_processor(&config), &config);
        assert_eq!(reports.len(), 2);
        let found = train(on_processor(&again), &again);
        assert!(found == (reports, state), "light {light}, {gan_type}, on the processor");

        for class in [AdapterClass::Gpu, AdapterClass::Software] {
            let target = Target { class, ..gpu().target() };
            let [kept, computed] = [config, again].map(|config| {
                let trainer = GpuTrainer::new(gpu(), &target, config, &start).unwrap();
                trainer.poison(f32::NAN).unwrap();
                train(Session::Gpu(Box::new(trainer)), &config)
            });
            assert!(kept == computed, "light {light}, {gan_type}, {class:?}");
        }
    }
}

/// A light generator at 256x256 and ch 64, on a GPU and on the processor.
#[test]
fn half_of_the_memory_is_enough() {
    let config = StepConfig {
        generator: GeneratorConfig { light: true, ..GeneratorConfig::default() },
        ..StepConfig::default()
    };
    let again = StepConfig { recompute: true, ..config };
    let target = Target { max_binding: 1 << 31, max_buffer: 1 << 31, ..Target::browser(AdapterClass::Gpu) };
    let [kept, computed] = [config, again].map(|config| memory(&config, &target).unwrap().beyond_weights());
    assert!(kept < 2_000_000_000 && computed < 1_200_000_000, "{kept} and {computed} bytes on a GPU");

    let [kept, computed] = [config, again].map(|config| {
        let turns = Player::BOTH.map(|player| {
            let turn = StepGraph::build(player, &config).unwrap();
            turn.memory::<f32>()
        });
        turns.into_iter().max().unwrap()
    });
    assert!(computed * 10 < kept * 7, "{computed} instead of {kept} bytes on the processor");
}

#[test]
fn a_run_recomputes_unasked_where_a_gpu_has_too_little_memory() {
    let options = AdapterOptions { name: None, allow_software: true };
    let gpu = pollster::block_on(Gpu::open(&options)).unwrap();
    let config = config(true, GanType::Lsgan);
    let start = TrainState::new(&config, 3).unwrap();
    let device = Device::Gpu(gpu.clone());
    let session = |config| pollster::block_on(Session::new(&device, config, start.clone()));
    gpu.inject(InjectedFault::OutOfMemoryInAllocation, 3);
    let short = session(config).unwrap();
    assert!(short.recomputes());
    let whole = session(config).unwrap();
    assert!(!whole.recomputes());
    assert!(short.gpu_bytes() < whole.gpu_bytes());
    assert!(train(short, &config) == train(whole, &config));

    // Where that does not do either, the error comes out.
    gpu.inject(InjectedFault::OutOfMemoryInAllocation, 3);
    let error = session(StepConfig { recompute: true, ..config }).unwrap_err();
    assert!(matches!(error, ugatit::Error::OutOfMemory { .. }), "{error}");
}
