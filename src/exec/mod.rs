//! A plan on a GPU: pipelines, bind groups and buffers are made once; running replays them.

mod parameters;
mod program;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::plan::Plan;
use crate::tensor::Tensor;

pub use parameters::Parameters;
pub(crate) use parameters::STORED;
pub(crate) use program::{Budget, Program, Recorder, Slice};

/// Sends what was written, and natively waits so that the staging memory is free again.
pub(crate) fn flush(gpu: &Gpu) -> Result<()> {
    gpu.queue().submit([]);
    #[cfg(not(target_arch = "wasm32"))]
    gpu.wait()?;
    gpu.check()
}

pub(crate) fn buffer(gpu: &Gpu, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: size.max(16),
        usage,
        mapped_at_creation: false,
    })
}

/// A browser's mapping takes a turn of its event loop, in Firefox a tenth of a second;
/// `write_buffer` takes none. Natively mapping saves a copy.
const UPLOAD: wgpu::BufferUsages = if cfg!(target_arch = "wasm32") {
    wgpu::BufferUsages::COPY_DST.union(wgpu::BufferUsages::COPY_SRC)
} else {
    wgpu::BufferUsages::MAP_WRITE.union(wgpu::BufferUsages::COPY_SRC)
};

/// Where an input lies in the upload buffer, or an output in the read-back buffer.
pub(crate) type Span = std::ops::Range<u64>;

/// A plan with everything that it needs to run, again and again, without allocating.
#[derive(Debug)]
pub struct Executor {
    gpu: Gpu,
    program: Program,
    upload: wgpu::Buffer,
    upload_spans: Vec<Span>,
    download: wgpu::Buffer,
    download_spans: Vec<Span>,
    budget: Budget,
    parameters: Arc<Parameters>,
}

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
    /// Bytes of the tensors that it reads and writes.
    pub bytes: u64,
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
        let (upload_spans, upload_bytes) = spans(plan.inputs.iter().map(|t| t.layout.bytes()));
        let (download_spans, download_bytes) = spans(plan.outputs.iter().map(|t| t.layout.bytes()));
        let upload = buffer(gpu, "upload", upload_bytes, UPLOAD);
        let download = buffer(gpu, "download", download_bytes, Usage::MAP_READ | Usage::COPY_DST);
        gpu.check()?;
        let program = Program::new(gpu, plan, buffers, &parameters, vec![]);
        flush(gpu)?;
        Ok(Self {
            gpu: gpu.clone(),
            program,
            upload,
            upload_spans,
            download,
            download_spans,
            budget: Budget::default(),
            parameters,
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.program.plan
    }

    /// Bytes of GPU memory beside the parameters.
    pub fn memory(&self) -> u64 {
        self.program.plan.memory() + self.upload.size() + self.download.size()
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
        for buffer in &self.program.buffers {
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
        let mut recorder = Recorder::new(&self.gpu, self.budget);
        for (terminal, span) in self.program.plan.inputs.iter().zip(&self.upload_spans) {
            let to = &self.program.buffers[terminal.buffer];
            recorder.copy((&self.upload, span.start), (to, 0), span.end - span.start);
        }
        recorder.run(&self.program);
        for (terminal, span) in self.program.plan.outputs.iter().zip(&self.download_spans) {
            let from = &self.program.buffers[terminal.buffer];
            recorder.copy((from, 0), (&self.download, span.start), span.end - span.start);
        }
        recorder.finish();
        let outputs = self.read_outputs().await?;
        // The first run also compiles; it would measure the driver.
        self.budget = Budget::measured(self.program.plan.flops(), started.seconds());
        Ok(outputs)
    }

    /// Runs the plan with a timestamp around each launch, on the inputs of the last run.
    ///
    /// # Errors
    /// [`Error::GpuLimit`] where the adapter has no timestamps, and what the GPU reports.
    pub async fn profile(&self) -> Result<Vec<Timing>> {
        self.program.profile(&self.gpu).await
    }

    async fn write_inputs(&self, inputs: &[&Tensor]) -> Result<()> {
        if inputs.len() != self.program.plan.inputs.len() {
            let (asked, given) = (self.program.plan.inputs.len(), inputs.len());
            return Err(Error::Shape(format!("the plan has {asked} inputs, {given} were given")));
        }
        for (terminal, tensor) in self.program.plan.inputs.iter().zip(inputs) {
            if tensor.shape() != &terminal.shape {
                let (name, asked, given) = (&terminal.name, &terminal.shape, tensor.shape());
                return Err(Error::Shape(format!("input `{name}` must be {asked}, not {given}")));
            }
        }
        if inputs.is_empty() {
            return Ok(());
        }
        #[cfg(not(target_arch = "wasm32"))]
        self.gpu.map(&self.upload, wgpu::MapMode::Write).await?;
        for ((terminal, tensor), span) in self.program.plan.inputs.iter().zip(inputs).zip(&self.upload_spans)
        {
            let packed = terminal.layout.pack(tensor.data());
            #[cfg(target_arch = "wasm32")]
            self.gpu.queue().write_buffer(&self.upload, span.start, bytemuck::cast_slice(&packed));
            #[cfg(not(target_arch = "wasm32"))]
            self.upload
                .get_mapped_range_mut(span.clone())
                .map_err(|e| self.gpu.error(&e))?
                .copy_from_slice(bytemuck::cast_slice(&packed));
        }
        #[cfg(not(target_arch = "wasm32"))]
        self.upload.unmap();
        Ok(())
    }

    async fn read_outputs(&self) -> Result<Vec<Tensor>> {
        self.gpu.map(&self.download, wgpu::MapMode::Read).await?;
        let mapped = self.download.get_mapped_range(..).map_err(|e| self.gpu.error(&e))?;
        let outputs = self.program.plan.outputs.iter().zip(&self.download_spans).map(|(terminal, span)| {
            let bytes = &mapped[span.start as usize..span.end as usize];
            terminal.layout.unpack(bytemuck::cast_slice(bytes), &terminal.shape)
        });
        let outputs = outputs.collect();
        drop(mapped);
        self.download.unmap();
        outputs
    }
}

/// A browser frees a buffer when its garbage collector gets to it; this is now.
impl Drop for Executor {
    fn drop(&mut self) {
        let own = [&self.upload, &self.download, &self.program.uniforms];
        for buffer in self.program.buffers.iter().chain(own) {
            buffer.destroy();
        }
    }
}

/// Consecutive spans of the given sizes, and their total.
pub(crate) fn spans(sizes: impl Iterator<Item = u64>) -> (Vec<Span>, u64) {
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
#[derive(Debug)]
pub(crate) struct Clock {
    #[cfg(not(target_arch = "wasm32"))]
    started: std::time::Instant,
    #[cfg(target_arch = "wasm32")]
    started: f64,
}

#[cfg(not(target_arch = "wasm32"))]
impl Clock {
    pub(crate) fn now() -> Self {
        Self { started: std::time::Instant::now() }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

#[cfg(target_arch = "wasm32")]
impl Clock {
    pub(crate) fn now() -> Self {
        Self { started: js_sys::Date::now() }
    }

    pub(crate) fn seconds(&self) -> f64 {
        (js_sys::Date::now() - self.started) / 1000.0
    }
}
