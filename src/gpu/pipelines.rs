//! Kernels, compiled once for each device.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Result;
#[cfg(not(target_arch = "wasm32"))]
use crate::events::event;
use crate::shader::{BindingKind, Kernel};

use super::Gpu;
use super::fault::Fault;
use super::injection::InjectedFault;
use super::scopes::Scopes;

/// A compiled kernel.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    /// The layout of its group 0.
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// The kernels of a device that are known to have compiled, by their keys.
#[derive(Debug, Default)]
pub(super) struct Pipelines {
    kept: Mutex<HashMap<(&'static str, u32), Pipeline>>,
    /// While those of a plan are compiled: how many are done, of how many.
    compiling: Mutex<Option<(usize, usize)>>,
    /// Whether there are more than when they were saved last.
    unsaved: AtomicBool,
}

impl Pipelines {
    fn get(&self, kernel: Kernel) -> Option<Pipeline> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&kernel.key()).cloned()
    }

    fn keep(&self, kernel: Kernel, pipeline: &Pipeline) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(kernel.key(), pipeline.clone());
        self.unsaved.store(true, Ordering::Relaxed);
    }
}

impl Gpu {
    /// The compiled `kernel`, compiled at the first call.
    ///
    /// # Errors
    /// What the device reports. A kernel that did not compile is tried again at the next call.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn pipeline(&self, kernel: Kernel) -> Result<Pipeline> {
        if let Some(known) = self.pipelines().get(kernel) {
            return Ok(known);
        }
        let (scopes, started) = (Scopes::push(self.device()), std::time::Instant::now());
        let pipeline = self.compile(kernel);
        let fault = scopes.pop_now();
        event!(DEBUG, milliseconds = started.elapsed().as_secs_f64() * 1e3, "compiled {}", kernel.name());
        self.compiled(kernel, pipeline, fault)
    }

    /// The compiled `kernel`. One that was not [prepared](Self::prepare) may be broken, which the
    /// browser has not said yet; so it is not kept.
    ///
    /// # Errors
    /// None here.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn pipeline(&self, kernel: Kernel) -> Result<Pipeline> {
        Ok(self.pipelines().get(kernel).unwrap_or_else(|| self.compile(kernel)))
    }

    /// Compiles those of `kernels` that are not yet. [`Self::compiling`] counts them meanwhile.
    ///
    /// # Errors
    /// Those of [`Self::pipeline`].
    pub(crate) fn compile_all(&self, kernels: &[Kernel]) -> Result<()> {
        let count = |progress| {
            *self.pipelines().compiling.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        };
        let compiled = kernels.iter().enumerate().try_for_each(|(done, &kernel)| {
            count(Some((done, kernels.len())));
            self.pipeline(kernel).map(drop)
        });
        count(None);
        compiled
    }

    /// How many kernels are compiled, of how many, while another thread compiles those of a plan.
    pub fn compiling(&self) -> Option<(usize, usize)> {
        *self.pipelines().compiling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compiles `kernel` if it is not yet, and in a browser waits until that is done there: its
    /// GPU process compiles on its own, and would otherwise do it all before the first run.
    ///
    /// # Errors
    /// What the device reports.
    pub(crate) async fn prepare(&self, kernel: Kernel) -> Result<()> {
        if self.pipelines().get(kernel).is_none() {
            let scopes = Scopes::push(self.device());
            let pipeline = self.compile(kernel);
            let fault = scopes.pop();
            self.compiled(kernel, pipeline, fault.await)?;
        }
        self.check()
    }

    /// Saves for later processes what was compiled so far, where the system has a place for it: a
    /// process may end in ways that run no destructor.
    pub(crate) fn save_pipelines(&self) {
        if self.pipelines().unsaved.swap(false, Ordering::Relaxed) {
            self.save_pipeline_cache();
        }
    }

    /// Keeps a kernel that has compiled.
    fn compiled(&self, kernel: Kernel, pipeline: Pipeline, mut fault: Option<Fault>) -> Result<Pipeline> {
        if self.injection().comes(InjectedFault::Compilation) {
            fault = Some(Fault::Other("an injected fault".into()));
        }
        if let Some(fault) = fault {
            // A lost device is the cause of any other fault.
            self.check()?;
            return Err(fault.on(self.name()));
        }
        self.pipelines().keep(kernel, &pipeline);
        Ok(pipeline)
    }

    fn compile(&self, kernel: Kernel) -> Pipeline {
        let (device, shader, name) = (self.device(), kernel.shader, kernel.name());
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(&*name),
            source: wgpu::ShaderSource::Wgsl(kernel.source()),
        };
        // SAFETY: the shaders are this crate's own: only a `Plan` names them, and only this crate
        // (or an `unsafe` call of `Plan::single`) can make one. Every index is bounded by uniforms
        // that the plan computes from the sizes of the bound buffers, and every loop by a uniform.
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
            label: Some(&*name),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&*name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&*name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: self.pipeline_cache(),
        });
        Pipeline { pipeline, layout }
    }
}
