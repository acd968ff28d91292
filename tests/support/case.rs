//! An operation, or several, on a GPU against the CPU executor in f64.

use std::collections::HashMap;
use std::sync::Arc;

use ugatit::exec::{Executor, Parameters};
use ugatit::graph::{Graph, NodeId, Op};
use ugatit::plan::select::Conv2dKernel;
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target};
use ugatit::{Tensor, cpu};

use super::engine::gpu;

/// Values from -1 to 1, the same for the same seed.
pub(crate) fn noise(shape: &[usize], seed: u64) -> Tensor {
    super::random::noise(shape, seed).map(|x| *x as f32)
}

/// A graph over named inputs, and what it computes.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) graph: Graph,
    pub(crate) outputs: Vec<NodeId>,
    pub(crate) feed: HashMap<String, Tensor>,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), graph: Graph::new(), outputs: vec![], feed: HashMap::new() }
    }

    pub(crate) fn input(&mut self, shape: &[usize]) -> NodeId {
        let seed = self.feed.len() as u64 + 1;
        self.given(noise(shape, seed))
    }

    pub(crate) fn given(&mut self, tensor: Tensor) -> NodeId {
        let name = format!("x{}", self.feed.len());
        let id = self.graph.input(name.clone(), tensor.shape());
        self.feed.insert(name, tensor);
        id
    }

    pub(crate) fn output(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
        let id = self.graph.add(op, inputs).unwrap();
        self.outputs.push(id);
        id
    }

    /// Runs on the GPU and compares with the CPU in f64: the largest difference must be at most
    /// `tolerance` of the largest value. Where a kernel has a second text, with loops, that too.
    pub(crate) fn check(&self, class: AdapterClass, conv: Option<&'static Conv2dKernel>, tolerance: f64) {
        self.check_for(Target { class, conv2d: conv, ..gpu().target() }, tolerance);
    }

    /// [`Self::check`] of the plan for another target.
    pub(crate) fn check_for(&self, target: Target, tolerance: f64) {
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
pub(crate) fn rounding(terms: usize) -> f64 {
    6e-8 * 4.0 * (terms as f64).sqrt().max(4.0)
}
