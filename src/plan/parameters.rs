//! Where a model's parameters lie in GPU memory. Independent of the picture size, so that the
//! plans of all sizes share one upload.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, NodeId, Op, Shape};
use crate::quantized::Bits;

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
    /// What it lies there as.
    pub storage: Storage,
}

/// What the numbers of a parameter lie in GPU memory as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// As they are.
    #[default]
    F32,
    /// Rounded, half the memory.
    F16,
    /// The levels of a [`crate::QuantizedMatrix`], in its own order of columns.
    Levels(Bits),
    /// The scales of one, two in the place of an f32.
    Scales,
}

impl Storage {
    /// Bytes in GPU memory, padding included.
    fn bytes(self, layout: Layout) -> u64 {
        match self {
            Self::F32 | Self::Scales => layout.bytes(),
            Self::F16 => layout.bytes() / 2,
            Self::Levels(bits) => layout.bytes() / 32 * bits.number() as u64,
        }
    }
}

/// What the scales of a quantised parameter are called.
pub(crate) fn scales_of(name: &str) -> String {
    format!("{name}.scale")
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
        self.storage.bytes(self.layout)
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
    /// What it may lie there as.
    pub(crate) storage: Storage,
}

/// Whether only convolutions and linear layers read a parameter, as their weight: the large ones.
fn is_weight(graph: &Graph, parameter: NodeId) -> bool {
    graph.nodes().iter().all(|reader| {
        let mut positions = (0..reader.inputs.len()).filter(|&i| reader.inputs[i] == parameter);
        let weighs = matches!(reader.op, Op::Conv2d(_) | Op::Linear { .. });
        positions.all(|position| weighs && position == 1)
    })
}

/// The scales of a parameter that is to be quantised.
fn scales(graph: &Graph, parameter: NodeId, bits: Bits) -> Result<Leaf> {
    let Node { name, shape, .. } = graph.node(parameter);
    let blocks = shape.matrix().filter(|[m, k]| m.is_multiple_of(4) && k.is_multiple_of(bits.block()));
    let channels = graph.flattened_channels(parameter).filter(|channels| channels.is_multiple_of(4));
    let (Some([m, k]), Some(_)) = (blocks, channels) else {
        return Err(Error::Shape(format!(
            "`{name}` {shape} cannot be read as quantised to {bits} bits: it is no weight of a linear layer over flattened features, in whole blocks of {}",
            bits.block()
        )));
    };
    let blocks = k / bits.block();
    // Two in each of the numbers that the layout counts.
    let layout = Layout::Rows { n: 1, k: m * blocks / 2 };
    Ok(Leaf { name: scales_of(name), shape: [m, blocks].into(), layout, storage: Storage::Scales })
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
        Self::with_quantized(graph, target, None)
    }

    /// [`Self::new`] with the parameter of that name quantised to so many bits.
    ///
    /// # Errors
    /// As [`Self::new`]; [`Error::Shape`] where one is read as anything but the weight of a linear layer over
    /// flattened features.
    pub fn with_quantized(graph: &Graph, target: &Target, quantized: Option<(&str, Bits)>) -> Result<Self> {
        let mut leaves = vec![];
        for (id, node) in graph.parameters() {
            let layout = Layout::of_leaf(graph, id)?;
            let (name, shape) = (node.name.clone(), node.shape.clone());
            let storage = match quantized {
                Some((quantized, bits)) if quantized == name => {
                    leaves.push(scales(graph, id, bits)?);
                    Storage::Levels(bits)
                }
                _ if target.f16 && is_weight(graph, id) => Storage::F16,
                _ => Storage::F32,
            };
            leaves.push(Leaf { name, shape, layout, storage });
        }
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
            for (layout, first_element) in blocks(leaf.layout, leaf.storage, largest) {
                let bytes = leaf.storage.bytes(layout);
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
                    storage: leaf.storage,
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
fn blocks(layout: Layout, storage: Storage, max_binding: u64) -> Vec<(Layout, usize)> {
    let (rows, row_elements, block): (usize, usize, &dyn Fn(usize) -> Layout) = match layout {
        Layout::LinearWeight { m, k } => (m, k, &move |m| Layout::LinearWeight { m, k }),
        Layout::FlattenedWeight { m, c, pixels } => {
            (m, c * pixels, &move |m| Layout::FlattenedWeight { m, c, pixels })
        }
        _ => return vec![(layout, 0)],
    };
    let fitting = usize::try_from((max_binding / storage.bytes(block(4))).max(1)).unwrap_or(usize::MAX);
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
            storage: Storage::F32,
        };
        let map = ParameterMap::of_groups(&[vec![vector("a", 4096), vector("b", 4500)]], 4096, &limits);
        assert_eq!(map.unwrap().buffers, [4096, 8192]);
        // It would fit, but not what it is rounded up to.
        let error = ParameterMap::of_groups(&[vec![vector("a", 9000)]], 4096, &limits).unwrap_err();
        assert!(matches!(error, Error::GpuLimit { .. }), "{error}");
    }
}
