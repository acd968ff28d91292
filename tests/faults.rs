//! Faults of a GPU at every place where they can come up, made on purpose: an error in a run breaks
//! nothing after it, and a device that is lost while somebody waits for it is an error like others.
//! (`tests/gpu.rs` loses a device by destroying it; `tests/out_of_memory.rs` uses up real memory.)

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

#[path = "support/adapter.rs"]
mod adapter;

use std::collections::BTreeMap;

use pollster::block_on;
use ugatit::gpu::{Gpu, InjectedFault};
use ugatit::io::{Model, ModelMetadata};
use ugatit::model::{DecoderNorm, Dialect, Direction, GeneratorConfig};
use ugatit::train::{Session, StepConfig, StepReport, TrainState};
use ugatit::translate::{Device, TileOptions, Translation, Translator};
use ugatit::{Error, Result, Tensor};

fn open() -> Gpu {
    block_on(Gpu::open(&adapter::any())).unwrap()
}

const GENERATOR: GeneratorConfig = GeneratorConfig {
    ch: 4,
    n_res: 1,
    n_res_decoder: 1,
    img_size: 32,
    img_ch: 3,
    light: true,
    dialect: Dialect::Pytorch,
    decoder_norm: DecoderNorm::AdaLin,
    cam: true,
    smoothing: false,
};

fn wave(shape: impl Into<ugatit::graph::Shape>, step: f32) -> Tensor {
    let shape = shape.into();
    let data = (0..shape.elements()).map(|i| (i as f32 * step).sin() * 0.1).collect();
    Tensor::new(shape, data).unwrap()
}

fn translator(gpu: &Gpu) -> Result<Translator> {
    let shapes = Model::expected(&GENERATOR).unwrap().into_iter();
    let tensors: BTreeMap<_, _> = shapes.map(|(key, shape)| (key, wave(shape, 0.7))).collect();
    let model = Model::new(GENERATOR, Direction::A2B, ModelMetadata::default(), tensors).unwrap();
    block_on(Translator::new(Device::Gpu(gpu.clone()), model))
}

fn translate(translator: &mut Translator) -> Result<Translation> {
    block_on(translator.run(&wave([1, 3, 32, 32], 0.3)))
}

fn train_config() -> StepConfig {
    StepConfig {
        generator: GeneratorConfig { img_size: 16, ..GENERATOR },
        global_layers: 4,
        local_layers: 3,
        // Else a second try with less memory would follow the first.
        recompute: true,
        accumulation: 2,
        ema: 0.9,
        ..StepConfig::default()
    }
}

fn session(gpu: &Gpu) -> Result<Session> {
    let config = train_config();
    block_on(Session::new(&Device::Gpu(gpu.clone()), config, TrainState::new(&config, 1).unwrap()))
}

/// Three iterations.
fn iterate(session: &mut Session) -> Result<Vec<StepReport>> {
    let batch = || [0.3, 0.5].map(|step| wave(train_config().pictures(), step));
    let mut reports = vec![];
    for _ in 0..3 {
        reports.extend(block_on(session.iterate(&[batch(), batch()]))?);
    }
    reports.extend(block_on(session.finish())?);
    Ok(reports)
}

/// Three iterations, and the state after them.
fn train(session: &mut Session) -> Result<(Vec<StepReport>, TrainState<f32>)> {
    let reports = iterate(session)?;
    Ok((reports, block_on(session.state())?.into_owned()))
}

/// Fails a buffer, and all after it: the second try at compiling too.
fn no_memory_from(gpu: &Gpu, allocation: usize) {
    for i in 0..200 {
        gpu.inject(InjectedFault::OutOfMemoryInAllocation, allocation + i);
    }
}

fn is_out_of_memory(error: &Error) -> bool {
    matches!(error, Error::OutOfMemory { .. })
}

#[test]
fn memory_may_run_out_at_any_buffer_of_a_translation() {
    let gpu = open();
    let expected = translate(&mut translator(&gpu).unwrap()).unwrap();
    let mut failed = [0, 0];
    for allocation in 0.. {
        // Once: with the memory of other sizes given back, the second try succeeds.
        gpu.inject(InjectedFault::OutOfMemoryInAllocation, allocation);
        match translator(&gpu) {
            Ok(mut translator) => assert_eq!(translate(&mut translator).unwrap(), expected),
            Err(error) => {
                assert!(is_out_of_memory(&error), "{allocation}: {error}");
                failed[0] += 1;
            }
        }
        if gpu.forget_injected() > 0 {
            break;
        }
        // From there on: the call fails, the next ones do not.
        no_memory_from(&gpu, allocation);
        let translator = translator(&gpu);
        let mut again = match translator {
            Ok(mut translator) => {
                let error = translate(&mut translator).unwrap_err();
                assert!(is_out_of_memory(&error), "{allocation}: {error}");
                failed[1] += 1;
                translator
            }
            Err(error) => {
                assert!(is_out_of_memory(&error), "{allocation}: {error}");
                gpu.forget_injected();
                self::translator(&gpu).unwrap()
            }
        };
        gpu.forget_injected();
        for _ in 0..2 {
            assert_eq!(translate(&mut again).unwrap(), expected);
        }
    }
    println!("{failed:?} failed");
    assert!(failed[0] >= 1 && failed[1] >= 5, "weights; activations, upload, download, uniforms");
}

#[test]
fn memory_may_run_out_at_any_buffer_of_a_large_translation() {
    let gpu = open();
    let mut translator = translator(&gpu).unwrap();
    let picture = ugatit::io::Picture::from_tensor(&wave([1, 3, 150, 150], 0.2), 0).unwrap();
    let options = TileOptions { side: 80, overlap: 16 };
    let large = |translator: &Translator| {
        block_on(translator.translate_large(picture.clone(), &options, &mut ())).map(|done| done.picture)
    };
    let expected = large(&translator).unwrap();
    let whole = translate(&mut translator).unwrap();
    let mut failed = 0;
    for allocation in 0.. {
        gpu.inject(InjectedFault::OutOfMemoryInAllocation, allocation);
        let result = large(&translator);
        if gpu.forget_injected() > 0 {
            break;
        }
        assert!(is_out_of_memory(&result.unwrap_err()), "{allocation}");
        failed += 1;
        assert_eq!(translate(&mut translator).unwrap(), whole);
    }
    assert!(failed >= 10, "{failed}");
    assert_eq!(large(&translator).unwrap(), expected);
}

#[test]
fn memory_may_run_out_at_any_buffer_of_a_training() {
    let gpu = open();
    let expected = train(&mut session(&gpu).unwrap()).unwrap();
    let mut failed = 0;
    for allocation in 0.. {
        gpu.inject(InjectedFault::OutOfMemoryInAllocation, allocation);
        let result = session(&gpu);
        // Reading the state back needs a buffer too, which is a later one.
        if gpu.forget_injected() > 0 {
            break;
        }
        let error = result.unwrap_err();
        assert!(is_out_of_memory(&error), "{allocation}: {error}");
        failed += 1;
        if allocation % 8 == 0 {
            assert_eq!(train(&mut session(&gpu).unwrap()).unwrap(), expected, "after {allocation}");
        }
    }
    println!("{failed} failed");
    assert!(failed > 20, "{failed}");
    assert_eq!(train(&mut session(&gpu).unwrap()).unwrap(), expected);
}

/// Browsers say late that there was no memory: while a result is waited for.
#[test]
fn an_error_that_comes_while_waiting_is_over_with_the_call() {
    let gpu = open();
    let mut translator = translator(&gpu).unwrap();
    let expected = translate(&mut translator).unwrap();
    for wait in 0.. {
        gpu.inject(InjectedFault::OutOfMemoryInWait, wait);
        let result = translate(&mut translator);
        if gpu.forget_injected() > 0 {
            assert!(wait >= 2, "for the upload, for the download");
            assert_eq!(result.unwrap(), expected);
            break;
        }
        assert!(is_out_of_memory(&result.unwrap_err()), "{wait}");
        for _ in 0..2 {
            assert_eq!(translate(&mut translator).unwrap(), expected, "after {wait}");
        }
    }
}

#[test]
fn a_session_in_which_an_iteration_failed_is_of_no_more_use_and_the_device_is() {
    let gpu = open();
    let expected = iterate(&mut session(&gpu).unwrap()).unwrap();
    let mut failed = 0;
    for wait in 0.. {
        let mut session = session(&gpu).unwrap();
        gpu.inject(InjectedFault::OutOfMemoryInWait, wait);
        let result = iterate(&mut session);
        if gpu.forget_injected() > 0 {
            assert_eq!(result.unwrap(), expected);
            break;
        }
        assert!(is_out_of_memory(&result.unwrap_err()), "{wait}");
        let error = block_on(session.finish()).unwrap_err();
        assert!(
            matches!(&error, Error::Gpu { .. }) && error.to_string().contains("a new session"),
            "{error}"
        );
        assert!(block_on(session.state()).is_err());
        failed += 1;
    }
    assert!(failed >= 3, "{failed}");
}

#[test]
fn a_kernel_that_did_not_compile_is_compiled_again() {
    let gpu = open();
    let mut failed = 0;
    for kernel in 0.. {
        gpu.inject(InjectedFault::Compilation, 0);
        let mut translator = translator(&gpu).unwrap();
        let result = translate(&mut translator);
        if gpu.forget_injected() > 0 {
            assert!(kernel >= 5, "every kernel has failed once: {kernel}");
            result.unwrap();
            break;
        }
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Gpu { .. }), "{error}");
        failed += 1;
        // One more compiles before the next one fails: so each comes to its turn.
        gpu.inject(InjectedFault::Compilation, 1);
        let _ = translate(&mut translator);
        gpu.forget_injected();
    }
    assert!(failed > 2, "{failed}");
    let other = open();
    let (mut one, mut two) = (translator(&gpu).unwrap(), translator(&other).unwrap());
    assert_eq!(translate(&mut one).unwrap(), translate(&mut two).unwrap());
}

#[test]
fn a_translation_whose_gpu_is_lost_while_it_waits_errs_and_another_gpu_goes_on() {
    let expected = translate(&mut translator(&open()).unwrap()).unwrap();
    let mut losses = 0;
    for wait in 0.. {
        let gpu = open();
        gpu.inject(InjectedFault::LossInWait, wait);
        let result = translator(&gpu).and_then(|mut translator| {
            let result = translate(&mut translator);
            if result.is_err() {
                let again = translate(&mut translator).unwrap_err();
                assert!(matches!(again, Error::DeviceLost { .. }), "a lost device stays lost: {again}");
            }
            result
        });
        if gpu.forget_injected() > 0 {
            assert_eq!(result.unwrap(), expected);
            break;
        }
        let error = result.unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{wait}: {error}");
        assert!(matches!(gpu.check(), Err(Error::DeviceLost { .. })));
        losses += 1;
    }
    println!("lost {losses} times");
    assert!(losses >= 4, "weights, program, upload, download: {losses}");
}

#[test]
fn a_training_whose_gpu_is_lost_while_it_waits_errs() {
    let is_lost = |error: &Error| matches!(error, Error::DeviceLost { .. });
    let gpu = open();
    gpu.inject(InjectedFault::LossInWait, 2);
    assert!(session(&gpu).is_err_and(|e| is_lost(&e)), "while the state is brought there");

    // While iterations are waited for, and while the state is read back.
    for reading in [false, true] {
        let gpu = open();
        let mut session = session(&gpu).unwrap();
        if reading {
            iterate(&mut session).unwrap();
        }
        gpu.inject(InjectedFault::LossInWait, 1);
        let result =
            if reading { block_on(session.state()).map(drop) } else { iterate(&mut session).map(drop) };
        let error = result.unwrap_err();
        assert!(is_lost(&error), "{error}");
        let again = block_on(session.state()).unwrap_err();
        assert!(is_lost(&again), "a lost device stays lost: {again}");
    }
}

/// The classic order: memory runs out, and then the driver gives up.
#[test]
fn a_loss_after_another_fault_is_a_loss() {
    let gpu = open();
    let mut translator = translator(&gpu).unwrap();
    translate(&mut translator).unwrap();
    gpu.inject(InjectedFault::OutOfMemoryInWait, 0);
    gpu.inject(InjectedFault::LossInWait, 0);
    for _ in 0..3 {
        let error = translate(&mut translator).unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    }
}
