//! The devices behind a translator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::events::event;
use crate::exec::{Executor, Parameters, PixelExecutor};
use crate::gpu::Gpu;
use crate::graph::{Arithmetic, Graph, NodeId};
use crate::io::QUANTIZED_KEY;
use crate::plan::{ParameterMap, Plan, Target};
use crate::{QuantizedMatrix, Tensor, cpu};

use super::{INPUT, KEPT_BYTES, Phase, Precision, Watcher};

/// A model's weights by name; those of 8 or 4 bits beside the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) quantized: Option<QuantizedMatrix>,
}

impl From<BTreeMap<String, Tensor>> for Weights {
    fn from(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { tensors, quantized: None }
    }
}

/// The weights on a device.
#[derive(Debug)]
pub(super) enum Backend {
    Cpu {
        weights: Weights,
        /// Memory for the next picture.
        pool: Mutex<cpu::Pool<f32>>,
    },
    Gpu {
        gpu: Gpu,
        parameters: Arc<Parameters>,
        f16: bool,
    },
}

/// A graph made ready for a device.
#[derive(Debug)]
pub(super) enum Compiled {
    Cpu {
        graph: Graph,
        outputs: Vec<NodeId>,
        arithmetic: Arithmetic,
        /// What the tensors take at most.
        elements: u64,
    },
    Gpu(Box<Executor>),
}

impl Backend {
    /// Brings the parameters of `graph` onto a device. With f16, the weights are of f16 too if `half_weights`, else
    /// only the pictures between operations.
    pub(super) async fn new(
        device: Device,
        graph: &Graph,
        weights: Weights,
        precision: Precision,
        half_weights: bool,
    ) -> Result<Self> {
        match device {
            Device::Cpu => {
                event!(INFO, threads = rayon::current_num_threads(), "the processor computes");
                Ok(Self::Cpu { weights, pool: Mutex::default() })
            }
            Device::Gpu(gpu) => {
                let target = target(&gpu, precision)?;
                let Weights { tensors, quantized } = weights;
                let storing = Target { f16: target.f16 && half_weights, ..target.clone() };
                let matrix = quantized.as_ref().map(|matrix| (QUANTIZED_KEY, matrix));
                let bits = matrix.map(|(name, matrix)| (name, matrix.bits()));
                let map = ParameterMap::with_quantized(graph, &storing, bits)?;
                let upload = || Parameters::upload_quantized(&gpu, map, |name| tensors.get(name), matrix);
                let parameters = Arc::new(gpu.allocating(upload).await?);
                Ok(Self::Gpu { gpu, parameters, f16: target.f16 })
            }
        }
    }

    /// The device that it is on.
    pub(super) fn device(&self) -> Device {
        match self {
            Self::Cpu { .. } => Device::Cpu,
            Self::Gpu { gpu, .. } => Device::Gpu(gpu.clone()),
        }
    }

    /// How tensors lie in its memory.
    pub(super) fn precision(&self) -> Precision {
        match self {
            Self::Gpu { f16: true, .. } => Precision::F16,
            _ => Precision::F32,
        }
    }

    /// A copy of the weights, but for those that are quantised: what has such a weight takes no other size.
    pub(super) async fn weights(&self) -> Result<BTreeMap<String, Tensor>> {
        match self {
            Self::Cpu { weights, .. } => Ok(weights.tensors.clone()),
            Self::Gpu { gpu, parameters, .. } => {
                let mut weights = BTreeMap::new();
                let keep = |name: &str, tensor| _ = weights.insert(name.to_owned(), tensor);
                parameters.read(gpu, &parameters.buffers, 0, keep).await?;
                Ok(weights)
            }
        }
    }

    /// Bytes of GPU memory for the weights.
    pub(super) fn gpu_bytes(&self) -> u64 {
        match self {
            Self::Cpu { .. } => 0,
            Self::Gpu { parameters, .. } => parameters.map().bytes(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Cpu { .. } => Ok(()),
            Self::Gpu { gpu, .. } => gpu.check(),
        }
    }

    pub(super) async fn compile(
        &self,
        graph: &Graph,
        outputs: &[NodeId],
        arithmetic: Arithmetic,
        watcher: &mut impl Watcher,
    ) -> Result<Compiled> {
        Ok(match self {
            Self::Cpu { .. } => Compiled::Cpu {
                graph: graph.clone(),
                outputs: outputs.to_vec(),
                arithmetic,
                elements: cpu::memory::<f32>(graph, outputs, arithmetic) / size_of::<f32>() as u64,
            },
            Self::Gpu { gpu, parameters, f16 } => {
                let target = Target { arithmetic, f16: *f16, ..gpu.target() };
                let plan = Plan::compile(graph, outputs, parameters.map(), &target)?;
                compile_kernels(gpu, &plan, watcher).await?;
                let executor = gpu.allocating(|| Executor::new(gpu, plan, parameters.clone()));
                Compiled::Gpu(Box::new(executor.await?))
            }
        })
    }

    /// A graph from one picture to another of 3 channels made ready on a GPU, from bytes to bytes; nothing where
    /// the processor computes.
    pub(super) async fn compile_pixels(
        &self,
        graph: &Graph,
        outputs: &[NodeId],
        arithmetic: Arithmetic,
        down: bool,
        watcher: &mut impl Watcher,
    ) -> Result<Option<PixelExecutor>> {
        let Self::Gpu { gpu, parameters, f16 } = self else { return Ok(None) };
        let target = Target { arithmetic, f16: *f16, ..gpu.target() };
        let plan = Plan::compile(graph, outputs, parameters.map(), &target)?.in_pixels(&target, down)?;
        compile_kernels(gpu, &plan.plan, watcher).await?;
        Ok(Some(gpu.allocating(|| PixelExecutor::new(gpu, plan, parameters.clone())).await?))
    }

    pub(super) async fn run(
        &self,
        program: &mut Compiled,
        x: &Tensor,
        watcher: &mut impl Watcher,
    ) -> Result<Vec<Tensor>> {
        match program {
            Compiled::Cpu { graph, outputs, arithmetic, elements } => {
                let Self::Cpu { weights, pool } = self else {
                    return Err(Error::Internal("a program of another device".into()));
                };
                let feed = |name: &str| if name == INPUT { Some(x) } else { weights.tensors.get(name) };
                let lock = || pool.lock().unwrap_or_else(PoisonError::into_inner);
                let mut memory = std::mem::take(&mut *lock());
                memory.allow(*elements);
                let walk = cpu::Walk::reusing(memory, graph, &outputs[..], *arithmetic);
                let matrix = weights.quantized.as_ref().map(|matrix| (QUANTIZED_KEY, matrix));
                let mut walk = walk.with_quantized(matrix);
                while walk.step(&feed)? {
                    let (done, total) = walk.progress();
                    watcher.report(Phase::Run, done, total).await?;
                }
                let (results, memory) = walk.finish_reusing()?;
                if memory.bytes() <= KEPT_BYTES {
                    *lock() = memory;
                }
                Ok(results)
            }
            Compiled::Gpu(executor) => {
                watcher.report(Phase::Run, 0, 1).await?;
                let results = executor.run(&[x]).await?;
                watcher.report(Phase::Run, 1, 1).await?;
                Ok(results)
            }
        }
    }
}

/// What a plan for that precision has to know of a GPU.
///
/// # Errors
/// [`Error::GpuLimit`] where the GPU has no f16.
pub(super) fn target(gpu: &Gpu, precision: Precision) -> Result<Target> {
    let target = gpu.target();
    let f16 = match precision {
        Precision::F32 => false,
        Precision::F16 => true,
        Precision::Auto => {
            gpu.takes_f16() && target.tuning.as_ref().is_some_and(|tuning| tuning.f16_is_faster())
        }
    };
    if f16 {
        gpu.check_f16()?;
    }
    Ok(Target { f16, ..target })
}

/// Compiles those kernels of a plan that are not yet.
pub(super) async fn compile_kernels(gpu: &Gpu, plan: &Plan, watcher: &mut impl Watcher) -> Result<()> {
    let kernels = plan.kernels();
    for (done, kernel) in kernels.iter().enumerate() {
        watcher.report(Phase::Compile, done, kernels.len()).await?;
        gpu.prepare(*kernel).await?;
    }
    watcher.report(Phase::Compile, kernels.len(), kernels.len()).await
}

impl Compiled {
    /// Bytes of GPU memory beside the weights.
    pub(super) fn gpu_bytes(&self) -> u64 {
        match self {
            Self::Cpu { .. } => 0,
            Self::Gpu(executor) => executor.memory(),
        }
    }
}
