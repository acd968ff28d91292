//! The operations against what the official PyTorch code computes.
//!
//! Each case runs on the graph as the model states it and on the fused one, on every engine.
//! `UGATIT_GOLDEN_DIR` names another folder of fixtures, `UGATIT_GOLDEN_REPORT=1` prints every
//! error (with `--nocapture`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

mod support;

use support::golden::{Case, Check, File, files};
use ugatit::graph::{Activation, Conv2d, NodeId, Norm, NormKind, Op};
use ugatit::model::{Classifier, cam};

/// Files that other tests read: `tests/golden_networks.rs`, `tests/trajectory.rs`,
/// `tests/optimiser.rs`, `tests/pictures.rs`.
const FILES_ELSEWHERE: &[&str] = &["gen_", "dis_", "traj_", "ops_adam", "image_pipeline"];

/// Cases that other tests read: the clipping of rho, `tests/optimiser.rs`.
const CASES_ELSEWHERE: &[&str] = &["rho_clip"];

/// What torch itself in `f32` is off from `f64` in plain cases (fixtures' README: 5e-7; the
/// largest windows 8e-7), four times: our sums run in another order, and the errors of both
/// sides add up.
const PLAIN: f64 = 4.0 * 5e-7;

fn plain_conv() -> Conv2d {
    Conv2d { stride: 1, pad: 0, upsample: false, bias: false, activation: Activation::Identity }
}

/// Every `g{leaf}` of the case is the gradient at that leaf, from `gy` at `y`.
fn expect_gradients(check: &mut Check, case: &Case, y: NodeId, tolerance: f64) {
    check.upstream(y, case.tensor("gy"));
    let leaves: Vec<String> = check.feed.keys().cloned().collect();
    for leaf in leaves {
        check.gradient(&leaf, case.tensor(&format!("g{leaf}")), tolerance);
    }
}

/// Runs the cases of the files that begin with `prefix`. `build` gives the check for a case, or
/// nothing for a kind that it does not know.
fn run_cases(prefix: &str, build: impl Fn(&Case) -> Option<Check>) {
    let (mut ran, mut elsewhere) = (0, 0);
    for path in files(prefix) {
        for case in File::read(&path).cases() {
            if CASES_ELSEWHERE.contains(&case.kind()) {
                elsewhere += 1;
                continue;
            }
            let check = build(&case).unwrap_or_else(|| panic!("{}: a case of unknown kind", case.name));
            assert!(!check.expected.is_empty(), "{}: nothing to compare", case.name);
            check.run();
            ran += 1;
        }
    }
    println!("{prefix}: {ran} cases ran, {elsewhere} belong to other tests");
    assert!(ran > 0, "no case of {prefix} ran");
}

#[test]
fn every_fixture_file_is_known() {
    let known = ["ops_conv", "ops_norm", "ops_misc", "ops_cam", "ops_spectral_norm"];
    let mut skipped = vec![];
    for path in files("") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let begins = |list: &[&str]| list.iter().any(|prefix| name.starts_with(prefix));
        if begins(FILES_ELSEWHERE) {
            skipped.push(name);
        } else {
            assert!(begins(&known), "{name}: a fixture that no test reads");
        }
    }
    println!("{} files belong to other tests: {}", skipped.len(), skipped.join(", "));
}

#[test]
fn convolutions() {
    run_cases("ops_conv", |case| {
        // k{kernel}s{stride}p{padding}_...
        let attributes = case.key.split('_').next()?;
        let (kernel, rest) = attributes.strip_prefix('k')?.split_once('s')?;
        let (stride, pad) = rest.split_once('p')?;
        let [kernel, stride, pad]: [usize; 3] =
            [kernel.parse().ok()?, stride.parse().ok()?, pad.parse().ok()?];
        assert_eq!(case.tensor("w").shape().dims()[2..], [kernel, kernel], "{}", case.name);

        let mut check = Check::new(&case.name);
        let x = check.input("x", case.tensor("x"));
        let padded = check.graph.add(Op::ReflectionPad2d(pad), &[x]).unwrap();
        let mut inputs = vec![padded, check.parameter("w", case.tensor("w"))];
        let bias = case.tensors.get("b");
        inputs.extend(bias.map(|b| check.parameter("b", b)));
        let conv = Conv2d { stride, bias: bias.is_some(), ..plain_conv() };
        let y = check.graph.add(Op::Conv2d(conv), &inputs).unwrap();
        check.expect("y", y, case.tensor("y"), PLAIN);
        expect_gradients(&mut check, case, y, PLAIN);
        Some(check)
    });
}

/// Torch's own drift for normalisations (fixtures' README), four times as [`PLAIN`]: of results
/// and of gradients. The larger figures there for the two-pixel shape are those of its
/// gradient, which nearly cancels; its result drifts by 5e-5.
fn norm_tolerances(case: &Case) -> [f64; 2] {
    let bigmean = case.key.ends_with("_bigmean");
    let plain = if bigmean || case.key.ends_with("_tinyvar") { 4.0 * 4e-5 } else { PLAIN };
    let two_pixels = case.key.starts_with("instance_norm/n1_c3_2x1");
    let gradient = match (two_pixels, bigmean) {
        (true, true) => 4.0 * 5e-3,
        (true, false) => 4.0 * 1e-3,
        (false, _) => plain,
    };
    [plain, gradient]
}

#[test]
fn normalisations() {
    run_cases("ops_norm", |case| {
        let kind = match case.kind() {
            "instance_norm" => NormKind::Instance,
            "adailn" | "iln" => NormKind::LayerInstance,
            _ => return None,
        };
        let mut check = Check::new(&case.name);
        let mut inputs = vec![check.input("x", case.tensor("x"))];
        if kind == NormKind::LayerInstance {
            inputs.extend(["rho", "gamma", "beta"].map(|leaf| check.parameter(leaf, case.tensor(leaf))));
        }
        let norm =
            Norm { kind, eps: 1e-5, unbiased: true, activation: Activation::Identity, residual: false };
        let y = check.graph.add(Op::Norm(norm), &inputs).unwrap();
        let [result, gradient] = norm_tolerances(case);
        check.expect("y", y, case.tensor("y"), result);
        expect_gradients(&mut check, case, y, gradient);
        Some(check)
    });
}

#[test]
fn small_operations() {
    run_cases("ops_misc", |case| {
        let mut check = Check::new(&case.name);
        let x = check.input("x", case.tensor("x"));
        let mut inputs = vec![x];
        // What only moves or selects numbers must give exactly the same ones.
        let (op, tolerance) = match case.kind() {
            "upsample2" => (Op::UpsampleNearest2x, 0.0),
            "gap" => (Op::GlobalAvgPool, PLAIN),
            "gmp" | "gmp_ties" | "gmp_const" => (Op::GlobalMaxPool, 0.0),
            "linear" => {
                inputs.push(check.parameter("w", case.tensor("w")));
                let bias = case.tensors.get("b");
                inputs.extend(bias.map(|b| check.parameter("b", b)));
                (Op::Linear { bias: bias.is_some(), activation: Activation::Identity }, PLAIN)
            }
            "act" => match case.key.as_str() {
                "act/relu" => (Op::Activation(Activation::Relu), 0.0),
                "act/tanh" => (Op::Activation(Activation::Tanh), PLAIN),
                key => {
                    let slope = key.strip_prefix("act/leaky_relu_")?.parse().ok()?;
                    (Op::Activation(Activation::LeakyRelu(slope)), PLAIN)
                }
            },
            "mse_target0" => (Op::Mse { target: 0.0 }, PLAIN),
            "mse_target1" => (Op::Mse { target: 1.0 }, PLAIN),
            "bce_logits_target0" => (Op::BceWithLogits { target: 0.0 }, PLAIN),
            "bce_logits_target1" => (Op::BceWithLogits { target: 1.0 }, PLAIN),
            "l1" => {
                inputs.push(check.input("t", case.tensor("t")));
                (Op::L1, PLAIN)
            }
            kind => (Op::ReflectionPad2d(kind.strip_prefix("reflect_pad")?.parse().ok()?), 0.0),
        };
        let y = check.graph.add(op, &inputs).unwrap();
        check.expect("y", y, case.tensor("y"), tolerance);
        expect_gradients(&mut check, case, y, PLAIN);
        Some(check)
    });
}

#[test]
fn attention() {
    run_cases("ops_cam", |case| {
        let (activation, spectral) = match case.kind().split('_').next()? {
            "gen" => (Activation::Relu, false),
            "dis" => (Activation::LeakyRelu(0.2), true),
            _ => return None,
        };
        let mut check = Check::new(&case.name);
        let x = check.input("x", case.tensor("x"));
        let [gap, gmp, mix, bias] =
            ["gap_w", "gmp_w", "mix_w", "mix_b"].map(|leaf| check.parameter(leaf, case.tensor(leaf)));
        // A discriminator's logits use the spectrally normalised weights, its features the raw.
        let [gap_logit, gmp_logit] = if spectral {
            [("gap", gap), ("gmp", gmp)].map(|(name, weight)| {
                let leaf = |suffix| format!("{name}_{suffix}");
                let u = check.parameter(&leaf("u0"), case.tensor(&leaf("u0")));
                let [normalised, u, v] = spectral_norm(&mut check, weight, u);
                check.expect(&leaf("u1"), u, case.tensor(&leaf("u1")), PLAIN);
                check.expect(&leaf("v1"), v, case.tensor(&leaf("v1")), PLAIN);
                normalised
            })
        } else {
            [gap, gmp]
        };
        let classifiers = [(gap, gap_logit), (gmp, gmp_logit)].map(|(features, logit)| Classifier {
            features,
            logit,
            sigmas: None,
            bias: None,
        });
        let cam = cam(&mut check.graph, x, classifiers, [mix, bias], activation).unwrap();
        for (name, node) in [("feat", cam.features), ("cam_logit", cam.logit), ("heatmap", cam.heatmap)] {
            check.expect(name, node, case.tensor(name), PLAIN);
            check.upstream(node, case.tensor(&format!("g_{name}")));
        }
        for leaf in ["x", "gap_w", "gmp_w", "mix_w", "mix_b"] {
            check.gradient(leaf, case.tensor(&format!("grad_{leaf}")), PLAIN);
        }
        Some(check)
    });
}

/// One power iteration, then `[weight / sigma, u, v]`.
fn spectral_norm(check: &mut Check, weight: NodeId, u: NodeId) -> [NodeId; 3] {
    let graph = &mut check.graph;
    let v = graph.add(Op::PowerIterationV, &[weight, u]).unwrap();
    let u = graph.add(Op::PowerIterationU, &[weight, v]).unwrap();
    let sigma = graph.add(Op::SpectralSigma, &[weight, u, v]).unwrap();
    [graph.add(Op::SpectralNorm, &[weight, sigma, u, v]).unwrap(), u, v]
}

/// Three forwards of one layer in training, each with a power iteration of its own, and one in
/// evaluation. `calls` are those whose results are differentiated.
fn spectral_layer(case: &Case, calls: &[usize]) -> Check {
    let mut check = Check::new(format!("{} {calls:?}", case.name));
    let weight = check.parameter("w_orig", case.tensor("w_orig"));
    let bias = case.tensors.get("b").map(|b| check.parameter("b", b));
    let layer = |check: &mut Check, x: NodeId, weight: NodeId| {
        if case.key.starts_with("lin_") {
            let linear = Op::Linear { bias: bias.is_some(), activation: Activation::Identity };
            let inputs: Vec<NodeId> = [x, weight].into_iter().chain(bias).collect();
            return check.graph.add(linear, &inputs).unwrap();
        }
        let padded = check.graph.add(Op::ReflectionPad2d(1), &[x]).unwrap();
        let conv = Conv2d { stride: 2, bias: bias.is_some(), ..plain_conv() };
        let inputs: Vec<NodeId> = [padded, weight].into_iter().chain(bias).collect();
        check.graph.add(Op::Conv2d(conv), &inputs).unwrap()
    };
    let mut u = check.parameter("u0", case.tensor("u0"));
    for call in 1..=3 {
        let x = check.input(&format!("x{call}"), case.tensor(&format!("x{call}")));
        let [normalised, next, v] = spectral_norm(&mut check, weight, u);
        u = next;
        let y = layer(&mut check, x, normalised);
        for (name, node) in [("y", y), ("u", u), ("v", v), ("w_eff", normalised)] {
            let name = format!("{name}{call}");
            check.expect(&name, node, case.tensor(&name), PLAIN);
        }
        if calls.contains(&call) {
            check.upstream(y, case.tensor(&format!("gy{call}")));
        }
    }
    // In evaluation the stored vectors are used as they are.
    assert_eq!(case.tensor("u_eval"), case.tensor("u3"), "{}", case.name);
    let [u, v] = ["u3", "v3"].map(|leaf| check.parameter(leaf, case.tensor(leaf)));
    let sigma = check.graph.add(Op::SpectralSigma, &[weight, u, v]).unwrap();
    let normalised = check.graph.add(Op::SpectralNorm, &[weight, sigma, u, v]).unwrap();
    let x = check.input("x1 again", case.tensor("x1"));
    let y = layer(&mut check, x, normalised);
    check.expect("y_eval_x1", y, case.tensor("y_eval_x1"), PLAIN);
    check
}

#[test]
fn spectral_normalisation() {
    run_cases("ops_spectral_norm", |case| {
        let leaves = ["w_orig", "b", "x1", "x2", "x3"];
        for (calls, suffix) in [(&[1][..], "call1"), (&[2], "call2"), (&[3], "call3"), (&[1, 2, 3], "sum")] {
            let mut check = spectral_layer(case, calls);
            for leaf in leaves {
                if let Some(value) = case.tensors.get(&format!("g_{leaf}_{suffix}")) {
                    check.gradient(leaf, value, PLAIN);
                }
            }
            assert!(!check.gradients.is_empty(), "{}: no gradient", case.name);
            if calls.len() == 3 {
                return Some(check);
            }
            check.run();
        }
        None
    });
}
