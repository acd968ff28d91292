//! An open device.

use std::ops::Deref;
use std::sync::Arc;
#[cfg(not(target_arch = "wasm32"))]
use std::sync::atomic::{AtomicU64, Ordering};

use wgpu::{Device, Features, Queue};

use crate::error::{Error, Result};
use crate::events::event;
use crate::graph::Arithmetic;
use crate::plan::{AdapterClass, Target};

use super::adapter::{AdapterOptions, choose, class, only_fxc};
use super::fault::{Fault, FaultCell};
use super::injection::{InjectedFault, Injection};
use super::mapping::Mapped;
use super::pipelines::Pipelines;

/// An open GPU. Cheap to clone; the clones share the device.
#[derive(Clone, Debug)]
pub struct Gpu(Arc<Inner>, Option<AdapterClass>);

#[derive(Debug)]
struct Inner {
    device: Device,
    queue: Queue,
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    /// Whether `unpack2x16float` is there.
    takes_f16: bool,
    fault: FaultCell,
    injection: Injection,
    pipelines: Pipelines,
    #[cfg(not(target_arch = "wasm32"))]
    submits_done: Arc<AtomicU64>,
    /// What was measured on this adapter.
    #[cfg(not(target_arch = "wasm32"))]
    tuning: Option<Arc<crate::plan::tuning::Tuning>>,
    #[cfg(not(target_arch = "wasm32"))]
    turns: super::turns::Turns,
    #[cfg(not(target_arch = "wasm32"))]
    cache: Option<super::pipeline_cache::PipelineCacheFile>,
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
        event!(
            INFO,
            backend = %info.backend,
            kind = ?info.device_type,
            driver = info.driver,
            version = info.driver_info,
            class = ?class(&info),
            "the adapter is {}",
            info.name
        );
        let wanted = Features::TIMESTAMP_QUERY | Features::PIPELINE_CACHE;
        let limits = adapter.limits();
        let flags = adapter.get_downlevel_capabilities().flags;
        let takes_f16 = flags.contains(wgpu::DownlevelFlags::SHADER_F16_IN_F32);
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
        #[cfg(not(target_arch = "wasm32"))]
        let tuning = super::tuning_file::load(&info).map(Arc::new);
        event!(DEBUG, measured = tuning.is_some(), "what `ugatit tune` has measured on this adapter");
        let inner = Arc::new(Inner {
            device,
            queue,
            info,
            limits,
            takes_f16,
            fault,
            injection: Injection::default(),
            pipelines: Pipelines::default(),
            #[cfg(not(target_arch = "wasm32"))]
            submits_done: Arc::default(),
            #[cfg(not(target_arch = "wasm32"))]
            tuning,
            #[cfg(not(target_arch = "wasm32"))]
            turns: super::turns::Turns::default(),
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

    /// Who may submit or poll.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn turns(&self) -> &super::turns::Turns {
        &self.0.turns
    }

    /// What wgpu tells of the adapter.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn info(&self) -> &wgpu::AdapterInfo {
        &self.0.info
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

    /// Whether tensors may lie in memory as f16: every WebGPU has what that takes, but not every driver below it.
    pub(crate) fn takes_f16(&self) -> bool {
        self.0.takes_f16
    }

    /// # Errors
    /// [`crate::Error::GpuLimit`] where they may not.
    pub(crate) fn check_f16(&self) -> Result<()> {
        match self.takes_f16() {
            true => Ok(()),
            false => Err(self
                .target()
                .limit("it cannot read numbers of 16 bits; f32 takes twice the memory".into())),
        }
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
            arithmetic: Arithmetic::Exact,
            #[cfg(not(target_arch = "wasm32"))]
            tuning: self.0.tuning.clone(),
            #[cfg(target_arch = "wasm32")]
            tuning: None,
            discrete: self.0.info.device_type == wgpu::DeviceType::DiscreteGpu,
            invocations: None,
            winograd: None,
            f16: false,
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
        self.0.fault.take().map_or(Ok(()), |fault| Err(fault.on(self.name())))
    }

    /// Makes a buffer of this size and usage, in `label`'s name for those who debug.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; in a browser that comes later, see [`Self::allocating`].
    pub(crate) fn buffer(&self, label: &str, size: u64, usage: wgpu::BufferUsages) -> Result<Buffer> {
        self.create(label, size, usage, false)
    }

    /// [`Self::buffer`] that is mapped from the beginning.
    ///
    /// # Errors
    /// Those of [`Self::buffer`].
    pub(crate) fn mapped_buffer(
        &self,
        label: &str,
        size: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<(Buffer, Mapped)> {
        let buffer = self.create(label, size, usage, true)?;
        let mapped = Mapped::new(self, &buffer);
        Ok((buffer, mapped))
    }

    fn create(
        &self,
        label: &str,
        size: u64,
        usage: wgpu::BufferUsages,
        mapped_at_creation: bool,
    ) -> Result<Buffer> {
        if self.0.injection.comes(InjectedFault::OutOfMemoryInAllocation) {
            self.0.fault.set(Fault::OutOfMemory("an injected fault".into()));
        }
        let label = Some(label);
        let descriptor = wgpu::BufferDescriptor { label, size: size.max(16), usage, mapped_at_creation };
        let buffer = Buffer(self.0.device.create_buffer(&descriptor));
        self.check()?;
        Ok(buffer)
    }

    /// What `make` makes of this GPU's memory, if there was memory for all of it: a browser says
    /// only afterwards that there was not.
    ///
    /// # Errors
    /// Those of `make`; [`Error::OutOfMemory`] and what else the device reports.
    pub(crate) async fn allocating<T>(&self, make: impl FnOnce() -> Result<T>) -> Result<T> {
        #[cfg(target_arch = "wasm32")]
        let scopes = super::scopes::Scopes::push(&self.0.device);
        let made = make();
        #[cfg(target_arch = "wasm32")]
        {
            let fault = scopes.pop();
            if let Some(fault) = fault.await {
                // A lost device is the cause of any other fault.
                self.check()?;
                return Err(fault.on(self.name()));
            }
        }
        let made = made?;
        self.check()?;
        Ok(made)
    }

    /// Submits commands, and notes when they are done: a wait that sees nothing come to its end
    /// knows that the device hangs.
    pub(crate) fn submit(
        &self,
        commands: impl IntoIterator<Item = wgpu::CommandBuffer>,
    ) -> wgpu::SubmissionIndex {
        #[cfg(not(target_arch = "wasm32"))]
        let _turn = self.turns().take();
        let submission = self.0.queue.submit(commands);
        #[cfg(not(target_arch = "wasm32"))]
        {
            let done = self.0.submits_done.clone();
            self.0.queue.on_submitted_work_done(move || _ = done.fetch_add(1, Ordering::Relaxed));
        }
        submission
    }

    /// How many submits have come to their end.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn submits_done(&self) -> u64 {
        self.0.submits_done.load(Ordering::Relaxed)
    }

    /// Has `fault` happen, once, after so many chances for it have passed. For tests.
    #[doc(hidden)]
    pub fn inject(&self, fault: InjectedFault, passing: usize) {
        self.0.injection.add(fault, passing);
    }

    /// Forgets the injected faults that have not happened; how many there were. For tests.
    #[doc(hidden)]
    pub fn forget_injected(&self) -> usize {
        self.0.injection.clear()
    }

    pub(super) fn injection(&self) -> &Injection {
        &self.0.injection
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn fault(&self) -> &FaultCell {
        &self.0.fault
    }

    pub(super) fn pipelines(&self) -> &Pipelines {
        &self.0.pipelines
    }

    pub(super) fn pipeline_cache(&self) -> Option<&wgpu::PipelineCache> {
        #[cfg(not(target_arch = "wasm32"))]
        return self.0.cache.as_ref().map(|c| c.cache());
        #[cfg(target_arch = "wasm32")]
        return None;
    }

    pub(super) fn save_pipeline_cache(&self) {
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(cache) = &self.0.cache {
            cache.save();
        }
    }

    /// How many hold the device open.
    #[cfg(test)]
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// An error that a call of wgpu returned.
    pub(crate) fn error(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Gpu { adapter: self.name().into(), problem: error.to_string() }
    }
}

/// A buffer that is destroyed with its owner: wgpu would free it when the last handle to it goes
/// (a bind group has one), and a browser when its garbage collector gets to it. Memory that is
/// short is needed now.
#[derive(Debug)]
pub(crate) struct Buffer(wgpu::Buffer);

impl Deref for Buffer {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.0.destroy();
    }
}
