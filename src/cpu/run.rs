//! Walks a graph.

use crate::error::{Error, Result};
use crate::graph::{Arithmetic, Graph, Node, NodeId, Op};
use crate::quantized::QuantizedMatrix;
use crate::tensor::Tensor;

use super::Real;
use super::values::{Pool, Value, Values};

/// Computes `outputs` of `graph`. `feed` gives every Input and Parameter by node name; what the
/// outputs do not need is not asked for. The arithmetic is exact.
///
/// # Errors
/// [`Error::NotFed`] where `feed` gives nothing for a name, [`Error::Shape`] where it gives a
/// tensor of another shape than the graph's, or one without elements.
pub fn run<'a, T: Real>(
    graph: &Graph,
    outputs: &[NodeId],
    feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
) -> Result<Vec<Tensor<T>>> {
    let mut walk = Walk::new(graph, outputs, Arithmetic::Exact);
    while walk.step(feed)? {}
    walk.finish()
}

/// [`run`], one operation at a time, for callers that have other things to do in between.
pub struct Walk<'g, 'a, T> {
    graph: &'g Graph,
    outputs: &'g [NodeId],
    last_reader: Vec<usize>,
    values: Values<'a, T>,
    quantized: Option<(&'a str, &'a QuantizedMatrix)>,
    next: usize,
}

impl<'g, 'a, T: Real> Walk<'g, 'a, T> {
    /// A walk at its beginning.
    pub fn new(graph: &'g Graph, outputs: &'g [NodeId], arithmetic: Arithmetic) -> Self {
        Self::reusing(Pool::default(), graph, outputs, arithmetic)
    }

    /// A walk at its beginning, in memory that walks before have used.
    pub fn reusing(pool: Pool<T>, graph: &'g Graph, outputs: &'g [NodeId], arithmetic: Arithmetic) -> Self {
        let values = Values::new(graph.nodes().len(), arithmetic, pool);
        Self { graph, outputs, last_reader: last_readers(graph, outputs), values, quantized: None, next: 0 }
    }

    /// The walk with the parameter of that name quantised, which nothing is fed for.
    #[must_use]
    pub fn with_quantized(self, quantized: Option<(&'a str, &'a QuantizedMatrix)>) -> Self {
        Self { quantized, ..self }
    }

    /// The quantised matrix that a parameter is, if it is one.
    ///
    /// # Errors
    /// [`Error::Shape`] where it is of another shape, or read as anything but a linear layer's weight.
    fn quantized(&self, id: NodeId, node: &Node) -> Result<Option<&'a QuantizedMatrix>> {
        let named = self.quantized.filter(|(name, _)| *name == node.name && node.op == Op::Parameter);
        let Some((_, matrix)) = named else { return Ok(None) };
        match self.graph.flattened_channels(id) {
            Some(channels) if matrix.shape() == node.shape && matrix.channels() == channels => {
                Ok(Some(matrix))
            }
            _ => Err(Error::Shape(format!(
                "`{}` {} is quantised as {matrix:?} over {} channels, and is read otherwise",
                node.name,
                node.shape,
                matrix.channels()
            ))),
        }
    }

    /// Computes the next node, if there is one.
    ///
    /// # Errors
    /// Those of [`run`].
    pub fn step(&mut self, feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>) -> Result<bool> {
        let Some((id, node)) = self.graph.at(self.next) else {
            return Ok(false);
        };
        self.next += 1;
        if self.last_reader[id.index()] == 0 {
            return Ok(true);
        }
        if let Some(matrix) = self.quantized(id, node)? {
            self.values.set(id, Value::Quantized(matrix));
            return Ok(true);
        }
        addressable::<T>(node)?;
        let dying = |&input: &NodeId| self.last_reader[input.index()] == id.index();
        let value = if matches!(node.op, Op::Input | Op::Parameter) {
            Value::Fed(fed(node, feed)?)
        } else {
            Value::Owned(T::compute(self.graph, node, &mut self.values, &dying)?)
        };
        self.values.set(id, value);
        for &input in node.inputs.iter().filter(|input| dying(input)) {
            self.values.release(input);
        }
        Ok(true)
    }

    /// Stops between two steps. What was fed is given back; what was computed is kept until [`Walk::resume`]. The pool
    /// knows how much that is, and lets walks in between hold as much less.
    #[cfg(feature = "training")]
    pub fn pause(self) -> (Paused<T>, Pool<T>) {
        let (owned, pool) = self.values.pause();
        (Paused { owned, next: self.next }, pool)
    }

    /// The walk that was paused, through the same graph to the same outputs. Inputs and parameters that are still to be
    /// read are fed again.
    ///
    /// # Errors
    /// Those of [`run`].
    #[cfg(feature = "training")]
    pub fn resume(
        paused: Paused<T>,
        pool: Pool<T>,
        graph: &'g Graph,
        outputs: &'g [NodeId],
        arithmetic: Arithmetic,
        feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>,
    ) -> Result<Self> {
        let Paused { owned, next } = paused;
        let values = Values::resume(owned, arithmetic, pool);
        let mut walk =
            Self { graph, outputs, last_reader: last_readers(graph, outputs), values, quantized: None, next };
        for (id, node) in graph.iter().take(next) {
            let is_fed = matches!(node.op, Op::Input | Op::Parameter);
            if is_fed && walk.last_reader[id.index()] >= next {
                walk.values.set(id, Value::Fed(fed(node, feed)?));
            }
        }
        Ok(walk)
    }

    /// The value of a node that has been computed, for as long as somebody is still to read it.
    pub fn value(&self, id: NodeId) -> &[T] {
        self.values.get(id)
    }

    /// How many nodes are behind, and how many there are.
    pub fn progress(&self) -> (usize, usize) {
        (self.next, self.graph.nodes().len())
    }

    /// The outputs, after the last step.
    ///
    /// # Errors
    /// [`Error::Shape`] where steps are left.
    pub fn finish(self) -> Result<Vec<Tensor<T>>> {
        Ok(self.finish_reusing()?.0)
    }

    /// The outputs, after the last step, and the memory for the next walk.
    ///
    /// # Errors
    /// [`Error::Shape`] where steps are left.
    pub fn finish_reusing(mut self) -> Result<(Vec<Tensor<T>>, Pool<T>)> {
        // From the back, so that of an output asked for twice the last reader takes the value.
        let mut results: Vec<Tensor<T>> = (self.outputs.iter().enumerate().rev())
            .map(|(i, &id)| {
                let again = self.outputs[..i].contains(&id);
                let data = if again { self.values.get(id).to_vec() } else { self.values.take(id) };
                Tensor::new(self.graph.shape(id), data)
            })
            .collect::<Result<_>>()?;
        results.reverse();
        Ok((results, self.values.into_pool()))
    }
}

/// What a walk has computed and is still to read.
#[cfg(feature = "training")]
#[derive(Debug)]
pub struct Paused<T> {
    /// By node, empty where there is nothing.
    owned: Vec<Vec<T>>,
    next: usize,
}

/// For each node the index of its last reader; 0 where nobody needs it, `usize::MAX` for an
/// output. (Nothing is read by the first node, so 0 is free.)
pub(super) fn last_readers(graph: &Graph, outputs: &[NodeId]) -> Vec<usize> {
    let mut last = vec![0; graph.nodes().len()];
    for id in outputs {
        last[id.index()] = usize::MAX;
    }
    for (i, node) in graph.nodes().iter().enumerate().rev() {
        if last[i] == 0 {
            continue;
        }
        for input in &node.inputs {
            let last = &mut last[input.index()];
            *last = (*last).max(i);
        }
    }
    last
}

/// Refuses a tensor that no memory can hold, so that it is an error and no panic. In a browser
/// that is one of 2 GiB.
fn addressable<T>(node: &Node) -> Result<()> {
    let bytes = node.shape.elements().checked_mul(size_of::<T>());
    match bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok()) {
        true => Ok(()),
        false => Err(Error::Shape(format!(
            "a tensor of shape {} is larger than the memory of a program of {} bits; use a smaller picture, or tiles",
            node.shape,
            usize::BITS
        ))),
    }
}

/// The tensor fed for `node`, where it has the node's shape.
fn fed<'a, T: Real>(node: &Node, feed: &dyn Fn(&str) -> Option<&'a Tensor<T>>) -> Result<&'a [T]> {
    let tensor = feed(&node.name)
        .ok_or_else(|| Error::NotFed { name: node.name.clone(), expected: node.shape.clone() })?;
    if *tensor.shape() != node.shape {
        return Err(Error::Shape(format!(
            "the graph's `{}` has shape {}, but a tensor of shape {} was given",
            node.name,
            node.shape,
            tensor.shape()
        )));
    }
    if tensor.data().is_empty() {
        return Err(Error::Shape(format!(
            "the graph's `{}` of shape {} has no elements",
            node.name, node.shape
        )));
    }
    Ok(tensor.data())
}
