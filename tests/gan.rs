//! The adversarial losses of the authors' TensorFlow program, their gradient penalties among them: what is summed, and
//! the gradients of whole steps against central differences in `f64`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::BTreeMap;

use ugatit::Tensor;
use ugatit::graph::Op;
use ugatit::model::GeneratorConfig;
use ugatit::train::{CpuEngine, GanType, Player, Schedule, StepConfig, StepGraph, TrainState, Trainer};

mod support;
use support::random::noise;

fn config(gan_type: GanType, sn: bool, d_cam: bool) -> StepConfig {
    let generator =
        GeneratorConfig { ch: 2, n_res: 1, n_res_decoder: 1, img_size: 16, ..GeneratorConfig::default() };
    StepConfig {
        generator,
        global_layers: 4,
        local_layers: 3,
        batch: 2,
        gan_type,
        sn,
        d_cam,
        ..StepConfig::default()
    }
}

/// By name what each term counts, with the weight of the adversarial terms 1.
fn weights(player: Player, config: &StepConfig) -> BTreeMap<String, f32> {
    let step = StepGraph::build(player, config).unwrap();
    step.terms.into_iter().map(|term| (term.name, term.weight)).collect()
}

/// As `discriminator_loss`, `generator_loss` and `gradient_panalty` sum them.
#[test]
fn the_terms_are_those_of_the_authors() {
    for gan_type in GanType::ALL {
        let config = config(gan_type, true, true);
        let (d, g) = (weights(Player::Discriminators, &config), weights(Player::Generators, &config));
        let wasserstein = matches!(gan_type, GanType::WganGp | GanType::WganLp);
        let penalized = wasserstein || gan_type == GanType::Dragan;
        assert_eq!(d.len(), if penalized { 24 } else { 16 }, "{gan_type}");
        for scale in ["GA", "GB", "LA", "LB"] {
            for leaf in ["ad", "cam"] {
                let real = d[&format!("D/{scale}/{leaf}_real")];
                assert_eq!(real, if wasserstein { -1.0 } else { 1.0 }, "{gan_type}");
                assert_eq!(d[&format!("D/{scale}/{leaf}_fake")], 1.0);
            }
            for leaf in ["gp", "gp_cam"] {
                let weight = d.get(&format!("D/{scale}/{leaf}"));
                assert_eq!(weight.copied(), penalized.then_some(10.0), "{gan_type}");
            }
            let negative = wasserstein || gan_type == GanType::Hinge;
            assert_eq!(g[&format!("G/{scale}/ad")], if negative { -1.0 } else { 1.0 }, "{gan_type}");
        }
    }
    // Without attention there is nothing to say of it.
    let without = weights(Player::Discriminators, &config(GanType::WganGp, true, false));
    assert!(without.len() == 12 && without.keys().all(|name| !name.contains("cam")), "{without:?}");
}

/// What the judgements cost, computed by hand from those of a discriminator whose last layer alone judges: with its
/// weights zero each judgement is 0, and the gradient at the picture is 0 long.
#[test]
fn a_discriminator_that_says_nothing_costs_what_the_formulas_say() {
    for (gan_type, real, fake, penalty) in [
        (GanType::Gan, 2.0_f64.ln(), 2.0_f64.ln(), None),
        (GanType::Lsgan, 1.0, 0.0, None),
        (GanType::Hinge, 1.0, 1.0, None),
        (GanType::WganGp, 0.0, 0.0, Some(1.0)),
        (GanType::WganLp, 0.0, 0.0, Some(0.0)),
        (GanType::Dragan, 2.0_f64.ln(), 2.0_f64.ln(), Some(1.0)),
    ] {
        let config = config(gan_type, false, true);
        let mut state = TrainState::<f64>::new(&config, 3).unwrap();
        for (name, tensor) in &mut state.tensors {
            if name.starts_with("dis") && (name.ends_with(".conv.weight") || name.contains("_fc.")) {
                tensor.data_mut().fill(0.0);
            }
        }
        let mut trainer = Trainer::new(config, state, CpuEngine::default()).unwrap();
        let [a, b] = [1, 2].map(|seed| noise(config.pictures(), seed));
        let losses: BTreeMap<String, f64> =
            trainer.compute(Player::Discriminators, &a, &b).unwrap().losses.into_iter().collect();
        for scale in ["GA", "LB"] {
            for (leaf, expected) in [("real", Some(real)), ("fake", Some(fake))] {
                for part in ["ad", "cam"] {
                    let found = losses[&format!("D/{scale}/{part}_{leaf}")];
                    assert!((found - expected.unwrap()).abs() < 1e-12, "{gan_type} {part}_{leaf}: {found}");
                }
            }
            for leaf in ["gp", "gp_cam"] {
                assert_eq!(losses.get(&format!("D/{scale}/{leaf}")).copied(), penalty, "{gan_type} {leaf}");
            }
        }
    }
}

/// The gradient of a step's whole loss along a random direction of all that the player trains. Spectral normalisation
/// has no gradient through its vectors: they are brought to where it would be nought.
#[test]
fn whole_steps_match_differences() {
    for gan_type in GanType::ALL {
        for sn in [false, true] {
            let config = config(gan_type, sn, true);
            let mut state = TrainState::<f64>::new(&config, 5).unwrap();
            // Steep, so that one-sided penalties are there to be seen.
            for (name, tensor) in &mut state.tensors {
                if name.starts_with("dis") && (name.contains("conv1x1") || name.contains("_fc.weight")) {
                    tensor.data_mut().iter_mut().for_each(|x| *x *= 30.0);
                }
            }
            let [a, b] = [1, 2].map(|seed| noise(config.pictures(), seed));
            if sn {
                let mut trainer = Trainer::new(config, state, CpuEngine::default()).unwrap();
                for _ in 0..120 {
                    let buffers = trainer.compute(Player::Generators, &a, &b).unwrap().buffers;
                    trainer.state.tensors.extend(buffers);
                }
                state = trainer.state;
            }
            for player in Player::BOTH {
                check(config, player, &state, &[a.clone(), b.clone()]);
            }
        }
    }
}

fn check(config: StepConfig, player: Player, state: &TrainState<f64>, [a, b]: &[Tensor<f64>; 2]) {
    let trained = || state.tensors.iter().filter(|(name, _)| player.trains(name));
    let along: BTreeMap<&str, Tensor<f64>> = (trained().zip(100..))
        .map(|((name, tensor), seed)| (name.as_str(), noise(tensor.shape(), seed)))
        .collect();
    let mut trainer = Trainer::new(config, state.clone(), CpuEngine::default()).unwrap();
    let outcome = trainer.compute(player, a, b).unwrap();
    // The penalty is not nought where it is to be seen.
    let mut penalties = outcome.losses.iter().filter(|(name, _)| name.contains("/gp"));
    assert!(penalties.all(|(name, cost)| *cost > 0.0 || name.ends_with("cam")), "{:?}", outcome.losses);
    let slope: f64 = (outcome.gradients.iter())
        .flat_map(|(name, g)| g.data().iter().zip(along[name.as_str()].data()))
        .map(|(g, d)| g * d)
        .sum();
    let mut at = |step: f64| {
        for (name, value) in trained() {
            let moved = value.data().iter().zip(along[name.as_str()].data()).map(|(x, d)| x + step * d);
            trainer.state.tensors.insert(name.clone(), Tensor::new(value.shape(), moved.collect()).unwrap());
        }
        trainer.compute(player, a, b).unwrap().losses.pop().unwrap().1
    };
    // Where a loss is 1e7, as with penalties, a shorter one shows its rounding.
    let step = 3e-7;
    let difference = (at(step) - at(-step)) / (2.0 * step);
    let error = (difference - slope).abs() / slope.abs();
    let what = format!("{} sn {} {player:?}", config.gan_type, config.sn);
    assert!(error < 1e-5, "{what}: {slope} by the rules, {difference} by differences ({error:.1e})");
}

/// With `n_critic` 2 the generators and their moving average move in iterations 1 and 3, by Adam's first and second step.
#[test]
fn the_generators_move_in_the_first_of_n_critic_iterations() {
    let config = StepConfig {
        n_critic: 2,
        ema: 0.5,
        schedule: Schedule::constant(1e-3),
        ..config(GanType::Lsgan, true, true)
    };
    let mut trainer =
        Trainer::new(config, TrainState::<f64>::new(&config, 3).unwrap(), CpuEngine::default()).unwrap();
    let pictures = [1, 2].map(|seed| noise(config.pictures(), seed));
    let mut moved = vec![];
    for iteration in 1..=4 {
        let before = trainer.state.clone();
        let report = trainer.iterate(std::slice::from_ref(&pictures)).unwrap();
        assert_eq!((report.step, trainer.state.step), (iteration, iteration));
        let change = |name: &str| {
            let pairs = trainer.state.tensors[name].data().iter().zip(before.tensors[name].data());
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        assert!(change("disGA.conv1x1.bias") > 0.0);
        let average = trainer.state.ema != before.ema;
        let reported = report.losses.iter().any(|(name, _)| name == "G/total");
        moved.push((change("genA2B.conv1x1.bias"), average, reported));
    }
    for (i, (change, average, reported)) in moved.iter().enumerate() {
        assert_eq!([*change > 0.0, *average, *reported], [i % 2 == 0; 3], "iteration {}", i + 1);
    }
    // The first step of Adam is as long as the rate; had it been counted as the third, it would not be.
    assert!((moved[0].0 - 1e-3).abs() < 1e-6, "{moved:?}");
}

/// The discriminators judge what the generators' turn translates, where that turn follows with the same pictures. What it
/// computes before reads nothing that the discriminators' turn changes.
#[test]
fn both_turns_share_their_translations() {
    for gan_type in GanType::ALL {
        let shared = config(gan_type, true, true);
        let [discriminators, generators] = StepGraph::both_on_gpu(&shared).unwrap();
        let names = |step: &StepGraph| -> Vec<String> {
            step.graph
                .inputs()
                .map(|(_, node)| node.name.clone())
                .filter(|name| name.starts_with("fake"))
                .collect()
        };
        assert_eq!(names(&discriminators), ["fake_A", "fake_B"], "{gan_type}");
        assert_eq!(names(&generators), [""; 0]);
        assert!(discriminators.graph.parameters().all(|(_, node)| node.name.starts_with("dis")));
        let last = generators.translated.iter().map(|(_, node)| node.index()).max().unwrap();
        let first = &generators.graph.nodes()[..=last];
        let read = first.iter().flat_map(|node| &node.inputs).map(|&input| generators.graph.node(input));
        let parameters = read.filter(|node| node.op == Op::Parameter);
        assert!(
            parameters.clone().count() > 0 && parameters.clone().all(|node| node.name.starts_with("gen"))
        );

        // Nothing is shared that would have to be kept for long.
        for apart in [StepConfig { accumulation: 2, ..shared }, StepConfig { n_critic: 2, ..shared }] {
            let [discriminators, generators] = StepGraph::both_on_gpu(&apart).unwrap();
            assert!(names(&discriminators).is_empty() && generators.translated.is_empty());
        }
        // On the processor no more than there is memory for.
        let peak = |config: &StepConfig| {
            let turns = StepGraph::both(config).unwrap();
            turns.iter().map(StepGraph::memory::<f32>).max().unwrap()
        };
        assert!(peak(&shared) <= peak(&StepConfig { n_critic: 2, ..shared }), "{gan_type}");
    }
}
