//! Computing in `f64`, for differences.

use std::collections::BTreeMap;

use ugatit::graph::{Arithmetic, Graph, NodeId};
use ugatit::{Tensor, cpu};

pub(crate) type Feed = BTreeMap<String, Tensor<f64>>;

pub(crate) fn run(graph: &Graph, outputs: &[NodeId], feed: &Feed) -> Vec<Tensor<f64>> {
    cpu::run(graph, outputs, &|name| feed.get(name)).unwrap()
}

/// [`run`], with the algorithms that `arithmetic` allows.
pub(crate) fn run_with(
    arithmetic: Arithmetic,
    graph: &Graph,
    outputs: &[NodeId],
    feed: &Feed,
) -> Vec<Tensor<f64>> {
    let mut walk = cpu::Walk::new(graph, outputs, arithmetic);
    while walk.step(&|name| feed.get(name)).unwrap() {}
    walk.finish().unwrap()
}

pub(crate) fn dot(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
    a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum()
}
