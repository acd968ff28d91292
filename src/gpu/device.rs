//! An open device.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wgpu::{Device, Features, Queue};

use crate::error::{Error, Result};
use crate::plan::{AdapterClass, Target};
use crate::shader::{BindingKind, Shader};

use super::adapter::{AdapterOptions, choose, class, only_fxc};
use super::fault::FaultCell;

/// An open GPU. Cheap to clone; the clones share the device.
#[derive(Clone, Debug)]
pub struct Gpu(Arc<Inner>, Option<AdapterClass>);

#[derive(Debug)]
struct Inner {
    device: Device,
    queue: Queue,
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    fault: FaultCell,
    pipelines: Mutex<HashMap<&'static str, Pipeline>>,
    /// While kernels are compiled: how many are done, of how many.
    compiling: Mutex<Option<(usize, usize)>>,
    #[cfg(not(target_arch = "wasm32"))]
    cache: Option<super::pipeline_cache::PipelineCacheFile>,
}

/// A compiled kernel.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The pipeline.
    pub pipeline: wgpu::ComputePipeline,
    /// The layout of its group 0.
    pub layout: wgpu::BindGroupLayout,
}

/// Nobody can use the device any more; a browser would keep it until its garbage collector comes.
#[cfg(target_arch = "wasm32")]
impl Drop for Inner {
    fn drop(&mut self) {
        self.device.destroy();
    }
}

impl Gpu {
    /// Opens the adapter that `options` ask for, with all of its limits and those of its
    /// features that this crate can use.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::AdapterNotFound`], or [`Error::Gpu`] where the driver
    /// refuses.
    pub async fn open(options: &AdapterOptions) -> Result<Self> {
        let (adapter, info) = choose(options).await?;
        let wanted = Features::TIMESTAMP_QUERY | Features::PIPELINE_CACHE;
        let limits = adapter.limits();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("ugatit"),
            required_features: adapter.features() & wanted,
            required_limits: limits.clone(),
            // The plan shares buffers itself; the allocator need not keep any in reserve.
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| Error::Gpu { adapter: info.name.clone(), problem: e.to_string() })?;
        let fault = FaultCell::default();
        fault.watch(&device);
        #[cfg(not(target_arch = "wasm32"))]
        let cache = super::pipeline_cache::PipelineCacheFile::open(&device, &info);
        let inner = Arc::new(Inner {
            device,
            queue,
            info,
            limits,
            fault,
            pipelines: Mutex::default(),
            compiling: Mutex::default(),
            #[cfg(not(target_arch = "wasm32"))]
            cache,
        });
        Ok(Self(inner, None))
    }

    /// The same device, planned for as an adapter of that class: runs the kernels of GPUs on a
    /// software adapter. For tests, whose machines have no GPU.
    #[doc(hidden)]
    pub fn planned_as(self, class: AdapterClass) -> Self {
        Self(self.0, Some(class))
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.0.info.name
    }

    /// Whether the adapter runs shaders on the CPU.
    pub fn is_software(&self) -> bool {
        class(&self.0.info) == AdapterClass::Software
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// The queue.
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// Whether kernels can be timed on the device itself.
    pub fn has_timestamps(&self) -> bool {
        self.0.device.features().contains(Features::TIMESTAMP_QUERY)
    }

    /// What a plan has to know of this adapter.
    pub fn target(&self) -> Target {
        let limits = &self.0.limits;
        Target {
            adapter: self.0.info.name.clone(),
            class: self.1.unwrap_or_else(|| class(&self.0.info)),
            max_binding: limits.max_storage_buffer_binding_size,
            max_buffer: limits.max_buffer_size,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            loops: only_fxc(&self.0.info),
            conv2d: None,
            alignment: limits
                .min_uniform_buffer_offset_alignment
                .max(limits.min_storage_buffer_offset_alignment),
        }
    }

    /// Errs where the device has reported an error since the last time.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`] or [`Error::Gpu`].
    pub fn check(&self) -> Result<()> {
        self.0.fault.take(self.name()).map_or(Ok(()), Err)
    }

    /// The compiled `shader`, compiled at the first call.
    pub fn pipeline(&self, shader: &'static Shader) -> Pipeline {
        let mut pipelines = self.0.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.entry(shader.name).or_insert_with(|| self.compile(shader)).clone()
    }

    /// Compiles those of `shaders` that are not yet. [`Self::compiling`] counts them meanwhile.
    pub(crate) fn compile_all(&self, shaders: &[&'static Shader]) {
        let count = |progress| *self.0.compiling.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        for (done, shader) in shaders.iter().enumerate() {
            count(Some((done, shaders.len())));
            self.pipeline(shader);
        }
        count(None);
    }

    /// How many kernels are compiled, of how many, while another thread compiles those of a plan.
    pub fn compiling(&self) -> Option<(usize, usize)> {
        *self.0.compiling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compiles `shader` if it is not yet, and in a browser waits until that is done there: its
    /// GPU process compiles on its own, and would otherwise do it all before the first run.
    ///
    /// # Errors
    /// What the device reports.
    pub(crate) async fn prepare(&self, shader: &'static Shader) -> Result<()> {
        #[cfg(target_arch = "wasm32")]
        let scope = self.0.device.push_error_scope(wgpu::ErrorFilter::Validation);
        self.pipeline(shader);
        #[cfg(target_arch = "wasm32")]
        if let Some(error) = scope.pop().await {
            return Err(self.error(&error));
        }
        self.check()
    }

    fn compile(&self, shader: &'static Shader) -> Pipeline {
        let device = &self.0.device;
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(shader.name),
            source: wgpu::ShaderSource::Wgsl(shader.source.into()),
        };
        // SAFETY: the shaders are this crate's own. Every index is bounded by uniforms that the
        // plan computes from the sizes of the bound buffers, and every loop by a uniform.
        let module = unsafe {
            device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        };
        let entries: Vec<wgpu::BindGroupLayoutEntry> = shader
            .bindings
            .iter()
            .enumerate()
            .map(|(i, binding)| wgpu::BindGroupLayoutEntry {
                binding: i as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match binding.kind {
                        BindingKind::Uniform => wgpu::BufferBindingType::Uniform,
                        kind => wgpu::BufferBindingType::Storage { read_only: kind == BindingKind::Read },
                    },
                    has_dynamic_offset: binding.kind == BindingKind::Uniform,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(shader.name),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(shader.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        #[cfg(not(target_arch = "wasm32"))]
        let cache = self.0.cache.as_ref().map(|c| c.cache());
        #[cfg(target_arch = "wasm32")]
        let cache = None;
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache,
        });
        Pipeline { pipeline, layout }
    }

    /// Waits for all work submitted so far and until `buffer` is mapped.
    ///
    /// # Errors
    /// What the device reported, [`Error::DeviceLost`] if it does not answer.
    pub(crate) async fn map(&self, buffer: &wgpu::Buffer, mode: wgpu::MapMode) -> Result<()> {
        self.mapped(self.begin_map(buffer, mode), None).await
    }

    /// Has `buffer` mapped as soon as the work submitted so far no longer needs it.
    pub(crate) fn begin_map(&self, buffer: &wgpu::Buffer, mode: wgpu::MapMode) -> Mapping {
        let (sender, receiver) = oneshot::channel();
        buffer.map_async(mode, .., move |result| sender.send(result));
        Mapping(receiver)
    }

    /// Waits until a mapping that was begun is there, and for no submission after `submission`.
    ///
    /// # Errors
    /// What the device reported, [`Error::DeviceLost`] if it does not answer.
    pub(crate) async fn mapped(
        &self,
        mapping: Mapping,
        submission: Option<wgpu::SubmissionIndex>,
    ) -> Result<()> {
        #[cfg(not(target_arch = "wasm32"))]
        self.wait_for(submission)?;
        #[cfg(not(target_arch = "wasm32"))]
        let mapped = mapping.0.await_value().await;
        // A browser goes on by itself, and knows no single submission.
        #[cfg(target_arch = "wasm32")]
        let _ = submission;
        #[cfg(target_arch = "wasm32")]
        let mapped = super::browser::nudged(&self.0.device, &self.0.queue, mapping.0.await_value()).await;
        self.check()?;
        mapped.map_err(|e| self.error(&e))
    }

    /// An error that a call of wgpu returned.
    pub(crate) fn error(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Gpu { adapter: self.name().into(), problem: error.to_string() }
    }

    /// Waits for all work submitted so far.
    ///
    /// # Errors
    /// What the device reported, [`Error::DeviceLost`] if it does not answer.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn wait(&self) -> Result<()> {
        self.wait_for(None)
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn wait_for(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        /// No single submit takes that long; a driver that hangs does.
        const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);
        let wait = wgpu::PollType::Wait { submission_index, timeout: Some(PATIENCE) };
        let polled = self.0.device.poll(wait);
        self.check()?;
        match polled {
            Ok(_) => Ok(()),
            Err(e) => Err(Error::DeviceLost { adapter: self.name().into(), problem: e.to_string() }),
        }
    }
}

/// A buffer that is being mapped.
#[derive(Debug)]
pub(crate) struct Mapping(oneshot::Receiver<std::result::Result<(), wgpu::BufferAsyncError>>);

/// A value handed from a callback to a future.
mod oneshot {
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::task::{Poll, Waker};

    #[derive(Debug)]
    struct State<T> {
        value: Option<T>,
        waker: Option<Waker>,
    }

    pub(super) struct Sender<T>(Arc<Mutex<State<T>>>);

    #[derive(Debug)]
    pub(super) struct Receiver<T>(Arc<Mutex<State<T>>>);

    pub(super) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let state = Arc::new(Mutex::new(State { value: None, waker: None }));
        (Sender(state.clone()), Receiver(state))
    }

    impl<T> Sender<T> {
        pub(super) fn send(self, value: T) {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.value = Some(value);
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
    }

    impl<T> Receiver<T> {
        pub(super) async fn await_value(self) -> T {
            poll_fn(|context| {
                let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                match state.value.take() {
                    Some(value) => Poll::Ready(value),
                    None => {
                        state.waker = Some(context.waker().clone());
                        Poll::Pending
                    }
                }
            })
            .await
        }
    }
}
