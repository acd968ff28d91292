//! Kernels whose tensors lie in a GPU's memory as f16.
#![cfg(feature = "pictures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use half::f16;
use ugatit::exec::{Executor, Parameters};
use ugatit::graph::{Activation, Arithmetic, Conv2d, Graph, NodeId, Norm, NormInput, NormKind, Op};
use ugatit::io::{Model, read_picture};
use ugatit::model::{DecoderNorm, Dialect, GeneratorConfig};
use ugatit::plan::select::{self, Conv2dKernel};
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target};
use ugatit::translate::{Device, PictureOptions, Precision, TileOptions, Translator, network, prepare};
use ugatit::{Tensor, catalogue, cpu};

mod support;
use support::engine::gpu;
use support::random;

/// The largest distance of a number from its f16, of the number, where the driver cuts instead of rounding.
const LAST_BIT: f64 = 1.0 / 1024.0;
/// That of a number that is too small to have all bits.
const SMALLEST: f64 = 6e-8;

/// Values from -1 to 1 that f16 holds.
fn noise(shape: &[usize], seed: u64) -> Tensor {
    random::noise(shape, seed).map(|x| f16::from_f64(*x).to_f32())
}

/// One operation on pictures of f16 and weights, whose result is of f16, or of f32 where it is a gradient.
struct Case {
    graph: Graph,
    feed: HashMap<String, Tensor>,
    outputs: Vec<NodeId>,
    /// How far a result may be off for its f16, of itself and besides.
    rounds: [f64; 2],
}

/// The bindings of shaders that were read or written as f16.
type Seen = BTreeSet<(&'static str, &'static str)>;

impl Case {
    fn new() -> Self {
        Self { graph: Graph::new(), feed: HashMap::new(), outputs: vec![], rounds: [LAST_BIT, SMALLEST] }
    }

    fn tensor(&mut self, shape: &[usize]) -> (String, Tensor) {
        let name = format!("x{}", self.feed.len());
        let tensor = noise(shape, self.feed.len() as u64 + 1);
        self.feed.insert(name.clone(), tensor.clone());
        (name, tensor)
    }

    /// What a plan is given and gives is of f32, so one more operation makes f16 of it.
    fn picture(&mut self, shape: &[usize]) -> NodeId {
        let (name, _) = self.tensor(shape);
        let x = self.graph.input(name, shape);
        self.graph.add(Op::Scale(1.0), &[x]).unwrap()
    }

    fn vector(&mut self, shape: &[usize]) -> NodeId {
        let (name, _) = self.tensor(shape);
        self.graph.input(name, shape)
    }

    fn weight(&mut self, shape: &[usize]) -> NodeId {
        let (name, _) = self.tensor(shape);
        self.graph.parameter(name, shape)
    }

    fn output(&mut self, op: Op, inputs: &[NodeId]) {
        let y = self.graph.add(op, inputs).unwrap();
        let picture = self.graph.shape(y).rank() == 4;
        self.outputs.push(if picture { self.graph.add(Op::Scale(1.0), &[y]).unwrap() } else { y });
    }

    /// A gradient, which is never of f16.
    fn gradient(&mut self, op: Op, inputs: &[NodeId]) {
        self.rounds = [0.0; 2];
        self.outputs.push(self.graph.add(op, inputs).unwrap());
    }

    /// Within `tolerance` of the largest value, and the last bit where it is of f16, of the processor's result.
    fn check(&self, target: Target, tolerance: f64, seen: &mut Seen) {
        let target = Target { f16: true, ..target };
        let map = ParameterMap::new(&self.graph, &target).unwrap();
        let plan = Plan::compile(&self.graph, &self.outputs, &map, &target).unwrap();
        for kernel in plan.kernels() {
            let bindings = kernel.shader.bindings.iter().enumerate();
            let half = bindings.filter(|(i, _)| kernel.halves >> i & 1 != 0);
            seen.extend(half.map(|(_, binding)| (kernel.shader.name, binding.name)));
        }
        let names: Vec<_> = plan.kernels().iter().map(|kernel| kernel.name()).collect();
        let parameters = Parameters::upload(gpu(), map, |name| self.feed.get(name)).unwrap();
        let inputs: Vec<&Tensor> = plan.inputs().iter().map(|t| &self.feed[&t.name]).collect();
        let mut executor = Executor::new(gpu(), plan, Arc::new(parameters)).unwrap();
        executor.poison(f32::NAN).unwrap();
        let found = pollster::block_on(executor.run(&inputs)).unwrap();

        let wide: HashMap<&str, Tensor<f64>> =
            self.feed.iter().map(|(name, t)| (name.as_str(), t.map(|v| f64::from(*v)))).collect();
        let expected = cpu::run(&self.graph, &self.outputs, &|name| wide.get(name)).unwrap();
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let largest = expected.data().iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            for (a, b) in found.data().iter().zip(expected.data()) {
                let allowed = self.rounds[0] * b.abs() + self.rounds[1] + tolerance * largest;
                let off = (f64::from(*a) - b).abs();
                assert!(off <= allowed, "{}, output {i}: {a} is not {b}", names.join(", "));
            }
        }
    }
}

/// Rounding of a sum of `terms` products in f32, against the largest result.
fn rounding(terms: usize) -> f64 {
    6e-8 * 4.0 * (terms as f64).sqrt().max(4.0)
}

/// What is lost of a sum, as a multiple of its rounding: Winograd's rounding is 30 times that; sums of weights are of f32.
fn loss(arithmetic: Arithmetic) -> f64 {
    if arithmetic == Arithmetic::Fast { 30.0 } else { 1.0 }
}

fn classes() -> [Target; 2] {
    [AdapterClass::Gpu, AdapterClass::Software].map(|class| Target { class, ..gpu().target() })
}

fn convolutions(seen: &mut Seen) {
    for kernel in select::CONV2D_KERNELS {
        for (arithmetic, [n, i, o, h, w, k, stride, pad], upsample) in [
            (Arithmetic::Exact, [1, 96, 70, 11, 10, 3, 1, 1], false),
            (Arithmetic::Exact, [2, 16, 21, 6, 9, 4, 2, 1], false),
            (Arithmetic::Exact, [1, 48, 133, 5, 7, 3, 1, 1], true),
            (Arithmetic::Fast, [2, 80, 66, 23, 26, 3, 1, 1], false),
            (Arithmetic::Fast, [1, 32, 40, 9, 4, 3, 1, 1], true),
        ] {
            let mut case = Case::new();
            let inputs = [case.picture(&[n, i, h, w]), case.weight(&[o, i, k, k]), case.weight(&[o])];
            let conv = Conv2d { stride, pad, upsample, bias: true, activation: Activation::Relu };
            case.output(Op::Conv2d(conv), &inputs);
            let target = Target {
                class: AdapterClass::Gpu,
                conv2d: Some(kernel as &'static Conv2dKernel),
                arithmetic,
                winograd: Some(true),
                ..gpu().target()
            };
            let factor = loss(arithmetic);
            case.check(target.clone(), factor * rounding(k * k * i), seen);
            // Cut into parts.
            case.check(Target { invocations: Some(1 << 20), ..target }, factor * rounding(k * k * i), seen);
        }
    }
}

fn normalisations(target: &Target, seen: &mut Seen) {
    for ([n, c, h, w], kind) in [
        ([2, 7, 5, 4], NormKind::Instance),
        ([1, 70, 33, 17], NormKind::LayerInstance),
        ([2, 64, 9, 8], NormKind::Group { groups: 16 }),
    ] {
        let mut case = Case::new();
        let mut inputs = vec![case.picture(&[n, c, h, w])];
        if kind == NormKind::LayerInstance {
            inputs.push(case.weight(&[1, c, 1, 1]));
        }
        if kind != NormKind::Instance {
            inputs.extend([case.vector(&[n, c]), case.vector(&[n, c])]);
        }
        inputs.push(case.picture(&[n, c, h, w]));
        let norm = Norm { kind, eps: 1e-5, unbiased: true, activation: Activation::Relu, residual: true };
        case.output(Op::Norm(norm), &inputs);
        case.check(target.clone(), 2e-6, seen);
    }
}

fn others(target: &Target, seen: &mut Seen) {
    for [n, c, h, w] in [[1, 3, 5, 4], [2, 7, 3, 6], [2, 70, 33, 19], [1, 64, 40, 40]] {
        let mut case = Case::new();
        let (x, y) = (case.picture(&[n, c, h, w]), case.picture(&[n, c, h, w]));
        case.output(Op::Activation(Activation::LeakyRelu(0.2)), &[x]);
        case.output(Op::Add, &[x, y]);
        case.output(Op::Scale(0.3), &[x]);
        case.output(Op::Above(0.1), &[x]);
        case.output(Op::ReflectionPad2d(2), &[x]);
        case.output(Op::UpsampleNearest2x, &[x]);
        case.output(Op::SumChannels, &[x]);
        case.output(Op::GlobalAvgPool, &[x]);
        case.output(Op::GlobalMaxPool, &[x]);
        case.output(Op::Flatten, &[x]);
        let z = case.picture(&[n, c + 2, h, w]);
        case.output(Op::Concat, &[x, z]);
        if h % 2 == 0 && w % 2 == 0 {
            case.output(Op::UpsampleNearest2xGrad, &[x]);
        }
        let flat = case.graph.add(Op::Flatten, &[y]).unwrap();
        let (small, large) = (case.weight(&[9, c]), case.weight(&[6, c * h * w]));
        let linear = Op::Linear { bias: false, activation: Activation::Identity };
        case.output(linear.clone(), &[flat, large]);
        let pooled = case.graph.add(Op::GlobalAvgPool, &[x]).unwrap();
        case.output(linear, &[pooled, small]);
        case.check(target.clone(), rounding(c * h * w), seen);
    }
}

/// What gradients read of the way forward.
fn gradients(target: &Target, seen: &mut Seen) {
    let identity = Activation::Identity;
    for ([n, i, o, h, w, k, stride, pad], upsample) in [
        ([2, 5, 7, 8, 11, 3, 2, 1], false),
        ([1, 18, 21, 6, 9, 3, 1, 1], true),
        ([2, 16, 70, 13, 11, 3, 1, 1], false),
    ] {
        let mut case = Case::new();
        let conv = Conv2d { stride, pad, upsample, bias: false, activation: identity };
        let (x, weight) = (case.picture(&[n, i, h, w]), case.weight(&[o, i, k, k]));
        let y = case.graph.add(Op::Conv2d(conv), &[x, weight]).unwrap();
        let shape = case.graph.shape(y).dims().to_vec();
        let g = case.vector(&shape);
        case.gradient(Op::Conv2dGradWeight { conv, kernel: [k, k] }, &[x, g]);
        // With the gradient of the activation that x is behind.
        let at_x = case.graph.add(Op::Conv2dGradInput { conv, height: h, width: w }, &[g, weight]).unwrap();
        case.gradient(Op::ActivationGrad(Activation::LeakyRelu(0.2)), &[at_x, x]);
        for arithmetic in [Arithmetic::Exact, Arithmetic::Fast] {
            let target = Target { arithmetic, winograd: Some(true), ..target.clone() };
            let terms = (4 * k * k * o).max(n * shape[2] * shape[3]);
            case.check(target, loss(arithmetic) * rounding(terms), seen);
        }
    }
    for ([n, c, h, w], kind) in [
        ([2, 7, 5, 4], NormKind::Instance),
        ([1, 70, 33, 17], NormKind::LayerInstance),
        ([2, 64, 9, 8], NormKind::Group { groups: 16 }),
    ] {
        let mut case = Case::new();
        let (x, g) = (case.picture(&[n, c, h, w]), case.vector(&[n, c, h, w]));
        let mut inputs = vec![x];
        if kind == NormKind::LayerInstance {
            inputs.push(case.weight(&[1, c, 1, 1]));
        }
        if kind != NormKind::Instance {
            inputs.extend([case.vector(&[n, c]), case.vector(&[n, c])]);
        }
        let activation = Activation::LeakyRelu(0.2);
        let norm = Norm { kind, eps: 1e-5, unbiased: true, activation, residual: false };
        let y = case.graph.add(Op::Norm(norm), &inputs).unwrap();
        let before = case.graph.add(Op::ActivationGrad(activation), &[g, y]).unwrap();
        let mut operands = vec![before];
        operands.extend(&inputs[..inputs.len().max(2) - 1]);
        let wrt = [NormInput::X, NormInput::Rho, NormInput::Gamma, NormInput::Beta];
        let wrt = wrt.into_iter().filter(|wrt| match wrt {
            NormInput::X => true,
            NormInput::Rho => kind == NormKind::LayerInstance,
            _ => kind != NormKind::Instance,
        });
        for wrt in wrt {
            case.gradient(Op::NormGrad { norm: Norm { activation: identity, ..norm }, wrt }, &operands);
        }
        case.check(target.clone(), rounding(c * h * w), seen);
    }
    for [n, c, h, w] in [[1, 8, 5, 4], [2, 70, 33, 19]] {
        let mut case = Case::new();
        let (x, g, row) = (case.picture(&[n, c, h, w]), case.vector(&[n, c, h, w]), case.vector(&[n, c]));
        case.gradient(Op::ActivationGrad(Activation::Relu), &[g, x]);
        case.gradient(Op::GlobalMaxPoolGrad, &[row, x]);
        case.gradient(Op::AtMaximum, &[g, x]);
        let (flat, of_rows) = (case.graph.add(Op::Flatten, &[x]).unwrap(), case.vector(&[n, 6]));
        case.gradient(Op::LinearGradWeight, &[flat, of_rows]);
        case.check(target.clone(), rounding(c * h * w), seen);
    }
}

/// Every tensor that a shader may find as f16 was one, for kernels that translations and the way forward of training have.
#[test]
fn every_kernel_with_tensors_of_f16() {
    let mut seen = Seen::new();
    convolutions(&mut seen);
    for target in classes() {
        normalisations(&target, &mut seen);
        others(&target, &mut seen);
        gradients(&target, &mut seen);
    }
    // What only gradients launch, of discriminators in tests/half_training.rs, and quantised weights: tests/quantized.rs.
    let elsewhere = |name: &str| {
        let of_discriminators = ["spectral_divide_grad", "spectral_sums_", "spectral_totals_direct"];
        ["_transposed", "_exchanged", "_bits", "divide"].iter().any(|end| name.ends_with(end))
            || of_discriminators.iter().any(|start| name.starts_with(start))
    };
    let mut missing = vec![];
    for shader in catalogue::ALL.iter().filter(|shader| !elsewhere(shader.name)) {
        let tensors = shader.bindings.iter().filter(|binding| binding.tensor);
        missing.extend(tensors.map(|b| (shader.name, b.name)).filter(|pair| !seen.contains(pair)));
    }
    assert!(missing.is_empty(), "not tested: {missing:?}");
}

/// The networks of all dialects have a plan, and the memory of their pictures and weights is about halved.
#[test]
fn every_generator_has_a_plan_with_f16() {
    let usual = GeneratorConfig::default();
    let mut configs: Vec<_> = Dialect::ALL.map(|dialect| GeneratorConfig { dialect, ..usual }).into();
    configs.extend(DecoderNorm::ALL.map(|decoder_norm| GeneratorConfig {
        decoder_norm,
        cam: false,
        ..usual
    }));
    configs.push(GeneratorConfig { smoothing: true, ..usual });
    for config in configs {
        for light in [true, false] {
            let config = GeneratorConfig { light, ..config };
            if config.validate().is_err() {
                continue;
            }
            let (graph, outputs) = network(&config, &[1, 3, 256, 256].into()).unwrap();
            for class in [AdapterClass::Gpu, AdapterClass::Software] {
                let memory = [false, true].map(|f16| {
                    let target =
                        Target { f16, max_binding: 1 << 30, max_buffer: 1 << 30, ..Target::browser(class) };
                    let map = ParameterMap::new(&graph, &target).unwrap();
                    let plan = Plan::compile(&graph, &outputs, &map, &target).unwrap();
                    assert_eq!(plan.outputs()[0].layout.bytes() % 16, 0);
                    [map.bytes() as f64, plan.memory() as f64]
                });
                let [weights, pictures] = [0, 1].map(|i| memory[1][i] / memory[0][i]);
                assert!(weights < 0.52 && pictures < 0.7, "{config:?}: {weights} {pictures}");
            }
        }
    }
}

/// The models that come with the project: every pixel within 2 of 255; in tiles all but one in a thousand.
#[test]
fn shipped_models_draw_the_same_picture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (model, folder) in [("A2B", "toon-head"), ("B2A", "lorelei")] {
        let files = std::fs::read_dir(root.join("docs/pictures/faces").join(folder)).unwrap();
        let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut translators = [Precision::F32, Precision::F16].map(|precision| {
            let model = Model::open(root.join(format!("models/{model}.safetensors")), None).unwrap();
            let device = Device::Gpu(gpu().clone().planned_as(AdapterClass::Gpu));
            pollster::block_on(Translator::with_precision(device, model, precision)).unwrap()
        });
        assert_eq!(translators[1].precision(), Precision::F16);
        for file in &files {
            let picture = read_picture(file).unwrap();
            let prepared = prepare(translators[0].config(), &picture, &PictureOptions::default()).unwrap();
            let drawn = translators.each_mut().map(|translator| {
                let translation = pollster::block_on(translator.run(&prepared.tensor)).unwrap();
                prepared.picture(&translation).unwrap()
            });
            let counts = differences(&drawn[0].pixels, &drawn[1].pixels);
            assert!(counts[1] > 0 && counts[3..].iter().all(|n| *n == 0), "{}: {counts:?}", file.display());
        }
        let picture = read_picture(&files[0]).unwrap();
        let large =
            picture.resized([0.0, 0.0, picture.width as f64, picture.height as f64], 300, 260).unwrap();
        let options = TileOptions { side: 192, ..TileOptions::default() };
        let drawn = translators.each_ref().map(|translator| {
            pollster::block_on(translator.translate_large(large.clone(), &options, &mut ())).unwrap().picture
        });
        // At more than twice the size of its training, small differences of a picture become larger ones.
        let counts = differences(&drawn[0].pixels, &drawn[1].pixels);
        let beyond: usize = counts[3..].iter().sum();
        assert!(counts[1] > 0 && beyond < large.pixels.len() / 1000, "{model} in tiles: {counts:?}");
        assert!(counts[17..].iter().all(|n| *n == 0), "{model} in tiles: {counts:?}");
    }
}

/// How many differ by 1, 2, … of 255.
fn differences(a: &[u8], b: &[u8]) -> [usize; 256] {
    assert_eq!(a.len(), b.len());
    let mut counts = [0; 256];
    a.iter().zip(b).for_each(|(a, b)| counts[usize::from(a.abs_diff(*b))] += 1);
    counts
}
