//! The graph: shapes are checked where a node is added, and fusion changes no number.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

use std::collections::HashMap;

use ugatit::graph::{Activation, Conv2d, Graph, NodeId, Norm, NormInput, NormKind, Op, fuse};
use ugatit::model::{Generator, GeneratorConfig};
use ugatit::{Error, Tensor, cpu};

mod support;
use support::random::noise;

const PLAIN: Conv2d =
    Conv2d { stride: 1, pad: 0, upsample: false, bias: false, activation: Activation::Identity };
const INSTANCE: Norm = Norm {
    kind: NormKind::Instance,
    eps: 1e-5,
    unbiased: true,
    activation: Activation::Identity,
    residual: false,
};

/// Something for every input and parameter.
fn feed(graph: &Graph) -> HashMap<String, Tensor<f64>> {
    let named = graph.inputs().chain(graph.parameters());
    named.map(|(id, n)| (n.name.clone(), noise(&n.shape, id.index() as u64 + 1).map(|x| 0.5 * x))).collect()
}

/// The largest difference between the outputs of the graph as it is and as it is fused.
fn fusion_error(graph: &Graph, outputs: &[NodeId]) -> f64 {
    let feed = feed(graph);
    let (fused, fused_outputs) = fuse(graph, outputs);
    let plain = cpu::run(graph, outputs, &|name| feed.get(name)).unwrap();
    let fused = cpu::run(&fused, &fused_outputs, &|name| feed.get(name)).unwrap();
    let mut error: f64 = 0.0;
    for (a, b) in plain.iter().zip(&fused) {
        assert_eq!(a.shape(), b.shape());
        assert!(a.data().iter().all(|x| x.is_finite()));
        error = a.data().iter().zip(b.data()).fold(error, |m, (a, b)| m.max((a - b).abs()));
    }
    error
}

fn count(graph: &Graph, is: impl Fn(&Op) -> bool) -> usize {
    graph.nodes().iter().filter(|n| is(&n.op)).count()
}

#[test]
fn a_fused_generator_gives_the_same_numbers() {
    for light in [true, false] {
        let config = GeneratorConfig {
            ch: 4,
            n_res: 2,
            n_res_decoder: 3,
            img_size: 16,
            light,
            img_ch: 3,
            ..GeneratorConfig::default()
        };
        let mut graph = Graph::new();
        let x = graph.input("x", [2, 3, 16, 16]);
        let generator = Generator::build(&mut graph, &config, "genA2B.", x).unwrap();
        let outputs = [generator.image, generator.cam_logit.unwrap(), generator.heatmap.unwrap()];

        let (fused, _) = fuse(&graph, &outputs);
        let absorbed = |op: &Op| {
            matches!(op, Op::ReflectionPad2d(_) | Op::UpsampleNearest2x | Op::Activation(_) | Op::Add)
        };
        assert_eq!(count(&fused, absorbed), 0);
        assert_eq!(fused.nodes().len(), graph.nodes().len() - count(&graph, absorbed));
        assert_eq!(fused.parameters().count(), graph.parameters().count());
        assert!(fusion_error(&graph, &outputs) < 1e-12);

        // Asking for the stages as well keeps them, and changes nothing.
        let mut all = outputs.to_vec();
        all.extend(generator.stages.iter().map(|(_, id)| *id));
        assert!(fusion_error(&graph, &all) < 1e-12);
    }
}

#[test]
fn what_others_read_is_not_absorbed() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 2, 6, 5]);
    let w = graph.parameter("w", [2, 2, 3, 3]);
    let padded = graph.add(Op::ReflectionPad2d(1), &[x]).unwrap();
    let conv = graph.add(Op::Conv2d(PLAIN), &[padded, w]).unwrap();
    let normed = graph.add(Op::Norm(INSTANCE), &[conv]).unwrap();
    let relu = graph.add(Op::Activation(Activation::Relu), &[normed]).unwrap();
    let sum = graph.add(Op::Add, &[relu, normed]).unwrap();
    let twice = graph.add(Op::Add, &[sum, sum]).unwrap();

    // `padded` is an output, `normed` has two readers, `sum` too: only the result of `relu`
    // might be a residual, and it is no normalisation.
    let (fused, outputs) = fuse(&graph, &[twice, padded, twice]);
    assert_eq!(outputs[0], outputs[2]);
    assert_eq!(fused.nodes().len(), graph.nodes().len());
    assert_eq!(fusion_error(&graph, &[twice, padded, twice]), 0.0);

    // What nobody asks for is dropped.
    let (fused, _) = fuse(&graph, &[conv]);
    assert_eq!(fused.nodes().len(), 3);
}

#[test]
fn a_sum_of_two_normalisations_takes_one_as_residual() {
    let mut graph = Graph::new();
    let x = graph.input("x", [2, 3, 4, 5]);
    let a = graph.add(Op::Norm(INSTANCE), &[x]).unwrap();
    let b = graph.add(Op::Activation(Activation::Tanh), &[x]).unwrap();
    let b = graph.add(Op::Norm(INSTANCE), &[b]).unwrap();
    let b = graph.add(Op::Activation(Activation::LeakyRelu(0.2)), &[b]).unwrap();
    let sum = graph.add(Op::Add, &[a, b]).unwrap();
    let relu = graph.add(Op::Activation(Activation::Relu), &[sum]).unwrap();
    let (fused, _) = fuse(&graph, &[relu]);
    // x, a, tanh, b with the sum; the last activation stays, for it follows the sum.
    assert_eq!(fused.nodes().len(), 5);
    assert!(fusion_error(&graph, &[relu]) < 1e-14);
}

/// What an operation on inputs of these shapes complains about.
fn complaint(op: Op, shapes: &[&[usize]]) -> String {
    let mut graph = Graph::new();
    let inputs: Vec<NodeId> =
        shapes.iter().enumerate().map(|(i, s)| graph.input(format!("x{i}"), *s)).collect();
    match graph.add(op, &inputs) {
        Err(Error::Shape(text)) => text,
        other => panic!("expected a shape error, got {other:?}"),
    }
}

#[test]
fn shape_errors_name_both_sides() {
    let linear = Op::Linear { bias: true, activation: Activation::Identity };
    let layer = Op::Norm(Norm { kind: NormKind::LayerInstance, ..INSTANCE });
    let biased = Op::Conv2d(Conv2d { bias: true, ..PLAIN });
    /// An operation, the shapes of its inputs, and what the error must say.
    type Case = (Op, &'static [&'static [usize]], &'static [&'static str]);
    let cases: &[Case] = &[
        (Op::Conv2d(PLAIN), &[&[1, 3, 8, 8], &[4, 5, 3, 3]], &["3 channels", "takes 5"]),
        (Op::Conv2d(PLAIN), &[&[1, 3, 2, 9], &[4, 3, 3, 3]], &["3x3 window", "2x9"]),
        (Op::Conv2d(PLAIN), &[&[1, 3, 8, 8]], &["2 inputs", "not 1"]),
        (Op::Conv2d(PLAIN), &[&[3, 8, 8], &[4, 3, 3, 3]], &["[N, C, H, W]", "[3, 8, 8]"]),
        (biased, &[&[1, 3, 8, 8], &[4, 3, 3, 3], &[5]], &["bias must be [4]", "not [5]"]),
        (Op::Conv2d(Conv2d { pad: 4, ..PLAIN }), &[&[1, 3, 4, 9], &[4, 3, 3, 3]], &["by 4", "4x9"]),
        (Op::ReflectionPad2d(3), &[&[1, 1, 3, 4]], &["reflection by 3", "3x4"]),
        (Op::Add, &[&[2, 3], &[3, 2]], &["[2, 3]", "not [3, 2]"]),
        (Op::Concat, &[&[2, 3], &[1, 3]], &["2 rows", "1 rows"]),
        (Op::Stack, &[&[2, 3], &[1, 4]], &["samples of [1, 4]", "[2, 3]"]),
        (Op::Samples { first: 2, count: 2 }, &[&[3, 3]], &["2 samples from sample 2", "of 3"]),
        (Op::SamplesGrad { first: 2, total: 3 }, &[&[2, 3]], &["2 samples from sample 2", "of 3"]),
        (Op::Concat, &[&[2, 3, 4, 4], &[2, 3, 4, 5]], &["2 4x4", "2 4x5"]),
        (Op::AddScalar, &[&[2, 3], &[1]], &["weight must be [1, 3]", "not [2, 3]"]),
        (Op::AddScalar, &[&[1, 3], &[3]], &["summand must be [1]", "not [3]"]),
        (Op::SumColumns, &[&[2, 3]], &["row must be [1, 3]", "not [2, 3]"]),
        (linear.clone(), &[&[2, 3], &[5, 4], &[5]], &["3 columns", "takes 4"]),
        (linear, &[&[2, 3], &[5, 3], &[4]], &["bias must be [5]", "not [4]"]),
        (
            layer.clone(),
            &[&[2, 3, 4, 4], &[1, 3, 1, 1], &[1, 3], &[2, 3]],
            &["gamma must be [2, 3]", "not [1, 3]"],
        ),
        (layer.clone(), &[&[2, 3, 4, 4], &[3], &[2, 3], &[2, 3]], &["rho must be [1, 3, 1, 1]", "not [3]"]),
        (layer, &[&[2, 3, 1, 1], &[1, 3, 1, 1], &[2, 3], &[2, 3]], &["one pixel"]),
        (
            Op::Norm(Norm { residual: true, ..INSTANCE }),
            &[&[1, 2, 3, 4], &[1, 2, 4, 3]],
            &["residual must be [1, 2, 3, 4]", "not [1, 2, 4, 3]"],
        ),
        (Op::CamWeight, &[&[4, 6, 1, 1], &[1, 3], &[1, 4]], &["gmp weight must be [1, 3]", "not [1, 4]"]),
        (Op::GlobalMaxPool, &[&[4, 6]], &["[N, C, H, W]", "[4, 6]"]),
        (Op::L1, &[&[2, 3], &[3, 2]], &["target must be [2, 3]", "not [3, 2]"]),
        (
            Op::Conv2dGradInput { conv: PLAIN, height: 6, width: 5 },
            &[&[1, 4, 4, 4], &[4, 2, 3, 3]],
            &["gradient must be [1, 4, 4, 3]", "not [1, 4, 4, 4]"],
        ),
        (
            Op::Conv2dGradWeight { conv: PLAIN, kernel: [7, 7] },
            &[&[1, 2, 6, 6], &[1, 4, 1, 1]],
            &["7x7 window", "6x6"],
        ),
        (
            Op::NormGrad { norm: INSTANCE, wrt: NormInput::Rho },
            &[&[1, 2, 3, 3], &[1, 2, 3, 3]],
            &["instance normalisation has no parameters"],
        ),
        (Op::LinearGradInput, &[&[2, 3], &[4, 5]], &["3 columns", "gives 4"]),
        (Op::LinearGradWeight, &[&[2, 3], &[1, 5]], &["2 rows", "gradient 1"]),
        (Op::ReflectionPad2dGrad(3), &[&[1, 2, 6, 9]], &["padded by 3", "6x9"]),
        (Op::UpsampleNearest2xGrad, &[&[1, 2, 4, 5]], &["even sides", "4x5"]),
        (Op::SliceColumns { start: 2, len: 2 }, &[&[1, 3]], &["2 columns from column 2", "of 3"]),
        (Op::SliceColumns { start: 2, len: 2 }, &[&[1, 3, 4, 5]], &["2 columns from column 2", "of 3"]),
        (Op::PowerIterationV, &[&[4, 3, 2, 2], &[12]], &["u must be [4]", "not [12]"]),
        (Op::SpectralSigma, &[&[4, 3, 2, 2], &[4], &[4]], &["v must be [12]", "not [4]"]),
        (
            Op::SpectralNormGrad,
            &[&[4, 12], &[4, 3, 2, 2], &[1], &[4], &[12]],
            &["gradient must be [4, 3, 2, 2]", "not [4, 12]"],
        ),
        (
            Op::SpectralDivideGrad(Activation::Identity),
            &[&[3, 4], &[3, 4], &[1], &[1]],
            &["two batches of samples", "not [3, 4]"],
        ),
        (
            Op::SpectralDivide { bias: true, activation: Activation::Identity },
            &[&[2, 5], &[4, 6], &[4], &[1], &[4], &[6], &[1], &[4], &[6]],
            &["sums of 5 channels", "of 4"],
        ),
        (
            Op::SpectralDivide { bias: false, activation: Activation::Tanh },
            &[&[2, 4], &[4, 6], &[1], &[4], &[6], &[1], &[4], &[6]],
            &["Tanh can't be its activation"],
        ),
    ];
    for (op, shapes, expected) in cases {
        let text = complaint(op.clone(), shapes);
        for part in *expected {
            assert!(text.contains(part), "{op:?}: {text:?} does not say {part:?}");
        }
    }
}

#[test]
fn a_tensor_with_more_elements_than_can_be_counted_is_refused() {
    // Any product of these wraps round.
    let side = 1 << (usize::BITS / 2);
    let mut graph = Graph::new();
    let whole = graph.input("whole", [1, 1, side, side]);
    assert!(matches!(graph.add(Op::Activation(Activation::Relu), &[whole]), Err(Error::Shape(_))));
    // Nor may a result be one, though what it is made from is not.
    let half = graph.input("half", [1, 1, side, side / 2]);
    let error = graph.add(Op::UpsampleNearest2x, &[half]).unwrap_err().to_string();
    assert!(error.contains("more elements"), "{error}");
    let pooled = graph.input("pooled", [1, 1]);
    assert!(graph.add(Op::GlobalAvgPoolGrad { height: side, width: side }, &[pooled]).is_err());
}

#[test]
fn gamma_and_beta_have_one_shape() {
    let norm = Norm { kind: NormKind::LayerInstance, ..INSTANCE };
    let mut graph = Graph::new();
    let x = graph.input("x", [2, 3, 4, 4]);
    let rho = graph.parameter("rho", [1, 3, 1, 1]);
    let shared = graph.parameter("shared", [1, 3, 1, 1]);
    let own = graph.input("own", [2, 3]);
    for (gamma, beta, fits) in
        [(shared, shared, true), (own, own, true), (shared, own, false), (own, shared, false)]
    {
        assert_eq!(graph.add(Op::Norm(norm), &[x, rho, gamma, beta]).is_ok(), fits);
        assert_eq!(graph.add(Op::NormCoefficients(norm), &[x, rho, gamma, beta]).is_ok(), fits);
    }
}
