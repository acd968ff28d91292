//! From a graph to kernel launches: which kernel with which geometry, which tensors share
//! which buffers. Pure: knows no GPU, so it is tested without one.

pub mod layout;
mod lower;
mod memory;
mod parameters;
pub(crate) mod pixels;
pub mod select;
pub mod tuning;

use std::sync::Arc;

use bytemuck::NoUninit;

use crate::error::{Error, Result};
use crate::graph::{Arithmetic, Graph, NodeId, Shape};
use crate::shader::{Kernel, Shader};

use layout::Layout;
pub use memory::{Assignment, Demand, assign};
pub(crate) use parameters::{Leaf, scales_of};
pub use parameters::{ParameterMap, Piece, Storage};
pub use select::AdapterClass;
use tuning::Tuning;

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
    /// Whether the driver compiles long texts for minutes, so that kernels which keep their loops
    /// are taken ([`Shader::loops`]).
    pub loops: bool,
    /// The larger of the uniform and storage offset alignments, bytes.
    pub alignment: u32,
    /// The kernel for every convolution that it can compute, instead of the table's choice: to test
    /// and measure all of them. It is one of [`select::CONV2D_KERNELS`]; any other is passed over.
    pub conv2d: Option<&'static select::Conv2dKernel>,
    /// Which algorithms may compute a convolution.
    pub arithmetic: Arithmetic,
    /// What was measured on the adapter, to go before the tables.
    pub tuning: Option<Arc<Tuning>>,
    /// Whether it is a graphics card of its own, which has many processors.
    pub discrete: bool,
    /// How many invocations a launch should have, instead of what the tables say: to test and measure.
    pub invocations: Option<usize>,
    /// Whether every fast convolution that can be is computed by Winograd's algorithm, or none,
    /// instead of what the tables say: to test and measure both.
    pub winograd: Option<bool>,
    /// Whether the pictures between operations, and the large weights, lie in memory as f16. All is computed with f32. In a
    /// step of training it is the pictures of the way forward, and no weights.
    pub f16: bool,
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
            loops: false,
            alignment: 256,
            conv2d: None,
            arithmetic: Arithmetic::Exact,
            tuning: None,
            discrete: false,
            invocations: None,
            winograd: None,
            f16: false,
        }
    }

    pub(crate) fn limit(&self, problem: String) -> Error {
        Error::GpuLimit { adapter: self.adapter.clone(), problem }
    }

    /// `count` workgroups in x and y, for kernels that count them as y * width + x.
    pub(crate) fn spread(&self, count: usize) -> [usize; 3] {
        let rows = count.div_ceil(self.max_workgroups as usize).max(1);
        [count.div_ceil(rows), rows, 1]
    }
}

/// The memory behind one binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Memory {
    /// A buffer of the plan, from its beginning.
    Buffer(usize),
    /// A piece of the parameters.
    Piece(usize),
    /// Memory that outlives the plan, by its position among what the plan's owner gives.
    Given(usize),
}

/// One binding of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What is bound.
    pub memory: Memory,
    /// How much of it.
    pub bytes: u64,
    /// Whether it is a tensor of f16.
    pub half: bool,
}

/// One kernel launch. Kernels check no bounds, so that only this crate makes launches.
#[derive(Clone, Debug)]
pub struct Launch {
    pub(crate) kernel: Kernel,
    /// In the order of [`Shader::bindings`] after the uniform.
    pub(crate) bindings: Vec<Bound>,
    /// Where its uniforms begin in [`Plan::uniforms`].
    pub(crate) uniform_offset: u32,
    /// Bytes of its uniforms.
    pub(crate) uniform_bytes: u32,
    /// In x, y, z.
    pub(crate) workgroups: [u32; 3],
    pub(crate) label: String,
    pub(crate) flops: u64,
}

impl Launch {
    /// The kernel.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// What it reads, and last what it writes.
    pub fn bindings(&self) -> &[Bound] {
        &self.bindings
    }

    /// What it computes, for a profile.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Floating-point operations, two per multiply-add, those of the algorithm that is taken.
    pub fn flops(&self) -> u64 {
        self.flops
    }

    /// Bytes of the tensors that it reads and writes.
    pub fn bytes(&self) -> u64 {
        // A binding that stands in for one that is not used is the one before it.
        let mut bound = self.bindings.clone();
        bound.dedup();
        bound.iter().map(|b| b.bytes).sum()
    }
}

/// A launch that is to be appended to a plan.
pub(crate) struct Wanted<'a> {
    pub(crate) shader: &'static Shader,
    pub(crate) bindings: &'a [Bound],
    pub(crate) workgroups: [usize; 3],
    pub(crate) label: String,
    pub(crate) flops: u64,
}

/// Memory of a plan's owner that an output is written to.
#[cfg(feature = "training")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The output.
    pub(crate) node: NodeId,
    /// How it is to lie there.
    pub(crate) layout: Layout,
    /// The buffer that it is part of. No launch may write one part of a buffer and read
    /// another.
    pub(crate) buffer: usize,
}

/// A plan with others that run between its first part and its rest. All of them lie in the same buffers.
#[cfg(feature = "training")]
#[derive(Clone, Debug)]
pub(crate) struct Around {
    pub(crate) plan: Plan,
    /// The launches of its first part.
    pub(crate) first: usize,
    /// Each of them finds what of `plan` lives on untouched.
    pub(crate) between: Vec<Plan>,
    /// Bytes of the buffers that `plan` would need alone.
    pub(crate) alone: u64,
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
///
/// Kernels check no bounds: that the uniforms fit the buffers is the plan's doing, so that nobody
/// else makes or changes one.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(crate) launches: Vec<Launch>,
    /// The uniforms of all launches.
    pub(crate) uniforms: Vec<u8>,
    pub(crate) buffers: Vec<u64>,
    pub(crate) inputs: Vec<Terminal>,
    pub(crate) outputs: Vec<Terminal>,
    /// What is copied after the last launch: from a buffer into [`Memory::Given`], so many bytes.
    pub(crate) copies: Vec<(usize, usize, u64)>,
}

impl Plan {
    /// A plan of one launch over buffers of so many bytes, bound in order, the last one written: to
    /// measure what an adapter reaches at best.
    ///
    /// # Safety
    /// With `params` and so many workgroups, `shader` must neither read nor write beyond the ends
    /// of its buffers, and must come to an end: nothing checks that.
    pub unsafe fn single<P: NoUninit>(
        shader: &'static Shader,
        params: P,
        buffers: Vec<u64>,
        workgroups: [u32; 3],
        flops: u64,
    ) -> Self {
        let bound = |(i, &bytes): (usize, &u64)| Bound { memory: Memory::Buffer(i), bytes, half: false };
        let launch = Launch {
            kernel: Kernel { shader, halves: 0 },
            bindings: buffers.iter().enumerate().map(bound).collect(),
            uniform_offset: 0,
            uniform_bytes: size_of::<P>() as u32,
            workgroups,
            label: shader.name.into(),
            flops,
        };
        let uniforms = bytemuck::bytes_of(&params).to_vec();
        Self { launches: vec![launch], uniforms, buffers, ..Self::default() }
    }

    /// The launches, in order.
    pub fn launches(&self) -> &[Launch] {
        &self.launches
    }

    /// The size of each buffer in bytes.
    pub fn buffers(&self) -> &[u64] {
        &self.buffers
    }

    /// What is uploaded before a run.
    pub fn inputs(&self) -> &[Terminal] {
        &self.inputs
    }

    /// What can be read after it.
    pub fn outputs(&self) -> &[Terminal] {
        &self.outputs
    }

    /// Plans `graph` (fused or not) so that `outputs` can be read after a run.
    ///
    /// # Errors
    /// [`Error::GpuLimit`] where a tensor exceeds what the adapter can bind; [`Error::Shape`] where
    /// `parameters` are those of another graph.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub fn compile(
        graph: &Graph,
        outputs: &[NodeId],
        parameters: &ParameterMap,
        target: &Target,
    ) -> Result<Self> {
        lower::Lowering::new(graph, parameters, target).run(outputs)
    }

    /// The kernels, each once, in the order of their first launch.
    pub fn kernels(&self) -> Vec<Kernel> {
        let mut kernels: Vec<Kernel> = vec![];
        for launch in &self.launches {
            if !kernels.iter().any(|known| known.key() == launch.kernel.key()) {
                kernels.push(launch.kernel);
            }
        }
        kernels
    }

    /// Plans `graph` so that its outputs are written to memory of the owner, `destinations` being
    /// [`Memory::Given`] in their order: by the kernels themselves wherever no launch would then
    /// read and write one buffer, else copied at the end. The plan's first buffers are those of
    /// `pool`, sizes of another plan that never runs at the same time, grown where need be.
    ///
    /// # Errors
    /// As [`Self::compile`]; [`Error::Shape`] where an output lies in another layout.
    #[cfg(feature = "training")]
    pub(crate) fn compile_into(
        graph: &Graph,
        destinations: &[Destination],
        pool: &[u64],
        parameters: &ParameterMap,
        target: &Target,
    ) -> Result<Self> {
        lower::Lowering::new(graph, parameters, target).into_given(destinations, pool)
    }

    /// Plans a graph as [`Self::compile_into`] does, and others that run one after the other when its nodes before
    /// `first` are computed. Their inputs that have a name of `shared`, nodes before `first`, or that of an input of
    /// `graph`, are these tensors: nobody feeds them.
    ///
    /// # Errors
    /// As [`Self::compile_into`].
    #[cfg(feature = "training")]
    pub(crate) fn compile_around(
        (graph, destinations): (&Graph, &[Destination]),
        (first, shared): (usize, &[(String, NodeId)]),
        between: &[(&Graph, &[Destination])],
        parameters: &ParameterMap,
        target: &Target,
    ) -> Result<Around> {
        let lowering = |graph| lower::Lowering::new(graph, parameters, target);
        let between = between.iter().map(|&(graph, to)| (lowering(graph), to)).collect();
        lowering(graph).around(destinations, (first, shared), between)
    }

    /// Appends a launch.
    ///
    /// # Errors
    /// [`Error::GpuLimit`] where the adapter does not grant so many workgroups; [`Error::Shape`] where a binding is a
    /// tensor of f16 that the shader can only read as f32.
    pub(crate) fn push<P: NoUninit>(&mut self, target: &Target, params: P, launch: Wanted<'_>) -> Result<()> {
        let Wanted { shader, bindings, workgroups, label, flops } = launch;
        if workgroups.iter().any(|&n| n > target.max_workgroups as usize) {
            return Err(target.limit(format!(
                "{} would need {workgroups:?} workgroups; use a smaller picture, or the processor",
                shader.name
            )));
        }
        let shader = shader.loops.filter(|_| target.loops).unwrap_or(shader);
        let mut halves = 0;
        // Binding 0 is the uniforms.
        for (i, (bound, binding)) in bindings.iter().zip(shader.bindings.iter().skip(1)).enumerate() {
            // One that is there already stands in for one that is not read.
            let half = bound.half && (binding.tensor || !bindings[..i].contains(bound));
            if half && !binding.tensor {
                return Err(Error::Shape(format!("{} reads `{}` as f32 only", shader.name, binding.name)));
            }
            halves |= u32::from(half) << (i + 1);
        }
        let offset = self.uniforms.len().next_multiple_of(target.alignment as usize);
        self.uniforms.resize(offset, 0);
        self.uniforms.extend_from_slice(bytemuck::bytes_of(&params));
        self.launches.push(Launch {
            kernel: Kernel { shader, halves },
            bindings: bindings.to_vec(),
            uniform_offset: offset as u32,
            uniform_bytes: size_of::<P>() as u32,
            workgroups: workgroups.map(|n| n as u32),
            label,
            flops,
        });
        Ok(())
    }

    /// Bytes of GPU memory for activations, intermediate results and uniforms.
    pub fn memory(&self) -> u64 {
        self.buffers.iter().sum::<u64>() + self.uniforms.len() as u64
    }

    /// Floating-point operations of one run.
    pub fn flops(&self) -> u64 {
        self.launches.iter().map(|s| s.flops).sum()
    }
}
