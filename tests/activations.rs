//! The activations, whose formulas stand twice: in `shaders/shared/activation.wgsl` and `activation_grad.wgsl`, and in
//! `src/cpu/pointwise.rs`. Each that `shaders/constants.toml` numbers gives the same in both, special values too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ugatit::Tensor;
use ugatit::graph::{Activation, Graph, Op};
use ugatit::plan::AdapterClass;

mod support;
use support::engine::{CpuF64, Engine, OnGpu};

/// `LeakyRelu(0.2)` is `ACTIVATION_LEAKY_RELU` in the table.
fn name(activation: Activation) -> String {
    let variant = format!("{activation:?}");
    let variant = variant.split('(').next().unwrap();
    let words = variant.char_indices().fold(String::new(), |mut words, (i, c)| {
        if i > 0 && c.is_uppercase() {
            words.push('_');
        }
        words.push(c.to_ascii_uppercase());
        words
    });
    format!("ACTIVATION_{words}")
}

#[test]
fn the_table_names_each_with_a_code_of_its_own() {
    let table: BTreeMap<String, u32> = toml::from_str(include_str!("../shaders/constants.toml")).unwrap();
    let rows: Vec<_> = table.iter().filter(|(name, _)| name.starts_with("ACTIVATION_")).collect();
    let names: BTreeSet<String> = rows.iter().map(|(name, _)| (*name).clone()).collect();
    let codes: BTreeSet<u32> = rows.iter().map(|(_, code)| **code).collect();
    assert_eq!(names, Activation::EACH.map(name).into());
    assert_eq!(codes.len(), rows.len());
}

/// Where a function bends, ends or overflows, and its neighbours: both zeros, the smallest normal number, the largest,
/// where tanh becomes 1 in `f32` and where exp(2x) overflows; and what is no number.
fn arguments() -> Vec<f32> {
    let sizes =
        [0.0, f32::MIN_POSITIVE, 1e-20, 1e-3, 0.2, 0.5, 1.0, 3.0, 8.9, 9.1, 10.0, 10.1, 44.4, 88.8, 1e4];
    let ends = [f32::MAX, f32::INFINITY, f32::NAN];
    sizes.into_iter().chain(ends).flat_map(|x| [x, -x]).collect()
}

/// Whether a number of the GPU's is one of the processor's, of which it may be so far off.
fn same(found: f32, expected: f32, off: f32) -> bool {
    match expected {
        _ if expected.is_nan() => found.is_nan(),
        _ if expected.is_infinite() => found == expected,
        // A GPU may take a number below the smallest normal one for 0.
        _ if found == 0.0 => expected.abs() < f32::MIN_POSITIVE || expected.abs() <= off,
        _ => (found - expected).abs() <= off,
    }
}

#[test]
fn each_is_on_a_gpu_what_it_is_on_the_processor() {
    for activation in Activation::EACH {
        let (mut x, mut g) = (vec![], vec![]);
        for at in arguments() {
            for gradient in [1.0, -3.0, 1e-20, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
                x.push(at);
                g.push(gradient);
            }
        }
        let shape = [1, x.len()];
        let mut graph = Graph::new();
        let [x_node, y_node, g_node] = ["x", "y", "g"].map(|name| graph.input(name, shape));
        let y = graph.add(Op::Activation(activation), &[x_node]).unwrap();
        let gx = graph.add(Op::ActivationGrad(activation), &[g_node, y_node]).unwrap();
        let tensor = |data: &[f32]| Tensor::new(shape, data.to_vec()).unwrap();
        let mut feed: HashMap<String, Tensor> = [("x".into(), tensor(&x)), ("g".into(), tensor(&g))].into();
        // Differentiated from the result that the processor has.
        feed.insert("y".into(), tensor(&x));
        let result = CpuF64.run(&graph, &[y], &feed).remove(0);
        feed.insert("y".into(), result);

        let expected = CpuF64.run(&graph, &[y, gx], &feed);
        for class in [AdapterClass::Gpu, AdapterClass::Software] {
            let gpu = OnGpu(class);
            let found = gpu.run(&graph, &[y, gx], &feed);
            for i in 0..x.len() {
                let [(y, y_expected), (gx, gx_expected)] =
                    [0, 1].map(|k| (found[k].data()[i], expected[k].data()[i]));
                // WGSL allows tanh this absolute error (its table of the accuracy of functions); all else is chosen, or one product.
                let (off, off_grad) = match activation {
                    Activation::Tanh => (1e-5, 4.0 * f32::EPSILON * g[i].abs()),
                    Activation::Identity | Activation::Relu | Activation::LeakyRelu(_) => (0.0, 0.0),
                };
                let (x, g) = (x[i], g[i]);
                let who = format!("{activation:?} by {}", gpu.name());
                assert!(same(y, y_expected, off), "{who}: of {x} it is {y}, not {y_expected}");
                assert!(
                    same(gx, gx_expected, off_grad),
                    "{who}: the gradient {g} behind {x} is {gx}, not {gx_expected}"
                );
            }
        }
    }
}
