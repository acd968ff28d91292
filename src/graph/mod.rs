//! Tensors as nodes of a static graph. Pure: knows no GPU.
//!
//! A [`Graph`] is a list of nodes in topological order. Shapes are static and checked when a
//! node is added, so an executor never meets a shape that does not fit.

mod arithmetic;
mod attributes;
#[cfg(feature = "training")]
mod backward;
mod fuse;
mod infer;
mod op;
#[cfg(feature = "training")]
mod order;
#[cfg(feature = "training")]
mod recompute;
mod traits;

use crate::error::{Error, Result};

pub use crate::shape::Shape;
pub use arithmetic::Arithmetic;
pub use attributes::{Activation, CamInput, Conv2d, Norm, NormInput, NormKind};
#[cfg(feature = "training")]
pub use backward::{Seed, backward};
pub use fuse::fuse;
pub use op::Op;
#[cfg(feature = "training")]
pub(crate) use op::of_every_network;
pub(crate) use op::of_training;
#[cfg(feature = "training")]
pub use order::in_groups;
#[cfg(feature = "training")]
pub use recompute::{Again, recompute};
pub(crate) use traits::Operand;

/// A node of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// The position in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operation with its inputs and the shape of its result.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// Of what.
    pub inputs: Vec<NodeId>,
    /// The shape of the result.
    pub shape: Shape,
    /// The `state_dict` key of a parameter, the name of an input; empty otherwise.
    pub name: String,
}

/// Operations in topological order.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// All nodes, each after its inputs.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node at a position of [`Graph::nodes`], with its id.
    pub fn at(&self, position: usize) -> Option<(NodeId, &Node)> {
        self.nodes.get(position).map(|node| (NodeId(position as u32), node))
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The shape of a node's result.
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.node(id).shape
    }

    /// Every node with its id, in order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i as u32), n))
    }

    /// The parameters, in the order in which the model named them.
    pub fn parameters(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.iter().filter(|(_, n)| n.op == Op::Parameter)
    }

    /// The inputs, in the order in which they were added.
    pub fn inputs(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.iter().filter(|(_, n)| n.op == Op::Input)
    }

    /// The channels of the features that a parameter multiplies, where it is read as the weight of linear layers
    /// over flattened features only.
    pub(crate) fn flattened_channels(&self, parameter: NodeId) -> Option<usize> {
        let mut found = None;
        for reader in self.nodes.iter().filter(|node| node.inputs.contains(&parameter)) {
            let weighs = matches!(reader.op, Op::Linear { .. })
                && reader.inputs.iter().enumerate().all(|(i, input)| (i == 1) == (*input == parameter));
            let x = self.node(reader.inputs[0]);
            let [_, channels, ..] = x
                .inputs
                .first()
                .filter(|_| weighs && x.op == Op::Flatten)
                .and_then(|&x| self.shape(x).nchw())?;
            if found.is_some_and(|other| other != channels) {
                return None;
            }
            found = Some(channels);
        }
        found
    }

    fn push(&mut self, op: Op, inputs: Vec<NodeId>, shape: Shape, name: String) -> NodeId {
        self.nodes.push(Node { op, inputs, shape, name });
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// A tensor that is uploaded before each run.
    pub fn input(&mut self, name: impl Into<String>, shape: impl Into<Shape>) -> NodeId {
        self.push(Op::Input, vec![], shape.into(), name.into())
    }

    /// A tensor of the model, named by its official `state_dict` key: the node that already
    /// stands for this key and shape, else a new one. So a network that is built twice in one
    /// graph shares its parameters.
    pub fn parameter(&mut self, key: impl Into<String>, shape: impl Into<Shape>) -> NodeId {
        let (key, shape) = (key.into(), shape.into());
        let known = self.parameters().find(|(_, n)| n.name == key && n.shape == shape).map(|(id, _)| id);
        known.unwrap_or_else(|| self.push(Op::Parameter, vec![], shape, key))
    }

    /// Appends an operation.
    ///
    /// # Errors
    /// [`Error::Shape`] where the inputs do not fit it, naming both sides.
    pub fn add(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        let shapes: Vec<&Shape> = inputs.iter().map(|&id| self.shape(id)).collect();
        let shape = infer::result_shape(&op, &shapes)
            .and_then(|shape| infer::countable(&shape).map(|()| shape))
            .map_err(|problem| Error::Shape(format!("{op:?} of {shapes:?}: {problem}")))?;
        Ok(self.push(op, inputs.to_vec(), shape, String::new()))
    }
}
