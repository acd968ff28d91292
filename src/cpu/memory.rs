//! How much memory a walk takes, without walking.

use crate::graph::{Arithmetic, Graph, NodeId, Op};

use super::Real;
use super::compute::scratch;
use super::run::last_readers;
use super::values::reusable;

/// Bytes that [`run`](super::run()) holds at most for the tensors that it computes, its results included. What is
/// fed is the caller's. What fast convolutions work in is counted; what other operations need meanwhile comes on top:
/// some hundred kilobytes a thread.
pub fn memory<T: Real>(graph: &Graph, outputs: &[NodeId], arithmetic: Arithmetic) -> u64 {
    let (most, _) = tensors(graph, outputs, graph.nodes().len());
    let scratch = graph.nodes().iter().map(|node| scratch(graph, node, arithmetic) as u64);
    let scratch = scratch.max().unwrap_or(0);
    (most + scratch) * size_of::<T>() as u64
}

/// Elements that a walk holds when it pauses after the first `nodes` of `graph`.
#[cfg(feature = "training")]
pub(crate) fn held(graph: &Graph, outputs: &[NodeId], nodes: usize) -> usize {
    let (_, owned) = tensors(graph, outputs, nodes);
    owned.into_iter().flatten().sum()
}

/// Elements that a walk holds at most until it has computed the first `nodes`, and of each tensor that it owns
/// then those that its memory has room for.
fn tensors(graph: &Graph, outputs: &[NodeId], nodes: usize) -> (u64, Vec<Option<usize>>) {
    let last_reader = last_readers(graph, outputs);
    let mut owned: Vec<Option<usize>> = vec![None; graph.nodes().len()];
    let mut free: Vec<usize> = vec![];
    let (mut held, mut most) = (0_u64, 0_u64);
    for (i, node) in graph.nodes().iter().enumerate().take(nodes) {
        if last_reader[i] == 0 || matches!(node.op, Op::Input | Op::Parameter) {
            continue;
        }
        let dying = |id: NodeId| last_reader[id.index()] == i;
        let first = node.inputs.first().copied();
        let taken =
            first.filter(|&id| node.op.traits().in_place && dying(id) && !node.inputs[1..].contains(&id));
        let room = match taken.and_then(|id| owned[id.index()].take()) {
            Some(room) => room,
            None => {
                let len = node.shape.elements();
                match reusable(len, free.iter().copied()) {
                    Some(best) => free.swap_remove(best),
                    None => {
                        held -= free.drain(..).map(|room| room as u64).sum::<u64>();
                        held += len as u64;
                        most = most.max(held);
                        len
                    }
                }
            }
        };
        owned[i] = Some(room);
        for id in node.inputs.iter().copied().filter(|&id| dying(id)) {
            free.extend(owned[id.index()].take());
        }
    }
    (most, owned)
}
