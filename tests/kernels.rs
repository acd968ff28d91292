//! Every kernel on the GPU against the CPU executor in f64, on shapes that are no multiple of
//! any tile, with memory poisoned before each run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::HashMap;
use std::sync::Arc;

use ugatit::exec::{Executor, Parameters};
use ugatit::graph::{Activation, Arithmetic, CamInput, Conv2d, Graph, NodeId, Norm, NormInput, NormKind, Op};
use ugatit::plan::select::{self, Conv2dKernel};
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target};
use ugatit::{Tensor, cpu};

mod support;
use support::engine::gpu;
use support::random;

/// Values from -1 to 1, the same for the same seed.
fn noise(shape: &[usize], seed: u64) -> Tensor {
    random::noise(shape, seed).map(|x| *x as f32)
}

/// A graph over named inputs, and what it computes.
struct Case {
    name: String,
    graph: Graph,
    outputs: Vec<NodeId>,
    feed: HashMap<String, Tensor>,
}

impl Case {
    fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), graph: Graph::new(), outputs: vec![], feed: HashMap::new() }
    }

    fn input(&mut self, shape: &[usize]) -> NodeId {
        let seed = self.feed.len() as u64 + 1;
        self.given(noise(shape, seed))
    }

    fn given(&mut self, tensor: Tensor) -> NodeId {
        let name = format!("x{}", self.feed.len());
        let id = self.graph.input(name.clone(), tensor.shape());
        self.feed.insert(name, tensor);
        id
    }

    fn output(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
        let id = self.graph.add(op, inputs).unwrap();
        self.outputs.push(id);
        id
    }

    /// Runs on the GPU and compares with the CPU in f64: the largest difference must be at most
    /// `tolerance` of the largest value. Where a kernel has a second text, with loops, that too.
    fn check(&self, class: AdapterClass, conv: Option<&'static Conv2dKernel>, tolerance: f64) {
        self.check_for(Target { class, conv2d: conv, ..gpu().target() }, tolerance);
    }

    /// [`Self::check`] of the plan for another target.
    fn check_for(&self, target: Target, tolerance: f64) {
        let plan = |loops| {
            let target = Target { loops, ..target.clone() };
            Plan::compile(&self.graph, &self.outputs, &ParameterMap::default(), &target).unwrap()
        };
        let (plain, loops) = (plan(false), plan(true));
        let names =
            |plan: &Plan| -> Vec<&str> { plan.kernels().iter().map(|kernel| kernel.shader.name).collect() };
        let differ = names(&plain) != names(&loops);
        let wide: HashMap<&str, Tensor<f64>> =
            self.feed.iter().map(|(k, t)| (k.as_str(), t.map(|v| f64::from(*v)))).collect();
        let expected = cpu::run(&self.graph, &self.outputs, &|name| wide.get(name)).unwrap();
        for plan in [Some(plain), Some(loops).filter(|_| differ)].into_iter().flatten() {
            self.compare(plan, &expected, tolerance);
        }
    }

    fn compare(&self, plan: Plan, expected: &[Tensor<f64>], tolerance: f64) {
        let gpu = gpu();
        let kernels: Vec<&str> = plan.kernels().iter().map(|kernel| kernel.shader.name).collect();
        let none = Arc::new(Parameters::upload(gpu, ParameterMap::default(), |_| None).unwrap());
        let inputs: Vec<&Tensor> = plan.inputs().iter().map(|t| &self.feed[&t.name]).collect();
        let mut executor = Executor::new(gpu, plan, none).unwrap();
        executor.poison(f32::NAN).unwrap();
        let found = pollster::block_on(executor.run(&inputs)).unwrap();
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let largest = expected.data().iter().fold(1e-30_f64, |m, v| m.max(v.abs()));
            let worst = found
                .data()
                .iter()
                .zip(expected.data())
                .map(|(a, b)| (f64::from(*a) - b).abs())
                .fold(0.0, |m, d| if d.is_nan() { f64::INFINITY } else { f64::max(m, d) });
            assert!(
                worst <= tolerance * largest,
                "{} {}, output {i}: {:.2e} off",
                self.name,
                kernels.join(" "),
                worst / largest
            );
        }
    }
}

/// Rounding of a sum of `terms` products in f32, against the largest result.
fn rounding(terms: usize) -> f64 {
    6e-8 * 4.0 * (terms as f64).sqrt().max(4.0)
}

/// Winograd's algorithm and the four convolutions behind nearest doubling, by every kernel for the
/// matrix products, on pictures that tiles fill and that they do not.
#[test]
fn every_fast_convolution_on_odd_shapes() {
    let mut taken = [0; 4];
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
            ([2, 35, 48, 5, 9, 1], true),
            ([1, 5, 48, 1, 2, 1], true),
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
            if !kernel.is_aligned() || o % 16 == 0 {
                let conv = Conv2d { stride: 1, pad, upsample, bias: false, activation: Activation::Identity };
                let mut case = Case::new(format!("adjoint of {i}→{o} {h}x{w} p{pad} up {upsample}"));
                let scale = 1 + usize::from(upsample);
                let g = case.input(&[n, o, scale * h + 2 * pad - 2, scale * w + 2 * pad - 2]);
                let weight = case.input(&[o, i, 3, 3]);
                case.output(Op::Conv2dGradInput { conv, height: h, width: w }, &[g, weight]);
                let plan =
                    Plan::compile(&case.graph, &case.outputs, &ParameterMap::default(), &target).unwrap();
                let launches = if upsample { 2 } else { 4 } + usize::from(pad > 0);
                assert_eq!(plan.launches().len(), launches, "{}: the direct kernel was taken", case.name);
                let tolerance = rounding(4 * 9 * o) * if upsample { 1.0 } else { 30.0 };
                case.check_for(target.clone(), tolerance);
                taken[2 + usize::from(upsample)] += 1;
                // Cut into parts.
                case.check_for(Target { invocations: Some(1 << 20), ..target.clone() }, tolerance);
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
    for (class, arithmetic) in [
        (AdapterClass::Gpu, Arithmetic::Exact),
        (AdapterClass::Software, Arithmetic::Exact),
        // Behind doubling the sums of four smaller ones, else Winograd's algorithm.
        (AdapterClass::Gpu, Arithmetic::Fewest),
        (AdapterClass::Software, Arithmetic::Fewest),
    ] {
        let mut taken = [0; 2];
        for ([n, i, o, h, w, k, stride, pad], upsample) in CONVOLUTIONS.into_iter().chain([
            ([2, 8, 20, 40, 37, 3, 1, 1], false),
            ([1, 70, 3, 70, 66, 3, 1, 2], false),
            ([2, 8, 20, 40, 37, 3, 1, 1], true),
            ([2, 33, 3, 8, 8, 3, 1, 1], true),
            ([1, 64, 40, 20, 17, 3, 1, 1], true),
            ([1, 5, 18, 1, 2, 3, 1, 1], true),
            ([1, 5, 18, 6, 7, 3, 1, 2], true),
        ]) {
            let mut case =
                Case::new(format!("{i}→{o} {h}x{w} k{k} s{stride} p{pad} up {upsample} {class:?}"));
            let (x, weight) = (case.input(&[n, i, h, w]), case.input(&[o, i, k, k]));
            let conv = Conv2d { stride, pad, upsample, bias: false, activation: Activation::Identity };
            let y = case.graph.add(Op::Conv2d(conv), &[x, weight]).unwrap();
            let shape = case.graph.shape(y).dims().to_vec();
            let g = case.input(&shape);
            let gradient = Op::Conv2dGradWeight { conv, kernel: [k, k] };
            case.output(gradient.clone(), &[x, g]);
            // One that is added to another.
            let more = case.input(&shape);
            let parts = [g, more].map(|g| case.graph.add(gradient.clone(), &[x, g]).unwrap());
            case.output(Op::Add, &parts);
            let target = Target { class, arithmetic, ..gpu().target() };
            let plan = Plan::compile(&case.graph, &case.outputs, &ParameterMap::default(), &target).unwrap();
            let launches =
                |name: &str| plan.launches().iter().filter(|s| s.kernel().shader.name == name).count();
            let winograd = launches("winograd_weight_grad");
            taken[0] += launches("subpixel_weight_grad");
            taken[1] += winograd;
            // Winograd's rounding is 30 times that of the sum.
            let factor = if winograd > 0 { 30.0 } else { 1.0 };
            case.check_for(target, factor * rounding(n * shape[2] * shape[3]));
        }
        // Three of each, of four convolutions and of three.
        assert_eq!(taken, if arithmetic == Arithmetic::Exact { [0; 2] } else { [12, 9] }, "{class:?}");
    }
}

/// What the gradient at a convolution's input is added to, and the activation that it is the gradient behind, wherever
/// its launches write: in the picture and at its border, by direct kernels and by those with fewer multiplications, whole and in
/// parts.
#[test]
fn the_gradient_at_a_convolutions_input_with_what_follows() {
    let mut kernels = std::collections::BTreeSet::new();
    for class in [AdapterClass::Gpu, AdapterClass::Software] {
        for (arithmetic, invocations) in
            [(Arithmetic::Exact, 1), (Arithmetic::Fewest, 1), (Arithmetic::Fewest, 1 << 20)]
        {
            for ([n, i, o, h, w, k, stride, pad], upsample) in [
                ([2, 37, 48, 9, 7, 3, 1, 1], false),
                ([2, 18, 48, 9, 7, 3, 1, 1], true),
                ([1, 5, 64, 1, 3, 3, 1, 1], true),
                ([1, 20, 3, 7, 5, 7, 1, 3], false),
                ([1, 20, 64, 4, 5, 7, 1, 3], false),
                ([2, 20, 64, 9, 6, 4, 2, 1], false),
            ] {
                for activation in
                    [None, Some(Activation::Relu), Some(Activation::LeakyRelu(0.2)), Some(Activation::Tanh)]
                {
                    let mut case = Case::new(format!(
                        "{i}→{o} {h}x{w} k{k} s{stride} p{pad} up {upsample} {class:?} {arithmetic:?} {invocations} {activation:?}"
                    ));
                    let conv =
                        Conv2d { stride, pad, upsample, bias: false, activation: Activation::Identity };
                    let (x, weight) = (case.input(&[n, i, h, w]), case.input(&[o, i, k, k]));
                    let y = case.graph.add(Op::Conv2d(conv), &[x, weight]).unwrap();
                    let shape = case.graph.shape(y).dims().to_vec();
                    let g = case.input(&shape);
                    let gradient = Op::Conv2dGradInput { conv, height: h, width: w };
                    match activation {
                        Some(activation) => {
                            let result = case.graph.add(Op::Activation(activation), &[x]).unwrap();
                            let g = case.graph.add(gradient, &[g, weight]).unwrap();
                            case.output(Op::ActivationGrad(activation), &[g, result]);
                        }
                        None => {
                            let other = case.graph.add(Op::Scale(3.0), &[x]).unwrap();
                            let g = case.graph.add(gradient, &[g, weight]).unwrap();
                            case.output(Op::Add, &[other, g]);
                        }
                    }
                    let target =
                        Target { class, arithmetic, invocations: Some(invocations), ..gpu().target() };
                    let plan =
                        Plan::compile(&case.graph, &case.outputs, &ParameterMap::default(), &target).unwrap();
                    let names = plan.launches().iter().map(|launch| launch.kernel().shader.name);
                    let names: Vec<&str> = names.collect();
                    let apart = ["activation_grad", "pointwise_add"].iter().any(|name| names.contains(name));
                    assert!(!apart, "{}: {names:?}", case.name);
                    kernels.extend(names);
                    // Winograd's rounding is 30 times that of the sum.
                    let factor = if arithmetic == Arithmetic::Exact || upsample { 1.0 } else { 30.0 };
                    case.check_for(target, factor * rounding(4 * o * k * k));
                }
            }
        }
    }
    for name in ["resample_grad_ring", "resample_grad_more", "winograd_outputs_adjoint", "subpixel_weight"] {
        assert!(kernels.contains(name), "{name} was not launched: {kernels:?}");
    }
}

/// More than one group of more than one channel, where there can be any.
fn groups(c: usize) -> usize {
    (2..=c).find(|groups| c.is_multiple_of(*groups) && *groups < c).unwrap_or(1)
}

#[test]
fn normalisation() {
    for (n, c, h, w) in
        [(1, 5, 6, 7), (2, 7, 5, 4), (2, 70, 33, 17), (1, 64, 64, 64), (1, 3, 2, 1), (2, 12, 150, 120)]
    {
        for (kind, own, unbiased) in [
            (NormKind::Instance, false, true),
            (NormKind::LayerInstance, false, true),
            (NormKind::LayerInstance, true, true),
            (NormKind::LayerInstance, true, false),
            (NormKind::Group { groups: 1 }, true, true),
            (NormKind::Group { groups: c }, false, true),
            (NormKind::Group { groups: groups(c) }, true, true),
        ] {
            for (activation, residual) in [(Activation::Relu, false), (Activation::Identity, true)] {
                let mut case = Case::new(format!(
                    "{kind:?} own {own} {n}x{c}x{h}x{w} {activation:?} residual {residual}"
                ));
                let mut inputs = vec![case.input(&[n, c, h, w])];
                let shape: &[usize] = if own { &[1, c, 1, 1] } else { &[n, c] };
                let parameters: [&[usize]; 3] = [&[1, c, 1, 1], shape, shape];
                let parameters = &parameters[3 - kind.parameters()..];
                inputs.extend(parameters.iter().map(|shape| case.input(shape)));
                if residual {
                    inputs.push(case.input(&[n, c, h, w]));
                }
                let norm = Norm { kind, eps: 1e-5, unbiased, activation, residual };
                case.output(Op::Norm(norm), &inputs);
                case.output(Op::NormCoefficients(norm), &inputs[..inputs.len() - usize::from(residual)]);
                case.check(AdapterClass::Gpu, None, 2e-6);
            }
        }
    }
}

#[test]
fn the_gradients_of_normalisation() {
    for class in [AdapterClass::Gpu, AdapterClass::Software] {
        for (n, c, h, w) in [(2, 7, 5, 4), (2, 70, 33, 17), (1, 12, 64, 64), (2, 64, 9, 8)] {
            for (kind, unbiased) in [
                (NormKind::Instance, true),
                (NormKind::LayerInstance, true),
                (NormKind::LayerInstance, false),
                (NormKind::Group { groups: 1 }, true),
                (NormKind::Group { groups: c }, true),
                (NormKind::Group { groups: groups(c) }, true),
            ] {
                let mut case =
                    Case::new(format!("gradients of {kind:?} {unbiased} {n}x{c}x{h}x{w} {class:?}"));
                let mut inputs = vec![case.input(&[n, c, h, w]), case.input(&[n, c, h, w])];
                let mut wrt = vec![NormInput::X];
                if kind == NormKind::LayerInstance {
                    inputs.push(case.input(&[1, c, 1, 1]));
                    wrt.push(NormInput::Rho);
                }
                if kind != NormKind::Instance {
                    let (own, given): (&[usize], &[usize]) = (&[1, c, 1, 1], &[n, c]);
                    inputs.push(case.input(if n == 1 { own } else { given }));
                    wrt.extend([NormInput::Gamma, NormInput::Beta]);
                }
                let norm =
                    Norm { kind, eps: 1e-5, unbiased, activation: Activation::Identity, residual: false };
                for wrt in wrt {
                    case.output(Op::NormGrad { norm, wrt }, &inputs);
                }
                case.check(class, None, rounding(c * h * w));
            }
        }
    }
}

/// A mean of 50 with a deviation of 1e-3, and first pixels far from the rest.
#[test]
fn normalisation_keeps_a_tiny_deviation_on_a_large_mean() {
    for outlier in [0.0, 0.5] {
        for kind in [NormKind::Instance, NormKind::LayerInstance, NormKind::Group { groups: 2 }] {
            let (c, h, w) = (6, 40, 40);
            let mut case = Case::new(format!("{kind:?}, outlier {outlier}"));
            let mut x = noise(&[1, c, h, w], 3).map(|v| 50.0 + 1e-3 * v);
            x.data_mut()[0] += outlier;
            let mut inputs = vec![case.given(x)];
            let parameters: [&[usize]; 3] = [&[1, c, 1, 1], &[1, c], &[1, c]];
            let parameters = &parameters[3 - kind.parameters()..];
            inputs.extend(parameters.iter().map(|shape| case.input(shape)));
            let norm =
                Norm { kind, eps: 1e-5, unbiased: true, activation: Activation::Identity, residual: false };
            case.output(Op::Norm(norm), &inputs);
            // One rounding of the differences from the mean is what f32 can give.
            case.check(AdapterClass::Gpu, None, 2e-5);
        }
    }
}

#[test]
fn everything_else() {
    for (n, c, h, w) in [(1, 3, 5, 4), (2, 7, 3, 6), (2, 70, 33, 19), (1, 64, 40, 40), (1, 1, 7, 7)] {
        let mut case = Case::new(format!("others {n}x{c}x{h}x{w}"));
        let x = case.input(&[n, c, h, w]);
        let y = case.input(&[n, c, h, w]);
        for activation in
            [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Tanh, Activation::Identity]
        {
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

/// Power iteration, sigma, the normalised weight and its gradient, of a convolution and of a
/// linear layer.
#[test]
fn spectral_normalisation() {
    for (w, out, rest) in
        [(vec![5, 3, 4, 4], 5, 48), (vec![1, 7, 4, 4], 1, 112), (vec![1, 9], 1, 9), (vec![6, 70], 6, 70)]
    {
        let mut case = Case::new(format!("spectral norm of {w:?}"));
        let (w, g, u) = (case.input(&w), case.input(&w), case.input(&[out]));
        let v = case.output(Op::PowerIterationV, &[w, u]);
        let next_u = case.output(Op::PowerIterationU, &[w, v]);
        let sigma = case.output(Op::SpectralSigma, &[w, next_u, v]);
        case.output(Op::SpectralNorm, &[w, sigma, next_u, v]);
        case.output(Op::SpectralNormGrad, &[g, w, sigma, next_u, v]);
        assert_eq!(case.graph.shape(v).elements(), rest);
        case.check(AdapterClass::Gpu, None, rounding(rest));
    }
}

/// Gradients of what is used twice: each is added where the one before lies, without a launch of its own, at the end
/// too, where it is an output. And the gradient of an activation is part of that of the normalisation before it.
#[test]
fn sums_and_activations_without_a_launch_of_their_own() {
    for class in [AdapterClass::Gpu, AdapterClass::Software] {
        for (n, c, h, w, own) in [(2, 7, 9, 6, true), (1, 20, 33, 19, false), (3, 5, 4, 4, true)] {
            let mut case = Case::new(format!("sums {n}x{c}x{h}x{w} {class:?}"));
            let (x, g, other) =
                (case.input(&[n, c, h, w]), case.input(&[n, c, h, w]), case.input(&[n, c, h, w]));
            let (rho, shape): (NodeId, &[usize]) =
                (case.input(&[1, c, 1, 1]), if own { &[1, c, 1, 1] } else { &[n, c] });
            let (gamma, beta) = (case.input(shape), case.input(shape));
            let (row, weights, k) = (case.input(&[n, c]), case.input(&[6, c]), case.input(&[n, 6]));
            let [mix, pooled, at_mix] =
                [&[5, 2 * c, 1, 1][..], &[1, c], &[5, c, 1, 1]].map(|shape| case.input(shape));
            let layer = Norm {
                kind: NormKind::LayerInstance,
                eps: 1e-5,
                unbiased: true,
                activation: Activation::Relu,
                residual: false,
            };
            let instance = Norm { kind: NormKind::Instance, activation: Activation::LeakyRelu(0.2), ..layer };
            let graph = &mut case.graph;
            let mut sums: Vec<Option<NodeId>> = vec![None; 11];
            let mut add = |graph: &mut Graph, k: usize, op: Op, inputs: &[NodeId]| {
                let part = graph.add(op, inputs).unwrap();
                sums[k] = Some(match sums[k] {
                    Some(sum) => graph.add(Op::Add, &[sum, part]).unwrap(),
                    None => part,
                });
            };
            for (x, g) in [(x, g), (other, x), (g, other)] {
                // The gradient at what is normalised, and at its parameters.
                for (norm, inputs) in [(layer, vec![x, rho, gamma, beta]), (instance, vec![x])] {
                    let y = graph.add(Op::Norm(norm), &inputs).unwrap();
                    let before = graph.add(Op::ActivationGrad(norm.activation), &[g, y]).unwrap();
                    let mut operands = vec![before];
                    operands.extend(&inputs[..inputs.len().max(2) - 1]);
                    let bare = Norm { activation: Activation::Identity, ..norm };
                    let wrt = [NormInput::X, NormInput::Rho, NormInput::Gamma, NormInput::Beta];
                    for (k, wrt) in wrt.into_iter().enumerate().take(inputs.len()) {
                        add(graph, k, Op::NormGrad { norm: bare, wrt }, &operands);
                    }
                }
                // No gradient, so that it is added by a launch.
                add(graph, 4, Op::Scale(0.5), &[g]);
                add(graph, 4, Op::GlobalAvgPoolGrad { height: h, width: w }, &[row]);
                add(graph, 4, Op::GlobalMaxPoolGrad, &[row, x]);
                let conv = Conv2d {
                    stride: 1,
                    pad: 1,
                    upsample: false,
                    bias: false,
                    activation: Activation::Identity,
                };
                add(graph, 5, Op::Conv2dGradWeight { conv, kernel: [3, 3] }, &[x, g]);
                add(graph, 6, Op::SumPixels, &[g]);
                add(graph, 7, Op::LinearGradWeight, &[row, k]);
                add(graph, 8, Op::LinearGradInput, &[k, weights]);
                add(graph, 9, Op::CamWeightGrad(CamInput::Mix), &[at_mix, mix, pooled, pooled]);
                let start = graph.add(Op::Samples { first: 0, count: 1 }, &[g]).unwrap();
                add(graph, 10, Op::SamplesGrad { first: n - 1, total: n }, &[start]);
            }
            case.outputs.extend(sums.into_iter().flatten());
            let target = Target { class, ..gpu().target() };
            let plan = Plan::compile(&case.graph, &case.outputs, &ParameterMap::default(), &target).unwrap();
            let launches =
                |name: &str| plan.launches().iter().filter(|s| s.kernel().shader.name == name).count();
            assert_eq!(launches("activation_grad"), 0);
            assert_eq!(launches("pointwise_add"), 2, "only what is no gradient is added so");
            assert_eq!(launches("norm_grad_parameter_layer"), 3);
            case.check(class, None, rounding(n * c * h * w));
        }
    }
}

/// Two weights of one shape, each iterated twice: what they share a launch for; and convolutions that divide their
/// results instead of their weights.
#[test]
fn spectral_normalisation_of_two_weights() {
    for (class, invocations) in [
        (AdapterClass::Gpu, None),
        // Sums that are cut into parts.
        (AdapterClass::Gpu, Some(1 << 15)),
        (AdapterClass::Software, None),
    ] {
        for shape in [[5, 3, 4, 4], [1, 7, 4, 4], [20, 130, 4, 4]] {
            let [o, i, _, _] = shape;
            let mut case = Case::new(format!("spectral norms of {shape:?} {class:?} {invocations:?}"));
            let both = [0, 1].map(|_| (case.input(&shape), case.input(&[o])));
            let (x, g, bias) = (case.input(&[2, i, 9, 8]), case.input(&[2, o, 8, 7]), case.input(&[o]));
            for _ in 0..2 {
                for (w, u) in both {
                    let v = case.output(Op::PowerIterationV, &[w, u]);
                    let u = case.output(Op::PowerIterationU, &[w, v]);
                    let sigma = case.output(Op::SpectralSigma, &[w, u, v]);
                    let weight = case.graph.add(Op::SpectralNorm, &[w, sigma, u, v]).unwrap();
                    let activation = Activation::LeakyRelu(0.2);
                    let conv = Conv2d { stride: 1, pad: 1, upsample: false, bias: true, activation };
                    case.output(Op::Conv2d(conv), &[x, weight, bias]);
                    let bare = Conv2d { bias: false, activation: Activation::Identity, ..conv };
                    case.output(Op::Conv2d(bare), &[x, weight]);
                    let adjoint = Op::Conv2dGradInput { conv: bare, height: 9, width: 8 };
                    case.output(adjoint, &[g, weight]);
                }
            }
            let target = Target { class, invocations, ..gpu().target() };
            let plan = Plan::compile(&case.graph, &case.outputs, &ParameterMap::default(), &target).unwrap();
            let launches =
                |name: &str| plan.launches().iter().filter(|s| s.kernel().shader.name == name).count();
            assert_eq!(launches("divide"), 0);
            assert_eq!(launches("spectral_iteration_pair"), 2);
            assert_eq!(launches("spectral_iteration"), 0);
            case.check_for(target, rounding(16 * i.max(o)));
        }
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
