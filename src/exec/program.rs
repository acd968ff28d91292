//! A plan's launches with their pipelines and bind groups, and the submits that they go in.

use crate::error::{Error, Result};
use crate::events::event;
use crate::gpu::{Buffer, Gpu, Pipeline};
use crate::plan::{Memory, Plan};

use super::{Budget, Parameters, Timing};

/// Where in a buffer [`Memory::Given`] begins.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) offset: u64,
}

#[derive(Debug)]
struct Ready {
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
}

/// A plan with pipelines and bind groups over buffers that somebody else holds.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) plan: Plan,
    launches: Vec<Ready>,
    /// The plan's buffers, which somebody else holds too.
    pub(crate) buffers: Vec<wgpu::Buffer>,
    /// What the bind groups read.
    _uniforms: Buffer,
    given: Vec<Slice>,
}

impl Program {
    /// Makes pipelines and bind groups. `buffers` are at least as large as those of the plan.
    ///
    /// # Errors
    /// [`Error::Shape`] where the plan was made for other parameters or memory;
    /// [`Error::OutOfMemory`], and what else the device reports.
    pub(crate) fn new(
        gpu: &Gpu,
        plan: Plan,
        buffers: &[Buffer],
        parameters: &Parameters,
        given: Vec<Slice>,
    ) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        #[cfg(not(target_arch = "wasm32"))]
        announce(&plan);
        let bytes = plan.uniforms.len() as u64;
        let uniforms = gpu.buffer("uniforms", bytes, Usage::UNIFORM | Usage::COPY_DST)?;
        gpu.queue().write_buffer(&uniforms, 0, &plan.uniforms);
        gpu.compile_all(&plan.kernels())?;
        let place = |memory: Memory| match memory {
            Memory::Buffer(b) => buffers.get(b).map(|buffer| (&**buffer, 0)),
            Memory::Piece(p) => {
                let piece = parameters.map.pieces.get(p)?;
                parameters.buffers.get(piece.buffer).map(|buffer| (&**buffer, piece.offset))
            }
            Memory::Given(g) => given.get(g).map(|slice| (&slice.buffer, slice.offset)),
        };
        let mut launches = Vec::with_capacity(plan.launches.len());
        for step in &plan.launches {
            let pipeline = gpu.pipeline(step.kernel)?;
            let uniform = wgpu::BufferBinding {
                buffer: &uniforms,
                offset: 0,
                size: std::num::NonZeroU64::new(u64::from(step.uniform_bytes)),
            };
            let mut resources = vec![wgpu::BindingResource::Buffer(uniform)];
            for bound in &step.bindings {
                let (buffer, offset) = place(bound.memory).ok_or_else(|| {
                    Error::Internal(format!("`{}` is planned for other parameters or memory", step.label))
                })?;
                let size = std::num::NonZeroU64::new(bound.bytes);
                resources.push(wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size }));
            }
            let entries: Vec<_> = resources
                .into_iter()
                .enumerate()
                .map(|(i, resource)| wgpu::BindGroupEntry { binding: i as u32, resource })
                .collect();
            let bind_group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&step.label),
                layout: &pipeline.layout,
                entries: &entries,
            });
            launches.push(Ready { pipeline, bind_group });
        }
        let buffers = buffers.iter().map(|buffer| (**buffer).clone()).collect();
        Ok(Self { plan, launches, buffers, _uniforms: uniforms, given })
    }

    fn launch(&self, pass: &mut wgpu::ComputePass<'_>, i: usize) {
        let (step, launch) = (&self.plan.launches[i], &self.launches[i]);
        let [x, y, z] = step.workgroups;
        pass.set_pipeline(&launch.pipeline.pipeline);
        pass.set_bind_group(0, &launch.bind_group, &[step.uniform_offset]);
        pass.dispatch_workgroups(x, y, z);
    }

    /// Runs with a timestamp around each launch.
    pub(crate) async fn profile(&self, gpu: &Gpu) -> Result<Vec<Timing>> {
        self.profile_part(gpu, 0..self.launches.len()).await
    }

    /// Runs some launches with a timestamp around each.
    pub(crate) async fn profile_part(&self, gpu: &Gpu, part: std::ops::Range<usize>) -> Result<Vec<Timing>> {
        if !gpu.has_timestamps() {
            let adapter = gpu.name().to_string();
            return Err(Error::GpuLimit { adapter, problem: "it has no timestamps".into() });
        }
        use wgpu::BufferUsages as Usage;
        // Query sets are limited to 4096 timestamps.
        const GROUP: usize = 1024;
        let mut timings = vec![];
        let bytes = 16 * GROUP as u64;
        let queries = gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("profile"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * GROUP as u32,
        });
        let resolved = gpu.buffer("profile", bytes, Usage::QUERY_RESOLVE | Usage::COPY_SRC)?;
        let download = gpu.buffer("profile", bytes, Usage::MAP_READ | Usage::COPY_DST)?;
        for first in part.clone().step_by(GROUP) {
            let end = (first + GROUP).min(part.end);
            let mut encoder = encoder(gpu);
            for i in first..end {
                let query = 2 * (i - first) as u32;
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set: &queries,
                        beginning_of_pass_write_index: Some(query),
                        end_of_pass_write_index: Some(query + 1),
                    }),
                });
                self.launch(&mut pass, i);
            }
            encoder.resolve_query_set(&queries, 0..2 * (end - first) as u32, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &download, 0, bytes);
            gpu.submit([encoder.finish()]);
            let mapped = gpu.map(&download, wgpu::MapMode::Read).await?;
            let period = f64::from(gpu.queue().get_timestamp_period()) * 1e-9;
            let ticks: Vec<u64> = bytemuck::pod_collect_to_vec::<u8, u64>(&mapped.read(..)?);
            for (step, pair) in self.plan.launches[first..end].iter().zip(ticks.chunks(2)) {
                timings.push(Timing {
                    label: step.label.clone(),
                    kernel: step.kernel,
                    seconds: pair[1].saturating_sub(pair[0]) as f64 * period,
                    flops: step.flops,
                    bytes: step.bytes(),
                });
            }
        }
        Ok(timings)
    }
}

/// Tells what a plan launches.
#[cfg(not(target_arch = "wasm32"))]
fn announce(plan: &Plan) {
    event!(
        DEBUG,
        launches = plan.launches.len(),
        kernels = plan.kernels().len(),
        gflop = plan.flops() as f64 / 1e9,
        buffers = plan.buffers.len(),
        bytes = plan.memory(),
        "a plan"
    );
    for step in &plan.launches {
        event!(TRACE, workgroups = ?step.workgroups, flop = step.flops, "{}: {}", step.kernel.name(), step.label);
    }
}

fn encoder(gpu: &Gpu) -> wgpu::CommandEncoder {
    gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
}

/// Programs and copies, one after the other, in submits of at most a budget.
pub(crate) struct Recorder<'a> {
    gpu: &'a Gpu,
    encoder: wgpu::CommandEncoder,
    /// The most floating-point operations of one submit.
    budget: u64,
    /// Floating-point operations since the last submit.
    flops: u64,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(gpu: &'a Gpu, budget: &Budget) -> Self {
        Self { gpu, encoder: encoder(gpu), budget: budget.flops(), flops: 0 }
    }

    /// Copies so many bytes from one place to another.
    pub(crate) fn copy(&mut self, from: (&wgpu::Buffer, u64), to: (&wgpu::Buffer, u64), bytes: u64) {
        self.encoder.copy_buffer_to_buffer(from.0, from.1, to.0, to.1, bytes);
    }

    /// All launches and copies of a program. A single launch is never cut.
    pub(crate) fn run(&mut self, program: &Program) {
        self.run_part(program, 0..program.plan.launches.len());
    }

    /// Some of a program's launches; with the last of them its copies.
    pub(crate) fn run_part(&mut self, program: &Program, part: std::ops::Range<usize>) {
        let steps = &program.plan.launches[..part.end];
        let mut first = part.start;
        while first < steps.len() {
            let mut end = first;
            while end < steps.len() && (self.flops == 0 || self.flops + steps[end].flops <= self.budget) {
                self.flops += steps[end].flops;
                end += 1;
            }
            if end > first {
                let mut pass = self.encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                for i in first..end {
                    program.launch(&mut pass, i);
                }
            }
            if end < steps.len() {
                self.submit();
            }
            first = end;
        }
        if steps.len() < program.plan.launches.len() {
            return;
        }
        for &(from, to, bytes) in &program.plan.copies {
            let to = &program.given[to];
            self.copy((&program.buffers[from], 0), (&to.buffer, to.offset), bytes);
        }
    }

    /// Submits what is recorded so far.
    pub(crate) fn submit(&mut self) -> wgpu::SubmissionIndex {
        event!(TRACE, flop = self.flops, "submits");
        let recorded = std::mem::replace(&mut self.encoder, encoder(self.gpu));
        self.flops = 0;
        self.gpu.submit([recorded.finish()])
    }

    /// Submits the rest.
    pub(crate) fn finish(self) -> wgpu::SubmissionIndex {
        event!(TRACE, flop = self.flops, "submits the rest");
        self.gpu.submit([self.encoder.finish()])
    }
}
