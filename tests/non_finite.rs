//! NaN and infinity: every kernel of every adapter class gives them where the CPU executor does, and
//! that gives them where PyTorch does. Of finite numbers every kernel gives the CPU executor's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::BTreeSet;
use std::sync::Arc;

use ugatit::exec::{Executor, Parameters};
use ugatit::graph::{Activation, Arithmetic, CamInput, Conv2d, Graph, NodeId, Norm, NormInput, NormKind, Op};
use ugatit::plan::select::{CONV2D_KERNELS, Conv2dKernel};
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target};
use ugatit::{Tensor, catalogue, cpu};

mod support;
use support::case::rounding;
use support::engine::gpu;
use support::random;

/// One operation over inputs of its own.
struct Sample {
    name: String,
    graph: Graph,
    output: NodeId,
    feed: Vec<Tensor>,
    /// The inputs that are given no infinity, and those that are given NaN neither.
    never_infinite: Vec<usize>,
    finite: Vec<usize>,
    /// Whether NaN must be NaN and infinity infinity; else only what is finite must be.
    exact: bool,
    kernel: Option<&'static Conv2dKernel>,
    /// A convolution with fewer multiplications. What is not finite spoils its whole tile; but nothing
    /// that is not finite may be hidden.
    fast: bool,
}

impl Sample {
    fn new(op: Op, shapes: &[&[usize]]) -> Self {
        let mut graph = Graph::new();
        let inputs: Vec<NodeId> =
            shapes.iter().enumerate().map(|(i, shape)| graph.input(i.to_string(), *shape)).collect();
        let name = format!("{op:?} of {shapes:?}");
        let output = graph.add(op, &inputs).unwrap();
        let feed = shapes.iter().zip(1..).map(|(s, seed)| random::noise(*s, seed).map(|x| *x as f32));
        Self {
            name,
            output,
            feed: feed.collect(),
            graph,
            never_infinite: vec![],
            finite: vec![],
            exact: true,
            kernel: None,
            fast: false,
        }
    }

    /// What `build` makes of inputs of these shapes. Sums of infinities of both signs may be NaN in one form and infinity
    /// in another.
    fn of(name: &str, shapes: &[&[usize]], build: impl FnOnce(&mut Graph, &[NodeId]) -> NodeId) -> Self {
        let mut sample = Self::new(Op::Scale(1.0), &shapes[..1]);
        sample.graph = Graph::new();
        let mut input = |(i, shape): (usize, &&[usize])| sample.graph.input(i.to_string(), *shape);
        let inputs: Vec<NodeId> = shapes.iter().enumerate().map(&mut input).collect();
        sample.output = build(&mut sample.graph, &inputs);
        let feed = shapes.iter().zip(1..).map(|(s, seed)| random::noise(*s, seed).map(|x| *x as f32));
        Self { name: name.into(), feed: feed.collect(), exact: false, ..sample }
    }

    fn op(&self) -> &Op {
        &self.graph.node(self.output).op
    }

    fn plan(&self, target: &Target) -> Plan {
        Plan::compile(&self.graph, &[self.output], &ParameterMap::default(), target).unwrap()
    }

    /// What the kernels give of the finite numbers, where that is not the CPU's. tests/kernels.rs has the bounds of each
    /// kernel and the odd shapes; this is for the kernel that has no case there.
    fn differs(&self, executor: &mut Executor) -> Option<String> {
        let order = executor.plan().inputs();
        let given: Vec<&Tensor> =
            order.iter().map(|t| &self.feed[t.name.parse::<usize>().unwrap()]).collect();
        let found = pollster::block_on(executor.run(&given)).unwrap();
        let expected = self.on_cpu(&self.feed, |x| f64::from(*x));
        let largest = expected.iter().fold(1e-30_f64, |most, x| most.max(x.abs()));
        let off = found[0].data().iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs());
        let worst = off.fold(0.0, |most, off| if off.is_nan() { f64::INFINITY } else { f64::max(most, off) });
        // Rounding of a sum over the largest input in f32; that of Winograd's algorithm is 30 times as much.
        let terms = self.feed.iter().map(|tensor| tensor.data().len()).max().unwrap_or(0);
        let tolerance = rounding(terms) * if self.fast { 30.0 } else { 1.0 };
        let kernels: Vec<&str> = executor.plan().kernels().iter().map(|kernel| kernel.shader.name).collect();
        (worst > tolerance * largest)
            .then(|| format!("{} by {}: {:.1e} off", self.name, kernels.join(", "), worst / largest))
    }

    fn on_cpu<T: cpu::Real>(&self, feed: &[Tensor], convert: impl Fn(&f32) -> T) -> Vec<f64> {
        let feed: Vec<Tensor<T>> = feed.iter().map(|t| t.map(&convert)).collect();
        let result = cpu::run(&self.graph, &[self.output], &|name| feed.get(name.parse::<usize>().ok()?));
        result.unwrap()[0].data().iter().map(|x| x.to_f64()).collect()
    }
}

/// What a number is, apart from its value.
fn kind(x: f64) -> &'static str {
    match x {
        _ if x.is_nan() => "NaN",
        f64::INFINITY => "inf",
        f64::NEG_INFINITY => "-inf",
        _ => "finite",
    }
}

/// Every operation with every kernel that it may be given.
fn samples() -> Vec<Sample> {
    let image: &[usize] = &[2, 5, 9, 7];
    let wide: &[usize] = &[1, 70, 21, 17];
    let mut all = vec![];
    let mut add = |op: Op, shapes: &[&[usize]]| {
        let mut sample = Sample::new(op, shapes);
        match sample.op() {
            // Sums of infinities of both signs: NaN in one order or form, infinity in another.
            Op::NormGrad { .. } => sample.exact = false,
            // With `a` and `b` for `(x - mean) * scale * gamma + beta` an infinite gamma may give NaN
            // for infinity.
            Op::Norm(norm) | Op::NormCoefficients(norm) => {
                // gamma is the last but one of the parameters.
                let gamma = norm.kind.parameters().max(1) - 1;
                sample.exact = matches!(sample.op(), Op::Norm(_));
                sample.never_infinite.push(gamma);
            }
            _ => {}
        }
        all.push(sample);
    };
    for activation in [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Tanh] {
        add(Op::Activation(activation), &[image]);
        add(Op::ActivationGrad(activation), &[image, image]);
        add(Op::Linear { bias: true, activation }, &[&[2, 9], &[6, 9], &[6]]);
    }
    add(Op::Linear { bias: false, activation: Activation::Identity }, &[&[1, 1100], &[6, 1100]]);
    add(Op::LinearGradInput, &[&[2, 6], &[6, 9]]);
    add(Op::LinearGradWeight, &[&[2, 9], &[2, 6]]);
    add(Op::SumRows, &[&[3, 6]]);
    add(Op::SumPixels, &[image]);
    add(Op::Add, &[image, image]);
    add(Op::Scale(0.5), &[image]);
    add(Op::Above(0.1), &[image]);
    add(Op::Interpolate, &[image, image, &[2, 1]]);
    add(Op::Mean, &[image]);
    add(Op::MeanGrad { scale: 0.7 }, &[image]);
    for one_sided in [false, true] {
        add(Op::GradientPenalty { one_sided }, &[image]);
        add(Op::GradientPenaltyGrad { one_sided, scale: 0.7 }, &[image]);
    }
    for target in [1.0, -1.0] {
        add(Op::Hinge { target }, &[image]);
        add(Op::HingeGrad { target, scale: 0.7 }, &[image]);
    }
    add(Op::ReflectionPad2d(2), &[image]);
    add(Op::ReflectionPad2dGrad(2), &[&[2, 5, 13, 11]]);
    add(Op::UpsampleNearest2x, &[image]);
    add(Op::UpsampleNearest2xGrad, &[&[2, 5, 10, 8]]);
    add(Op::SumChannels, &[image]);
    add(Op::BroadcastChannels(5), &[&[2, 1, 9, 7]]);
    add(Op::Concat, &[&[2, 5], &[2, 7]]);
    add(Op::Stack, &[image, image]);
    add(Op::Samples { first: 1, count: 1 }, &[image]);
    add(Op::SamplesGrad { first: 1, total: 4 }, &[image]);
    add(Op::SliceColumns { start: 3, len: 6 }, &[&[2, 12]]);
    add(Op::Concat, &[image, &[2, 3, 9, 7]]);
    add(Op::SliceColumns { start: 1, len: 3 }, &[image]);
    add(Op::AddScalar, &[&[1, 7], &[1]]);
    add(Op::SumColumns, &[&[1, 7]]);
    add(Op::Flatten, &[image]);
    add(Op::Unflatten { channels: 5, height: 9, width: 7 }, &[&[2, 315]]);
    for shape in [image, wide] {
        let [n, c, height, width] = [shape[0], shape[1], shape[2], shape[3]];
        add(Op::GlobalAvgPool, &[shape]);
        add(Op::GlobalMaxPool, &[shape]);
        add(Op::GlobalAvgPoolGrad { height, width }, &[&[n, c]]);
        add(Op::GlobalMaxPoolGrad, &[&[n, c], shape]);
        add(Op::AtMaximum, &[shape, shape]);
        for activation in [Activation::Relu, Activation::Tanh] {
            let instance =
                Norm { kind: NormKind::Instance, eps: 1e-5, unbiased: true, activation, residual: false };
            let layer = Norm { kind: NormKind::LayerInstance, residual: true, ..instance };
            let (own, given): (&[usize], &[usize]) = (&[1, c, 1, 1], &[n, c]);
            add(Op::Norm(instance), &[shape]);
            add(Op::NormCoefficients(instance), &[shape]);
            for gamma in [own, given] {
                add(Op::Norm(layer), &[shape, own, gamma, gamma, shape]);
                for wrt in [NormInput::X, NormInput::Rho, NormInput::Gamma, NormInput::Beta] {
                    add(Op::NormGrad { norm: layer, wrt }, &[shape, shape, own, gamma]);
                }
            }
            let groups = |groups| Norm { kind: NormKind::Group { groups }, ..layer };
            for (groups, gamma) in [(groups(1), own), (groups(c), given)] {
                add(Op::Norm(groups), &[shape, gamma, gamma, shape]);
                for wrt in [NormInput::X, NormInput::Gamma, NormInput::Beta] {
                    add(Op::NormGrad { norm: groups, wrt }, &[shape, shape, gamma]);
                }
            }
            add(Op::NormCoefficients(Norm { residual: false, ..groups(c) }), &[shape, given, given]);
            let layer = Norm { residual: false, ..layer };
            add(Op::NormCoefficients(layer), &[shape, own, given, given]);
            add(Op::NormGrad { norm: instance, wrt: NormInput::X }, &[shape, shape]);
        }
    }
    let (mix, pooled): (&[usize], &[usize]) = (&[5, 14, 1, 1], &[1, 7]);
    add(Op::CamWeight, &[mix, pooled, pooled]);
    for wrt in [CamInput::Mix, CamInput::Gap, CamInput::Gmp] {
        add(Op::CamWeightGrad(wrt), &[&[5, 7, 1, 1], mix, pooled, pooled]);
    }
    for target in [0.0, 1.0] {
        add(Op::Mse { target }, &[image]);
        add(Op::MseGrad { target, scale: 0.7 }, &[image]);
        add(Op::BceWithLogits { target }, &[image]);
        add(Op::BceWithLogitsGrad { target, scale: 0.7 }, &[image]);
    }
    add(Op::L1, &[image, image]);
    add(Op::L1Grad { scale: 0.7 }, &[image, image]);
    // The dot product in the gradient of the second has several parts.
    for (w, out, rest) in [(&[5, 3, 4, 4][..], 5, 48), (&[20, 20, 4, 4], 20, 320), (&[6, 70], 6, 70)] {
        let (u, v): (&[usize], &[usize]) = (&[out], &[rest]);
        add(Op::PowerIterationV, &[w, u]);
        add(Op::PowerIterationU, &[w, v]);
        add(Op::SpectralSigma, &[w, u, v]);
        add(Op::SpectralNorm, &[w, &[1], u, v]);
        add(Op::SpectralNormGrad, &[w, w, &[1], u, v]);
    }
    // Few pixels, many, and many channels.
    for (x, out) in [(&[4, 5, 3, 2][..], 5), (&[4, 5, 9, 7], 5), (&[2, 70, 9, 7], 70)] {
        let (w, one, u, v): (&[usize], &[usize], &[usize], &[usize]) = (&[out, 3, 4, 4], &[1], &[out], &[48]);
        let activation = Activation::LeakyRelu(0.2);
        add(Op::SpectralDivide { bias: false, activation }, &[x, w, one, u, v, one, u, v]);
        add(Op::SpectralDivide { bias: true, activation }, &[x, w, u, one, u, v, one, u, v]);
        add(Op::SpectralDivideGrad(activation), &[x, x, one, one]);
        add(Op::SpectralBiasGrad, &[x, one, one]);
        add(Op::SpectralSigmaGrad { bias: false, activation }, &[x, x, w, u, v, u, v]);
        add(Op::SpectralSigmaGrad { bias: true, activation }, &[x, x, w, u, u, v, u, v]);
    }

    let conv =
        Conv2d { stride: 1, pad: 1, upsample: false, bias: true, activation: Activation::LeakyRelu(0.2) };
    let bare = Conv2d { bias: false, activation: Activation::Identity, ..conv };
    // The larger is cut into splits.
    for (c, h, w) in [(5, 9, 7), (20, 9, 7), (5, 21, 17)] {
        let weight = Op::Conv2dGradWeight { conv: bare, kernel: [3, 3] };
        all.push(Sample::new(weight, &[&[1, 6, h, w], &[1, c, h, w]]));
    }
    for upsample in [false, true] {
        let op = Op::Conv2d(Conv2d { upsample, ..conv });
        all.push(Sample { fast: true, ..Sample::new(op, &[&[1, 8, 9, 7], &[6, 8, 3, 3], &[6]]) });
    }
    let adjoint = Op::Conv2dGradInput { conv: bare, height: 9, width: 7 };
    all.push(Sample { fast: true, ..Sample::new(adjoint, &[&[1, 8, 9, 7], &[8, 6, 3, 3]]) });
    // The gradients of four convolutions of 2x2; the largest is cut into splits.
    let doubled = Conv2d { upsample: true, ..bare };
    let adjoint = Op::Conv2dGradInput { conv: doubled, height: 9, width: 7 };
    // At the border a weight's tap meets zeros.
    for fast in [true, false] {
        let sample = Sample::new(adjoint.clone(), &[&[1, 8, 18, 14], &[8, 6, 3, 3]]);
        all.push(Sample { fast, finite: vec![1], ..sample });
    }
    let weight = Op::Conv2dGradWeight { conv: bare, kernel: [3, 3] };
    all.push(Sample { fast: true, ..Sample::new(weight, &[&[1, 6, 9, 7], &[1, 5, 9, 7]]) });
    for (c, h, w) in [(20, 9, 7), (20, 21, 17)] {
        let weight = Op::Conv2dGradWeight { conv: doubled, kernel: [3, 3] };
        all.push(Sample { fast: true, ..Sample::new(weight, &[&[1, 6, h, w], &[1, c, 2 * h, 2 * w]]) });
    }
    all.extend(together());
    let (x, w): (&[usize], &[usize]) = (&[1, 16, 7, 5], &[16, 16, 3, 3]);
    for kernel in CONV2D_KERNELS {
        all.push(Sample { kernel: Some(kernel), ..Sample::new(Op::Conv2d(conv), &[x, w, &[16]]) });
        let adjoint = Op::Conv2dGradInput { conv: bare, height: 7, width: 5 };
        // At the border a weight's tap meets the zeros around x there: infinity gives NaN.
        all.push(Sample { kernel: Some(kernel), finite: vec![1], ..Sample::new(adjoint, &[x, w]) });
    }
    all
}

/// Operations that have a launch, or a kernel, together.
fn together() -> Vec<Sample> {
    let bare = Conv2d { stride: 1, pad: 1, upsample: false, bias: false, activation: Activation::Identity };
    let mut all = vec![];
    for activation in [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Tanh] {
        let adjoint = Op::Conv2dGradInput { conv: bare, height: 9, width: 7 };
        let mut sample = Sample::of(
            &format!("the gradient before {activation:?} and a convolution"),
            &[&[1, 5, 9, 7], &[1, 6, 9, 7], &[6, 5, 3, 3]],
            |graph, x| {
                let g = graph.add(adjoint, &[x[1], x[2]]).unwrap();
                graph.add(Op::ActivationGrad(activation), &[g, x[0]]).unwrap()
            },
        );
        // At the border a weight's tap meets zeros.
        sample.finite.push(2);
        all.push(sample);
    }
    let image: &[usize] = &[2, 5, 9, 7];
    let (target, scale) = (1.0, 0.7);
    for (loss, gradient) in [
        (Op::Mse { target }, Op::MseGrad { target, scale }),
        (Op::L1, Op::L1Grad { scale }),
        (Op::BceWithLogits { target }, Op::BceWithLogitsGrad { target, scale }),
        (Op::Mean, Op::MeanGrad { scale }),
        (Op::Hinge { target }, Op::HingeGrad { target, scale }),
    ] {
        let count = if loss == Op::L1 { 2 } else { 1 };
        all.push(Sample::of(&format!("{loss:?} with its gradient"), &[image; 2][..count], |graph, x| {
            graph.add(loss, x).unwrap();
            graph.add(gradient, x).unwrap()
        }));
    }
    // The larger is cut into splits.
    for (c, h, w) in [(5, 9, 7), (5, 21, 17)] {
        let (x, g): (&[usize], &[usize]) = (&[1, 6, h, w], &[1, c, h, w]);
        all.push(Sample::of("a weight that is used twice", &[x, g, x, g], |graph, x| {
            let weight = Op::Conv2dGradWeight { conv: bare, kernel: [3, 3] };
            let parts = [[x[0], x[1]], [x[2], x[3]]].map(|x| graph.add(weight.clone(), &x).unwrap());
            graph.add(Op::Add, &parts).unwrap()
        }));
    }
    // One iteration, and two in one launch, of which the second's sigma is asked for.
    for (shape, out) in [(&[5, 3, 4, 4][..], 5), (&[6, 70], 6)] {
        for count in [1, 2] {
            let u: &[usize] = &[out];
            let shapes = [shape, u, shape, u];
            all.push(Sample::of("a power iteration", &shapes[..2 * count], |graph, x| {
                let mut sigmas = x.chunks(2).map(|x| {
                    let v = graph.add(Op::PowerIterationV, x).unwrap();
                    let u = graph.add(Op::PowerIterationU, &[x[0], v]).unwrap();
                    graph.add(Op::SpectralSigma, &[x[0], u, v]).unwrap()
                });
                let sigmas: Vec<NodeId> = sigmas.by_ref().collect();
                *sigmas.last().unwrap()
            }));
        }
    }
    all
}

/// The kernels that no operation launches.
fn is_of_no_operation(name: &str) -> bool {
    // An iteration's end: tests/session.rs makes training diverge. What only the benchmark runs. The ends of a plan
    // from bytes to bytes: src/exec/pixels.rs. Quantised weights, which are no inputs: tests/quantized_kernels.rs.
    [
        "linear_8_bits",
        "linear_4_bits",
        "accumulate_",
        "adam",
        "gradient_squares",
        "step_report",
        "matmul_",
        "micro_",
        "pixels_",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

#[test]
fn every_kernel_gives_them_where_the_cpu_does() {
    let (mut ran, mut wrong) = (BTreeSet::new(), vec![]);
    for sample in samples() {
        let mut done: Vec<Vec<&str>> = vec![];
        for (class, loops) in [
            (AdapterClass::Gpu, false),
            (AdapterClass::Gpu, true),
            (AdapterClass::Software, false),
            (AdapterClass::Software, true),
        ] {
            let arithmetic = if sample.fast { Arithmetic::Fast } else { Arithmetic::Exact };
            let winograd = sample.fast.then_some(true);
            let target =
                Target { class, loops, conv2d: sample.kernel, arithmetic, winograd, ..gpu().target() };
            let plan = sample.plan(&target);
            let kernels: Vec<&str> = plan.kernels().iter().map(|kernel| kernel.shader.name).collect();
            if done.contains(&kernels) {
                continue;
            }
            let none = Arc::new(Parameters::upload(gpu(), ParameterMap::default(), |_| None).unwrap());
            let mut executor = Executor::new(gpu(), plan, none).unwrap();
            executor.poison(7.0).unwrap();
            wrong.extend(sample.differs(&mut executor));
            for input in (0..sample.feed.len()).filter(|i| !sample.finite.contains(i)) {
                let len = sample.feed[input].data().len();
                let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
                let values = &values[..if sample.never_infinite.contains(&input) { 1 } else { 3 }];
                let places = BTreeSet::from([0, 2 * len / 3]);
                for (&value, &at) in values.iter().flat_map(|value| places.iter().map(move |at| (value, at)))
                {
                    let mut feed = sample.feed.clone();
                    feed[input].data_mut()[at] = value;
                    let order = executor.plan().inputs();
                    let given: Vec<&Tensor> =
                        order.iter().map(|t| &feed[t.name.parse::<usize>().unwrap()]).collect();
                    let found = pollster::block_on(executor.run(&given)).unwrap();
                    let found: Vec<f64> = found[0].data().iter().map(|x| f64::from(*x)).collect();
                    let expected = sample.on_cpu(&feed, |x| f64::from(*x));
                    let mut compare = |who: &str, found: &[f64]| {
                        let differs = |i: &usize| {
                            let (found, expected) = (kind(found[*i]), kind(expected[*i]));
                            if sample.fast {
                                found == "finite" && expected != "finite"
                            } else if sample.exact {
                                found != expected
                            } else {
                                (found == "finite") != (expected == "finite")
                            }
                        };
                        if let Some(i) = (0..expected.len()).find(differs) {
                            wrong.push(format!(
                                "{}: {value} in input {input} at {at}: element {i} is {} by {who}, {} by the CPU in f64",
                                sample.name, kind(found[i]), kind(expected[i])
                            ));
                        }
                    };
                    compare(&kernels.join(", "), &found);
                    compare("the CPU in f32", &sample.on_cpu(&feed, |x| *x));
                }
            }
            ran.extend(kernels.iter().copied());
            done.push(kernels);
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    let every = catalogue::ALL.iter().flat_map(|shader| [Some(*shader), shader.loops]).flatten();
    let missing: Vec<&str> = every
        .map(|shader| shader.name)
        .filter(|name| !is_of_no_operation(name) && !ran.contains(name))
        .collect();
    assert!(missing.is_empty(), "no sample launches {missing:?}");
}

/// What PyTorch 2 gives, written down.
#[test]
fn the_cpu_treats_them_as_pytorch_does() {
    const NAN: f32 = f32::NAN;
    const INF: f32 = f32::INFINITY;
    let run = |op: Op, inputs: &[(&[usize], &[f32])]| -> Vec<f32> {
        let mut graph = Graph::new();
        let ids: Vec<NodeId> =
            inputs.iter().enumerate().map(|(i, (shape, _))| graph.input(i.to_string(), *shape)).collect();
        let output = graph.add(op, &ids).unwrap();
        let feed: Vec<Tensor> =
            inputs.iter().map(|(shape, data)| Tensor::new(*shape, data.to_vec()).unwrap()).collect();
        let result = cpu::run(&graph, &[output], &|name| feed.get(name.parse::<usize>().ok()?));
        result.unwrap()[0].data().to_vec()
    };
    let same = |found: Vec<f32>, expected: &[f32]| {
        let equal = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
        assert!(found.iter().zip(expected).all(equal), "{found:?}, not {expected:?}");
    };
    let four: &[usize] = &[1, 1, 2, 2];
    let x: (&[usize], &[f32]) = (four, &[NAN, INF, -INF, -2.0]);
    same(run(Op::Activation(Activation::Relu), &[x]), &[NAN, INF, 0.0, 0.0]);
    same(run(Op::Activation(Activation::LeakyRelu(0.5)), &[x]), &[NAN, INF, -INF, -1.0]);
    same(run(Op::Activation(Activation::Tanh), &[x]), &[NAN, 1.0, -1.0, (-2.0_f32).tanh()]);
    // From the result: where that is NaN, relu lets the gradient through.
    let g: (&[usize], &[f32]) = (four, &[3.0, INF, INF, 5.0]);
    let y: (&[usize], &[f32]) = (four, &[NAN, 1.0, 0.0, 0.0]);
    same(run(Op::ActivationGrad(Activation::Relu), &[g, y]), &[3.0, INF, 0.0, 0.0]);
    same(run(Op::ActivationGrad(Activation::LeakyRelu(0.5)), &[g, y]), &[1.5, INF, INF, 2.5]);
    // A maximum is NaN where a value is, and its gradient goes to the last of them.
    let x: (&[usize], &[f32]) = (four, &[1.0, NAN, NAN, INF]);
    same(run(Op::GlobalMaxPool, &[x]), &[NAN]);
    same(run(Op::GlobalMaxPoolGrad, &[(&[1, 1], &[4.0]), x]), &[0.0, 0.0, 4.0, 0.0]);
    same(run(Op::GlobalMaxPool, &[(four, &[-INF, -INF, -INF, -INF])]), &[-INF]);
    // The variance of what holds an infinity is NaN.
    let norm = Norm {
        kind: NormKind::Instance,
        eps: 1e-5,
        unbiased: true,
        activation: Activation::Relu,
        residual: false,
    };
    same(run(Op::Norm(norm), &[(four, &[1.0, INF, 2.0, 3.0])]), &[NAN; 4]);
    // torch.sign(nan) is 0; clamp_min keeps NaN.
    same(
        run(Op::L1Grad { scale: 4.0 }, &[(four, &[NAN, INF, -INF, 0.0]), (four, &[0.0; 4])]),
        &[0.0, 1.0, -1.0, 0.0],
    );
    same(run(Op::PowerIterationV, &[(&[1, 2], &[NAN, 1.0]), (&[1], &[1.0])]), &[NAN, NAN]);
}
