//! Training on a GPU: the numbers of the processor, runs that halt and go on, memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

mod support;

use std::collections::BTreeMap;

use support::engine::gpu;
use support::training::{picture, tiny_generator};
use ugatit::gpu::Gpu;
use ugatit::graph::Arithmetic;
use ugatit::model::{DecoderNorm, Dialect, GeneratorConfig};
use ugatit::plan::{AdapterClass, Target};
use ugatit::train::{
    CpuEngine, GanType, GpuTrainer, LossWeights, Moments, Schedule, Session, StepConfig, StepReport,
    TrainState, Trainer, memory,
};
use ugatit::{Error, Tensor};

/// A run small enough to be always there.
fn tiny(light: bool) -> StepConfig {
    // The devices differ in where they take a faster algorithm, and so in how they round. tests/trajectory.rs compares
    // those.
    let (generator, arithmetic) = (tiny_generator(light), Arithmetic::Exact);
    StepConfig { generator, global_layers: 4, local_layers: 3, arithmetic, ..StepConfig::default() }
}

/// The same with a change.
fn with<T>(change: impl Fn(&mut StepConfig) -> T) -> StepConfig {
    let mut config = tiny(true);
    change(&mut config);
    config
}

/// The paper's ablation by instance normalisation, without any attention. The weights of another seed, with which no
/// relu is so near its kink that rounding decides.
fn without_attention() -> StepConfig {
    let mut config = StepConfig { d_cam: false, seed: 1, ..tiny(true) };
    (config.generator.decoder_norm, config.generator.cam) = (DecoderNorm::In, false);
    config
}

/// The same with another program's generator.
fn of_dialect(dialect: Dialect) -> StepConfig {
    let mut config = tiny(true);
    config.generator.dialect = dialect;
    if dialect == Dialect::Photo2cartoon {
        (config.generator.ch, config.generator.img_size) = (4, 64);
    }
    config
}

/// The pictures of iteration `k`.
fn batches(config: &StepConfig, k: usize) -> Vec<[Tensor; 2]> {
    let picture = |phase| picture(config, phase);
    (0..config.accumulation)
        .map(|batch| [k as f64 + 0.3 * batch as f64, 100.0 - 3.0 * k as f64 + batch as f64].map(picture))
        .collect()
}

fn session(config: &StepConfig, class: AdapterClass, state: &TrainState<f32>) -> Session {
    let target = Target { class, ..gpu().target() };
    let trainer = GpuTrainer::new(gpu(), &target, *config, state).unwrap();
    trainer.poison(f32::NAN).unwrap();
    Session::Gpu(Box::new(trainer))
}

/// Iterations `from..to`, and their reports.
fn run(session: &mut Session, config: &StepConfig, from: usize, to: usize) -> Vec<StepReport> {
    pollster::block_on(async {
        let mut reports = vec![];
        for k in from..to {
            reports.extend(session.iterate(&batches(config, k)).await.unwrap());
        }
        reports.extend(session.finish().await.unwrap());
        reports
    })
}

fn state(session: &Session) -> TrainState<f32> {
    pollster::block_on(session.state()).unwrap().into_owned()
}

/// The largest difference of two sets of tensors.
fn difference(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>) -> f32 {
    assert!(a.keys().eq(b.keys()));
    let pairs = a.values().zip(b.values()).flat_map(|(a, b)| a.data().iter().zip(b.data()));
    // NaN counts.
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, |worst, d| if d <= worst { worst } else { d })
}

/// What the same iterations report in `f64`, and where they end.
fn exactly(config: &StepConfig, start: &TrainState<f32>, count: usize) -> (Vec<StepReport>, TrainState<f64>) {
    let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let start = TrainState::<f64> {
        tensors: start.tensors.iter().map(|(n, t)| (n.clone(), t.map(|v| f64::from(*v)))).collect(),
        moments: start
            .moments
            .iter()
            .map(|(n, moments)| (n.clone(), Moments { m: wide(&moments.m), v: wide(&moments.v) }))
            .collect(),
        ema: start.ema.iter().map(|(n, t)| (n.clone(), t.map(|v| f64::from(*v)))).collect(),
        step: start.step,
    };
    let mut trainer = Trainer::<f64>::new(*config, start, CpuEngine::default()).unwrap();
    let iteration = |k: usize| {
        let pairs = batches(config, k);
        let pairs: Vec<_> =
            pairs.iter().map(|pair| pair.each_ref().map(|t| t.map(|v| f64::from(*v)))).collect();
        trainer.iterate(&pairs).unwrap()
    };
    let reports = (0..count).map(iteration).collect();
    (reports, trainer.state)
}

/// `f32` on a GPU may be off by what `f32` on the processor is off from `f64`, times this, as in
/// `tests/trajectory.rs`: the hourglasses of photo2cartoon normalise planes of one and of four pixels, which
/// multiplies rounding by 1 / sqrt(eps) = 316 each time, and instance normalisation takes away what the summand of the
/// one before it adds, so that its gradient is rounding and nothing else.
const FACTOR: f64 = 4.0;

#[test]
fn a_gpu_trains_as_the_processor_does() {
    let accumulating = StepConfig { accumulation: 2, ema: 0.99, ..tiny(true) };
    // Where a network multiplies rounding, what comes behind the first move says little. Seeds are such that no relu is so
    // near its kink, and no gradient so near nought, that rounding decides: with others the processor's f32 is itself as far
    // from f64.
    for (what, config, count) in [
        ("light", with(|config| config.seed = 5), 3),
        ("full", tiny(false), 3),
        ("two batches, an average", accumulating, 3),
        ("two in a batch", StepConfig { batch: 2, ..tiny(true) }, 3),
        ("TensorFlow's", StepConfig { seed: 4, ..of_dialect(Dialect::Tensorflow) }, 3),
        ("photo2cartoon's", of_dialect(Dialect::Photo2cartoon), 1),
        ("WGAN-GP", with(|config| config.gan_type = GanType::WganGp), 2),
        ("WGAN-LP, two in a batch", with(|c| (c.gan_type, c.batch) = (GanType::WganLp, 2)), 2),
        (
            "DRAGAN, two batches, no sn",
            with(|c| (c.gan_type, c.accumulation, c.sn) = (GanType::Dragan, 2, false)),
            2,
        ),
        ("hinge, the generators in turn", with(|c| (c.gan_type, c.n_critic) = (GanType::Hinge, 2)), 3),
        (
            "GAN, smoothing",
            with(|c| (c.gan_type, c.generator.smoothing, c.seed) = (GanType::Gan, true, 1)),
            2,
        ),
        ("IN, no attention", without_attention(), 2),
        ("GN", with(|c| c.generator.decoder_norm = DecoderNorm::Gn), 2),
        ("LN", with(|c| c.generator.decoder_norm = DecoderNorm::Ln), 2),
        (
            "AdaIN, no attention in the discriminators",
            with(|c| (c.generator.decoder_norm, c.d_cam) = (DecoderNorm::AdaIn, false)),
            2,
        ),
    ] {
        let multiplies = config.generator.dialect == Dialect::Photo2cartoon;
        let factor =
            if multiplies || config.generator.decoder_norm == DecoderNorm::In { FACTOR } else { 0.0 };
        let mut start = TrainState::new(&config, 7 + config.seed).unwrap();
        if config.gan_type == GanType::WganLp {
            // Steep, so that there is a penalty.
            let mixing =
                start.tensors.iter_mut().filter(|(name, _)| name.contains("dis") && name.contains("conv1x1"));
            mixing.flat_map(|(_, tensor)| tensor.data_mut()).for_each(|x| *x *= 100.0);
        }
        let mut reference = Trainer::<f32>::new(config, start.clone(), CpuEngine::default()).unwrap();
        let expected: Vec<StepReport> =
            (0..count).map(|k| reference.iterate(&batches(&config, k)).unwrap()).collect();
        let penalties = expected[0].losses.iter().filter(|(name, _)| name.ends_with("/gp"));
        assert!(
            penalties.map(|(_, cost)| *cost).reduce(f64::max).is_none_or(|most| most > 0.0),
            "{what}: no penalty"
        );
        let (exact, exact_state) = exactly(&config, &start, count);
        for class in [AdapterClass::Gpu, AdapterClass::Software] {
            let mut session = session(&config, class, &start);
            let reports = run(&mut session, &config, 0, count);
            assert_eq!(reports.len(), count);
            for ((report, expected), exact) in reports.iter().zip(&expected).zip(&exact) {
                assert_eq!((report.step, report.lr), (expected.step, expected.lr));
                let place = format!("{what}, {class:?}, iteration {}", report.step);
                let losses = report.losses.iter().zip(&expected.losses);
                for (((name, x), (other, y)), (_, z)) in losses.zip(&exact.losses) {
                    assert_eq!(name, other);
                    let allowed = 1e-3 * y.abs().max(1e-2) + factor * (y - z).abs();
                    assert!((x - y).abs() <= allowed, "{place}: {name} {x} {y}, exactly {z}");
                }
                let norms = report.gradient_norms.iter().zip(&expected.gradient_norms);
                for (((name, x), (other, y)), (_, z)) in norms.zip(&exact.gradient_norms) {
                    assert_eq!(name, other);
                    let allowed = 1e-3 * y + factor * (y - z).abs();
                    assert!((x - y).abs() <= allowed, "{place}: gradients of {name} {x} {y}, exactly {z}");
                }
            }
            let (found, expected) = (state(&session), &reference.state);
            assert_eq!(found.step, count as u64);
            let lr = config.schedule.lr as f32;
            let weights = difference(&found.tensors, &expected.tensors);
            let averages = difference(&found.ema, &expected.ema);
            println!("{what}, {class:?}: weights off by {weights:.1e}, averages by {averages:.1e}");
            // Where a gradient is about zero Adam follows its sign.
            assert!(weights < 6.0 * lr && averages < 6.0 * lr, "{what}, {class:?}");
            assert_eq!(found.ema.is_empty(), config.ema == 0.0);
            let (mut off, mut rounding, mut whole) = (0.0, 0.0, 0.0);
            for (name, moments) in &expected.moments {
                let largest = moments.m.iter().fold(0.0_f32, |a, x| a.max(x.abs()));
                let (found, exact) = (&found.moments[name].m, &exact_state.moments[name].m);
                // Where a normalisation takes away what a summand adds, the gradient is nought but for rounding.
                let lost =
                    moments.m.iter().zip(exact).fold(0.0, |a: f64, (b, z)| a.max((f64::from(*b) - z).abs()));
                let allowed = 2e-2 * largest.max(1e-6) + (factor * lost) as f32;
                for ((a, b), z) in found.iter().zip(&moments.m).zip(exact) {
                    off += f64::from(a - b).powi(2);
                    rounding += (f64::from(*b) - z).powi(2);
                    whole += z.powi(2);
                    // Not where rounding is multiplied: a gradient that is nought is the rounding of others.
                    assert!(multiplies || (a - b).abs() <= allowed, "{what}, {class:?}: m of {name} {a} {b}");
                }
            }
            let [off, rounding] = [off, rounding].map(|squares| (squares / whole).sqrt());
            println!("{what}, {class:?}: moments off by {off:.1e}, f32's rounding is {rounding:.1e}");
            assert!(off <= 1e-3 + factor * rounding, "{what}, {class:?}: moments off by {off}, {rounding}");
        }
    }
}

/// Two halves of a run make the whole, bit for bit.
#[test]
fn a_run_goes_on_where_it_was() {
    let schedule = Schedule { iterations: 4, ..Schedule::default() };
    let config = StepConfig { schedule, accumulation: 2, ema: 0.9, ..tiny(true) };
    let drawing = StepConfig { gan_type: GanType::WganGp, n_critic: 3, ..config };
    for (class, config) in
        [(AdapterClass::Gpu, config), (AdapterClass::Software, config), (AdapterClass::Gpu, drawing)]
    {
        let start = TrainState::new(&config, 7).unwrap();
        let mut whole = session(&config, class, &start);
        let reports = run(&mut whole, &config, 0, 4);
        let mut half = session(&config, class, &start);
        run(&mut half, &config, 0, 2);
        let between = state(&half);
        assert_eq!(between.step, 2);
        let mut other = session(&config, class, &between);
        assert_eq!(run(&mut other, &config, 2, 4), reports[2..]);
        assert!(state(&other) == state(&whole), "{class:?}");
    }
}

/// Uploading and reading back changes nothing.
#[test]
fn a_state_comes_back_as_it_went() {
    let config = StepConfig { ema: 0.5, ..tiny(false) };
    let mut start = TrainState::new(&config, 3).unwrap();
    start.step = 17;
    for (i, moments) in start.moments.values_mut().enumerate() {
        moments.m.iter_mut().enumerate().for_each(|(k, x)| *x = (i + k) as f32);
        moments.v.iter_mut().enumerate().for_each(|(k, x)| *x = (2 * i + k) as f32);
    }
    let session = session(&config, AdapterClass::Gpu, &start);
    assert!(state(&session) == start);
}

/// The message of a run in which something is not finite, and the state that it leaves.
fn halts(
    config: &StepConfig,
    start: &TrainState<f32>,
    pictures: &[[Tensor; 2]],
) -> (String, TrainState<f32>) {
    let mut session = session(config, AdapterClass::Software, start);
    pollster::block_on(async {
        assert!(session.iterate(pictures).await.unwrap().is_none());
        let error = session.iterate(&batches(config, 1)).await.unwrap_err();
        assert!(matches!(&error, Error::NonFinite { step, .. } if *step == start.step + 1), "{error}");
        // It stays so.
        assert!(session.iterate(&batches(config, 2)).await.is_err());
        assert!(session.finish().await.is_err());
        (error.to_string(), session.state().await.unwrap().into_owned())
    })
}

#[test]
fn nothing_moves_once_something_is_not_finite() {
    let config = StepConfig { ema: 0.9, ..tiny(true) };
    let start = TrainState::new(&config, 5).unwrap();

    // A broken picture: the first loss, and neither player moves.
    let mut broken = batches(&config, 0);
    broken[0][0].data_mut()[5] = f32::NAN;
    let (message, end) = halts(&config, &start, &broken);
    assert!(message.contains("the loss D/GA/ad_real") && message.contains("step 1"), "{message}");
    assert!(end == start, "the state has changed");

    // A broken weight.
    let mut poisoned = start.clone();
    let name = "disGB.model.1.weight_orig";
    poisoned.tensors.get_mut(name).unwrap().data_mut()[0] = f32::NAN;
    let (message, end) = halts(&config, &poisoned, &batches(&config, 0));
    assert!(message.contains("the loss D/GB/ad_real"), "{message}");
    let same =
        |a: &Tensor, b: &Tensor| a.data().iter().zip(b.data()).all(|(a, b)| a.to_bits() == b.to_bits());
    for (name, tensor) in &poisoned.tensors {
        assert!(same(&end.tensors[name], tensor), "{name} has moved");
    }
    assert_eq!(end.moments, start.moments);

    // Only a gradient: a network that is constant has finite losses, but dividing by the
    // vanished deviation overflows on the way back.
    let mut constant = start.clone();
    let weights = LossWeights { cam: f32::MAX, ..config.weights };
    let config = StepConfig { weights, ..config };
    constant.tensors.get_mut("genA2B.gap_fc.weight").unwrap().data_mut().fill(0.0);
    let (message, end) = halts(&config, &constant, &batches(&config, 0));
    assert!(message.contains("the gradient of gen"), "{message}");
    // The discriminators had moved before; the generators have not.
    for (name, tensor) in &constant.tensors {
        let moved = !same(&end.tensors[name], tensor);
        assert!(!moved || name.starts_with("dis"), "{name} has moved");
    }
    assert!(!same(&end.tensors["disGA.conv1x1.bias"], &constant.tensors["disGA.conv1x1.bias"]));
    assert_eq!(end.step, 0);
}

/// Weights, moments and all else on a device of its own: what is planned is what the driver
/// holds, and no iteration allocates.
#[test]
fn a_run_takes_what_is_planned() {
    let device = pollster::block_on(Gpu::open(&support::adapter::any())).unwrap();
    let allocated = || device.device().get_internal_counters().hal.buffer_memory.read();
    let generator = GeneratorConfig { ch: 16, img_size: 64, ..GeneratorConfig::default() };
    let config =
        StepConfig { generator, global_layers: 5, local_layers: 4, ema: 0.9, ..StepConfig::default() };
    let start = TrainState::new(&config, 1).unwrap();
    let before = allocated();
    let mut trainer = GpuTrainer::new(&device, &device.target(), config, &start).unwrap();
    let planned = *trainer.memory();
    assert_eq!(planned, memory(&config, &device.target()).unwrap());
    pollster::block_on(async {
        for k in 0..2 {
            trainer.iterate(&batches(&config, k)).await.unwrap();
        }
        trainer.finish().await.unwrap();
    });
    let held = allocated() - before;
    println!("planned {planned:?}: {} bytes, held {held}", planned.total());
    // The driver rounds each buffer up, and wgpu keeps staging memory of its own.
    assert!((held - planned.total() as isize).abs() <= 1 << 20, "planned {}, held {held}", planned.total());
    pollster::block_on(async {
        for k in 2..6 {
            trainer.iterate(&batches(&config, k)).await.unwrap();
            assert!(allocated() - before <= held + (64 << 10));
        }
        trainer.finish().await.unwrap();
    });
}

/// The standard run fits a GPU of 8 GB, with at most 3 GB beside weights, gradients, moments.
#[test]
fn the_standard_run_takes_at_most_three_gigabytes_beside_its_weights() {
    let config = StepConfig::default();
    assert!(config.generator.light && config.generator.ch == 64 && config.generator.img_size == 256);
    for class in [AdapterClass::Gpu, AdapterClass::Software] {
        let mut target = Target::browser(class);
        target.max_binding = 1 << 30;
        target.max_buffer = 1 << 30;
        let planned = memory(&config, &target).unwrap();
        println!("{class:?}: {planned:?}, beside the weights {} MB", planned.beyond_weights() / 1_000_000);
        assert!(planned.beyond_weights() <= 3_000_000_000, "{planned:?}");
    }
}

#[test]
fn pictures_and_batches_are_checked() {
    let config = StepConfig { accumulation: 2, ..tiny(true) };
    let mut session = session(&config, AdapterClass::Gpu, &TrainState::new(&config, 1).unwrap());
    let mut given = batches(&config, 0);
    given[1][1] = Tensor::zeros([1, 3, 8, 8]);
    let error = pollster::block_on(session.iterate(&given)).unwrap_err();
    assert!(error.to_string().contains("real_B"), "{error}");
    assert!(pollster::block_on(session.iterate(&given[..1])).unwrap_err().to_string().contains("2 batches"));
    assert_eq!(run(&mut session, &config, 0, 1).len(), 1);
}

#[test]
fn a_lost_device_is_a_typed_error() {
    let device = pollster::block_on(Gpu::open(&support::adapter::any())).unwrap();
    let config = tiny(true);
    let start = TrainState::new(&config, 1).unwrap();
    let mut trainer = GpuTrainer::new(&device, &device.target(), config, &start).unwrap();
    pollster::block_on(async {
        trainer.iterate(&batches(&config, 0)).await.unwrap();
        device.device().destroy();
        let lost = |error: &Error| matches!(error, Error::DeviceLost { .. });
        let first = trainer.iterate(&batches(&config, 1)).await;
        let second = trainer.finish().await;
        assert!(first.as_ref().is_err_and(lost) || second.as_ref().is_err_and(lost), "{first:?} {second:?}");
        assert!(trainer.state().await.is_err_and(|e| lost(&e)));
    });
}
