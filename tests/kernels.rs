//! Kernels on the GPU against the CPU executor in f64, on shapes that are no multiple of any tile, with memory poisoned
//! before each run: convolutions and all others but those of normalisations, which are in `norm_kernels.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::HashMap;
use std::sync::Arc;

use ugatit::exec::{Executor, Parameters};
use ugatit::graph::{Activation, Arithmetic, Conv2d, Graph, Op};
use ugatit::plan::select;
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target};
use ugatit::{Tensor, cpu};

mod support;
use support::case::{Case, noise, rounding};
use support::engine::gpu;

/// Winograd's algorithm and the four convolutions behind nearest doubling, by every kernel for the
/// matrix products, on pictures that tiles fill and that they do not.
#[test]
fn every_fast_convolution_on_odd_shapes() {
    let mut taken = [0, 0, 0];
    for kernel in select::CONV2D_KERNELS {
        let target = Target {
            class: AdapterClass::Gpu,
            conv2d: Some(kernel),
            arithmetic: Arithmetic::Fast,
            winograd: Some(true),
            ..gpu().target()
        };
        for ([n, i, o, h, w, pad], upsample) in [
            ([1, 64, 64, 32, 32, 1], false),
            ([1, 64, 80, 9, 13, 1], false),
            ([2, 80, 66, 23, 26, 1], false),
            ([1, 67, 70, 35, 33, 0], false),
            ([1, 64, 65, 30, 31, 2], false),
            ([1, 16, 18, 5, 7, 1], true),
            ([2, 33, 3, 8, 8, 1], true),
            ([1, 32, 40, 9, 4, 1], true),
        ] {
            for (bias, activation) in [(true, Activation::LeakyRelu(0.2)), (false, Activation::Identity)] {
                if kernel.is_aligned() && i % 16 != 0 {
                    continue;
                }
                let conv = Conv2d { stride: 1, pad, upsample, bias, activation };
                let mut case = Case::new(format!("{i}→{o} {h}x{w} p{pad} up {upsample} bias {bias}"));
                let mut inputs = vec![case.input(&[n, i, h, w]), case.input(&[o, i, 3, 3])];
                if bias {
                    inputs.push(case.input(&[o]));
                }
                case.output(Op::Conv2d(conv), &inputs);
                let plan =
                    Plan::compile(&case.graph, &case.outputs, &ParameterMap::default(), &target).unwrap();
                let launches = if upsample { 2 } else { 4 };
                assert_eq!(plan.launches().len(), launches, "{}: the direct kernel was taken", case.name);
                // Winograd's rounding is 30 times that of the sum (src/cpu/winograd.rs).
                let tolerance = rounding(9 * i) * if upsample { 1.0 } else { 30.0 };
                case.check_for(target.clone(), tolerance);
                taken[usize::from(upsample)] += 1;
            }
            // The adjoint in the input, which sums over o.
            if !upsample && (!kernel.is_aligned() || o % 16 == 0) {
                let conv = Conv2d { stride: 1, pad, upsample, bias: false, activation: Activation::Identity };
                let mut case = Case::new(format!("adjoint of {i}→{o} {h}x{w} p{pad}"));
                let g = case.input(&[n, o, h + 2 * pad - 2, w + 2 * pad - 2]);
                let weight = case.input(&[o, i, 3, 3]);
                case.output(Op::Conv2dGradInput { conv, height: h, width: w }, &[g, weight]);
                let plan =
                    Plan::compile(&case.graph, &case.outputs, &ParameterMap::default(), &target).unwrap();
                let launches = if pad > 0 { 5 } else { 4 };
                assert_eq!(plan.launches().len(), launches, "{}: the direct kernel was taken", case.name);
                case.check_for(target.clone(), rounding(4 * 9 * o) * 30.0);
                taken[2] += 1;
            }
        }
    }
    assert!(taken.iter().all(|count| *count > 20), "{taken:?}");
}

/// Samples, channels in and out, height and width, window, stride, padding, doubling.
const CONVOLUTIONS: [([usize; 8], bool); 9] = [
    ([1, 3, 5, 9, 7, 7, 1, 3], false),
    ([2, 5, 7, 8, 11, 3, 2, 1], false),
    ([1, 18, 21, 6, 9, 3, 1, 1], true),
    ([2, 16, 70, 13, 11, 3, 1, 1], false),
    ([1, 32, 133, 10, 10, 1, 1, 0], false),
    ([1, 48, 3, 5, 17, 7, 1, 3], true),
    ([1, 64, 68, 9, 9, 4, 2, 1], false),
    ([1, 64, 64, 11, 10, 4, 1, 1], false),
    ([2, 1, 1, 5, 5, 4, 1, 1], false),
];

#[test]
fn every_convolution_kernel_on_odd_shapes() {
    let mut ran = 0;
    for kernel in select::CONV2D_KERNELS {
        for ([n, i, o, h, w, k, stride, pad], upsample) in CONVOLUTIONS {
            for (bias, activation) in [(true, Activation::LeakyRelu(0.2)), (false, Activation::Identity)] {
                let name = format!("{i}→{o} {h}x{w} k{k} s{stride} p{pad} up {upsample} bias {bias}");
                let conv = Conv2d { stride, pad, upsample, bias, activation };
                if !kernel.is_aligned() || i % 16 == 0 {
                    let mut case = Case::new(name.clone());
                    let mut inputs = vec![case.input(&[n, i, h, w]), case.input(&[o, i, k, k])];
                    if bias {
                        inputs.push(case.input(&[o]));
                    }
                    case.output(Op::Conv2d(conv), &inputs);
                    case.check(AdapterClass::Gpu, Some(kernel), rounding(i * k * k));
                    ran += 1;
                }
                // The adjoint in the input, by the same tile transposed: it sums over o.
                if !kernel.is_aligned() || o % 16 == 0 {
                    let mut case = Case::new(format!("adjoint of {name}"));
                    let x = case.graph.input("shape only", [n, i, h, w]);
                    let weight = case.input(&[o, i, k, k]);
                    let bare = Conv2d { bias: false, activation: Activation::Identity, ..conv };
                    let y = case.graph.add(Op::Conv2d(bare), &[x, weight]).unwrap();
                    let shape = case.graph.shape(y).dims().to_vec();
                    case.feed.insert("shape only".into(), noise(&[n, i, h, w], 9));
                    let g = case.input(&shape);
                    case.output(Op::Conv2dGradInput { conv: bare, height: h, width: w }, &[g, weight]);
                    case.check(AdapterClass::Gpu, Some(kernel), rounding(4 * o * k * k));
                    ran += 1;
                }
            }
        }
    }
    assert!(ran > 80, "only {ran} cases");
}

#[test]
fn the_gradient_at_a_convolutions_weight() {
    for class in [AdapterClass::Gpu, AdapterClass::Software] {
        for ([n, i, o, h, w, k, stride, pad], upsample) in
            CONVOLUTIONS.into_iter().chain([([2, 8, 20, 40, 37, 3, 1, 1], false)])
        {
            let mut case =
                Case::new(format!("{i}→{o} {h}x{w} k{k} s{stride} p{pad} up {upsample} {class:?}"));
            let (x, weight) = (case.input(&[n, i, h, w]), case.input(&[o, i, k, k]));
            let conv = Conv2d { stride, pad, upsample, bias: false, activation: Activation::Identity };
            let y = case.graph.add(Op::Conv2d(conv), &[x, weight]).unwrap();
            let shape = case.graph.shape(y).dims().to_vec();
            let g = case.input(&shape);
            case.output(Op::Conv2dGradWeight { conv, kernel: [k, k] }, &[x, g]);
            case.check(class, None, rounding(n * shape[2] * shape[3]));
        }
    }
}

#[test]
fn everything_else() {
    for (n, c, h, w) in [(1, 3, 5, 4), (2, 7, 3, 6), (2, 70, 33, 19), (1, 64, 40, 40), (1, 1, 7, 7)] {
        let mut case = Case::new(format!("others {n}x{c}x{h}x{w}"));
        let x = case.input(&[n, c, h, w]);
        let y = case.input(&[n, c, h, w]);
        for activation in Activation::EACH {
            case.output(Op::Activation(activation), &[x]);
        }
        case.output(Op::Add, &[x, y]);
        case.output(Op::Above(0.1), &[x]);
        let share = case.input(&[n, 1]);
        case.output(Op::Interpolate, &[x, y, share]);
        case.output(Op::AtMaximum, &[x, y]);
        case.output(Op::ReflectionPad2d(2), &[x]);
        case.output(Op::UpsampleNearest2x, &[x]);
        case.output(Op::SumChannels, &[x]);
        case.output(Op::Flatten, &[x]);
        let average = case.output(Op::GlobalAvgPool, &[x]);
        let maximum = case.output(Op::GlobalMaxPool, &[x]);
        case.output(Op::Concat, &[average, maximum]);
        let stacked = case.output(Op::Stack, &[x, y]);
        case.output(Op::Samples { first: n, count: n }, &[stacked]);
        case.output(Op::SamplesGrad { first: 1, total: n + 2 }, &[x]);
        let rows = case.output(Op::Stack, &[average, maximum]);
        case.output(Op::Samples { first: 1, count: n }, &[rows]);
        let (w1, w2) = (case.input(&[1, c]), case.input(&[1, c]));
        let linear = Op::Linear { bias: false, activation: Activation::Identity };
        let a = case.output(linear.clone(), &[average, w1]);
        let b = case.output(linear.clone(), &[maximum, w2]);
        case.output(Op::Concat, &[a, b]);
        let z = case.input(&[n, c + 2, h, w]);
        case.output(Op::Concat, &[x, z]);
        case.output(Op::SliceColumns { start: 1, len: c }, &[z]);
        let scalar = case.input(&[1]);
        case.output(Op::AddScalar, &[w1, scalar]);
        let row = case.input(&[1, c]);
        case.output(Op::SumColumns, &[row]);
        let mix = case.input(&[5, 2 * c, 1, 1]);
        case.output(Op::CamWeight, &[mix, w1, w2]);
        let (w3, bias) = (case.input(&[9, c]), case.input(&[9]));
        case.output(Op::Linear { bias: true, activation: Activation::Relu }, &[average, w3, bias]);
        let flat = case.graph.add(Op::Flatten, &[y]).unwrap();
        let w4 = case.input(&[6, c * h * w]);
        case.output(linear, &[flat, w4]);
        case.check(AdapterClass::Gpu, None, rounding(c * h * w));
    }
}

/// The full model's first layer is too large for one binding: with a small limit its rows are
/// bound in blocks.
#[test]
fn a_large_matrix_is_bound_in_blocks() {
    let gpu = gpu();
    let mut target = gpu.target();
    let (m, k) = (42, 1000);
    target.max_binding = 16 * 1000 * 4;
    let mut graph = Graph::new();
    let x = graph.input("x", [2, k]);
    let w = graph.parameter("w", [m, k]);
    let y = graph.add(Op::Linear { bias: false, activation: Activation::Tanh }, &[x, w]).unwrap();
    let map = ParameterMap::new(&graph, &target).unwrap();
    assert_eq!(map.pieces().len(), 3);
    let feed: HashMap<&str, Tensor> =
        [("x", noise(&[2, k], 1)), ("w", noise(&[m, k], 2).map(|v| v * 0.05))].into();
    let plan = Plan::compile(&graph, &[y], &map, &target).unwrap();
    let parameters = Arc::new(Parameters::upload(gpu, map, |name| feed.get(name)).unwrap());
    let mut executor = Executor::new(gpu, plan, parameters).unwrap();
    let found = pollster::block_on(executor.run(&[&feed["x"]])).unwrap();
    let expected = cpu::run(&graph, &[y], &|name| feed.get(name)).unwrap();
    for (a, b) in found[0].data().iter().zip(expected[0].data()) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

/// The losses of the authors' program that the official one has not, with their gradients.
#[test]
fn adversarial_losses() {
    for (n, c, h, w) in [(1, 1, 3, 5), (2, 1, 30, 30), (3, 5, 41, 7)] {
        let mut case = Case::new(format!("adversarial losses {n}x{c}x{h}x{w}"));
        let x = case.given(noise(&[n, c, h, w], 1).map(|x| 2.0 * x));
        let small = case.given(noise(&[n, c, h, w], 2).map(|x| 1e-3 * x));
        case.output(Op::Mean, &[x]);
        case.output(Op::MeanGrad { scale: 0.7 }, &[x]);
        for target in [1.0, -1.0] {
            case.output(Op::Hinge { target }, &[x]);
            case.output(Op::HingeGrad { target, scale: 0.7 }, &[x]);
        }
        for one_sided in [false, true] {
            for g in [x, small] {
                case.output(Op::GradientPenalty { one_sided }, &[g]);
                case.output(Op::GradientPenaltyGrad { one_sided, scale: 0.7 }, &[g]);
            }
        }
        case.check(AdapterClass::Gpu, None, rounding(n * c * h * w));
    }
}
