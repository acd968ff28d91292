//! Memory for time: pictures and weights that the gradients need are computed a second time instead of being kept until then.

use std::collections::HashMap;

use super::{Graph, NodeId, Op, Shape};

/// Rewrites a graph whose gradients are appended already, so that they read tensors which are computed anew shortly
/// before, and not those of the way forward: these can be forgotten as soon as nothing on that way reads them any more
/// (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). Of pictures the results of residual blocks are kept,
/// which the rest is computed anew from. The same operations are computed on the same numbers, so
/// every result is the same to the bit.
///
/// `losses` are where the way forward ends. Returns the new graph and the new ids of `outputs`, in their order.
pub fn recompute(graph: &Graph, again: Again, losses: &[NodeId], outputs: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let forward = ancestors(graph, losses);
    let mut rewriting =
        Rewriting { what: again, old: graph, new: Graph::new(), moved: vec![], again: HashMap::new() };
    for (id, node) in graph.iter() {
        let is_forward = forward[id.index()];
        let inputs = node.inputs.iter().map(|&input| {
            if !is_forward && forward[input.index()] {
                rewriting.anew(input)
            } else {
                rewriting.moved[input.index()]
            }
        });
        let inputs: Vec<NodeId> = inputs.collect();
        let moved = rewriting.new.push(node.op.clone(), inputs, node.shape.clone(), node.name.clone());
        rewriting.moved.push(moved);
    }
    let outputs = outputs.iter().map(|id| rewriting.moved[id.index()]).collect();
    (rewriting.new, outputs)
}

struct Rewriting<'g> {
    what: Again,
    old: &'g Graph,
    new: Graph,
    /// The new id of each node so far.
    moved: Vec<NodeId>,
    /// The new id of what is computed a second time.
    again: HashMap<NodeId, NodeId>,
}

impl Rewriting<'_> {
    /// A node of the way forward as the gradients read it. What it is computed from is computed anew first, which
    /// nests as deep as there are operations between two pictures that are kept.
    fn anew(&mut self, id: NodeId) -> NodeId {
        let node = self.old.node(id);
        if is_kept(self.what, &node.op, &node.shape) {
            return self.moved[id.index()];
        }
        if let Some(&known) = self.again.get(&id) {
            return known;
        }
        let inputs = node.inputs.iter().map(|&input| self.anew(input)).collect();
        let again = self.new.push(node.op.clone(), inputs, node.shape.clone(), node.name.clone());
        self.again.insert(id, again);
        again
    }
}

/// What is computed a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The weights of the discriminators as the spectral normalisation divides them, which takes no time.
    Weights,
    /// These, and all pictures but the results of residual blocks.
    Pictures,
}

/// Whether a result of the way forward is kept.
fn is_kept(again: Again, op: &Op, shape: &Shape) -> bool {
    if matches!(op, Op::SpectralNorm) {
        return false;
    }
    again == Again::Weights || !op.traits().again || shape.rank() != 4
}

/// The nodes that `of` depend on, themselves included.
fn ancestors(graph: &Graph, of: &[NodeId]) -> Vec<bool> {
    let mut found = vec![false; graph.nodes().len()];
    of.iter().for_each(|id| found[id.index()] = true);
    for i in (0..found.len()).rev() {
        if found[i] {
            graph.nodes()[i].inputs.iter().for_each(|input| found[input.index()] = true);
        }
    }
    found
}
