//! Adam, the clipping of rho and the learning rate against what the official code computes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

mod support;

use std::collections::BTreeMap;

use support::golden::{File, files, folder};
use ugatit::Tensor;
use ugatit::cpu::Real;
use ugatit::train::{Adam, Epochs, Moments, Schedule, clip_rho};

/// The largest difference over the largest absolute value.
fn error<T: Real>(found: &[T], official: &Tensor) -> f64 {
    assert_eq!(found.len(), official.data().len());
    let largest = official.data().iter().fold(0.0, |m, x| f64::from(x.abs()).max(m));
    let differences = found.iter().zip(official.data()).map(|(a, b)| (a.to_f64() - f64::from(*b)).abs());
    // NaN must stay.
    let worst = differences.fold(0.0, |m, d| if d > m || d.is_nan() { d } else { m });
    if worst == 0.0 { 0.0 } else { worst / largest }
}

/// torch computes each of about ten operations in `f32` (6e-8 each) and carries them over three
/// steps.
const ADAM: f64 = 1e-6;

/// All cases in `T`; the number of tensors compared and the worst error.
fn adam<T: Real>() -> (usize, f64) {
    let (mut compared, mut worst) = (0, 0.0_f64);
    for path in files("ops_adam") {
        let file = File::read(&path);
        let cases: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&file.metadata["cases"]).unwrap();
        for (case, settings) in &cases {
            let number = |value: &serde_json::Value| value.as_f64().unwrap();
            let adam = Adam {
                betas: [number(&settings["betas"][0]), number(&settings["betas"][1])],
                eps: number(&settings["eps"]),
                weight_decay: number(&settings["weight_decay"]),
            };
            let read = |what: &str, i: usize, k: u64| file.tensors.get(&format!("{case}/{what}{i}_{k}"));
            let convert = |t: &Tensor| t.map(|&x| T::from_f64(f64::from(x))).into_data();
            for i in 0.. {
                let Some(p) = read("p", i, 0) else {
                    assert!(i > 0, "{case} has no parameters");
                    break;
                };
                let (mut p, mut moments) = (convert(p), Moments::zeros(p.data().len()));
                let mut k = 1;
                while let Some(g) = read("g", i, k) {
                    adam.update(number(&settings["lr"]), k, &mut p, &convert(g), &mut moments);
                    for (what, found) in [("p", &p), ("m", &moments.m), ("v", &moments.v)] {
                        let error = error(found, read(what, i, k).unwrap());
                        assert!(error <= ADAM, "{case}/{what}{i}_{k}: off by {error:.1e}");
                        (compared, worst) = (compared + 1, worst.max(error));
                    }
                    k += 1;
                }
                assert!(k > 1, "{case}: parameter {i} has no gradients");
            }
        }
        assert_eq!(compared % cases.len(), 0);
    }
    (compared, worst)
}

#[test]
fn adam_is_the_official_one() {
    for (name, (compared, worst)) in [("f32", adam::<f32>()), ("f64", adam::<f64>())] {
        println!("{compared} tensors in {name}, off by {worst:.1e} at most");
        assert!(compared > 0);
    }
}

#[test]
fn rho_is_clipped_like_the_official_one() {
    let mut ran = 0;
    for path in files("ops_norm") {
        for case in File::read(&path).cases().iter().filter(|case| case.kind() == "rho_clip") {
            let mut rho = case.tensor("before").clone();
            clip_rho(rho.data_mut());
            assert_eq!(&rho, case.tensor("after"), "{}", case.name);
            ran += 1;
        }
    }
    assert!(ran > 0, "no case of rho_clip");
    let mut rho = [f64::NAN, -1.0, 2.0];
    clip_rho(&mut rho);
    assert!(rho[0].is_nan() && rho[1..] == [0.0, 1.0]);
}

/// The official sequences, `[[step, lr], ...]` by name.
fn official() -> BTreeMap<String, Vec<(u64, f64)>> {
    let path = folder().join("lr_schedule.json");
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn the_rate_is_the_official_one() {
    let mut fresh = 0;
    for (name, rates) in official() {
        // fresh_{iterations}, or resume_at_{step}_of_{iterations}
        let words: Vec<&str> = name.split('_').collect();
        let iterations: u64 = words.last().unwrap().parse().unwrap();
        let schedule = Schedule { lr: rates[0].1, iterations, decay: true, epochs: None };
        let half = iterations / 2;
        match words[0] {
            "fresh" => {
                assert_eq!(rates.len() as u64, iterations, "{name}");
                for (step, rate) in rates {
                    // An odd number of iterations ends below zero officially.
                    let error = (schedule.at(step) - rate.max(0.0)).abs();
                    assert!(error < 1e-12 * schedule.lr, "{name}, iteration {step}: {rate}");
                }
                fresh += 1;
            }
            "resume" => {
                // Resumed in the second half, it is one iteration ahead.
                let schedule = Schedule { lr: 1e-4, ..schedule };
                for &(step, rate) in &rates {
                    let ahead = if rates[0].0 > half { 1.0 } else { 0.0 };
                    let error = schedule.at(step) - schedule.lr / half as f64 * ahead - rate;
                    assert!(error.abs() < 1e-12 * schedule.lr, "{name}, iteration {step}: {rate}");
                }
            }
            other => panic!("{other}: a sequence of unknown kind"),
        }
    }
    assert!(fresh > 0, "no sequence of a run without resuming");
}

#[test]
fn the_rate_is_never_negative() {
    for iterations in [1, 2, 3, 7, 20, 999_999, 1_000_000] {
        let schedule = Schedule { lr: 1e-4, iterations, decay: true, epochs: None };
        let mut previous = schedule.lr;
        for step in (1..=iterations + 3).step_by((iterations / 1000).max(1) as usize) {
            let rate = schedule.at(step);
            assert!((0.0..=previous).contains(&rate), "{step} of {iterations}: {rate}");
            previous = rate;
        }
    }
    assert_eq!(Schedule { lr: 1e-4, iterations: 20, decay: false, epochs: None }.at(20), 1e-4);
    assert_eq!(Schedule::constant(2e-4).at(u64::MAX), 2e-4);
}

/// As the authors' TensorFlow program: `lr * (epoch - e) / (epoch - decay_epoch)` from epoch `decay_epoch` on, e counted from
/// 0, and the same within an epoch.
#[test]
fn with_epochs_the_rate_falls_from_one_to_the_next() {
    let epochs = Some(Epochs { length: 10, decay_from: 2 });
    let schedule = Schedule { lr: 1.0, iterations: 50, decay: true, epochs };
    for (step, rate) in [
        (1, 1.0),
        (20, 1.0),
        (21, 1.0),
        (30, 1.0),
        (31, 2.0 / 3.0),
        (40, 2.0 / 3.0),
        (41, 1.0 / 3.0),
        (50, 1.0 / 3.0),
        (51, 0.0),
        (99, 0.0),
    ] {
        assert!((schedule.at(step) - rate).abs() < 1e-15, "{step}: {}", schedule.at(step));
    }
    assert_eq!(Schedule { decay: false, ..schedule }.at(50), 1.0);
    // Nothing to fall to.
    assert_eq!(
        Schedule { epochs: Some(Epochs { length: 0, decay_from: 9 }), iterations: 3, ..schedule }.at(3),
        1.0
    );
}
