//! From a graph to kernel launches: which kernel with which geometry, which tensors share
//! which buffers. Pure: knows no GPU, so it is tested without one.

pub mod layout;
mod lower;
mod memory;
mod parameters;
pub mod select;

use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId, Shape};
use crate::shader::Shader;

use layout::Layout;
pub use memory::{Assignment, Demand, assign};
pub use parameters::{ParameterMap, Piece};
pub use select::AdapterClass;

/// What a plan has to know of the adapter.
#[derive(Clone, Debug)]
pub struct Target {
    /// The adapter's name, for messages.
    pub adapter: String,
    /// Which kernels suit it.
    pub class: AdapterClass,
    /// `max_storage_buffer_binding_size`, bytes.
    pub max_binding: u64,
    /// `max_buffer_size`, bytes.
    pub max_buffer: u64,
    /// `max_compute_workgroups_per_dimension`
    pub max_workgroups: u32,
    /// The larger of the uniform and storage offset alignments, bytes.
    pub alignment: u32,
    /// The kernel for every convolution, instead of the table's choice: to test and measure
    /// all of them.
    pub conv2d: Option<&'static Shader>,
}

impl Target {
    /// What every browser grants (WebGPU's default limits).
    pub fn browser(class: AdapterClass) -> Self {
        Self {
            adapter: "any WebGPU adapter".into(),
            class,
            max_binding: 128 << 20,
            max_buffer: 256 << 20,
            max_workgroups: 65_535,
            alignment: 256,
            conv2d: None,
        }
    }

    fn limit(&self, problem: String) -> Error {
        Error::GpuLimit { adapter: self.adapter.clone(), problem }
    }
}

/// The memory behind one binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// A buffer of the plan, from its beginning.
    Buffer(usize),
    /// A piece of the parameters.
    Piece(usize),
}

/// One binding of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What is bound.
    pub memory: Memory,
    /// How much of it.
    pub bytes: u64,
}

/// One kernel launch.
#[derive(Clone, Debug)]
pub struct Step {
    /// The kernel.
    pub shader: &'static Shader,
    /// Its storage bindings, in the order of [`Shader::bindings`] after the uniform.
    pub bindings: Vec<Bound>,
    /// Where its uniforms begin in [`Plan::uniforms`].
    pub uniform_offset: u32,
    /// Bytes of its uniforms.
    pub uniform_bytes: u32,
    /// Workgroups in x, y, z.
    pub workgroups: [u32; 3],
    /// What it computes, for a profile.
    pub label: String,
    /// Floating-point operations (two per multiply-add; convolutions counted as direct ones).
    pub flops: u64,
}

/// An input or output of a plan.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// The node's name; of an output its position.
    pub name: String,
    /// The official shape.
    pub shape: Shape,
    /// How it lies in its buffer.
    pub layout: Layout,
    /// The buffer.
    pub buffer: usize,
}

/// A graph, ready to run: a list of launches with all memory and uniforms decided.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The launches, in order.
    pub steps: Vec<Step>,
    /// The uniforms of all steps.
    pub uniforms: Vec<u8>,
    /// The size of each buffer in bytes.
    pub buffers: Vec<u64>,
    /// What is uploaded before a run.
    pub inputs: Vec<Terminal>,
    /// What can be read after it.
    pub outputs: Vec<Terminal>,
}

impl Plan {
    /// Plans `graph` (fused or not) so that `outputs` can be read after a run.
    ///
    /// # Errors
    /// [`Error::GpuLimit`] where a tensor exceeds what the adapter can bind.
    pub fn compile(
        graph: &Graph,
        outputs: &[NodeId],
        parameters: &ParameterMap,
        target: &Target,
    ) -> Result<Self> {
        lower::Lowering::new(graph, parameters, target).run(outputs)
    }

    /// Bytes of GPU memory for activations, intermediate results and uniforms.
    pub fn memory(&self) -> u64 {
        self.buffers.iter().sum::<u64>() + self.uniforms.len() as u64
    }

    /// Floating-point operations of one run.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(|s| s.flops).sum()
    }
}
