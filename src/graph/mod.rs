//! Tensors as nodes of a static graph. Pure: knows no GPU.
//!
//! A [`Graph`] is a list of nodes in topological order. Shapes are static and checked when a
//! node is added, so an executor never meets a shape that does not fit.

mod fuse;
mod op;
mod shape;

use crate::error::{Error, Result};

pub use fuse::fuse;
pub use op::{Activation, Conv2d, Norm, NormKind, Op};
pub use shape::Shape;

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

    fn push(&mut self, op: Op, inputs: Vec<NodeId>, shape: Shape, name: String) -> NodeId {
        self.nodes.push(Node { op, inputs, shape, name });
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// A tensor that is uploaded before each run.
    pub fn input(&mut self, name: impl Into<String>, shape: impl Into<Shape>) -> NodeId {
        self.push(Op::Input, vec![], shape.into(), name.into())
    }

    /// A tensor of the model, named by its official `state_dict` key.
    pub fn parameter(&mut self, key: impl Into<String>, shape: impl Into<Shape>) -> NodeId {
        self.push(Op::Parameter, vec![], shape.into(), key.into())
    }

    /// Appends an operation.
    ///
    /// # Errors
    /// [`Error::Shape`] where the inputs do not fit it, naming both sides.
    pub fn add(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        let shapes: Vec<&Shape> = inputs.iter().map(|&id| self.shape(id)).collect();
        let shape = result_shape(&op, &shapes)
            .map_err(|problem| Error::Shape(format!("{op:?} of {shapes:?}: {problem}")))?;
        Ok(self.push(op, inputs.to_vec(), shape, String::new()))
    }
}

/// The shape that `op` gives, or why its inputs do not fit.
fn result_shape(op: &Op, inputs: &[&Shape]) -> std::result::Result<Shape, String> {
    let arity = match op {
        Op::Input | Op::Parameter => 0,
        Op::Conv2d(Conv2d { bias, .. }) | Op::Linear { bias, .. } => 2 + usize::from(*bias),
        Op::Norm(norm) => match norm.kind {
            NormKind::Instance => 1 + usize::from(norm.residual),
            NormKind::LayerInstance => 4 + usize::from(norm.residual),
        },
        Op::Add | Op::Concat => 2,
        Op::CamWeight => 3,
        _ => 1,
    };
    if inputs.len() != arity {
        return Err(format!("it takes {arity} inputs, not {}", inputs.len()));
    }
    let image = |i: usize| {
        inputs[i].nchw().ok_or_else(|| format!("input {i} must be [N, C, H, W], not {}", inputs[i]))
    };
    let matrix = |i: usize| {
        inputs[i].matrix().ok_or_else(|| format!("input {i} must be [rows, columns], not {}", inputs[i]))
    };
    let same = |what: &str, found: &Shape, expected: Shape| {
        if *found == expected { Ok(()) } else { Err(format!("{what} must be {expected}, not {found}")) }
    };

    Ok(match op {
        Op::Input | Op::Parameter => return Err("use Graph::input or Graph::parameter".into()),
        Op::ReflectionPad2d(p) => {
            let [n, c, h, w] = image(0)?;
            fits_reflection(*p, h, w)?;
            [n, c, h + 2 * p, w + 2 * p].into()
        }
        Op::UpsampleNearest2x => {
            let [n, c, h, w] = image(0)?;
            [n, c, 2 * h, 2 * w].into()
        }
        Op::Conv2d(conv) => {
            let ([n, i, h, w], [o, wi, kh, kw]) = (image(0)?, image(1)?);
            if i != wi {
                return Err(format!("the input has {i} channels, the weight takes {wi}"));
            }
            if conv.bias {
                same("the bias", inputs[2], [o].into())?;
            }
            let scale = if conv.upsample { 2 } else { 1 };
            let (h, w) = (h * scale, w * scale);
            fits_reflection(conv.pad, h, w)?;
            let (h, w) = (h + 2 * conv.pad, w + 2 * conv.pad);
            if h < kh || w < kw || conv.stride == 0 {
                return Err(format!(
                    "a {kh}x{kw} window with stride {} does not fit into {h}x{w}",
                    conv.stride
                ));
            }
            [n, o, (h - kh) / conv.stride + 1, (w - kw) / conv.stride + 1].into()
        }
        Op::Linear { bias, .. } => {
            let ([n, k], [m, wk]) = (matrix(0)?, matrix(1)?);
            if k != wk {
                return Err(format!("the input has {k} columns, the weight takes {wk}"));
            }
            if *bias {
                same("the bias", inputs[2], [m].into())?;
            }
            [n, m].into()
        }
        Op::Norm(norm) => {
            let [n, c, h, w] = image(0)?;
            if norm.kind == NormKind::LayerInstance {
                if h * w < 2 {
                    return Err("the unbiased variance of one pixel is not defined".into());
                }
                same("rho", inputs[1], [1, c, 1, 1].into())?;
                for (what, i) in [("gamma", 2), ("beta", 3)] {
                    if *inputs[i] != Shape::from([1, c, 1, 1]) {
                        same(what, inputs[i], [n, c].into())?;
                    }
                }
            }
            if norm.residual {
                same("the residual", inputs[arity - 1], inputs[0].clone())?;
            }
            inputs[0].clone()
        }
        Op::Activation(_) => inputs[0].clone(),
        Op::Add => {
            same("the second operand", inputs[1], inputs[0].clone())?;
            inputs[0].clone()
        }
        Op::GlobalAvgPool | Op::GlobalMaxPool => {
            let [n, c, ..] = image(0)?;
            [n, c].into()
        }
        Op::SumChannels => {
            let [n, _, h, w] = image(0)?;
            [n, 1, h, w].into()
        }
        Op::Concat => {
            let ([n, a], [n2, b]) = (matrix(0)?, matrix(1)?);
            if n != n2 {
                return Err(format!("{n} rows beside {n2} rows"));
            }
            [n, a + b].into()
        }
        Op::Flatten => {
            let [n, c, h, w] = image(0)?;
            [n, c * h * w].into()
        }
        Op::CamWeight => {
            let [o, c2, kh, kw] = image(0)?;
            if !c2.is_multiple_of(2) || kh != 1 || kw != 1 {
                return Err(format!("the kernel must be [O, 2C, 1, 1], not {}", inputs[0]));
            }
            same("the gap weight", inputs[1], [1, c2 / 2].into())?;
            same("the gmp weight", inputs[2], [1, c2 / 2].into())?;
            [o, c2 / 2, 1, 1].into()
        }
    })
}

/// Reflection needs more pixels than it pads (as `nn.ReflectionPad2d` demands).
fn fits_reflection(pad: usize, h: usize, w: usize) -> std::result::Result<(), String> {
    if pad > 0 && (h <= pad || w <= pad) {
        return Err(format!("reflection by {pad} needs a picture larger than {pad} pixels, not {h}x{w}"));
    }
    Ok(())
}
