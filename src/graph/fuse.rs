//! Fusion: padding, upsampling, activation and residual sums become attributes of the
//! convolution, matrix product or normalisation beside them.

use std::collections::HashMap;

use super::{Activation, Graph, Node, NodeId, Op};

/// Rewrites `graph` so that
/// - reflection padding and nearest upsampling before a convolution become its indexing,
/// - an activation after a convolution, a linear layer or a normalisation becomes its epilogue,
/// - a sum with a normalisation's result becomes that normalisation's residual.
///
/// A tensor in `outputs`, or one that others read too, is kept as it is. Returns the new
/// graph (without dead nodes) and the new ids of `outputs`, in their order. The numbers
/// computed are the same.
pub fn fuse(graph: &Graph, outputs: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let mut nodes: Vec<Option<Node>> = graph.nodes().iter().cloned().map(Some).collect();
    let mut readers = vec![0_usize; nodes.len()];
    for id in graph.nodes().iter().flat_map(|n| &n.inputs).chain(outputs) {
        readers[id.index()] += 1;
    }
    // Where a node has been absorbed, the node that now gives its result.
    let mut moved: HashMap<NodeId, NodeId> = HashMap::new();

    for i in 0..nodes.len() {
        let Some(mut node) = nodes[i].take() else { continue };
        for input in &mut node.inputs {
            *input = resolve(&moved, *input);
        }
        let only_reader = |id: NodeId| readers[id.index()] == 1;
        // What is not named here is left as it is, which is always right.
        if let Op::Conv2d(mut conv) = node.op {
            // Innermost first: pad follows upsample, so pad is met first from here.
            while let Some(before) = nodes[node.inputs[0].index()].clone()
                && !conv.upsample
                && only_reader(node.inputs[0])
            {
                if let Op::ReflectionPad2d(p) = before.op
                    && conv.pad == 0
                {
                    conv.pad = p;
                } else if before.op == Op::UpsampleNearest2x {
                    conv.upsample = true;
                } else {
                    break;
                }
                nodes[node.inputs[0].index()] = None;
                node.inputs[0] = before.inputs[0];
            }
            node.op = Op::Conv2d(conv);
        } else if let Op::Activation(activation) = node.op {
            let source = node.inputs[0];
            if only_reader(source)
                && let Some(target) = nodes[source.index()].as_mut()
                && take_activation(&mut target.op, activation)
            {
                moved.insert(NodeId(i as u32), source);
                readers[source.index()] = readers[i];
                continue;
            }
        } else if node.op == Op::Add {
            // The normalisation moves here, after both of its operands.
            let position = [1, 0].into_iter().find(|&k| {
                let norm = nodes[node.inputs[k].index()].as_ref();
                only_reader(node.inputs[k])
                    && matches!(norm.map(|n| &n.op), Some(Op::Norm(norm)) if !norm.residual)
            });
            if let Some(k) = position
                && let Some(mut target) = nodes[node.inputs[k].index()].take()
                && let Op::Norm(norm) = &mut target.op
            {
                norm.residual = true;
                target.inputs.push(node.inputs[1 - k]);
                node = target;
            }
        }
        nodes[i] = Some(node);
    }

    let outputs: Vec<NodeId> = outputs.iter().map(|&id| resolve(&moved, id)).collect();
    compact(&nodes, &outputs)
}

fn resolve(moved: &HashMap<NodeId, NodeId>, mut id: NodeId) -> NodeId {
    while let Some(&next) = moved.get(&id) {
        id = next;
    }
    id
}

/// Makes `activation` the epilogue of `op`, where it has room for one.
fn take_activation(op: &mut Op, activation: Activation) -> bool {
    // The gradient of a division by sigma goes back from the result to the sums.
    let fits = !matches!(op, Op::SpectralDivide { .. }) || activation.is_invertible();
    match op.epilogue() {
        Some(slot) if *slot == Activation::Identity && fits => {
            *slot = activation;
            true
        }
        _ => false,
    }
}

/// The nodes that `outputs` need, renumbered.
fn compact(nodes: &[Option<Node>], outputs: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let mut live = vec![false; nodes.len()];
    for id in outputs {
        live[id.index()] = true;
    }
    for i in (0..nodes.len()).rev() {
        if let (true, Some(node)) = (live[i], &nodes[i]) {
            for input in &node.inputs {
                live[input.index()] = true;
            }
        }
    }
    let mut fused = Graph::new();
    let mut renumbered = vec![NodeId(0); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        let (true, Some(node)) = (live[i], node) else { continue };
        let inputs = node.inputs.iter().map(|id| renumbered[id.index()]).collect();
        renumbered[i] = fused.push(node.op.clone(), inputs, node.shape.clone(), node.name.clone());
    }
    let outputs = outputs.iter().map(|id| renumbered[id.index()]).collect();
    (fused, outputs)
}
