//! Whether buffers are shared rightly, without asking the lifetimes that decided it: the plan is
//! followed beside one in which every value has a buffer of its own, and each launch must read in
//! both what the same launch wrote.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::AdapterClass;
use super::*;
use crate::graph::{Conv2d, Norm, NormKind, Seed, backward};
use crate::shader::BindingKind;

/// Channels of the graphs' images.
const CHANNELS: usize = 4;
/// Their height and width.
const SIDE: usize = 8;

/// What a piece of memory holds: a value and how many launches have written it.
type Content = (Memory, usize);

/// Plans `graph` once with shared buffers and once without, and follows both.
fn check(graph: &Graph, outputs: &[NodeId]) {
    let target = Target::browser(AdapterClass::Gpu);
    let parameters = ParameterMap::new(graph, &target).unwrap();
    let shared = Lowering::new(graph, &parameters, &target).run(outputs).unwrap();
    let mut lowering = Lowering::new(graph, &parameters, &target);
    lowering.prepare(outputs);
    lowering.launches(outputs).unwrap();
    for &id in outputs {
        let (value, layout) = lowering.output(id).unwrap();
        let shape = graph.shape(id).clone();
        lowering.plan.outputs.push(Terminal { name: String::new(), shape, layout, buffer: value });
    }
    let count = lowering.demands.len();
    let buffers = lowering.demands.iter().map(|demand| demand.bytes).collect();
    let apart = lowering.placed(Assignment { buffers, of: (0..count).collect() });

    // By buffer of the shared plan what it holds; by value of the other how often it was written.
    let mut held: HashMap<Memory, Content> = HashMap::new();
    let mut written: HashMap<Memory, usize> = HashMap::new();
    for (a, b) in shared.inputs.iter().zip(&apart.inputs) {
        held.insert(Memory::Buffer(a.buffer), (Memory::Buffer(b.buffer), 1));
        written.insert(Memory::Buffer(b.buffer), 1);
    }
    assert_eq!(shared.launches.len(), apart.launches.len());
    for (a, b) in shared.launches.iter().zip(&apart.launches) {
        // What is written comes last.
        let kinds = a.kernel.shader.bindings.iter().filter(|binding| binding.kind == BindingKind::ReadWrite);
        let read = a.bindings.len() - kinds.count();
        let ((inputs, outputs), (values, written_values)) =
            (a.bindings.split_at(read), b.bindings.split_at(read));
        for (input, value) in inputs.iter().zip(values) {
            if let Memory::Buffer(buffer) = input.memory {
                assert_eq!(
                    held.get(&input.memory),
                    Some(&(value.memory, written[&value.memory])),
                    "{}",
                    a.label
                );
                assert!(input.bytes <= shared.buffers[buffer], "{}", a.label);
                let writes = outputs.iter().any(|output| output.memory == input.memory);
                assert!(!writes, "{} reads what it writes", a.label);
            }
        }
        for (output, value) in outputs.iter().zip(written_values) {
            // A launch that adds to what an earlier one wrote must find that.
            let times = written.entry(value.memory).or_insert(0);
            if *times > 0 {
                assert_eq!(held.get(&output.memory), Some(&(value.memory, *times)), "{}", a.label);
            }
            *times += 1;
            held.insert(output.memory, (value.memory, *times));
        }
    }
    for (a, b) in shared.outputs.iter().zip(&apart.outputs) {
        let value = Memory::Buffer(b.buffer);
        assert_eq!(held.get(&Memory::Buffer(a.buffer)), Some(&(value, written[&value])), "an output is lost");
    }
}

/// An operation of a random graph: which, and on which of the nodes before it.
type Draw = (u8, usize, usize);

/// Images of one shape that read each other, and a linear layer over the last; every one of
/// `wanted` is an output, and so is the gradient at the first.
fn graph(draws: &[Draw], wanted: &[usize]) -> (Graph, Vec<NodeId>) {
    let mut graph = Graph::new();
    let shape = [1, CHANNELS, SIDE, SIDE];
    let mut images = vec![graph.input("x", shape), graph.input("y", shape)];
    let norm =
        |kind, residual| Norm { kind, eps: 1e-5, unbiased: true, activation: Activation::Relu, residual };
    for (i, &(kind, a, b)) in draws.iter().enumerate() {
        let [a, b] = [a, b].map(|n| images[n % images.len()]);
        let mut parameter = |name: &str, shape: &[usize]| graph.parameter(format!("{name}{}", i % 3), shape);
        let (op, inputs) = match kind % 6 {
            0 => (Op::Add, vec![a, b]),
            1 => (Op::Activation(Activation::Tanh), vec![a]),
            2 => {
                let conv =
                    Conv2d { stride: 1, pad: 1, upsample: false, bias: false, activation: Activation::Relu };
                (Op::Conv2d(conv), vec![a, parameter("conv", &[CHANNELS, CHANNELS, 3, 3])])
            }
            3 => (Op::Norm(norm(NormKind::Instance, true)), vec![a, b]),
            4 => {
                let rho = parameter("rho", &[1, CHANNELS, 1, 1]);
                let (gamma, beta) = (graph.add(Op::GlobalAvgPool, &[b]), graph.add(Op::GlobalMaxPool, &[b]));
                let inputs = vec![a, rho, gamma.unwrap(), beta.unwrap()];
                (Op::Norm(norm(NormKind::LayerInstance, false)), inputs)
            }
            _ => (Op::Scale(0.5), vec![a]),
        };
        images.push(graph.add(op, &inputs).unwrap());
    }
    let last = images[images.len() - 1];
    let flat = graph.add(Op::Flatten, &[last]).unwrap();
    let weight = graph.parameter("linear", [3, CHANNELS * SIDE * SIDE]);
    let linear = Op::Linear { bias: false, activation: Activation::Relu };
    let y = graph.add(linear, &[flat, weight]).unwrap();
    let loss = graph.add(Op::Mse { target: 1.0 }, &[y]).unwrap();
    let wrt: Vec<NodeId> = std::iter::once(images[0]).chain(graph.parameters().map(|(id, _)| id)).collect();
    let gradients = backward(&mut graph, &[(loss, Seed::Weight(1.0))], &wrt).unwrap();
    let mut outputs: Vec<NodeId> = wanted.iter().map(|n| images[n % images.len()]).collect();
    outputs.push(loss);
    outputs.extend(gradients.into_iter().flatten());
    (graph, outputs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_launch_reads_what_was_written_for_it(
        draws in prop::collection::vec((0..6_u8, 0..100_usize, 0..100_usize), 1..25),
        wanted in prop::collection::vec(0..100_usize, 0..4),
    ) {
        let (graph, outputs) = graph(&draws, &wanted);
        check(&graph, &outputs);
    }
}

/// As in training: the gradient of the first layer's weight reads the features as they lie.
#[test]
fn flattened_features_are_not_copied_in_training() {
    let (graph, outputs) = graph(&[(1, 0, 0)], &[]);
    let target = Target::browser(AdapterClass::Gpu);
    let parameters = ParameterMap::new(&graph, &target).unwrap();
    let plan = Plan::compile(&graph, &outputs, &parameters, &target).unwrap();
    let labels: Vec<&str> = plan.launches.iter().map(|launch| launch.label.as_str()).collect();
    assert!(labels.contains(&"linear grad weight") && !labels.contains(&"flatten"), "{labels:?}");
}
