//! Training whose pictures between operations lie in a GPU's memory as f16.
#![cfg(feature = "pictures")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::engine::gpu;
use support::training::{picture, tiny_generator};
use ugatit::graph::Arithmetic;
use ugatit::io::read_picture;
use ugatit::model::GeneratorConfig;
use ugatit::plan::{AdapterClass, Plan, Target};
use ugatit::train::{
    CpuEngine, GanType, GpuTrainer, LossWeights, Player, Session, StepConfig, StepReport, TrainState,
    Trainer, memory,
};
use ugatit::translate::{PictureOptions, PictureSize, prepare};
use ugatit::{Error, Tensor};

/// A run small enough to be always there.
fn tiny() -> StepConfig {
    let (generator, arithmetic) = (tiny_generator(true), Arithmetic::Exact);
    StepConfig { generator, global_layers: 4, local_layers: 3, arithmetic, ..StepConfig::default() }
}

fn trainer(config: &StepConfig, class: AdapterClass, start: &TrainState<f32>) -> GpuTrainer {
    let target = Target { class, ..gpu().target() };
    let trainer = GpuTrainer::new(gpu(), &target, *config, start).unwrap();
    trainer.poison(f32::NAN).unwrap();
    trainer
}

/// Iterations on the same pictures, and where they end.
fn train(trainer: GpuTrainer, config: &StepConfig, count: usize) -> (Vec<StepReport>, TrainState<f32>) {
    let mut session = Session::Gpu(Box::new(trainer));
    pollster::block_on(async {
        let mut reports = vec![];
        for k in 0..count {
            let pair = [k as f64, 100.0 - 3.0 * k as f64].map(|phase| picture(config, phase));
            reports.extend(session.iterate(&[pair]).await.unwrap());
        }
        reports.extend(session.finish().await.unwrap());
        (reports, session.state().await.unwrap().into_owned())
    })
}

/// How many tensors of f16 a plan writes.
fn halves(plan: &Plan) -> usize {
    plan.launches().iter().filter(|launch| launch.bindings().last().is_some_and(|bound| bound.half)).count()
}

/// The largest distance of a number from its f16, of the number, where the driver cuts instead of rounding.
const LAST_BIT: f64 = 1.0 / 1024.0;

/// How far `a` is from `b`, as vectors, of the length of `b`.
fn apart(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (off, whole) = pairs.fold((0.0, 0.0), |(off, whole), (a, b)| (off + (a - b).powi(2), whole + b * b));
    (off / whole).sqrt()
}

/// Each tensor of f16 moves what comes after it by at most its last bit, and none knows of the others: together they move it
/// by the root of their number times that, and what is a square by twice as much.
#[test]
fn iterations_stay_near_those_of_f32() {
    for (what, config) in [
        ("light", tiny()),
        ("full", StepConfig { generator: GeneratorConfig { light: false, ..tiny().generator }, ..tiny() }),
        ("two in a batch, Winograd", StepConfig { batch: 2, arithmetic: Arithmetic::Fewest, ..tiny() }),
        ("WGAN-GP", StepConfig { gan_type: GanType::WganGp, ..tiny() }),
    ] {
        let start = TrainState::new(&config, 3).unwrap();
        let half = StepConfig { f16: true, ..config };
        for class in [AdapterClass::Gpu, AdapterClass::Software] {
            let [wide, narrow] = [config, half].map(|config| trainer(&config, class, &start));
            let written = Player::BOTH.map(|player| halves(narrow.plan(player)));
            assert!(Player::BOTH.iter().all(|player| halves(wide.plan(*player)) == 0), "{what}");
            let (expected, wide) = train(wide, &config, 2);
            let (found, narrow) = train(narrow, &half, 2);
            let numbers = |report: &StepReport| {
                let losses: Vec<f64> = report.losses.iter().map(|(_, x)| *x).collect();
                let norms = report.gradient_norms.iter().map(|(_, x)| *x).collect();
                [losses, norms]
            };
            let [found, expected] =
                [found, expected].map(|reports| reports.iter().map(numbers).collect::<Vec<_>>());
            let [losses, norms] = [0, 1].map(|which| {
                let pairs = found.iter().zip(&expected).flat_map(|(a, b)| a[which].iter().zip(&b[which]));
                apart(pairs.map(|(a, b)| (*a, *b)))
            });
            let moments = wide.moments.iter().flat_map(|(name, wide)| {
                narrow.moments[name].m.iter().zip(&wide.m).map(|(a, b)| (f64::from(*a), f64::from(*b)))
            });
            let moments = apart(moments);
            let allowed = 2.0 * LAST_BIT * (written[0].max(written[1]) as f64).sqrt();
            println!(
                "{what}, {class:?}: {written:?} tensors of f16; losses {losses:.1e} off, norms of gradients {norms:.1e}, moments {moments:.1e} of {allowed:.1e}"
            );
            for off in [losses, norms, moments] {
                assert!(off > LAST_BIT / 100.0 && off < allowed, "{what}, {class:?}: {off} of {allowed}");
            }
        }
    }
}

/// The same numbers to the bit, as with f32.
#[test]
fn pictures_that_are_computed_a_second_time_are_the_same() {
    let config = StepConfig { f16: true, ..tiny() };
    let start = TrainState::new(&config, 3).unwrap();
    let again = StepConfig { recompute: true, ..config };
    let [kept, computed] =
        [config, again].map(|config| train(trainer(&config, AdapterClass::Gpu, &start), &config, 2));
    assert!(kept == computed);
}

/// Light generators at ch 64 and 256x256: bytes beside weights, gradients and moments.
#[test]
fn less_memory_is_enough() {
    let config = StepConfig {
        generator: GeneratorConfig { light: true, ..GeneratorConfig::default() },
        ..StepConfig::default()
    };
    let target = Target { max_binding: 1 << 31, max_buffer: 1 << 31, ..Target::browser(AdapterClass::Gpu) };
    for (recompute, most) in [(false, 1_100_000_000), (true, 600_000_000)] {
        let config = StepConfig { recompute, ..config };
        let [wide, narrow] = [false, true].map(|f16| memory(&StepConfig { f16, ..config }, &target).unwrap());
        println!("recompute {recompute}: {} and {} bytes", wide.beyond_weights(), narrow.beyond_weights());
        assert!(
            narrow.beyond_weights() < most && narrow.activations * 10 < wide.activations * 7,
            "{narrow:?}"
        );
        assert_eq!((narrow.parameters, narrow.gradients), (wide.parameters, wide.gradients));
        assert_eq!(narrow.moments, wide.moments);
    }
}

#[test]
fn the_processor_refuses_f16() {
    let config = StepConfig { f16: true, ..tiny() };
    let start = TrainState::new(&config, 3).unwrap();
    let refused = Trainer::<f32>::new(config, start, CpuEngine::default()).unwrap_err();
    assert!(matches!(&refused, Error::Config(text) if text.contains("use f32, or a GPU")), "{refused}");
}

/// What docs/training.md says of f16: `cargo test --release --test half_training -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes: for the documents"]
fn drift_over_200_iterations() {
    const AT: [u64; 6] = [1, 10, 25, 50, 100, 200];
    let generator = GeneratorConfig { ch: 16, img_size: 64, light: true, ..GeneratorConfig::default() };
    let weights = LossWeights { cam: 1.0, ..LossWeights::default() };
    let config = StepConfig { generator, global_layers: 6, weights, ..StepConfig::default() };
    let start = TrainState::new(&config, 1).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures/faces");
    let options = PictureOptions { size: PictureSize::Exact { width: 64, height: 64 }, ..Default::default() };
    let pictures = ["toon-head", "lorelei"].map(|style| -> Vec<Tensor> {
        let one = |k| {
            let picture = read_picture(folder.join(style).join(format!("face-{k}.png"))).unwrap();
            prepare(&generator, &picture, &options).unwrap().tensor
        };
        (1..=8).map(one).collect()
    });
    let batch = |k: u64| [pictures[0][k as usize % 8].clone(), pictures[1][(k / 8 + k) as usize % 8].clone()];

    let class = gpu().target().class;
    let on_gpu = |f16| Session::Gpu(Box::new(trainer(&StepConfig { f16, ..config }, class, &start)));
    let on_processor = Trainer::new(config, start.clone(), CpuEngine::default()).unwrap();
    let mut sessions = [Session::Cpu(Box::new(on_processor)), on_gpu(false), on_gpu(true)];
    let mut seconds = [0.0; 3];
    for k in 0..200 {
        let mut losses = vec![];
        for (session, seconds) in sessions.iter_mut().zip(&mut seconds) {
            let began = std::time::Instant::now();
            let report = pollster::block_on(async {
                let report = session.iterate(&[batch(k)]).await.unwrap();
                session.finish().await.unwrap().or(report).unwrap()
            });
            *seconds += began.elapsed().as_secs_f64();
            losses.push(report.losses);
        }
        if AT.contains(&(k + 1)) {
            let states = sessions.each_ref().map(|s| pollster::block_on(s.state()).unwrap().tensors.clone());
            let of = |of: usize, player| total(&losses[of], &config, player);
            for player in ["D/", "G/"] {
                println!(
                    "{}: losses {player} {:.4} {:.4} {:.4}",
                    k + 1,
                    of(0, player),
                    of(1, player),
                    of(2, player)
                );
            }
            for (what, a, b) in [("f32, GPU and processor", 1, 0), ("f16 and f32, GPU", 2, 1)] {
                let off = |player| (of(a, player) - of(b, player)).abs() / of(b, player);
                println!(
                    "{}: {what}: losses of D {:.1e}, of G {:.1e}, weights {:.1e} of themselves, {:.1e} of what was moved",
                    k + 1,
                    off("D/"),
                    off("G/"),
                    distance(&states[a], &states[b]) / distance(&states[b], &BTreeMap::new()),
                    distance(&states[a], &states[b]) / distance(&states[b], &start.tensors),
                );
            }
        }
    }
    println!("seconds an iteration: {:.3?}", seconds.map(|s| s / 200.0));
}

/// The loss of a player.
fn total(losses: &[(String, f64)], config: &StepConfig, player: &str) -> f64 {
    let weight = |name: &str| match name.rsplit('/').next().unwrap_or_default() {
        "cycle" => config.weights.cycle,
        "identity" => config.weights.identity,
        "cam_translated1" | "cam_identity0" => config.weights.cam,
        _ => config.weights.adversarial,
    };
    let own = losses.iter().filter(|(name, _)| name.starts_with(player));
    own.map(|(name, loss)| f64::from(weight(name)) * loss).sum()
}

/// The Euclidean distance of all weights of the generators.
fn distance(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>) -> f64 {
    let own = a.iter().filter(|(name, _)| Player::Generators.trains(name));
    let squares = own.flat_map(|(name, a)| {
        let other = b.get(name).map(|b| b.data());
        a.data().iter().enumerate().map(move |(i, a)| f64::from(a - other.map_or(0.0, |b| b[i])).powi(2))
    });
    squares.sum::<f64>().sqrt()
}
