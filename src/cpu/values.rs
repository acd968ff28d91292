//! The tensors that a walk over a graph holds at a time.

use crate::graph::{Arithmetic, Node, NodeId};
use crate::quantized::QuantizedMatrix;

use super::Real;
#[cfg(feature = "training")]
use super::kept::Kept;

/// The tensor of a node.
pub(super) enum Value<'a, T> {
    Absent,
    Fed(&'a [T]),
    Quantized(&'a QuantizedMatrix),
    Owned(Vec<T>),
}

/// Memory of tensors that nobody reads any more, for the walks that follow: memory that is new to a program costs
/// more time than many an operation, since the system clears it page by page.
#[derive(Debug)]
pub struct Pool<T> {
    free: Vec<Vec<T>>,
    scratch: Vec<T>,
    /// Elements that a walk may hold together with what is free.
    limit: u64,
    /// Elements that a walk which has been paused holds.
    #[cfg(feature = "training")]
    paused: u64,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self {
            free: vec![],
            scratch: vec![],
            limit: 0,
            #[cfg(feature = "training")]
            paused: 0,
        }
    }
}

impl<T> Pool<T> {
    /// Lets walks hold so many elements, used and free together: what the largest of them needs
    /// ([`memory`](super::memory())).
    pub fn allow(&mut self, elements: u64) {
        self.limit = self.limit.max(elements);
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> u64 {
        let elements = self.free.iter().map(Vec::capacity).sum::<usize>() + self.scratch.capacity();
        (elements * size_of::<T>()) as u64
    }

    /// Elements that there is memory for.
    fn held(&self) -> u64 {
        let held = capacity(&self.free);
        #[cfg(feature = "training")]
        let held = held + self.paused;
        held
    }

    /// Takes memory that nobody reads any more.
    pub fn give(&mut self, memory: Vec<T>) {
        self.free.push(memory);
    }
}

/// The tensors alive at a node, and the memory of those that are not any more.
pub struct Values<'a, T> {
    values: Vec<Value<'a, T>>,
    pool: Pool<T>,
    /// Elements that there is memory for, used and free.
    held: u64,
    #[cfg(feature = "training")]
    kept: Kept,
    pub(super) arithmetic: Arithmetic,
}

impl<'a, T: Real> Values<'a, T> {
    /// Those of a graph of so many nodes, none of which is there.
    pub(super) fn new(nodes: usize, arithmetic: Arithmetic, pool: Pool<T>) -> Self {
        Self {
            held: pool.held(),
            pool,
            values: (0..nodes).map(|_| Value::Absent).collect(),
            #[cfg(feature = "training")]
            kept: Kept::default(),
            arithmetic,
        }
    }

    pub(super) fn set(&mut self, id: NodeId, value: Value<'a, T>) {
        self.values[id.index()] = value;
    }

    pub(super) fn get(&self, id: NodeId) -> &[T] {
        match &self.values[id.index()] {
            Value::Absent | Value::Quantized(_) => &[],
            Value::Fed(data) => data,
            Value::Owned(data) => data,
        }
    }

    /// The tensor, for good where this executor made it, else a copy.
    pub(super) fn take(&mut self, id: NodeId) -> Vec<T> {
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
    /// kept for the next.
    pub(super) fn with_scratch<R>(&mut self, len: usize, work: impl FnOnce(&mut Self, &mut [T]) -> R) -> R {
        let mut scratch = std::mem::take(&mut self.pool.scratch);
        if scratch.len() < len {
            drop(scratch);
            scratch = vec![unwritten(); len];
        }
        let result = work(self, &mut scratch[..len]);
        self.pool.scratch = scratch;
        result
    }

    /// Memory for `len` elements, every one of which is to be written.
    fn buffer(&mut self, len: usize) -> Vec<T> {
        let free = &mut self.pool.free;
        let mut buffer = match reusable(len, free.iter().map(Vec::capacity)) {
            Some(i) => free.swap_remove(i),
            None => {
                // What is free is too small, or far too large: it goes first.
                free.sort_unstable_by_key(Vec::capacity);
                while self.held + len as u64 > self.pool.limit
                    && let Some(memory) = free.pop()
                {
                    self.held -= memory.capacity() as u64;
                }
                self.held += len as u64;
                return vec![unwritten(); len];
            }
        };
        buffer.resize(len, unwritten());
        if cfg!(debug_assertions) {
            buffer.fill(unwritten());
        }
        buffer
    }

    /// What was computed, and the memory for the walks until [`Self::resume`].
    #[cfg(feature = "training")]
    pub(super) fn pause(mut self) -> (Vec<Vec<T>>, Pool<T>) {
        let owned = |value| if let Value::Owned(data) = value { data } else { vec![] };
        let owned: Vec<Vec<T>> = self.values.into_iter().map(owned).collect();
        self.pool.paused = capacity(&owned);
        (owned, self.pool)
    }

    #[cfg(feature = "training")]
    pub(super) fn resume(owned: Vec<Vec<T>>, arithmetic: Arithmetic, pool: Pool<T>) -> Self {
        let values = |data: Vec<T>| if data.is_empty() { Value::Absent } else { Value::Owned(data) };
        let mut resumed = Self::new(0, arithmetic, Pool { paused: capacity(&owned), ..pool });
        resumed.values = owned.into_iter().map(values).collect();
        resumed.pool.paused = 0;
        resumed
    }

    /// The memory for the next walk.
    pub(super) fn into_pool(self) -> Pool<T> {
        self.pool
    }

    /// The node's memory is free for others.
    pub(super) fn release(&mut self, id: NodeId) {
        if let Value::Owned(data) = std::mem::replace(&mut self.values[id.index()], Value::Absent) {
            self.pool.give(data);
        }
    }
}

#[cfg(feature = "training")]
impl<T: Real> Values<'_, T> {
    /// [`Values::fresh`] with what was kept of earlier operations.
    pub(super) fn fresh_with(
        &mut self,
        node: &Node,
        write: impl FnOnce(&mut Kept, Inputs<'_, T>, &mut [T]),
    ) -> Vec<T> {
        let mut kept = std::mem::take(&mut self.kept);
        let result = self.fresh(node, |x, y| write(&mut kept, x, y));
        self.kept = kept;
        result
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

/// The elements that there is room for.
fn capacity<T>(memory: &[Vec<T>]) -> u64 {
    memory.iter().map(|memory| memory.capacity() as u64).sum()
}

/// What fresh memory holds: zero, which costs nothing, or NaN where tests should notice that an
/// operation relied on it.
fn unwritten<T: Real>() -> T {
    if cfg!(debug_assertions) { T::from_f64(f64::NAN) } else { T::default() }
}

/// Which of the free pieces of memory, by their capacities, is used again for `len` elements.
pub(super) fn reusable(len: usize, free: impl Iterator<Item = usize>) -> Option<usize> {
    free.enumerate()
        .filter(|(_, capacity)| (len..=len.saturating_mul(4)).contains(capacity))
        .min_by_key(|(_, capacity)| *capacity)
        .map(|(i, _)| i)
}
