//! A plan on a GPU: pipelines, bind groups and buffers are made once; running replays them.

mod budget;
mod clock;
mod parameters;
mod pixels;
mod program;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu};
use crate::plan::Plan;
use crate::shader::Kernel;
use crate::tensor::Tensor;

pub(crate) use budget::Budget;
pub(crate) use clock::Clock;
pub use parameters::Parameters;
pub(crate) use parameters::STORED;
pub(crate) use pixels::PixelExecutor;
pub(crate) use program::{Program, Recorder, Slice};

/// Sends what was written, and natively waits so that the staging memory is free again.
pub(crate) fn flush(gpu: &Gpu) -> Result<()> {
    gpu.submit(None);
    #[cfg(not(target_arch = "wasm32"))]
    gpu.wait()?;
    gpu.check()
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
    /// The plan's.
    activations: Vec<Buffer>,
    upload: Buffer,
    upload_spans: Vec<Span>,
    download: Buffer,
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
    pub kernel: Kernel,
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
    /// [`Error::OutOfMemory`], [`Error::Shape`] where `parameters` are not those that the plan was
    /// made for, or [`Error::Gpu`] where the driver refuses.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub fn new(gpu: &Gpu, plan: Plan, parameters: Arc<Parameters>) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let allocate = |&bytes| gpu.buffer("activations", bytes, STORED);
        let activations = plan.buffers.iter().map(allocate).collect::<Result<Vec<Buffer>>>()?;
        let (upload_spans, upload_bytes) = spans(plan.inputs.iter().map(|t| t.layout.bytes()));
        let (download_spans, download_bytes) = spans(plan.outputs.iter().map(|t| t.layout.bytes()));
        let upload = gpu.buffer("upload", upload_bytes, UPLOAD)?;
        let download = gpu.buffer("download", download_bytes, Usage::MAP_READ | Usage::COPY_DST)?;
        let program = Program::new(gpu, plan, &activations, &parameters, vec![])?;
        flush(gpu)?;
        gpu.save_pipelines();
        Ok(Self {
            gpu: gpu.clone(),
            program,
            activations,
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
        for buffer in &self.activations {
            let floats = vec![value; buffer.size() as usize / 4];
            self.gpu.queue().write_buffer(buffer, 0, bytemuck::cast_slice(&floats));
        }
        flush(&self.gpu)
    }

    /// Uploads `inputs` (in the order of [`Plan::inputs`]), runs the plan, and reads its
    /// outputs back. After an error it can run again, if the device can.
    ///
    /// # Errors
    /// [`Error::Shape`] where the inputs are not the plan's, and what the GPU reports.
    pub async fn run(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.write_inputs(inputs).await?;
        let started = Clock::now();
        let mut recorder = Recorder::new(&self.gpu, &self.budget);
        for (terminal, span) in self.program.plan.inputs.iter().zip(&self.upload_spans) {
            let to = &self.activations[terminal.buffer];
            recorder.copy((&self.upload, span.start), (to, 0), span.end - span.start);
        }
        recorder.run(&self.program);
        for (terminal, span) in self.program.plan.outputs.iter().zip(&self.download_spans) {
            let from = &self.activations[terminal.buffer];
            recorder.copy((from, 0), (&self.download, span.start), span.end - span.start);
        }
        recorder.finish();
        let outputs = self.read_outputs().await?;
        self.budget.measure(self.program.plan.flops(), started.seconds());
        Ok(outputs)
    }

    /// Runs the plan with a timestamp around each launch, on whatever the last run left in its
    /// buffers (an input's may hold another tensor by then): how long it takes does not depend on
    /// the numbers.
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
        let mapped = self.gpu.map(&self.upload, wgpu::MapMode::Write).await?;
        for ((terminal, tensor), span) in self.program.plan.inputs.iter().zip(inputs).zip(&self.upload_spans)
        {
            let packed = terminal.layout.pack(tensor.data());
            #[cfg(target_arch = "wasm32")]
            self.gpu.queue().write_buffer(&self.upload, span.start, bytemuck::cast_slice(&packed));
            #[cfg(not(target_arch = "wasm32"))]
            mapped.write(span.clone())?.copy_from_slice(bytemuck::cast_slice(&packed));
        }
        Ok(())
    }

    async fn read_outputs(&self) -> Result<Vec<Tensor>> {
        let mapped = self.gpu.map(&self.download, wgpu::MapMode::Read).await?;
        let bytes = mapped.read(..)?;
        let outputs = self.program.plan.outputs.iter().zip(&self.download_spans).map(|(terminal, span)| {
            let bytes = &bytes[span.start as usize..span.end as usize];
            terminal.layout.unpack(bytemuck::cast_slice(bytes), &terminal.shape)
        });
        outputs.collect()
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
