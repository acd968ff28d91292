//! The executors under test, behind one interface.

use std::collections::HashMap;

use ugatit::graph::{Graph, NodeId};
use ugatit::{Tensor, cpu};

/// Something that computes a graph.
pub(crate) trait Engine {
    /// For messages.
    fn name(&self) -> String;

    /// The tensors `outputs` of `graph`, given every input and parameter by name.
    fn run(&self, graph: &Graph, outputs: &[NodeId], feed: &HashMap<String, Tensor>) -> Vec<Tensor>;
}

/// The CPU executor in `f32`.
pub(crate) struct CpuF32;

impl Engine for CpuF32 {
    fn name(&self) -> String {
        "cpu f32".into()
    }

    fn run(&self, graph: &Graph, outputs: &[NodeId], feed: &HashMap<String, Tensor>) -> Vec<Tensor> {
        cpu::run(graph, outputs, &|name| feed.get(name)).unwrap()
    }
}

/// The CPU executor in `f64`; what goes in and out is rounded to `f32`.
pub(crate) struct CpuF64;

impl Engine for CpuF64 {
    fn name(&self) -> String {
        "cpu f64".into()
    }

    fn run(&self, graph: &Graph, outputs: &[NodeId], feed: &HashMap<String, Tensor>) -> Vec<Tensor> {
        let feed: HashMap<&str, Tensor<f64>> =
            feed.iter().map(|(name, t)| (name.as_str(), t.map(|&x| f64::from(x)))).collect();
        let results = cpu::run(graph, outputs, &|name| feed.get(name)).unwrap();
        results.iter().map(|t| t.map(|&x| x as f32)).collect()
    }
}

/// Every engine that this machine has. A further backend is a further entry here.
pub(crate) fn engines() -> Vec<Box<dyn Engine>> {
    vec![Box::new(CpuF32), Box::new(CpuF64)]
}
