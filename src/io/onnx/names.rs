//! What the nodes of a graph are called in a file: by the official modules.

use crate::graph::{Activation, Graph, Node, NodeId, Op, of_training};

/// The name of every node: of a stage its own; of a node with parameters their module
/// (`DownBlock.1` has `DownBlock.1.weight`); of any other the module that it belongs to with
/// what it does (`DownBlock.1/pad`). Inputs and parameters keep theirs. Not yet unique.
pub(super) fn names(graph: &Graph, stages: &[(String, NodeId)]) -> Vec<String> {
    let nodes = graph.nodes();
    let mut modules: Vec<String> = Vec::with_capacity(nodes.len());
    let mut named = vec![];
    for (id, node) in graph.iter() {
        let stage = stages.iter().find(|(_, at)| *at == id).map(|(name, _)| name.clone());
        let own = node.inputs.iter().map(|&input| graph.node(input)).find(|n| n.op == Op::Parameter);
        let own = own.and_then(|parameter| Some(parameter.name.rsplit_once('.')?.0.to_owned()));
        named.push(
            stage.is_some()
                || (own.is_some() && !matches!(node.op, Op::CamWeight | Op::AddScalar | Op::Above(_))),
        );
        let first = node.inputs.first().map(|input| modules[input.index()].clone());
        modules.push(stage.or(own).or(first).unwrap_or_default());
    }
    // What prepares a layer's input belongs to that layer.
    for i in (0..nodes.len()).rev() {
        if matches!(nodes[i].op, Op::ReflectionPad2d(_) | Op::UpsampleNearest2x) {
            let reads = |node: &Node| node.inputs.iter().any(|input| input.index() == i);
            if let Some(reader) = nodes.iter().position(reads) {
                modules[i] = modules[reader].clone();
            }
        }
    }
    let each = nodes.iter().zip(modules).zip(named);
    each.map(|((node, module), named)| {
        if matches!(node.op, Op::Input | Op::Parameter) {
            node.name.clone()
        } else if named {
            module
        } else {
            format!("{module}/{}", suffix(&node.op))
        }
    })
    .collect()
}

fn suffix(op: &Op) -> &'static str {
    match op {
        Op::ReflectionPad2d(_) => "pad",
        Op::UpsampleNearest2x => "upsample",
        Op::Norm(_) => "instance_norm",
        Op::Activation(Activation::Identity) => "identity",
        Op::Activation(Activation::Relu) => "relu",
        Op::Activation(Activation::LeakyRelu(_)) => "leaky_relu",
        Op::Activation(Activation::Tanh) => "tanh",
        Op::Add => "add",
        Op::GlobalAvgPool => "average",
        Op::GlobalMaxPool => "maximum",
        Op::SumChannels => "sum",
        Op::Concat => "concat",
        Op::Flatten => "flatten",
        Op::CamWeight => "weighted",
        Op::AddScalar => "shifted",
        Op::Scale(_) => "scaled",
        Op::Above(_) => "above",
        Op::UpsampleNearest2xGrad => "pooled",
        // These have modules of their own, or are not written.
        Op::Input | Op::Parameter | Op::Conv2d(_) | Op::Linear { .. } | Op::NormCoefficients(_) => "result",
        of_training!() => "result",
    }
}
