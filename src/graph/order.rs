//! In which order a graph computes what does not depend on each other.

use super::{Graph, NodeId};

/// The same graph, which computes all that the first of `groups` needs, then what is left of the second, and so on: of
/// what only one group needs nothing lives longer than it. What nobody needs is left out. Returns the new ids of
/// `outputs`, too, each of which a group must need.
pub fn in_groups(graph: &Graph, groups: &[Vec<NodeId>], outputs: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let mut moved: Vec<Option<NodeId>> = vec![None; graph.nodes().len()];
    let mut ordered = Graph::new();
    for group in groups {
        let mut needed = vec![false; graph.nodes().len()];
        group.iter().for_each(|id| needed[id.index()] = true);
        for i in (0..needed.len()).rev().filter(|&i| moved[i].is_none()) {
            if needed[i] {
                graph.nodes()[i].inputs.iter().for_each(|input| needed[input.index()] = true);
            }
        }
        EOF
