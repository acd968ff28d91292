//! Walks a graph.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::graph::{Arithmetic, Graph, Node, NodeId, Op};
use crate::quantized::QuantizedMatrix;
use crate::tensor::Tensor;

use super::Real;
use super::compute::compute;
#[cfg(feature = "training")]
use super::training::Kept;

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
    quantized: Option<&'a BTreeMap<String, QuantizedMatrix>>,
    next: usize,
}

impl<'g, 'a, T: Real> Walk<'g, 'a, T> {
    /// A walk at its beginning.
    pub fn new(graph: &'g Graph, outputs: &'g [NodeId], arithmetic: Arithmetic) -> Self {
        let values = graph.nodes().iter().map(|_| Value::Absent).collect();
        let last_reader = last_readers(graph, outputs);
        let values = Values {
            values,
            free: vec![],
            scratch: vec![],
            #[cfg(feature = "training")]
            kept: Kept::default(),
            arithmetic,
        };
        Self { graph, outputs, last_reader, values, quantized: None, next: 0 }
    }

    /// The walk with those parameters quantised, which nothing is fed for.
    #[must_use]
    pub fn with_quantized(self, quantized: &'a BTreeMap<String, QuantizedMatrix>) -> Self {
        Self { quantized: Some(quantized), ..self }
    }

    /// The quantised matrix that a parameter is, if it is one.
    ///
    /// # Errors
    /// [`Error::Shape`] where it is of another shape, or read as anything but a linear layer's weight.
    fn quantized(&self, id: NodeId, node: &Node) -> Result<Option<&'a QuantizedMatrix>> {
        let Some(matrix) = self.quantized.and_then(|all| all.get(&node.name)) else { return Ok(None) };
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
        addressable::<T>(node)?;
        let dying = |&input: &NodeId| self.last_reader[input.index()] == id.index();
        let value = match node.op {
            Op::Input | Op::Parameter => match self.quantized(id, node)? {
                Some(matrix) => Value::Quantized(matrix),
                None => Value::Fed(fed(node, feed)?),
            },
            _ => Value::Owned(compute(self.graph, node, &mut self.values, &dying)?),
        };
        self.values.values[id.index()] = value;
        for &input in node.inputs.iter().filter(|input| dying(input)) {
            self.values.release(input);
        }
        Ok(true)
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
    pub fn finish(mut self) -> Result<Vec<Tensor<T>>> {
        // From the back, so that of an output asked for twice the last reader takes the value.
        let mut results: Vec<Tensor<T>> = (self.outputs.iter().enumerate().rev())
            .map(|(i, &id)| {
                let again = self.outputs[..i].contains(&id);
                let data = if again { self.values.get(id).to_vec() } else { self.values.take(id) };
                Tensor::new(self.graph.shape(id), data)
            })
            .collect::<Result<_>>()?;
        results.reverse();
        Ok(results)
    }
}

/// Which of the free pieces of memory, by their capacities, is used again for `len` elements.
pub(super) fn reusable(len: usize, free: impl Iterator<Item = usize>) -> Option<usize> {
    free.enumerate()
        .filter(|(_, capacity)| (len..=len.saturating_mul(4)).contains(capacity))
        .min_by_key(|(_, capacity)| *capacity)
        .map(|(i, _)| i)
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

enum Value<'a, T> {
    Absent,
    Fed(&'a [T]),
    Quantized(&'a QuantizedMatrix),
    Owned(Vec<T>),
}

/// The tensors alive at a node, and the memory of those that are not any more.
pub(super) struct Values<'a, T> {
    values: Vec<Value<'a, T>>,
    free: Vec<Vec<T>>,
    scratch: Vec<T>,
    #[cfg(feature = "training")]
    pub(super) kept: Kept,
    pub(super) arithmetic: Arithmetic,
}

impl<T: Real> Values<'_, T> {
    pub(super) fn get(&self, id: NodeId) -> &[T] {
        match &self.values[id.index()] {
            Value::Absent | Value::Quantized(_) => &[],
            Value::Fed(data) => data,
            Value::Owned(data) => data,
        }
    }

    /// The tensor, for good where this executor made it, else a copy.
    fn take(&mut self, id: NodeId) -> Vec<T> {
        match std::mem::replace(&mut self.values[id.index()], Value::Absent) {
            Value::Absent | Value::Quantized(_) => vec![],
            Value::Fed(data) => data.to_vec(),
            Value::Owned(data) => data,
        }
    }

    /// The first input to work on in place: itself where nobody reads it again, else a copy.
    pub(super) fn take_first(&mut self, node: &Node, dying: &dyn Fn(&NodeId) -> bool) -> Vec<T> {
        let first = node.inputs[0];
        if dying(&first)
            && !node.inputs[1..].contains(&first)
            && matches!(self.values[first.index()], Value::Owned(_))
        {
            return self.take(first);
        }
        let mut copy = self.buffer(node.shape.elements());
        copy.copy_from_slice(self.get(first));
        copy
    }

    /// What a node reads.
    pub(super) fn of<'v>(&'v self, node: &'v Node) -> Inputs<'v, T> {
        Inputs { values: self, node }
    }

    /// A node's result in memory of its own, every element of which is written by `write`. A function
    /// for each operation, so that a browser compiles only those that are used.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(super) fn fresh(
        &mut self,
        node: &Node,
        write: impl for<'v> FnOnce(Inputs<'v, T>, &mut [T]),
    ) -> Vec<T> {
        let mut result = self.buffer(node.shape.elements());
        write(self.of(node), &mut result);
        result
    }

    /// Memory of `len` elements for as long as `work` takes; what is in it is nothing to read. It is
    /// kept for the next that asks for about as much.
    pub(super) fn with_scratch<R>(&mut self, len: usize, work: impl FnOnce(&mut Self, &mut [T]) -> R) -> R {
        let mut scratch = std::mem::take(&mut self.scratch);
        if !(len..=len.saturating_mul(2)).contains(&scratch.len()) {
            drop(scratch);
            scratch = vec![unwritten(); len];
        }
        let result = work(self, &mut scratch[..len]);
        self.scratch = scratch;
        result
    }

    /// Memory for `len` elements, every one of which is to be written.
    fn buffer(&mut self, len: usize) -> Vec<T> {
        let mut buffer = match reusable(len, self.free.iter().map(Vec::capacity)) {
            Some(i) => self.free.swap_remove(i),
            None => {
                // What is free is too small, or far too large: it goes first.
                self.free.clear();
                return vec![unwritten(); len];
            }
        };
        buffer.resize(len, unwritten());
        if cfg!(debug_assertions) {
            buffer.fill(unwritten());
        }
        buffer
    }

    fn release(&mut self, id: NodeId) {
        if let Value::Owned(data) = std::mem::replace(&mut self.values[id.index()], Value::Absent) {
            self.free.push(data);
        }
    }
}

/// The tensors that a node reads, by their position among its inputs.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'v, T> {
    values: &'v Values<'v, T>,
    node: &'v Node,
}

impl<'v, T: Real> Inputs<'v, T> {
    pub(super) fn get(self, position: usize) -> &'v [T] {
        self.values.get(self.node.inputs[position])
    }

    /// The input at `position` where it is quantised.
    pub(super) fn quantized(self, position: usize) -> Option<&'v QuantizedMatrix> {
        match self.values.values[self.node.inputs[position].index()] {
            Value::Quantized(matrix) => Some(matrix),
            _ => None,
        }
    }
}

/// What fresh memory holds: zero, which costs nothing, or NaN where tests should notice that an
/// operation relied on it.
fn unwritten<T: Real>() -> T {
    if cfg!(debug_assertions) { T::from_f64(f64::NAN) } else { T::default() }
}
