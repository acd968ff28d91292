//! Training by several ranks: the run of one, whatever connects them. Here they are threads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

mod support;

use std::collections::BTreeMap;

use support::engine::gpu;
use support::threads::ranks;
use support::training::{picture, tiny_generator};
use ugatit::train::{
    CpuEngine, GanType, GpuTrainer, Moments, Schedule, Session, StepConfig, StepReport, Team, TrainState,
    Trainer,
};
use ugatit::{Error, Tensor};

/// A run small enough to be always there.
fn tiny() -> StepConfig {
    let schedule = Schedule { iterations: 8, ..Schedule::default() };
    let generator = tiny_generator(true);
    StepConfig { generator, global_layers: 4, local_layers: 3, ema: 0.9, schedule, ..StepConfig::default() }
}

/// The `k`-th batch of the run.
fn batch(config: &StepConfig, k: usize) -> [Tensor; 2] {
    [k as f64, 100.0 - 3.0 * k as f64].map(|phase| picture(config, phase))
}

/// The batches of a rank in an iteration.
fn batches(config: &StepConfig, rank: usize, iteration: usize) -> Vec<[Tensor; 2]> {
    let first = (iteration * config.ranks + rank) * config.accumulation;
    (first..first + config.accumulation).map(|k| batch(config, k)).collect()
}

/// Trains as far as `to` on the processor or on the GPU; gives the state after each iteration.
fn train(
    config: &StepConfig,
    on_gpu: bool,
    mut team: Option<Team>,
    state: &TrainState<f32>,
    to: usize,
) -> (Vec<StepReport>, Vec<TrainState<f32>>) {
    let rank = team.as_ref().map_or(0, Team::rank);
    let mut session = if on_gpu {
        let trainer = GpuTrainer::new(gpu(), &gpu().target(), *config, state).unwrap();
        trainer.poison(f32::NAN).unwrap();
        Session::Gpu(Box::new(trainer))
    } else {
        Session::Cpu(Box::new(Trainer::new(*config, state.clone(), CpuEngine::default()).unwrap()))
    };
    pollster::block_on(async {
        let (mut reports, mut states) = (vec![], vec![]);
        for iteration in state.step as usize..to {
            let batches = batches(config, rank, iteration);
            reports.extend(session.iterate_in(team.as_mut(), &batches).await.unwrap());
            states.push(session.state().await.unwrap().into_owned());
        }
        reports.extend(session.finish().await.unwrap());
        (reports, states)
    })
}

/// The root of the mean of the squared differences of two sets of tensors, and the share of numbers that differ by more
/// than half of the learning rate: the measures of `tests/trajectory.rs`.
fn difference(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>, lr: f64) -> [f64; 2] {
    assert!(a.keys().eq(b.keys()));
    let pairs = a.values().zip(b.values()).flat_map(|(a, b)| a.data().iter().zip(b.data()));
    let differences: Vec<f64> = pairs.map(|(a, b)| f64::from(a - b).abs()).collect();
    assert!(differences.iter().all(|d| d.is_finite()));
    let count = differences.len() as f64;
    let mean = differences.iter().map(|d| d * d).sum::<f64>() / count;
    [mean.sqrt(), differences.iter().filter(|d| **d > lr / 2.0).count() as f64 / count]
}

/// Of so many ranks with so many batches each: after each iteration the states are all one, and what one process comes
/// to that has all batches.
fn as_one(of: StepConfig, count: usize, accumulation: usize, on_gpu: bool) {
    let iterations = 4;
    let start = TrainState::new(&of, 7).unwrap();
    let alone = StepConfig { accumulation: count * accumulation, ..of };
    let (expected, one) = train(&alone, on_gpu, None, &start, iterations);
    let config = StepConfig { ranks: count, accumulation, ..of };
    let all = ranks(count, |team| train(&config, on_gpu, Some(team), &start, iterations));

    let (reports, states) = &all[0];
    for (rank, other) in all.iter().enumerate() {
        assert!(other.0 == *reports && other.1 == *states, "rank {rank} has gone another way");
    }
    let place = format!("{count} ranks, {accumulation} batches, GPU {on_gpu}");
    assert_eq!(reports.len(), iterations);
    for (report, expected) in reports.iter().zip(&expected) {
        let (numbers, others) = (report.losses.iter(), expected.losses.iter());
        for ((name, x), (other, y)) in numbers.zip(others) {
            assert!(name == other && (x - y).abs() <= 1e-5 * y.abs(), "{place}: {name} {x} not {y}");
        }
        for ((network, x), (_, y)) in report.gradient_norms.iter().zip(&expected.gradient_norms) {
            assert!((x - y).abs() <= 1e-4 * y, "{place}: norm of {network} {x} not {y}");
        }
    }
    assert_eq!((states.len(), one.len()), (iterations, iterations));
    for (state, one) in states.iter().zip(&one) {
        let place = format!("{place}, iteration {}", state.step);
        if accumulation == 1 {
            // The same sums in the same order.
            assert!(state == one, "{place}");
            continue;
        }
        // What torch's own f32 is off from f64 in the fixtures' runs, at least.
        let lr = config.schedule.lr;
        for (what, [a, b]) in
            [("weights", [&state.tensors, &one.tensors]), ("average", [&state.ema, &one.ema])]
        {
            let [rms, share] = difference(a, b, lr);
            println!("{place}: {what} off by {rms:.1e} rms, {share:.1e} by more than lr/2");
            assert!(rms < 1e-2 * lr && share < 5e-5, "{place}: {what} off by {rms:.1e}, {share:.1e}");
        }
    }
}

#[test]
fn ranks_train_as_one_process_with_all_their_batches() {
    for (count, accumulation) in [(2, 1), (3, 1), (2, 2)] {
        as_one(tiny(), count, accumulation, false);
    }
}

/// What is drawn for the gradient penalty goes by the number of the batch; without spectral normalisation there are no
/// vectors; and the generators move in every second iteration.
#[test]
fn ranks_draw_as_one_process_does() {
    for (gan_type, sn) in [(GanType::WganGp, true), (GanType::Dragan, false)] {
        let config = StepConfig { gan_type, sn, n_critic: 2, ..tiny() };
        as_one(config, 2, 1, false);
        as_one(config, 2, 1, true);
    }
}

#[test]
fn ranks_on_gpus_train_as_one_process_with_all_their_batches() {
    as_one(tiny(), 2, 1, true);
    as_one(tiny(), 2, 2, true);
}

#[test]
fn two_halves_of_a_run_of_ranks_are_the_whole() {
    for (count, on_gpu) in [(3, false), (2, true)] {
        let config = StepConfig { ranks: count, ..tiny() };
        let start = TrainState::new(&config, 7).unwrap();
        let run = |state: &TrainState<f32>, to| {
            ranks(count, |team| train(&config, on_gpu, Some(team), state, to)).swap_remove(0).1.pop().unwrap()
        };
        let whole = run(&start, 4);
        let half = run(&start, 2);
        assert!(run(&half, 4) == whole, "{count} ranks, GPU {on_gpu}");
    }
}

/// What is not finite on one of them halts all in the same iteration, and moves none.
#[test]
fn divergence_of_one_is_that_of_all() {
    let config = StepConfig { ranks: 2, ..tiny() };
    let start = TrainState::new(&config, 7).unwrap();
    let ends = ranks(2, |mut team| {
        let mut trainer = Trainer::new(config, start.clone(), CpuEngine::default()).unwrap();
        let first = batches(&config, team.rank(), 0);
        trainer.iterate_in(Some(&mut team), &first).unwrap();
        let mut broken = batches(&config, team.rank(), 1);
        if team.rank() == 1 {
            broken[0][0] =
                Tensor::new(config.pictures(), vec![f32::NAN; config.pictures().elements()]).unwrap();
        }
        let error = trainer.iterate_in(Some(&mut team), &broken).unwrap_err();
        assert!(matches!(error, Error::NonFinite { step: 2, .. }), "{error}");
        (error.to_string(), trainer.state)
    });
    assert_eq!(ends[0], ends[1]);
    assert!(ends[0].1.tensors.values().flat_map(Tensor::data).all(|x| x.is_finite()));
}

#[test]
fn ranks_that_are_not_alike_are_refused() {
    let ends = ranks(3, |mut team| {
        team.check_same("the size", 7).unwrap();
        let different = if team.rank() == 2 { 8 } else { 7 };
        team.check_same("the size", different).unwrap_err().to_string()
    });
    for end in ends {
        assert!(end.contains("the size must be the same") && end.contains("on rank 2"), "{end}");
    }
    // A plan for others than there are.
    let mut trainer =
        Trainer::new(tiny(), TrainState::<f32>::new(&tiny(), 1).unwrap(), CpuEngine::default()).unwrap();
    let ends = ranks(2, |mut team| {
        let config = StepConfig { ranks: 3, ..tiny() };
        let mut trainer =
            Trainer::new(config, TrainState::<f32>::new(&config, 1).unwrap(), CpuEngine::default()).unwrap();
        trainer.iterate_in(Some(&mut team), &batches(&config, 0, 0)).unwrap_err().to_string()
    });
    assert!(ends[0].contains("planned for 3"), "{}", ends[0]);
    assert!(trainer.iterate_in(None, &batches(&tiny(), 0, 0)).is_ok());
}

#[test]
fn texts_weights_and_means_go_round() {
    let ends = ranks(3, |mut team| {
        let mut text = if team.rank() == 0 { "seed = 7\n".to_owned() } else { String::new() };
        team.broadcast_text(&mut text).unwrap();
        let mut weights = vec![team.rank() as f32; 3];
        team.broadcast(&mut weights).unwrap();
        let mut moments = Moments { m: vec![team.rank() as f32; 2], v: vec![3.0; 5] };
        team.average([&mut moments.m[..], &mut moments.v[..]].into_iter()).unwrap();
        (text, weights, moments, team.any(1 << team.rank()).unwrap())
    });
    for end in ends {
        assert_eq!(
            end,
            ("seed = 7\n".into(), vec![0.0; 3], Moments { m: vec![1.0; 2], v: vec![3.0; 5] }, 0b111)
        );
    }
}
