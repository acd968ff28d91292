//! A plan on a GPU: pipelines, bind groups and buffers are made once; running replays them.

mod parameters;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Pipeline};
use crate::plan::{Memory, Plan};
use crate::tensor::Tensor;

pub use parameters::Parameters;

/// Sends what was written, and natively waits so that the staging memory is free again.
fn flush(gpu: &Gpu) -> Result<()> {
    gpu.queue().submit([]);
    #[cfg(not(target_arch = "wasm32"))]
    gpu.wait()?;
    gpu.check()
}

fn buffer(gpu: &Gpu, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: size.max(16),
        usage,
        mapped_at_creation: false,
    })
}

#[derive(Debug)]
struct Launch {
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
}

/// Where an input lies in the upload buffer, or an output in the read-back buffer.
type Span = std::ops::Range<u64>;

/// A plan with everything that it needs to run, again and again, without allocating.
#[derive(Debug)]
pub struct Executor {
    gpu: Gpu,
    plan: Plan,
    buffers: Vec<wgpu::Buffer>,
    launches: Vec<Launch>,
    upload: wgpu::Buffer,
    upload_spans: Vec<Span>,
    download: wgpu::Buffer,
    download_spans: Vec<Span>,
    /// Floating-point operations in one submit, so that none keeps the GPU for longer than
    /// [`SUBMIT_SECONDS`].
    submit_flops: u64,
    parameters: Arc<Parameters>,
}

/// How long one submit may keep the GPU: systems reset one that does not answer for seconds,
/// and a page needs it to paint.
const SUBMIT_SECONDS: f64 = if cfg!(target_arch = "wasm32") { 0.016 } else { 0.05 };

/// What a GPU is taken to reach before it has been measured: a small integrated one.
const ASSUMED_FLOPS: f64 = 1e11;

/// How long one launch took.
#[derive(Clone, Debug)]
pub struct Timing {
    /// What it computed.
    pub label: String,
    /// The kernel.
    pub kernel: &'static str,
    /// Seconds on the GPU.
    pub seconds: f64,
    /// Floating-point operations.
    pub flops: u64,
}

impl Executor {
    /// Makes all buffers, pipelines and bind groups.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], or [`Error::Gpu`] where the driver refuses.
    pub fn new(gpu: &Gpu, plan: Plan, parameters: Arc<Parameters>) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let storage = Usage::STORAGE | Usage::COPY_DST | Usage::COPY_SRC;
        let buffers: Vec<wgpu::Buffer> =
            plan.buffers.iter().map(|&bytes| buffer(gpu, "activations", bytes, storage)).collect();
        let uniforms = buffer(gpu, "uniforms", plan.uniforms.len() as u64, Usage::UNIFORM | Usage::COPY_DST);
        let (upload_spans, upload_bytes) = spans(plan.inputs.iter().map(|t| t.layout.bytes()));
        let (download_spans, download_bytes) = spans(plan.outputs.iter().map(|t| t.layout.bytes()));
        let upload = buffer(gpu, "upload", upload_bytes, Usage::MAP_WRITE | Usage::COPY_SRC);
        let download = buffer(gpu, "download", download_bytes, Usage::MAP_READ | Usage::COPY_DST);
        gpu.check()?;
        gpu.queue().write_buffer(&uniforms, 0, &plan.uniforms);

        let launches = plan
            .steps
            .iter()
            .map(|step| {
                let pipeline = gpu.pipeline(step.shader);
                let uniform = wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &uniforms,
                        offset: 0,
                        size: std::num::NonZeroU64::new(u64::from(step.uniform_bytes)),
                    }),
                };
                let storage = step.bindings.iter().enumerate().map(|(i, bound)| {
                    let (buffer, offset) = match bound.memory {
                        Memory::Buffer(b) => (&buffers[b], 0),
                        Memory::Piece(p) => {
                            let piece = &parameters.map.pieces[p];
                            (&parameters.buffers[piece.buffer], piece.offset)
                        }
                    };
                    let size = std::num::NonZeroU64::new(bound.bytes);
                    let resource =
                        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size });
                    wgpu::BindGroupEntry { binding: i as u32 + 1, resource }
                });
                let entries: Vec<_> = std::iter::once(uniform).chain(storage).collect();
                let bind_group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(&step.label),
                    layout: &pipeline.layout,
                    entries: &entries,
                });
                Launch { pipeline, bind_group }
            })
            .collect();
        flush(gpu)?;
        Ok(Self {
            gpu: gpu.clone(),
            plan,
            buffers,
            launches,
            upload,
            upload_spans,
            download,
            download_spans,
            submit_flops: (ASSUMED_FLOPS * SUBMIT_SECONDS) as u64,
            parameters,
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Bytes of GPU memory beside the parameters.
    pub fn memory(&self) -> u64 {
        self.plan.memory() + self.upload.size() + self.download.size()
    }

    /// Bytes of GPU memory for the parameters.
    pub fn parameter_bytes(&self) -> u64 {
        self.parameters.map.bytes()
    }

    /// Overwrites all activations, as memory that another program left behind might look. Tests
    /// do this to show that no kernel relies on fresh memory being zero.
    ///
    /// # Errors
    /// What the GPU reports.
    pub fn poison(&self, value: f32) -> Result<()> {
        for buffer in &self.buffers {
            let floats = vec![value; buffer.size() as usize / 4];
            self.gpu.queue().write_buffer(buffer, 0, bytemuck::cast_slice(&floats));
        }
        flush(&self.gpu)
    }

    /// Uploads `inputs` (in the order of [`Plan::inputs`]), runs the plan, and reads its
    /// outputs back.
    ///
    /// # Errors
    /// [`Error::Shape`] where the inputs are not the plan's, and what the GPU reports.
    pub async fn run(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.write_inputs(inputs).await?;
        let started = Clock::now();
        let mut encoder = self.encoder();
        for (terminal, span) in self.plan.inputs.iter().zip(&self.upload_spans) {
            let to = &self.buffers[terminal.buffer];
            encoder.copy_buffer_to_buffer(&self.upload, span.start, to, 0, span.end - span.start);
        }
        let mut first = 0;
        while first < self.launches.len() {
            let end = self.submit_end(first);
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for i in first..end {
                self.launch(&mut pass, i);
            }
            drop(pass);
            if end < self.launches.len() {
                self.gpu.queue().submit([std::mem::replace(&mut encoder, self.encoder()).finish()]);
            }
            first = end;
        }
        for (terminal, span) in self.plan.outputs.iter().zip(&self.download_spans) {
            let from = &self.buffers[terminal.buffer];
            encoder.copy_buffer_to_buffer(from, 0, &self.download, span.start, span.end - span.start);
        }
        self.gpu.queue().submit([encoder.finish()]);
        let outputs = self.read_outputs().await?;
        // The first run also compiles; it would measure the driver.
        self.submit_flops = self.measured(started.seconds());
        Ok(outputs)
    }

    /// Runs the plan with a timestamp around each launch, on the inputs of the last run.
    ///
    /// # Errors
    /// [`Error::GpuLimit`] where the adapter has no timestamps, and what the GPU reports.
    pub async fn profile(&self) -> Result<Vec<Timing>> {
        if !self.gpu.has_timestamps() {
            let adapter = self.gpu.name().to_string();
            return Err(Error::GpuLimit { adapter, problem: "it has no timestamps".into() });
        }
        use wgpu::BufferUsages as Usage;
        // Query sets are limited to 4096 timestamps.
        const GROUP: usize = 1024;
        let mut timings = vec![];
        let bytes = 16 * GROUP as u64;
        let queries = self.gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("profile"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * GROUP as u32,
        });
        let resolved = buffer(&self.gpu, "profile", bytes, Usage::QUERY_RESOLVE | Usage::COPY_SRC);
        let download = buffer(&self.gpu, "profile", bytes, Usage::MAP_READ | Usage::COPY_DST);
        for first in (0..self.launches.len()).step_by(GROUP) {
            let end = (first + GROUP).min(self.launches.len());
            let mut encoder = self.encoder();
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
            self.gpu.queue().submit([encoder.finish()]);
            self.gpu.map(&download, wgpu::MapMode::Read).await?;
            let period = f64::from(self.gpu.queue().get_timestamp_period()) * 1e-9;
            let mapped = download.get_mapped_range(..).map_err(|e| self.gpu_error(&e))?;
            let ticks: Vec<u64> = bytemuck::pod_collect_to_vec::<u8, u64>(&mapped);
            for (step, pair) in self.plan.steps[first..end].iter().zip(ticks.chunks(2)) {
                timings.push(Timing {
                    label: step.label.clone(),
                    kernel: step.shader.name,
                    seconds: pair[1].saturating_sub(pair[0]) as f64 * period,
                    flops: step.flops,
                });
            }
            drop(mapped);
            download.unmap();
        }
        Ok(timings)
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    fn launch(&self, pass: &mut wgpu::ComputePass<'_>, i: usize) {
        let (step, launch) = (&self.plan.steps[i], &self.launches[i]);
        let [x, y, z] = step.workgroups;
        pass.set_pipeline(&launch.pipeline.pipeline);
        pass.set_bind_group(0, &launch.bind_group, &[step.uniform_offset]);
        pass.dispatch_workgroups(x, y, z);
    }

    /// The end of the submit that begins with launch `first`; at least one launch.
    fn submit_end(&self, first: usize) -> usize {
        let mut flops = 0;
        let steps = &self.plan.steps[first..];
        let fitting = steps.iter().take_while(|step| {
            flops += step.flops;
            flops <= self.submit_flops
        });
        first + fitting.count().max(1)
    }

    /// The budget of one submit at the speed of a run of `seconds`.
    fn measured(&self, seconds: f64) -> u64 {
        (self.plan.flops() as f64 / seconds.max(1e-6) * SUBMIT_SECONDS).max(1.0) as u64
    }

    async fn write_inputs(&self, inputs: &[&Tensor]) -> Result<()> {
        if inputs.len() != self.plan.inputs.len() {
            let (asked, given) = (self.plan.inputs.len(), inputs.len());
            return Err(Error::Shape(format!("the plan has {asked} inputs, {given} were given")));
        }
        for (terminal, tensor) in self.plan.inputs.iter().zip(inputs) {
            if tensor.shape() != &terminal.shape {
                let (name, asked, given) = (&terminal.name, &terminal.shape, tensor.shape());
                return Err(Error::Shape(format!("input `{name}` must be {asked}, not {given}")));
            }
        }
        if inputs.is_empty() {
            return Ok(());
        }
        self.gpu.map(&self.upload, wgpu::MapMode::Write).await?;
        for ((terminal, tensor), span) in self.plan.inputs.iter().zip(inputs).zip(&self.upload_spans) {
            let packed = terminal.layout.pack(tensor.data());
            let mut mapped =
                self.upload.get_mapped_range_mut(span.clone()).map_err(|e| self.gpu_error(&e))?;
            mapped.copy_from_slice(bytemuck::cast_slice(&packed));
        }
        self.upload.unmap();
        Ok(())
    }

    async fn read_outputs(&self) -> Result<Vec<Tensor>> {
        self.gpu.map(&self.download, wgpu::MapMode::Read).await?;
        let mapped = self.download.get_mapped_range(..).map_err(|e| self.gpu_error(&e))?;
        let outputs = self.plan.outputs.iter().zip(&self.download_spans).map(|(terminal, span)| {
            let bytes = &mapped[span.start as usize..span.end as usize];
            terminal.layout.unpack(bytemuck::cast_slice(bytes), &terminal.shape)
        });
        let outputs = outputs.collect();
        drop(mapped);
        self.download.unmap();
        outputs
    }

    fn gpu_error(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Gpu { adapter: self.gpu.name().into(), problem: error.to_string() }
    }
}

/// Consecutive spans of the given sizes, and their total.
fn spans(sizes: impl Iterator<Item = u64>) -> (Vec<Span>, u64) {
    let mut end = 0;
    let spans = sizes
        .map(|size| {
            let start = end;
            end += size;
            start..end
        })
        .collect();
    (spans, end)
}

/// A clock that browsers have too.
struct Clock {
    #[cfg(not(target_arch = "wasm32"))]
    started: std::time::Instant,
    #[cfg(target_arch = "wasm32")]
    started: f64,
}

#[cfg(not(target_arch = "wasm32"))]
impl Clock {
    fn now() -> Self {
        Self { started: std::time::Instant::now() }
    }

    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

#[cfg(target_arch = "wasm32")]
impl Clock {
    fn now() -> Self {
        Self { started: js_sys::Date::now() }
    }

    fn seconds(&self) -> f64 {
        (js_sys::Date::now() - self.started) / 1000.0
    }
}
