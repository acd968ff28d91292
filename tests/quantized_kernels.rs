//! Linear layers whose matrix has 8 or 4 bits a number, on the processor and on a GPU, against the numbers that the bits
//! stand for, in `f64`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::HashMap;
use std::sync::Arc;

use ugatit::exec::{Executor, Parameters};
use ugatit::graph::{Activation, Arithmetic, Graph, NodeId, Op};
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target};
use ugatit::{Bits, Error, QuantizedMatrix, Tensor, cpu};

mod support;

use support::engine::gpu;
use support::random::noise;

/// A linear layer over flattened features, with a quantised weight `w`.
struct Layer {
    graph: Graph,
    y: NodeId,
    feed: HashMap<String, Tensor>,
    quantized: QuantizedMatrix,
}

impl Layer {
    /// Of `m` rows, over features `[n, c, side, side]`.
    fn new([n, m, c, side]: [usize; 4], bits: Bits, bias: bool, halved: bool) -> Self {
        let k = c * side * side;
        let mut graph = Graph::new();
        let x = graph.input("x", [n, c, side, side]);
        // What a plan is given is of f32, so that one more operation makes f16 of it.
        let features = if halved { graph.add(Op::Scale(1.0), &[x]).unwrap() } else { x };
        let flat = graph.add(Op::Flatten, &[features]).unwrap();
        let mut inputs = vec![flat, graph.parameter("w", [m, k])];
        if bias {
            inputs.push(graph.parameter("b", [m]));
        }
        let y = graph.add(Op::Linear { bias, activation: Activation::LeakyRelu(0.2) }, &inputs).unwrap();
        let rounded = |shape: &[usize], seed| noise(shape, seed).map(|x| half::f16::from_f64(*x).to_f32());
        let feed = [("x", rounded(&[n, c, side, side], 1)), ("b", rounded(&[m], 2))];
        let feed = feed.map(|(name, tensor)| (name.to_owned(), tensor)).into();
        // Each row of another size, so that no scale is taken for another.
        let weight = noise([m, k], 3);
        let size = |i: usize| 1.0 + (i / 32 % 7) as f64;
        let data = weight.data().iter().enumerate().map(|(i, v)| (0.05 * v * size(i)) as f32).collect();
        let weight = Tensor::new([m, k], data).unwrap();
        let quantized = QuantizedMatrix::quantize(&weight, c, bits).unwrap();
        Self { graph, y, feed, quantized }
    }

    /// What comes out, with the numbers that the bits stand for, in `f64`.
    fn expected(&self) -> Tensor<f64> {
        let mut feed: HashMap<&str, Tensor<f64>> =
            self.feed.iter().map(|(name, t)| (name.as_str(), t.map(|x| f64::from(*x)))).collect();
        feed.insert("w", self.quantized.dequantize().map(|x| f64::from(*x)));
        cpu::run(&self.graph, &[self.y], &|name| feed.get(name)).unwrap().remove(0)
    }

    fn on_cpu<T: cpu::Real>(&self) -> Vec<f64> {
        let feed: HashMap<&str, Tensor<T>> =
            self.feed.iter().map(|(n, t)| (n.as_str(), t.map(|x| T::from_f64(f64::from(*x))))).collect();
        let outputs = [self.y];
        let mut walk = cpu::Walk::<T>::new(&self.graph, &outputs, Arithmetic::Exact)
            .with_quantized(Some(("w", &self.quantized)));
        while walk.step(&|name| feed.get(name)).unwrap() {}
        walk.finish().unwrap()[0].data().iter().map(|x| x.to_f64()).collect()
    }

    fn on_gpu(&self, target: &Target, pieces: usize) -> Vec<f64> {
        let bits = Some(("w", self.quantized.bits()));
        let map = ParameterMap::with_quantized(&self.graph, target, bits).unwrap();
        assert_eq!(map.pieces().iter().filter(|piece| piece.name == "w").count(), pieces);
        let plan = Plan::compile(&self.graph, &[self.y], &map, target).unwrap();
        let matrix = Some(("w", &self.quantized));
        let upload = Parameters::upload_quantized(gpu(), map, |name| self.feed.get(name), matrix);
        let mut executor = Executor::new(gpu(), plan, Arc::new(upload.unwrap())).unwrap();
        executor.poison(f32::NAN).unwrap();
        let found = pollster::block_on(executor.run(&[&self.feed["x"]])).unwrap();
        found[0].data().iter().map(|x| f64::from(*x)).collect()
    }
}

#[test]
fn kernels_multiply_as_the_numbers_that_the_bits_stand_for_do() {
    for bits in Bits::BOTH {
        for (shape, bias) in [([1, 8, 8, 4], true), ([2, 44, 16, 12], true), ([3, 12, 32, 18], false)] {
            let layer = Layer::new(shape, bits, bias, false);
            let halved = Layer::new(shape, bits, bias, true);
            let expected = layer.expected();
            let largest = expected.data().iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let close = |who: &str, found: &[f64], tolerance: f64| {
                for (found, expected) in found.iter().zip(expected.data()) {
                    let off = (found - expected).abs();
                    assert!(off <= tolerance * largest, "{bits} bits, {shape:?}, {who}: {found}, {expected}");
                }
            };
            let [n, m, c, side] = shape;
            let k = c * side * side;
            // Rounding of a sum of k products in f32, against the largest result.
            let rounding = 6e-8 * 4.0 * (k as f64).sqrt();
            close("the processor in f64", &layer.on_cpu::<f64>(), 1e-12);
            close("the processor in f32", &layer.on_cpu::<f32>(), rounding);
            for class in [AdapterClass::Gpu, AdapterClass::Software] {
                let target = Target { class, ..gpu().target() };
                close("a GPU", &layer.on_gpu(&target, 1), rounding);
                // In blocks of rows, and from pictures of f16, which the features are exactly. Features and scales have
                // to fit into a binding too.
                let row = k * bits.number() / 8;
                let max_binding = (8 * row).max(4 * n * k).max(m * k / bits.block() * 2);
                let (rows, max_binding) = (max_binding / (4 * row) * 4, max_binding as u64);
                let blocks = Target { max_binding, f16: true, ..target };
                close("a GPU, in blocks", &halved.on_gpu(&blocks, m.div_ceil(rows)), rounding);
            }
        }
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    for bits in Bits::BOTH {
        for value in [f32::NAN, f32::INFINITY] {
            let mut layer = Layer::new([2, 8, 8, 4], bits, false, false);
            // Of the second sample.
            layer.feed.get_mut("x").unwrap().data_mut()[128 + 5] = value;
            let expected = layer.expected();
            for found in [layer.on_cpu::<f32>(), layer.on_gpu(&gpu().target(), 1)] {
                for (found, expected) in found.iter().zip(expected.data()) {
                    assert_eq!(found.is_finite(), expected.is_finite());
                }
            }
        }
    }
}

#[test]
fn a_quantised_weight_is_read_by_nothing_else() {
    let matrix = |m, k| Tensor::zeros([m, k]);
    let quantized = QuantizedMatrix::quantize(&matrix(8, 128), 8, Bits::Four).unwrap();
    // Not flattened; another shape; other channels.
    for (x, m, flatten) in
        [(vec![1, 128], 8, false), (vec![1, 8, 4, 8], 8, true), (vec![1, 32, 2, 2], 8, true)]
    {
        let mut graph = Graph::new();
        let mut features = graph.input("x", x.as_slice());
        if flatten {
            features = graph.add(Op::Flatten, &[features]).unwrap();
        }
        let w = graph.parameter("w", [m, x.iter().product()]);
        let linear = Op::Linear { bias: false, activation: Activation::Identity };
        let outputs = [graph.add(linear, &[features, w]).unwrap()];
        let mut walk = cpu::Walk::<f32>::new(&graph, &outputs, Arithmetic::Exact)
            .with_quantized(Some(("w", &quantized)));
        let feed = Tensor::zeros(x.as_slice());
        let error = (0..4).find_map(|_| walk.step(&|name| (name == "x").then_some(&feed)).err());
        assert!(matches!(&error, Some(Error::Shape(problem)) if problem.contains("`w`")), "{error:?}");
        if !flatten {
            let map = ParameterMap::with_quantized(&graph, &gpu().target(), Some(("w", Bits::Four)));
            assert!(matches!(map, Err(Error::Shape(_))));
        }
    }
}
