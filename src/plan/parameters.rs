//! Where a model's parameters lie in GPU memory. Independent of the picture size, so that the
//! plans of all sizes share one upload.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, NodeId, Op, Shape};

use super::Target;
use super::layout::Layout;

/// A parameter, or a block of rows of one too large for a single binding.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The official `state_dict` key.
    pub name: String,
    /// The whole parameter's shape.
    pub shape: Shape,
    /// The layout of this piece; of a block of rows: as if it were the whole.
    pub layout: Layout,
    /// The first element of the official tensor that belongs to this piece.
    pub first_element: usize,
    /// The buffer that holds it.
    pub buffer: usize,
    /// Where in that buffer, in bytes.
    pub offset: u64,
    /// Whether it lies there as f16.
    pub half: bool,
}

impl Piece {
    /// The elements of the official tensor that belong to this piece.
    pub fn elements(&self) -> std::ops::Range<usize> {
        let count = match self.layout {
            Layout::LinearWeight { m, k } => m * k,
            Layout::FlattenedWeight { m, c, pixels } => m * c * pixels,
            _ => self.shape.elements(),
        };
        self.first_element..self.first_element + count
    }

    /// Bytes in GPU memory, padding included.
    pub fn bytes(&self) -> u64 {
        bytes(self.layout, self.half)
    }
}

/// A parameter that is to be laid out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf {
    /// Its name.
    pub(crate) name: String,
    /// Its official shape.
    pub(crate) shape: Shape,
    /// How its readers want it.
    pub(crate) layout: Layout,
    /// Whether it may lie there as f16.
    pub(crate) half: bool,
}

fn bytes(layout: Layout, half: bool) -> u64 {
    if half { layout.bytes() / 2 } else { layout.bytes() }
}

/// Whether only convolutions and linear layers read a parameter, as their weight: the large ones.
fn is_weight(graph: &Graph, parameter: NodeId) -> bool {
    graph.nodes().iter().all(|reader| {
        let mut positions = (0..reader.inputs.len()).filter(|&i| reader.inputs[i] == parameter);
        let weighs = matches!(reader.op, Op::Conv2d(_) | Op::Linear { .. });
        positions.all(|position| weighs && position == 1)
    })
}

/// All parameters of a graph, or of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParameterMap {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) buffers: Vec<u64>,
    /// The pieces of each parameter, and how it lies as a whole.
    by_name: HashMap<String, (std::ops::Range<usize>, Layout)>,
    /// The first buffer of each group.
    groups: Vec<usize>,
}

impl ParameterMap {
    /// Lays out the parameters of a fused graph.
    ///
    /// # Errors
    /// [`Error::GpuLimit`] where a parameter can't be bound on this adapter.
    pub fn new(graph: &Graph, target: &Target) -> Result<Self> {
        let leaf = |(id, node): (NodeId, &Node)| {
            let layout = Layout::of_leaf(graph, id)?;
            let half = target.f16 && is_weight(graph, id);
            Ok(Leaf { name: node.name.clone(), shape: node.shape.clone(), layout, half })
        };
        let leaves = graph.parameters().map(leaf).collect::<Result<Vec<_>>>()?;
        let mut map = Self::default();
        map.append(&leaves, u64::from(target.alignment), target)?;
        Ok(map)
    }

    /// Lays out groups of parameters, each of which begins a buffer of its own and lies in one
    /// piece, as far as a buffer holds it; every parameter begins at a multiple of `alignment`
    /// bytes, and so does the end of every buffer.
    ///
    /// # Errors
    /// [`Error::GpuLimit`] where a parameter can't be bound on this adapter.
    pub(crate) fn of_groups(groups: &[Vec<Leaf>], alignment: u64, target: &Target) -> Result<Self> {
        let mut map = Self::default();
        for leaves in groups {
            map.groups.push(map.buffers.len());
            map.buffers.push(0);
            map.append(leaves, alignment.max(u64::from(target.alignment)), target)?;
        }
        for bytes in &mut map.buffers {
            *bytes = bytes.next_multiple_of(alignment);
        }
        Ok(map)
    }

    fn append(&mut self, leaves: &[Leaf], alignment: u64, target: &Target) -> Result<()> {
        // A buffer may be rounded up to the alignment when all is placed.
        let room = target.max_buffer / alignment * alignment;
        let largest = target.max_binding.min(room);
        for leaf in leaves {
            let first = self.pieces.len();
            for (layout, first_element) in blocks(leaf.layout, leaf.half, largest) {
                let bytes = bytes(layout, leaf.half);
                if bytes > largest {
                    return Err(target.limit(format!(
                        "parameter `{}` {} needs {} MiB in one binding, the adapter allows {} MiB",
                        leaf.name,
                        leaf.shape,
                        bytes >> 20,
                        largest >> 20
                    )));
                }
                let (buffer, offset) = self.place(bytes, alignment, room);
                self.pieces.push(Piece {
                    name: leaf.name.clone(),
                    shape: leaf.shape.clone(),
                    layout,
                    first_element,
                    buffer,
                    offset,
                    half: leaf.half,
                });
            }
            let entry = (first..self.pieces.len(), leaf.layout);
            if self.by_name.insert(leaf.name.clone(), entry).is_some() {
                return Err(Error::Shape(format!("two parameters are named `{}`", leaf.name)));
            }
        }
        Ok(())
    }

    /// The buffers of a group of [`Self::of_groups`].
    pub(crate) fn group(&self, group: usize) -> std::ops::Range<usize> {
        let first = self.groups.get(group).copied().unwrap_or(0);
        first..self.groups.get(group + 1).copied().unwrap_or(self.buffers.len())
    }

    /// The pieces, in the order of the graph.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The size of each buffer in bytes.
    pub fn buffers(&self) -> &[u64] {
        &self.buffers
    }

    /// Refuses a graph that would read a parameter of the same name as if it were another.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub(super) fn check(&self, graph: &Graph) -> Result<()> {
        let read: HashSet<NodeId> = graph.nodes().iter().flat_map(|node| node.inputs.clone()).collect();
        for (id, node) in graph.parameters().filter(|(id, _)| read.contains(id)) {
            let Some((pieces, layout)) = self.by_name.get(&node.name) else { continue };
            let shape = &self.pieces[pieces.start].shape;
            let asked = Layout::of_leaf(graph, id)?;
            if *shape != node.shape || *layout != asked {
                return Err(Error::Shape(format!(
                    "`{}` {} of the graph lies as {asked:?}, and among the parameters it is {shape} and lies as {layout:?}",
                    node.name, node.shape
                )));
            }
        }
        Ok(())
    }

    /// The pieces of one parameter.
    pub fn get(&self, name: &str) -> Option<std::ops::Range<usize>> {
        self.by_name.get(name).map(|(pieces, _)| pieces.clone())
    }

    /// Bytes of GPU memory for all parameters.
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().sum()
    }

    fn place(&mut self, bytes: u64, alignment: u64, room: u64) -> (usize, u64) {
        if let Some(size) = self.buffers.last_mut() {
            let offset = size.next_multiple_of(alignment);
            if offset + bytes <= room {
                *size = offset + bytes;
                return (self.buffers.len() - 1, offset);
            }
        }
        self.buffers.push(bytes);
        (self.buffers.len() - 1, 0)
    }
}

/// Blocks of rows of at most `max_binding` bytes, each with its first element. Only the
/// weights of linear layers can be cut.
fn blocks(layout: Layout, half: bool, max_binding: u64) -> Vec<(Layout, usize)> {
    let (rows, row_elements, block): (usize, usize, &dyn Fn(usize) -> Layout) = match layout {
        Layout::LinearWeight { m, k } => (m, k, &move |m| Layout::LinearWeight { m, k }),
        Layout::FlattenedWeight { m, c, pixels } => {
            (m, c * pixels, &move |m| Layout::FlattenedWeight { m, c, pixels })
        }
        _ => return vec![(layout, 0)],
    };
    let fitting = usize::try_from((max_binding / bytes(block(4), half)).max(1)).unwrap_or(usize::MAX);
    let fitting = fitting.saturating_mul(4);
    (0..rows).step_by(fitting).map(|first| (block(fitting.min(rows - first)), first * row_elements)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::AdapterClass;
    use super::*;

    #[test]
    fn a_buffer_that_is_rounded_up_stays_within_the_adapters_limit() {
        let limits = Target { max_binding: 10_000, max_buffer: 10_000, ..Target::browser(AdapterClass::Gpu) };
        let vector = |name: &str, bytes: usize| Leaf {
            name: name.into(),
            shape: [bytes / 4].into(),
            layout: Layout::Rows { n: 1, k: bytes / 4 },
            half: false,
        };
        let map = ParameterMap::of_groups(&[vec![vector("a", 4096), vector("b", 4500)]], 4096, &limits);
        assert_eq!(map.unwrap().buffers, [4096, 8192]);
        // It would fit, but not what it is rounded up to.
        let error = ParameterMap::of_groups(&[vec![vector("a", 9000)]], 4096, &limits).unwrap_err();
        assert!(matches!(error, Error::GpuLimit { .. }), "{error}");
    }
}
