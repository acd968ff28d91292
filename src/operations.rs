//! Nothing is forgotten of an operation: each has a function on the processor, a kernel, a gradient and a form in ONNX,
//! or says why it has none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::BTreeSet;

use crate::cpu;
use crate::error::Error;
use crate::graph::{
    Activation, CamInput, Conv2d, Graph, NodeId, Norm, NormInput, NormKind, Op, Seed, backward,
};
use crate::io::in_onnx;
use crate::plan::{AdapterClass, ParameterMap, Plan, Target};
use crate::random::Random;
use crate::tensor::Tensor;

/// Every operation at least once, with the shapes of its inputs.
fn samples() -> Vec<(Op, Vec<Vec<usize>>)> {
    let image = || vec![2, 6, 8, 10];
    let conv = |bias| Conv2d { stride: 1, pad: 0, upsample: false, bias, activation: Activation::Identity };
    let norm =
        |kind| Norm { kind, eps: 1e-5, unbiased: true, activation: Activation::Identity, residual: false };
    let (layer, group) = (norm(NormKind::LayerInstance), norm(NormKind::Group { groups: 2 }));
    let (own, given) = (vec![1, 6, 1, 1], vec![2, 6]);
    let (mix, row) = (vec![5, 12, 1, 1], vec![1, 6]);
    let (w, u, v) = (vec![5, 3, 4, 4], vec![5], vec![48]);
    // Of two batches.
    let (sums, leaky) = (|| vec![4, 5, 3, 2], Activation::LeakyRelu(0.2));

    let mut all = vec![
        (Op::ReflectionPad2d(1), vec![image()]),
        (Op::UpsampleNearest2x, vec![image()]),
        (Op::Conv2d(conv(false)), vec![image(), vec![5, 6, 3, 3]]),
        (Op::Conv2d(conv(true)), vec![image(), vec![5, 6, 3, 3], vec![5]]),
        (Op::Linear { bias: true, activation: Activation::Identity }, vec![vec![2, 9], vec![6, 9], vec![6]]),
        (Op::Norm(norm(NormKind::Instance)), vec![image()]),
        (Op::Norm(layer), vec![image(), own.clone(), given.clone(), given.clone()]),
        (Op::Norm(group), vec![image(), given.clone(), given.clone()]),
        (Op::NormCoefficients(layer), vec![image(), own.clone(), given.clone(), given.clone()]),
        (Op::Add, vec![image(), image()]),
        (Op::GlobalAvgPool, vec![image()]),
        (Op::GlobalMaxPool, vec![image()]),
        (Op::SumChannels, vec![image()]),
        (Op::Concat, vec![image(), image()]),
        (Op::Stack, vec![image(), image()]),
        (Op::Samples { first: 1, count: 1 }, vec![image()]),
        (Op::Flatten, vec![image()]),
        (Op::CamWeight, vec![mix.clone(), row.clone(), row.clone()]),
        (Op::AddScalar, vec![row.clone(), vec![1]]),
        (Op::Scale(0.5), vec![image()]),
        (Op::Above(0.1), vec![image()]),
        (Op::Mse { target: 1.0 }, vec![image()]),
        (Op::L1, vec![image(), image()]),
        (Op::BceWithLogits { target: 1.0 }, vec![image()]),
        (Op::Mean, vec![image()]),
        (Op::Hinge { target: 1.0 }, vec![image()]),
        (Op::GradientPenalty { one_sided: false }, vec![image()]),
        (Op::Interpolate, vec![image(), image(), vec![2, 1]]),
        (Op::PowerIterationV, vec![w.clone(), u.clone()]),
        (Op::PowerIterationU, vec![w.clone(), v.clone()]),
        (Op::SpectralSigma, vec![w.clone(), u.clone(), v.clone()]),
        (Op::SpectralNorm, vec![w.clone(), vec![1], u.clone(), v.clone()]),
        (Op::SpectralNormGrad, vec![w.clone(), w.clone(), vec![1], u.clone(), v.clone()]),
        (Op::SpectralDivideGrad(leaky), vec![sums(), sums(), vec![1], vec![1]]),
        (Op::SpectralBiasGrad, vec![sums(), vec![1], vec![1]]),
        (
            Op::Conv2dGradInput { conv: conv(false), height: 8, width: 10 },
            vec![vec![2, 5, 6, 8], vec![5, 6, 3, 3]],
        ),
        (Op::Conv2dGradWeight { conv: conv(false), kernel: [3, 3] }, vec![image(), vec![2, 5, 6, 8]]),
        (Op::SumPixels, vec![image()]),
        (Op::SumRows, vec![given.clone()]),
        (Op::SumColumns, vec![row.clone()]),
        (Op::LinearGradInput, vec![vec![2, 6], vec![6, 9]]),
        (Op::LinearGradWeight, vec![vec![2, 9], vec![2, 6]]),
        (Op::NormGrad { norm: layer, wrt: NormInput::X }, vec![image(), image(), own, given.clone()]),
        (Op::NormGrad { norm: group, wrt: NormInput::Gamma }, vec![image(), image(), given.clone()]),
        (Op::ReflectionPad2dGrad(1), vec![image()]),
        (Op::UpsampleNearest2xGrad, vec![image()]),
        (Op::GlobalAvgPoolGrad { height: 8, width: 10 }, vec![given.clone()]),
        (Op::GlobalMaxPoolGrad, vec![given, image()]),
        (Op::AtMaximum, vec![image(), image()]),
        (Op::BroadcastChannels(6), vec![vec![2, 1, 8, 10]]),
        (Op::SamplesGrad { first: 1, total: 4 }, vec![image()]),
        (Op::SliceColumns { start: 1, len: 3 }, vec![image()]),
        (Op::Unflatten { channels: 6, height: 8, width: 10 }, vec![vec![2, 480]]),
        (Op::CamWeightGrad(CamInput::Mix), vec![vec![5, 6, 1, 1], mix, row.clone(), row]),
        (Op::MseGrad { target: 1.0, scale: 1.0 }, vec![image()]),
        (Op::L1Grad { scale: 1.0 }, vec![image(), image()]),
        (Op::BceWithLogitsGrad { target: 1.0, scale: 1.0 }, vec![image()]),
        (Op::MeanGrad { scale: 1.0 }, vec![image()]),
        (Op::HingeGrad { target: 1.0, scale: 1.0 }, vec![image()]),
        (Op::GradientPenaltyGrad { one_sided: false, scale: 1.0 }, vec![image()]),
    ];
    for bias in [false, true] {
        let parameters = [vec![w.clone()], vec![u.clone(); usize::from(bias)]].concat();
        let with =
            |first: Vec<Vec<usize>>, last: &[Vec<usize>]| [&first[..], &parameters, last, last].concat();
        let divide = Op::SpectralDivide { bias, activation: leaky };
        all.push((divide, with(vec![sums()], &[vec![1], u.clone(), v.clone()])));
        let grad = Op::SpectralSigmaGrad { bias, activation: leaky };
        all.push((grad, with(vec![sums(), sums()], &[u.clone(), v.clone()])));
    }
    for activation in Activation::EACH {
        all.push((Op::Activation(activation), vec![image()]));
        all.push((Op::ActivationGrad(activation), vec![image(), image()]));
    }
    all
}

/// An operation over inputs of its own.
fn graph_of(op: &Op, shapes: &[Vec<usize>]) -> (Graph, Vec<NodeId>, NodeId) {
    let mut graph = Graph::new();
    let inputs: Vec<NodeId> =
        shapes.iter().enumerate().map(|(i, shape)| graph.input(i.to_string(), shape.clone())).collect();
    let output = graph.add(op.clone(), &inputs).unwrap();
    (graph, inputs, output)
}

/// The name of the variant.
fn name(op: &Op) -> String {
    format!("{op:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

/// The variants of an enum, by its text.
fn variants<'a>(source: &'a str, name: &str) -> BTreeSet<&'a str> {
    let start = source.find(&format!("pub enum {name} {{\n")).unwrap();
    let body = &source[start..][..source[start..].find("\n}\n").unwrap()];
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = lines.filter(|line| line.starts_with(char::is_uppercase));
    names.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap()).collect()
}

#[test]
fn every_operation_and_every_activation_has_a_sample() {
    let source = include_str!("graph/op.rs");
    let sampled: BTreeSet<String> = samples().iter().map(|(op, _)| name(op)).collect();
    let mut missing = variants(source, "Op");
    missing.retain(|variant| !sampled.contains(*variant));
    // They are fed, not computed.
    assert_eq!(missing, BTreeSet::from(["Input", "Parameter"]));

    let all = samples();
    let sampled = all.iter().filter_map(|(op, _)| match op {
        Op::Activation(activation) => Some(format!("{activation:?}")),
        _ => None,
    });
    let sampled: Vec<String> = sampled.collect();
    for activation in variants(include_str!("graph/attributes.rs"), "Activation") {
        assert!(sampled.iter().any(|name| name.starts_with(activation)), "{activation}");
    }
}

#[test]
fn every_operation_has_a_function_on_the_processor() {
    for (op, shapes) in samples() {
        let (graph, _, output) = graph_of(&op, &shapes);
        let mut random = Random::new(1, "operations");
        let feed: Vec<Tensor<f64>> = shapes
            .iter()
            .map(|shape| {
                let len = shape.iter().product();
                Tensor::new(shape.as_slice(), (0..len).map(|_| random.uniform() + 0.5).collect()).unwrap()
            })
            .collect();
        let result = cpu::run(&graph, &[output], &|name| feed.get(name.parse::<usize>().ok()?)).unwrap();
        assert_eq!(result[0].shape(), graph.shape(output), "{op:?}");
        // What is not written is NaN in debug builds.
        assert!(result[0].data().iter().all(|x| x.is_finite()), "{op:?}");
        // In place or not: as long as it is the first input's memory, it has its size.
        if op.traits().in_place {
            assert_eq!(graph.shape(output).elements(), feed[0].data().len(), "{op:?}");
        }
    }
}

#[test]
fn every_operation_has_a_kernel_on_both_kinds_of_adapter() {
    for (op, shapes) in samples() {
        for class in [AdapterClass::Gpu, AdapterClass::Software] {
            let (graph, _, output) = graph_of(&op, &shapes);
            let target = Target::browser(class);
            let parameters = ParameterMap::new(&graph, &target).unwrap();
            let plan = Plan::compile(&graph, &[output], &parameters, &target).unwrap();
            assert!(!plan.kernels().is_empty(), "{op:?}");
        }
    }
}

/// The detached ones say so in their row, and the others have a rule or an error that names them.
#[test]
fn every_operation_has_a_gradient_or_a_reason() {
    let mut without = BTreeSet::new();
    for (op, shapes) in samples() {
        let (mut graph, inputs, output) = graph_of(&op, &shapes);
        let shape = graph.shape(output).clone();
        let seed = match shape.rank() {
            0 => Seed::Weight(1.0),
            _ => Seed::Node(graph.input("g", shape)),
        };
        let open = op.traits().open;
        match backward(&mut graph, &[(output, seed)], &inputs) {
            Ok(gradients) => {
                for (i, (gradient, input)) in gradients.iter().zip(&inputs).enumerate() {
                    assert_eq!(gradient.is_some(), i < open, "{op:?}: input {i}");
                    if let Some(gradient) = gradient {
                        assert_eq!(graph.shape(*gradient), graph.shape(*input), "{op:?}: input {i}");
                    }
                }
            }
            Err(Error::Config(reason)) => {
                assert!(open > 0 && reason.contains("made for gradients"), "{op:?}: {reason}");
                without.insert(name(&op));
            }
            Err(error) => panic!("{op:?}: {error}"),
        }
    }
    // A second derivative of these is asked for by nothing that is trained.
    let known = [
        "ActivationGrad",
        "BceWithLogitsGrad",
        "CamWeightGrad",
        "GradientPenaltyGrad",
        "Interpolate",
        "NormGrad",
        "SliceColumns",
        "SpectralBiasGrad",
        "SpectralDivideGrad",
        "SpectralNormGrad",
        "SpectralSigmaGrad",
        "SumColumns",
        "SumPixels",
        "SumRows",
    ];
    assert_eq!(without, known.map(str::to_owned).into());
}

#[test]
fn every_operation_has_a_form_in_onnx_or_a_reason() {
    for (op, shapes) in samples() {
        let (graph, ..) = graph_of(&op, &shapes);
        match in_onnx(&graph) {
            Ok(()) => {}
            Err(Error::Config(reason)) => {
                assert!(
                    reason.contains("is made for training") || reason.contains("is made for tiles"),
                    "{op:?}: {reason}"
                );
            }
            Err(error) => panic!("{op:?}: {error}"),
        }
    }
}
