//! Every operation's gradient at every input against central differences in `f64`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

use std::collections::BTreeSet;

use ugatit::graph::{Activation, Arithmetic, Conv2d, Graph, NodeId, Norm, NormKind, Op, Seed, backward};
use ugatit::{Error, Tensor};

mod support;
use support::differences::{Feed, dot, run, run_with};
use support::random::noise;

/// The step of the differences. Their error is about `STEP²` times the third derivative, and
/// `1e-16 / STEP` from rounding: both far below [`TOLERANCE`]. A smaller step meets fewer
/// kinks of relu and of the maximum, where there is no derivative.
const STEP: f64 = 1e-6;

/// The largest difference allowed, as a fraction of the gradient's largest absolute value.
const TOLERANCE: f64 = 1e-6;

/// A graph of inputs named `0`, `1`, ... and a result.
struct Case {
    graph: Graph,
    feed: Feed,
    inputs: Vec<NodeId>,
    arithmetic: Arithmetic,
}

impl Case {
    fn new(shapes: &[&[usize]]) -> Self {
        let arithmetic = Arithmetic::Exact;
        let mut case = Self { graph: Graph::new(), feed: Feed::new(), inputs: vec![], arithmetic };
        for (i, shape) in shapes.iter().enumerate() {
            case.inputs.push(case.graph.input(i.to_string(), *shape));
            case.feed.insert(i.to_string(), noise(*shape, i as u64 + 1));
        }
        case
    }

    /// Checks the gradient of `sum(y * g)`, or of `0.7 * y` for a scalar, at each of `wrt`.
    fn check(mut self, name: &str, y: NodeId, wrt: &[usize]) {
        let shape = self.graph.shape(y).clone();
        let (seed, upstream) = if shape.rank() == 0 {
            (Seed::Weight(0.7), Tensor::new(&shape, vec![f64::from(0.7_f32)]).unwrap())
        } else {
            let g = noise(&shape, 99);
            self.feed.insert("g".into(), g.clone());
            (Seed::Node(self.graph.input("g", &shape)), g)
        };
        let nodes: Vec<NodeId> = wrt.iter().map(|&k| self.inputs[k]).collect();
        let gradients = backward(&mut self.graph, &[(y, seed)], &nodes).unwrap();
        for (&k, gradient) in wrt.iter().zip(gradients) {
            let gradient = gradient.unwrap_or_else(|| panic!("{name}: no path to input {k}"));
            let exact = run_with(self.arithmetic, &self.graph, &[gradient], &self.feed).remove(0);
            let key = k.to_string();
            assert_eq!(exact.shape(), self.feed[&key].shape(), "{name}");
            let largest = exact.data().iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            assert!(largest > 0.0, "{name}: the gradient at input {k} is zero");
            for (i, exact) in exact.data().iter().enumerate() {
                let x = self.feed[&key].data()[i];
                let mut at = |x| {
                    self.feed.get_mut(&key).unwrap().data_mut()[i] = x;
                    dot(&run_with(self.arithmetic, &self.graph, &[y], &self.feed)[0], &upstream)
                };
                let difference = (at(x + STEP) - at(x - STEP)) / (2.0 * STEP);
                at(x);
                let error = (difference - exact).abs() / largest;
                assert!(
                    error <= TOLERANCE,
                    "{name}, input {k}, element {i}: {exact} by the rule, {difference} by differences ({error:.1e})"
                );
            }
        }
    }
}

/// One operation on fresh inputs of these shapes, differentiated at all of them; of convolutions with all algorithms.
fn check(op: &Op, shapes: &[&[usize]]) {
    let of_convolution =
        matches!(op, Op::Conv2d(_) | Op::Conv2dGradInput { .. } | Op::Conv2dGradWeight { .. });
    let ways: &[Arithmetic] =
        if of_convolution { &[Arithmetic::Exact, Arithmetic::Fewest] } else { &[Arithmetic::Exact] };
    for &arithmetic in ways {
        let mut case = Case { arithmetic, ..Case::new(shapes) };
        let y = case.graph.add(op.clone(), &case.inputs).unwrap();
        let all: Vec<usize> = (0..shapes.len()).collect();
        case.check(&format!("{op:?} of {shapes:?}, {arithmetic:?}"), y, &all);
    }
}

/// The name of an operation that has a derivative. A new operation does not compile here
/// before it has been sorted.
fn differentiable(op: &Op) -> Option<&'static str> {
    Some(match op {
        Op::ReflectionPad2d(_) => "ReflectionPad2d",
        Op::UpsampleNearest2x => "UpsampleNearest2x",
        Op::Conv2d(_) => "Conv2d",
        Op::Linear { .. } => "Linear",
        Op::Norm(_) => "Norm",
        Op::Activation(_) => "Activation",
        Op::Add => "Add",
        Op::GlobalAvgPool => "GlobalAvgPool",
        Op::GlobalMaxPool => "GlobalMaxPool",
        Op::SumChannels => "SumChannels",
        Op::Concat => "Concat",
        Op::Stack => "Stack",
        Op::Samples { .. } => "Samples",
        Op::Flatten => "Flatten",
        Op::CamWeight => "CamWeight",
        Op::AddScalar => "AddScalar",
        Op::UpsampleNearest2xGrad => "UpsampleNearest2xGrad",
        Op::Scale(_) => "Scale",
        Op::Above(_) => "Above",
        Op::Mean => "Mean",
        Op::Hinge { .. } => "Hinge",
        Op::GradientPenalty { .. } => "GradientPenalty",
        Op::Mse { .. } => "Mse",
        Op::L1 => "L1",
        Op::BceWithLogits { .. } => "BceWithLogits",
        Op::SpectralNorm => "SpectralNorm",
        Op::SpectralDivide { .. } => "SpectralDivide",
        // Gradients that have a gradient themselves.
        Op::Conv2dGradInput { .. } => "Conv2dGradInput",
        Op::Conv2dGradWeight { .. } => "Conv2dGradWeight",
        Op::LinearGradInput => "LinearGradInput",
        Op::LinearGradWeight => "LinearGradWeight",
        Op::ActivationGrad(_) => "ActivationGrad",
        Op::ReflectionPad2dGrad(_) => "ReflectionPad2dGrad",
        Op::GlobalAvgPoolGrad { .. } => "GlobalAvgPoolGrad",
        Op::GlobalMaxPoolGrad => "GlobalMaxPoolGrad",
        Op::AtMaximum => "AtMaximum",
        Op::BroadcastChannels(_) => "BroadcastChannels",
        Op::SamplesGrad { .. } => "SamplesGrad",
        Op::Unflatten { .. } => "Unflatten",
        Op::MseGrad { .. } => "MseGrad",
        // Leaves, what is detached, and other gradients.
        Op::Input
        | Op::Parameter
        | Op::PowerIterationV
        | Op::PowerIterationU
        | Op::SpectralSigma
        | Op::NormCoefficients(_)
        | Op::SumPixels
        | Op::SumRows
        | Op::SumColumns
        | Op::NormGrad { .. }
        | Op::SliceColumns { .. }
        | Op::CamWeightGrad(_)
        | Op::Interpolate
        | Op::MeanGrad { .. }
        | Op::HingeGrad { .. }
        | Op::GradientPenaltyGrad { .. }
        | Op::L1Grad { .. }
        | Op::BceWithLogitsGrad { .. }
        | Op::SpectralNormGrad
        | Op::SpectralDivideGrad(_)
        | Op::SpectralBiasGrad
        | Op::SpectralSigmaGrad { .. } => return None,
    })
}

/// What [`differentiable`] names, but for convolution, normalisation and spectral
/// normalisation, which have tests of their own.
fn simple_operations() -> Vec<(Op, Vec<&'static [usize]>)> {
    const IMAGE: &[usize] = &[2, 3, 4, 5];
    let mut cases: Vec<(Op, Vec<&[usize]>)> = vec![
        (Op::ReflectionPad2d(1), vec![IMAGE]),
        (Op::ReflectionPad2d(3), vec![IMAGE]),
        (Op::UpsampleNearest2x, vec![IMAGE]),
        (Op::Add, vec![IMAGE, IMAGE]),
        (Op::GlobalAvgPool, vec![IMAGE]),
        (Op::GlobalMaxPool, vec![IMAGE]),
        (Op::SumChannels, vec![IMAGE]),
        (Op::Concat, vec![&[2, 3], &[2, 4]]),
        (Op::Stack, vec![&[2, 3, 2, 2], &[1, 3, 2, 2]]),
        (Op::Samples { first: 1, count: 2 }, vec![&[4, 3]]),
        (Op::Concat, vec![IMAGE, &[2, 2, 4, 5]]),
        (Op::AddScalar, vec![&[1, 5], &[1]]),
        (Op::UpsampleNearest2xGrad, vec![&[2, 3, 4, 6]]),
        (Op::Flatten, vec![IMAGE]),
        (Op::CamWeight, vec![&[3, 8, 1, 1], &[1, 4], &[1, 4]]),
        (Op::Scale(-1.5), vec![IMAGE]),
        (Op::Above(0.1), vec![IMAGE]),
        (Op::L1, vec![IMAGE, IMAGE]),
        (Op::Mean, vec![IMAGE]),
        (Op::LinearGradInput, vec![&[3, 4], &[4, 5]]),
        (Op::LinearGradWeight, vec![&[3, 5], &[3, 4]]),
        (Op::ReflectionPad2dGrad(1), vec![&[2, 3, 6, 7]]),
        (Op::GlobalAvgPoolGrad { height: 3, width: 4 }, vec![&[2, 3]]),
        (Op::BroadcastChannels(3), vec![&[2, 1, 4, 5]]),
        (Op::SamplesGrad { first: 1, total: 4 }, vec![&[2, 3]]),
        (Op::Unflatten { channels: 3, height: 2, width: 2 }, vec![&[2, 12]]),
        (Op::MseGrad { target: 0.3, scale: 0.7 }, vec![IMAGE]),
    ];
    for one_sided in [false, true] {
        // Of lengths above 1.
        cases.push((Op::GradientPenalty { one_sided }, vec![IMAGE]));
    }
    // Of lengths below 1.
    cases.push((Op::GradientPenalty { one_sided: false }, vec![&[3, 1]]));
    for target in [0.0, 1.0] {
        cases.push((Op::Mse { target }, vec![IMAGE]));
        cases.push((Op::Hinge { target: 2.0 * target - 1.0 }, vec![IMAGE]));
        cases.push((Op::BceWithLogits { target }, vec![&[3, 2]]));
    }
    for activation in Activation::EACH {
        cases.push((Op::Activation(activation), vec![&[7]]));
        cases.push((Op::Linear { bias: true, activation }, vec![&[3, 5], &[4, 5], &[4]]));
        cases.push((Op::Linear { bias: false, activation }, vec![&[1, 5], &[4, 5]]));
    }
    cases
}

#[test]
fn simple_operations_match_differences() {
    let mut covered: BTreeSet<&str> =
        ["Conv2d", "Conv2dGradInput", "Conv2dGradWeight", "Norm", "SpectralDivide", "SpectralNorm"].into();
    for (op, shapes) in simple_operations() {
        covered.extend(differentiable(&op));
        check(&op, &shapes);
    }
    // In their second operand they are constant, but for jumps.
    let image: &[usize] = &[2, 3, 4, 5];
    for (op, shapes) in [
        (Op::ActivationGrad(Activation::Relu), [image, image]),
        (Op::ActivationGrad(Activation::LeakyRelu(0.2)), [image, image]),
        (Op::GlobalMaxPoolGrad, [&[2, 3], image]),
        (Op::AtMaximum, [image, image]),
    ] {
        covered.extend(differentiable(&op));
        let mut case = Case::new(&shapes);
        let y = case.graph.add(op.clone(), &case.inputs).unwrap();
        case.check(&format!("{op:?}"), y, &[0]);
    }
    // The names in `differentiable`.
    let source = include_str!("gradients.rs").split_once("fn differentiable").unwrap().1;
    let rows = source[..source.find("\n}\n").unwrap()].lines();
    let names: BTreeSet<&str> = rows.filter_map(|row| row.split_once("=> \"")?.1.split('"').next()).collect();
    assert!(names.len() > 35, "{names:?}");
    assert_eq!(covered, names, "operations without a case here");
}

/// Where judgements cost nothing and where they do.
#[test]
fn the_hinge_matches_differences() {
    for target in [1.0, -1.0] {
        let mut case = Case::new(&[&[2, 1, 4, 5]]);
        let wide = case.graph.add(Op::Scale(3.0), &case.inputs).unwrap();
        let y = case.graph.add(Op::Hinge { target }, &[wide]).unwrap();
        let gradient =
            backward(&mut case.graph, &[(y, Seed::Weight(1.0))], &case.inputs).unwrap()[0].unwrap();
        let found = run(&case.graph, &[gradient], &case.feed).remove(0);
        let free = found.data().iter().filter(|g| **g == 0.0).count();
        assert!((5..35).contains(&free), "{free} of 40 cost nothing");
        case.check("hinge", y, &[0]);
    }
}

#[test]
fn convolutions_match_differences() {
    let mut count = 0;
    for (kernel, shape) in
        [([3, 3], [2, 3, 5, 4]), ([4, 4], [1, 2, 6, 7]), ([1, 1], [2, 3, 4, 4]), ([2, 3], [1, 5, 5, 6])]
    {
        for stride in [1, 2, 3] {
            for pad in [0, 1, 3] {
                for upsample in [false, true] {
                    let (bias, activation) = (count % 2 == 0, Activation::EACH[count % 4]);
                    let conv = Conv2d { stride, pad, upsample, bias, activation };
                    let weight = [2, shape[1], kernel[0], kernel[1]];
                    let shapes: [&[usize]; 3] = [&shape, &weight, &[2]];
                    check(&Op::Conv2d(conv), &shapes[..2 + usize::from(bias)]);
                    gradients_of_gradients(conv, [shape, weight]);
                    count += 1;
                }
            }
        }
    }
    println!("{count} convolutions");
}

/// The gradients of a convolution, differentiated at both of their operands.
fn gradients_of_gradients(conv: Conv2d, [x, weight]: [[usize; 4]; 2]) {
    let conv = Conv2d { bias: false, activation: Activation::Identity, ..conv };
    let mut graph = Graph::new();
    let [a, b] = [x, weight].map(|shape| graph.input("", shape));
    let y = graph.add(Op::Conv2d(conv), &[a, b]).unwrap();
    let y = graph.shape(y).dims().to_vec();
    let [_, _, height, width] = x;
    check(&Op::Conv2dGradInput { conv, height, width }, &[&y, &weight]);
    check(&Op::Conv2dGradWeight { conv, kernel: [weight[2], weight[3]] }, &[&x, &y]);
}

/// Several blocks of channels and several chunks of rows, the last ones smaller: too large for
/// differences, but the three parts of a bilinear form agree: `y · g = x · gx = w · gw`.
#[test]
fn the_gradients_of_large_convolutions_are_adjoint() {
    for (n, channels, outputs, [h, w], k, stride, pad, upsample) in [
        (1, 70, 9, [37, 41], 3, 1, 1, false),
        (2, 33, 6, [40, 18], 3, 1, 1, true),
        (1, 150, 5, [21, 90], 4, 2, 1, false),
        (2, 3, 8, [9, 700], 7, 1, 3, false),
        (1, 40, 30, [30, 31], 1, 1, 0, false),
        // Few outputs; few pixels.
        (2, 21, 3, [30, 41], 7, 1, 3, false),
        (2, 150, 40, [4, 5], 4, 1, 1, false),
        // Tiles of several samples, of parts of one, several blocks of channels, tiles that stick out.
        (3, 70, 33, [14, 9], 3, 1, 1, false),
        (2, 40, 70, [5, 530], 3, 1, 0, false),
        (1, 35, 130, [90, 66], 3, 1, 2, false),
        (2, 37, 21, [85, 42], 3, 1, 1, true),
    ] {
        let conv = Conv2d { stride, pad, upsample, bias: false, activation: Activation::Identity };
        let mut case = Case::new(&[&[n, channels, h, w], &[outputs, channels, k, k]]);
        let y = case.graph.add(Op::Conv2d(conv), &case.inputs).unwrap();
        let shape = case.graph.shape(y).clone();
        let g = case.graph.input("g", &shape);
        case.feed.insert("g".into(), noise(&shape, 7));
        let gradients = backward(&mut case.graph, &[(y, Seed::Node(g))], &case.inputs).unwrap();
        let outputs = [y, gradients[0].unwrap(), gradients[1].unwrap()];
        let found = run(&case.graph, &outputs, &case.feed);
        let fast = run_with(Arithmetic::Fewest, &case.graph, &outputs, &case.feed);
        let form = dot(&found[0], &case.feed["g"]);
        for (k, gradient) in found[1..].iter().enumerate() {
            let other = dot(&case.feed[&k.to_string()], gradient);
            assert!((form - other).abs() < 1e-10 * form.abs().max(1.0), "{conv:?}: {form} is not {other}");
        }
        for (found, fast) in found.iter().zip(&fast) {
            let largest = found.data().iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            for (x, y) in found.data().iter().zip(fast.data()) {
                assert!((x - y).abs() < 1e-12 * largest, "{conv:?}: {y} is not {x}, the largest {largest}");
            }
        }
    }
}

#[test]
fn normalisations_match_differences() {
    let image: &[usize] = &[2, 6, 2, 3];
    let groups = [1, 2, 6].map(|groups| NormKind::Group { groups });
    for kind in [NormKind::Instance, NormKind::LayerInstance].into_iter().chain(groups) {
        for gamma in [&[2, 6][..], &[1, 6, 1, 1]] {
            for activation in Activation::EACH {
                for (residual, unbiased) in [(false, true), (true, true), (false, false)] {
                    let mut shapes = vec![image];
                    let parameters: [&[usize]; 3] = [&[1, 6, 1, 1], gamma, gamma];
                    shapes.extend(&parameters[3 - kind.parameters()..]);
                    if residual {
                        shapes.push(image);
                    }
                    check(&Op::Norm(Norm { kind, eps: 1e-5, unbiased, activation, residual }), &shapes);
                }
            }
        }
    }
}

/// The gradient goes through sigma to the weight, not through u and v.
#[test]
fn spectral_normalisation_matches_differences() {
    for weight in [&[4, 3, 2, 2][..], &[1, 6], &[5, 7]] {
        let (out, rest) = (weight[0], weight[1..].iter().product());
        let mut case = Case::new(&[weight, &[out], &[rest]]);
        let inputs = case.inputs.clone();
        // One iteration, so that sigma is not the small number that random vectors give.
        let v = case.graph.add(Op::PowerIterationV, &inputs[..2]).unwrap();
        let u = case.graph.add(Op::PowerIterationU, &[inputs[0], v]).unwrap();
        let vectors = run(&case.graph, &[u, v], &case.feed);
        case.feed.extend(["1", "2"].map(String::from).into_iter().zip(vectors));
        let sigma = case.graph.add(Op::SpectralSigma, &inputs).unwrap();
        let y = case.graph.add(Op::SpectralNorm, &[inputs[0], sigma, inputs[1], inputs[2]]).unwrap();
        case.check(&format!("spectral norm of {weight:?}"), y, &[0]);
    }
}

/// Two batches, each divided by a sigma of its own: what two forwards through the divided weights give, and the same gradients at
/// the pictures, the weight and the bias.
#[test]
fn two_batches_divided_by_their_sigmas_match_differences() {
    for (x, weight) in [(&[4, 3, 5, 4][..], &[4, 3, 3, 3][..]), (&[2, 6], &[1, 6]), (&[6, 7], &[5, 7])] {
        for (bias, activation) in
            [(false, Activation::Identity), (true, Activation::Identity), (true, Activation::LeakyRelu(0.2))]
        {
            let (out, rest) = (weight[0], weight[1..].iter().product());
            let vectors: [&[usize]; 4] = [&[out], &[rest], &[out], &[rest]];
            let mut case = Case::new(&[&[x, weight, &[out]][..], &vectors].concat());
            let inputs = case.inputs.clone();
            let w = inputs[1];
            // Two iterations, so that the sigmas differ and are no small numbers.
            let mut found = vec![];
            let mut u = inputs[3];
            for _ in 0..2 {
                let v = case.graph.add(Op::PowerIterationV, &[w, u]).unwrap();
                u = case.graph.add(Op::PowerIterationU, &[w, v]).unwrap();
                found.extend([u, v]);
            }
            let values = run(&case.graph, &found, &case.feed);
            case.feed.extend(["3", "4", "5", "6"].map(String::from).into_iter().zip(values));
            let bare = Activation::Identity;
            let conv = Conv2d { stride: 1, pad: 1, upsample: false, bias: false, activation: bare };
            let layer = |bias: bool, activation| match x.len() {
                4 => Op::Conv2d(Conv2d { bias, activation, ..conv }),
                _ => Op::Linear { bias, activation },
            };
            let sums = case.graph.add(layer(false, bare), &[inputs[0], w]).unwrap();
            let mut operands = [&[sums, w], &inputs[2..2 + usize::from(bias)]].concat();
            let mut apart = vec![];
            for (first, vectors) in [0, x[0] / 2].into_iter().zip(inputs[3..].chunks(2)) {
                let sigma = case.graph.add(Op::SpectralSigma, &[w, vectors[0], vectors[1]]).unwrap();
                operands.extend([&[sigma], vectors].concat());
                let divided = [w, sigma, vectors[0], vectors[1]];
                let divided = case.graph.add(Op::SpectralNorm, &divided).unwrap();
                let some = Op::Samples { first, count: x[0] / 2 };
                let some = case.graph.add(some, &inputs[..1]).unwrap();
                let operands = [&[some, divided], &inputs[2..2 + usize::from(bias)]].concat();
                apart.push(case.graph.add(layer(bias, activation), &operands).unwrap());
            }
            let apart = case.graph.add(Op::Stack, &apart).unwrap();
            let y = case.graph.add(Op::SpectralDivide { bias, activation }, &operands).unwrap();
            let both = run(&case.graph, &[y, apart], &case.feed);
            for (y, apart) in both[0].data().iter().zip(both[1].data()) {
                assert!((y - apart).abs() <= 1e-12 * (1.0 + apart.abs()), "{weight:?}: {y}, not {apart}");
            }
            let wrt: &[usize] = if bias { &[0, 1, 2] } else { &[0, 1] };
            case.check(&format!("{weight:?}, {bias}, {activation:?}"), y, wrt);
        }
    }
}

/// The power iteration finds the largest singular value, and its vectors are detached.
#[test]
fn the_power_iteration_finds_the_spectral_norm() {
    let mut case = Case::new(&[&[2, 3], &[2]]);
    // Singular values 5 and 3.
    case.feed.insert("0".into(), Tensor::new([2, 3], vec![0.0, 5.0, 0.0, 3.0, 0.0, 0.0]).unwrap());
    let (w, mut u) = (case.inputs[0], case.inputs[1]);
    let mut v = u;
    for _ in 0..40 {
        v = case.graph.add(Op::PowerIterationV, &[w, u]).unwrap();
        u = case.graph.add(Op::PowerIterationU, &[w, v]).unwrap();
    }
    let sigma = case.graph.add(Op::SpectralSigma, &[w, u, v]).unwrap();
    let found = run(&case.graph, &[sigma, u], &case.feed);
    assert!((found[0].data()[0] - 5.0).abs() < 1e-12);
    assert!((found[1].data()[0].abs() - 1.0).abs() < 1e-12);

    let g = case.graph.input("g", [2]);
    assert_eq!(backward(&mut case.graph, &[(u, Seed::Node(g))], &[w]).unwrap(), [None]);
}

/// Gradients of several readers are summed, those that nobody asked for are not built.
#[test]
fn only_what_is_asked_for_is_built() {
    let mut case = Case::new(&[&[1, 2, 4, 4], &[2, 2, 1, 1], &[1, 2, 4, 4]]);
    let conv = Conv2d { stride: 1, pad: 0, upsample: false, bias: false, activation: Activation::Tanh };
    let [x, w, t] = [0, 1, 2].map(|k| case.inputs[k]);
    let y = case.graph.add(Op::Conv2d(conv), &[x, w]).unwrap();
    let z = case.graph.add(Op::Conv2d(conv), &[y, w]).unwrap();
    let mse = case.graph.add(Op::Mse { target: 0.25 }, &[y]).unwrap();
    let l1 = case.graph.add(Op::L1, &[z, t]).unwrap();
    let weighted = case.graph.add(Op::Scale(10.0), &[l1]).unwrap();
    let loss = case.graph.add(Op::Add, &[mse, weighted]).unwrap();

    let (mut graph, before) = (case.graph.clone(), case.graph.nodes().len());
    let gradients = backward(&mut graph, &[(loss, Seed::Weight(1.0))], &[w]).unwrap();
    assert!(gradients[0].is_some());
    let added = &graph.nodes()[before..];
    let count = |is: fn(&Op) -> bool| added.iter().filter(|n| is(&n.op)).count();
    assert_eq!(count(|op| matches!(op, Op::Conv2dGradWeight { .. })), 2);
    // Into y, not into x nor t.
    assert_eq!(count(|op| matches!(op, Op::Conv2dGradInput { .. })), 1);
    assert_eq!(count(|op| matches!(op, Op::L1Grad { .. })), 1);
    assert_eq!(added.len(), 9, "{added:?}");

    let mut other = case.graph.clone();
    let unused = other.input("unused", [1]);
    assert_eq!(backward(&mut other, &[(loss, Seed::Weight(1.0))], &[unused]).unwrap(), [None]);
    assert_eq!(other.nodes().len(), case.graph.nodes().len() + 1);

    case.check("a loss of two terms", loss, &[0, 1, 2]);
}

#[test]
fn seeds_that_do_not_fit_are_errors() {
    let mut case = Case::new(&[&[2, 3], &[2, 4]]);
    let (x, other) = (case.inputs[0], case.inputs[1]);
    let y = case.graph.add(Op::Activation(Activation::Relu), &[x]).unwrap();
    let loss = case.graph.add(Op::Mse { target: 1.0 }, &[y]).unwrap();
    let scalar = case.graph.input("scalar", []);
    let graph = &mut case.graph;
    let seeded = |graph: &mut Graph, node, seed| backward(graph, &[(node, seed)], &[x]).unwrap_err();
    assert!(matches!(seeded(graph, y, Seed::Weight(1.0)), Error::Shape(_)));
    assert!(matches!(seeded(graph, y, Seed::Node(other)), Error::Shape(_)));
    assert!(matches!(seeded(graph, loss, Seed::Node(scalar)), Error::Config(_)));
    // No gradient of this gradient.
    let logistic = graph.add(Op::BceWithLogits { target: 1.0 }, &[y]).unwrap();
    let g = backward(graph, &[(logistic, Seed::Weight(1.0))], &[x]).unwrap()[0].unwrap();
    let error = seeded(graph, g, Seed::Node(x));
    assert!(matches!(&error, Error::Config(text) if text.contains("BceWithLogitsGrad")), "{error}");
    // Nor of that of tanh at its result.
    let bounded = graph.add(Op::Activation(Activation::Tanh), &[x]).unwrap();
    let g = backward(graph, &[(bounded, Seed::Node(x))], &[x]).unwrap()[0].unwrap();
    let error = seeded(graph, g, Seed::Node(x));
    assert!(matches!(&error, Error::Config(text) if text.contains("ActivationGrad(Tanh)")), "{error}");
}
