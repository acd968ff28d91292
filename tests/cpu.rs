//! The CPU executor against plain loops.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail and report like the tests themselves")]

use proptest::prelude::*;
use ugatit::graph::{Activation, Arithmetic, Conv2d, Graph, NodeId, Norm, NormKind, Op, Shape};
use ugatit::model::GeneratorConfig;
use ugatit::{Error, Tensor, cpu};

mod support;
use support::random::{noise, weights};

/// Numbers that look random, from -0.5 to 0.5.
fn tensor(shape: &[usize], seed: u64) -> Tensor<f64> {
    noise(shape, seed).map(|x| 0.5 * x)
}

fn to_f32(t: &Tensor<f64>) -> Tensor<f32> {
    t.map(|&x| x as f32)
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) => {
            if x > 0.0 {
                x
            } else {
                x * f64::from(slope)
            }
        }
        Activation::Tanh => x.tanh(),
    }
}

/// The convolution as its definition reads.
fn naive_conv(
    x: &Tensor<f64>,
    w: &Tensor<f64>,
    bias: Option<&Tensor<f64>>,
    op: Conv2d,
    out: [usize; 4],
) -> Vec<f64> {
    let [_, channels, h, width] = x.shape().nchw().unwrap();
    let [_, _, kh, kw] = w.shape().nchw().unwrap();
    let scale = if op.upsample { 2 } else { 1 };
    let reflect = |i: usize, len: usize| {
        let i = (i as isize - op.pad as isize).abs();
        let last = (len * scale) as isize - 1;
        (if i > last { 2 * last - i } else { i }) as usize / scale
    };
    let [n, outputs, oh, ow] = out;
    let mut y = vec![];
    for s in 0..n {
        for o in 0..outputs {
            for i in 0..oh {
                for j in 0..ow {
                    let mut sum = bias.map_or(0.0, |b| b.data()[o]);
                    for c in 0..channels {
                        for ky in 0..kh {
                            for kx in 0..kw {
                                let (r, q) =
                                    (reflect(i * op.stride + ky, h), reflect(j * op.stride + kx, width));
                                sum += x.data()[((s * channels + c) * h + r) * width + q]
                                    * w.data()[((o * channels + c) * kh + ky) * kw + kx];
                            }
                        }
                    }
                    y.push(activate(op.activation, sum));
                }
            }
        }
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolution_is_its_definition(
        [n, channels, outputs] in [1_usize..3, 1..6, 1..6],
        [h, w] in [4_usize..12, 4..12],
        [kh, kw] in [1_usize..5, 1..5],
        (stride, pad) in (1_usize..4, 0_usize..4),
        upsample: bool,
        bias: bool,
        activation in prop::sample::select(Activation::EACH.to_vec()),
        seed: u64,
    ) {
        let op = Conv2d { stride, pad, upsample, bias, activation };
        let x = tensor(&[n, channels, h, w], seed);
        let weight = tensor(&[outputs, channels, kh, kw], seed ^ 1);
        let b = tensor(&[outputs], seed ^ 2);
        let mut graph = Graph::new();
        let mut inputs = vec![graph.input("x", x.shape()), graph.parameter("w", weight.shape())];
        if bias {
            inputs.push(graph.parameter("b", b.shape()));
        }
        let y = graph.add(Op::Conv2d(op), &inputs);
        let feed = |name: &str| match name { "x" => Some(&x), "w" => Some(&weight), _ => Some(&b) };
        let y = y.unwrap();
        let found = cpu::run(&graph, &[y], &feed).unwrap();
        let out = graph.shape(y).nchw().unwrap();
        let expected = naive_conv(&x, &weight, bias.then_some(&b), op, out);
        for (a, b) in found[0].data().iter().zip(&expected) {
            prop_assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        }
    }
}

/// [`cpu::run`], with all the algorithms that there are.
fn run_fast<T: cpu::Real>(graph: &Graph, output: NodeId, feed: &[(&str, &Tensor<T>)]) -> Tensor<T> {
    let outputs = [output];
    let mut walk = cpu::Walk::new(graph, &outputs, Arithmetic::Fast);
    let feed = |name: &str| feed.iter().find(|(known, _)| *known == name).map(|(_, tensor)| *tensor);
    while walk.step(&feed).unwrap() {}
    walk.finish().unwrap().remove(0)
}

/// Winograd's algorithm is the definition but for rounding, which is 300 times that of the
/// definition itself: its largest numbers (8 of `Aᵀ`, 5 of `Bᵀ`) multiply twice, by row and by column.
#[test]
fn a_fast_convolution_is_its_definition() {
    // Tiles that fill the picture and tiles that stick out, several chunks, several blocks.
    for (i, (n, channels, outputs, [h, w], pad, upsample)) in [
        (1, 32, 40, [24, 24], 1, false),
        (2, 33, 70, [23, 26], 1, false),
        (1, 40, 32, [25, 31], 0, false),
        (1, 32, 33, [21, 22], 2, false),
        (1, 32, 32, [9, 1037], 1, false),
        (1, 32, 32, [90, 130], 1, false),
        (2, 35, 9, [23, 26], 1, true),
        (1, 32, 64, [24, 24], 1, true),
        (1, 33, 20, [85, 110], 1, true),
    ]
    .into_iter()
    .enumerate()
    {
        let bias = i % 2 == 1;
        let op = Conv2d { stride: 1, pad, upsample, bias, activation: Activation::EACH[i % 4] };
        let (x, weight) = (tensor(&[n, channels, h, w], 1), tensor(&[outputs, channels, 3, 3], 2));
        let b = tensor(&[outputs], 3);
        let mut graph = Graph::new();
        let mut inputs = vec![graph.input("x", x.shape()), graph.parameter("w", weight.shape())];
        if bias {
            inputs.push(graph.parameter("b", b.shape()));
        }
        let y = graph.add(Op::Conv2d(op), &inputs).unwrap();
        let expected = naive_conv(&x, &weight, bias.then_some(&b), op, graph.shape(y).nchw().unwrap());
        let largest = expected.iter().fold(0.0_f64, |m, y| m.max(y.abs()));
        let wide = run_fast(&graph, y, &[("x", &x), ("w", &weight), ("b", &b)]);
        let (x, weight, b) = (to_f32(&x), to_f32(&weight), to_f32(&b));
        let narrow = run_fast(&graph, y, &[("x", &x), ("w", &weight), ("b", &b)]);
        let direct = cpu::run(&graph, &[y], &|name| match name {
            "x" => Some(&x),
            "w" => Some(&weight),
            _ => Some(&b),
        });
        assert_ne!(
            narrow.data(),
            direct.unwrap()[0].data(),
            "case {i} was not computed by Winograd's algorithm"
        );
        for ((a, b), c) in wide.data().iter().zip(&expected).zip(narrow.data()) {
            assert!((a - b).abs() < 300.0 * f64::EPSILON * largest, "case {i}: {a} is not {b}");
            let rounding = 300.0 * f64::from(f32::EPSILON) * largest;
            assert!((f64::from(*c) - b).abs() < rounding, "case {i}: {c} is not {b}");
        }
    }
}

/// Many channels and many pixels: blocks of channels and chunks of rows, the last ones smaller.
#[test]
fn a_convolution_in_many_pieces_is_its_definition() {
    for (channels, [h, w], stride) in [(70, [37, 41], 1), (150, [21, 90], 2), (3, [9, 700], 1)] {
        let op = Conv2d { stride, pad: 1, upsample: false, bias: false, activation: Activation::Identity };
        let (x, weight) = (tensor(&[2, channels, h, w], 1), tensor(&[5, channels, 3, 3], 2));
        let mut graph = Graph::new();
        let inputs = [graph.input("x", x.shape()), graph.parameter("w", weight.shape())];
        let y = graph.add(Op::Conv2d(op), &inputs).unwrap();
        let expected = naive_conv(&x, &weight, None, op, graph.shape(y).nchw().unwrap());

        let exact = cpu::run(&graph, &[y], &|n| Some(if n == "x" { &x } else { &weight })).unwrap();
        let (x, weight) = (to_f32(&x), to_f32(&weight));
        let single = cpu::run(&graph, &[y], &|n| Some(if n == "x" { &x } else { &weight })).unwrap();
        for ((a, b), c) in exact[0].data().iter().zip(&expected).zip(single[0].data()) {
            assert!((a - b).abs() < 1e-11, "{a} is not {b}");
            assert!((f64::from(*c) - b).abs() < 1e-4, "{c} is not {b}");
        }
    }
}

/// Normalisation as its definition reads; `gamma` and `beta` for each channel of each sample.
fn naive_norm(x: &Tensor<f64>, op: Norm, rho: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    let [n, c, h, w] = x.shape().nchw().unwrap();
    let pixels = h * w;
    let eps = f64::from(op.eps);
    let standardise = |values: &[f64], less: f64, x: f64| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - less);
        (x - mean) / (variance + eps).sqrt()
    };
    let mut y = vec![];
    for s in 0..n {
        let sample = &x.data()[s * c * pixels..][..c * pixels];
        for (k, plane) in sample.chunks(pixels).enumerate() {
            y.extend(plane.iter().map(|&x| match op.kind {
                NormKind::Instance => standardise(plane, 0.0, x),
                NormKind::LayerInstance => {
                    let less = if op.unbiased { 1.0 } else { 0.0 };
                    let mixed =
                        rho[k] * standardise(plane, less, x) + (1.0 - rho[k]) * standardise(sample, less, x);
                    mixed * gamma[s * c + k] + beta[s * c + k]
                }
                NormKind::Group { groups } => {
                    let size = c / groups * pixels;
                    let group = &sample[k * pixels / size * size..][..size];
                    standardise(group, 0.0, x) * gamma[s * c + k] + beta[s * c + k]
                }
            }));
        }
    }
    y.into_iter().map(|y| activate(op.activation, y)).collect()
}

/// Every kind, with `gamma` and `beta` of both shapes, activations, residual; numbers of mean
/// 50 and deviation 1e-3 among them, where sums of squares in `f32` have no digit left.
#[test]
fn normalisation_is_its_definition_also_for_large_means() {
    let (n, c, h, w) = (2, 6, 7, 9);
    let groups = [1, 3, 6].map(|groups| (NormKind::Group { groups }, true));
    let kinds =
        [(NormKind::Instance, true), (NormKind::LayerInstance, true), (NormKind::LayerInstance, false)];
    for (kind, unbiased) in kinds.into_iter().chain(groups) {
        for (mean, deviation) in [(0.0, 1.0), (50.0, 1e-3), (-1e4, 1.0)] {
            for (activation, residual, own) in [
                (Activation::Identity, false, false),
                (Activation::Relu, false, true),
                (Activation::LeakyRelu(0.2), true, false),
                (Activation::Tanh, true, true),
            ] {
                let op = Norm { kind, eps: 1e-5, unbiased, activation, residual };
                // What is fed in f32 is what the definition sees.
                let x = to_f32(&tensor(&[n, c, h, w], 3).map(|x| mean + deviation * 3.46 * x));
                let exact = x.map(|&x| f64::from(x));
                let rho = Tensor::new([1, c, 1, 1], vec![0.0, 0.25, 1.0, 0.5, 0.75, 0.1]).unwrap();
                let shape: &[usize] = if own { &[1, c, 1, 1] } else { &[n, c] };
                let (gamma, beta) = (to_f32(&tensor(shape, 4)), to_f32(&tensor(shape, 5)));
                let added = to_f32(&tensor(&[n, c, h, w], 6));

                let mut graph = Graph::new();
                let mut inputs = vec![graph.input("x", x.shape())];
                let parameters = [("rho", &rho), ("gamma", &gamma), ("beta", &beta)];
                for (name, value) in &parameters[3 - kind.parameters()..] {
                    inputs.push(graph.parameter(*name, value.shape()));
                }
                if residual {
                    inputs.push(graph.input("added", added.shape()));
                }
                let y = graph.add(Op::Norm(op), &inputs).unwrap();
                let feed = |name: &str| {
                    Some(match name {
                        "x" => &x,
                        "rho" => &rho,
                        "gamma" => &gamma,
                        "beta" => &beta,
                        _ => &added,
                    })
                };
                let plain = &inputs[..inputs.len() - usize::from(residual)];
                let coefficients = graph.add(Op::NormCoefficients(op), plain).unwrap();
                let found = cpu::run(&graph, &[y, coefficients], &feed).unwrap();

                let spread = |t: &Tensor<f32>| -> Vec<f64> {
                    (0..n * c).map(|i| f64::from(t.data()[i % t.data().len()])).collect()
                };
                let rho: Vec<f64> = rho.data().iter().map(|&x| f64::from(x)).collect();
                let mut expected = naive_norm(&exact, op, &rho, &spread(&gamma), &spread(&beta));
                // The coefficients, applied, are the normalisation.
                for (i, b) in expected.iter().enumerate() {
                    let (sample, channel) = (i / (c * h * w), i / (h * w) % c);
                    let [shift, a, offset] =
                        [0, 1, 2].map(|row| found[1].data()[(sample * 3 + row) * c + channel]);
                    let y = activate(op.activation, f64::from(a * (x.data()[i] - shift) + offset));
                    assert!((y - b).abs() < 2e-6, "{op:?} mean {mean}: the coefficients give {y}, not {b}");
                }
                if residual {
                    for (y, &r) in expected.iter_mut().zip(added.data()) {
                        *y += f64::from(r);
                    }
                }
                for (a, b) in found[0].data().iter().zip(&expected) {
                    let error = (f64::from(*a) - b).abs();
                    assert!(error < 2e-6, "{op:?} mean {mean}: {a} is not {b}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_fed_or_does_not_fit_is_an_error() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 2, 3, 3]);
    let w = graph.parameter("conv.weight", [4, 2, 3, 3]);
    let conv = Conv2d { stride: 1, pad: 0, upsample: false, bias: false, activation: Activation::Identity };
    let y = graph.add(Op::Conv2d(conv), &[x, w]).unwrap();
    let fed = tensor(&[1, 2, 3, 3], 1);

    let error = cpu::run(&graph, &[y], &|name| (name == "x").then_some(&fed)).unwrap_err();
    assert!(matches!(&error, Error::NotFed { name, .. } if name == "conv.weight"), "{error}");
    let error = cpu::run(&graph, &[y], &|_| Some(&fed)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Shape(_)));
    for part in ["conv.weight", "[4, 2, 3, 3]", "[1, 2, 3, 3]"] {
        assert!(text.contains(part), "{text}");
    }
    let mut nothing = Graph::new();
    let none = nothing.input("none", [1, 0, 3, 3]);
    let pooled = nothing.add(Op::GlobalMaxPool, &[none]).unwrap();
    let empty = Tensor::<f32>::zeros([1, 0, 3, 3]);
    assert!(matches!(cpu::run(&nothing, &[pooled], &|_| Some(&empty)), Err(Error::Shape(_))));
    // What the outputs do not need may be missing.
    let found = cpu::run(&graph, &[x, x], &|name| (name == "x").then_some(&fed)).unwrap();
    assert_eq!(found, [fed.clone(), fed]);
}

/// A tensor is read by its last reader, even where that works in place.
#[test]
fn in_place_operations_do_not_disturb_other_readers() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 1, 2, 2]);
    let doubled = graph.add(Op::Add, &[x, x]).unwrap();
    let squashed = graph.add(Op::Activation(Activation::Relu), &[doubled]).unwrap();
    let sum = graph.add(Op::Add, &[doubled, doubled]).unwrap();
    let flat = graph.add(Op::Flatten, &[sum]).unwrap();
    let again = graph.add(Op::Add, &[flat, flat]).unwrap();
    let fed = Tensor::new([1, 1, 2, 2], vec![1.0, -1.0, 0.5, -3.0]).unwrap();
    let found = cpu::run(&graph, &[again, squashed, x, again], &|_| Some(&fed)).unwrap();
    assert_eq!(found[0].data(), [8.0, -8.0, 4.0, -24.0]);
    assert_eq!(found[1].data(), [2.0, 0.0, 1.0, 0.0]);
    assert_eq!(found[2], fed);
    assert_eq!(found[3], found[0]);
}

/// As large as the largest pictures that are published for: every sum and index counts far enough.
#[test]
fn operations_work_on_4096_x_4096() {
    const SIDE: usize = 4096;
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 1, SIDE, SIDE]);
    let weight = graph.parameter("weight", [1, 1, 3, 3]);
    let conv = Conv2d { stride: 2, pad: 1, upsample: false, bias: false, activation: Activation::Relu };
    let y = graph.add(Op::Conv2d(conv), &[x, weight]).unwrap();
    let doubled = graph.add(Op::UpsampleNearest2x, &[y]).unwrap();
    let sum = graph.add(Op::Add, &[doubled, x]).unwrap();
    let mean = graph.add(Op::GlobalAvgPool, &[sum]).unwrap();
    let largest = graph.add(Op::GlobalMaxPool, &[sum]).unwrap();
    // Ones, so that each window sums to 9, and one larger pixel in the last place.
    let mut ones = Tensor::new([1, 1, SIDE, SIDE], vec![1.0_f32; SIDE * SIDE]).unwrap();
    ones.data_mut()[SIDE * SIDE - 1] = 5.0;
    let kernel = Tensor::new([1, 1, 3, 3], vec![1.0_f32; 9]).unwrap();
    let feed = |name: &str| Some(if name == "x" { &ones } else { &kernel });
    let results = cpu::run(&graph, &[mean, largest], &feed).unwrap();
    assert!((results[0].data()[0] - 10.0).abs() < 1e-5, "{:?}", results[0]);
    // Its window's centre is the pixel before, so it counts once.
    assert_eq!(results[1].data(), [13.0 + 5.0]);
}

#[test]
fn a_tensor_that_no_memory_holds_is_an_error() {
    let side = 1 << (usize::BITS / 2 - 1);
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 1]);
    let y = graph.add(Op::GlobalAvgPoolGrad { height: side, width: side }, &[x]).unwrap();
    let one = Tensor::new([1, 1], vec![1.0_f32]).unwrap();
    let error = cpu::run(&graph, &[y], &|_| Some(&one)).unwrap_err();
    assert!(matches!(error, Error::Shape(_)), "{error}");
}

/// What only the authors' losses need, as it is written at each operation.
#[test]
fn adversarial_losses_are_their_formulas() {
    let x = tensor(&[2, 3, 4, 5], 1).map(|x| 2.0 * x);
    let t = tensor(&[2, 3, 4, 5], 2);
    let share = Tensor::new([2, 1], vec![0.25, 0.75]).unwrap();
    let apply = |op: Op, inputs: &[&Tensor<f64>]| -> Vec<f64> {
        let mut graph = Graph::new();
        let ids: Vec<NodeId> =
            inputs.iter().enumerate().map(|(i, t)| graph.input(i.to_string(), t.shape())).collect();
        let y = graph.add(op, &ids).unwrap();
        let feed = |name: &str| inputs.get(name.parse::<usize>().ok()?).copied();
        cpu::run(&graph, &[y], &feed).unwrap().remove(0).into_data()
    };
    let near = |found: Vec<f64>, expected: Vec<f64>| {
        assert_eq!(found.len(), expected.len());
        assert!(
            found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12),
            "{found:?}, not {expected:?}"
        );
    };
    let count = x.data().len() as f64;
    let mean = |f: &dyn Fn(f64) -> f64| vec![x.data().iter().map(|x| f(*x)).sum::<f64>() / count];
    near(apply(Op::Mean, &[&x]), mean(&|x| x));
    near(apply(Op::Hinge { target: 1.0 }, &[&x]), mean(&|x| (1.0 - x).max(0.0)));
    near(apply(Op::Hinge { target: -1.0 }, &[&x]), mean(&|x| (1.0 + x).max(0.0)));
    near(apply(Op::Above(0.5), &[&x]), x.data().iter().map(|x| (x - 0.5).max(0.0)).collect());
    let mixed = x.data().iter().zip(t.data()).enumerate();
    let mixed = mixed.map(|(i, (a, b))| a + share.data()[i / 60] * (b - a));
    near(apply(Op::Interpolate, &[&x, &t, &share]), mixed.collect());
    // The lengths of two samples, one of which is below 1.
    let g = Tensor::new([2, 2], vec![3.0, 4.0, 0.0, 0.5]).unwrap();
    near(apply(Op::GradientPenalty { one_sided: false }, &[&g]), vec![(16.0 + 0.25) / 2.0]);
    near(apply(Op::GradientPenalty { one_sided: true }, &[&g]), vec![16.0 / 2.0]);
    let maxima = apply(Op::AtMaximum, &[&t, &x]);
    for (plane, found) in maxima.into_iter().enumerate() {
        let x = &x.data()[20 * plane..][..20];
        let place = (0..20).max_by(|a, b| x[*a].total_cmp(&x[*b])).unwrap();
        assert_eq!(found, t.data()[20 * plane + place]);
    }
}

/// Whoever runs on more processors gets the same picture, bit for bit: no sum is cut where the threads' shares end.
#[test]
fn threads_change_no_bit() {
    let config = GeneratorConfig { ch: 16, light: true, ..GeneratorConfig::default() };
    for side in [32, 64, 128, 192] {
        let shape = Shape::from([1, 3, side, side]);
        let (graph, outputs) = ugatit::translate::network(&config, &shape).unwrap();
        let mut feeds = weights(&config, 1);
        feeds.insert("x".into(), to_f32(&noise(shape, 2)));
        for arithmetic in [Arithmetic::Exact, Arithmetic::Fast] {
            let mut first = None;
            for threads in [1, 2, 3, 4, 7] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let y = pool.install(|| {
                    let mut walk = cpu::Walk::new(&graph, &outputs, arithmetic);
                    while walk.step(&|name| feeds.get(name)).unwrap() {}
                    walk.finish().unwrap()
                });
                let bits: Vec<u32> = y.iter().flat_map(|y| y.data().iter().map(|x| x.to_bits())).collect();
                let wanted = first.get_or_insert_with(|| bits.clone());
                assert!(*wanted == bits, "{threads} threads, {side} pixels, {arithmetic:?}");
            }
        }
    }
}
