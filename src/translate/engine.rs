//! The devices behind a translator.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::events::event;
use crate::exec::{Executor, Parameters};
use crate::gpu::Gpu;
use crate::graph::{Arithmetic, Graph, NodeId};
use crate::plan::{ParameterMap, Plan, Target};
use crate::{Tensor, cpu};

use super::{INPUT, Phase, Watcher};

/// The weights on a device.
#[derive(Debug)]
pub(super) enum Engine {
    Cpu { weights: BTreeMap<String, Tensor> },
    Gpu { gpu: Gpu, parameters: Arc<Parameters> },
}

/// A graph made ready for a device.
#[derive(Debug)]
pub(super) enum Program {
    Cpu { graph: Graph, outputs: Vec<NodeId>, arithmetic: Arithmetic },
    Gpu(Box<Executor>),
}

impl Engine {
    /// Brings the parameters of `graph` onto a device.
    pub(super) async fn new(
        device: Device,
        graph: &Graph,
        weights: BTreeMap<String, Tensor>,
    ) -> Result<Self> {
        match device {
            Device::Cpu => {
                event!(INFO, threads = rayon::current_num_threads(), "the processor computes");
                Ok(Self::Cpu { weights })
            }
            Device::Gpu(gpu) => {
                let map = ParameterMap::new(graph, &gpu.target())?;
                let upload = || Parameters::upload(&gpu, map, |name| weights.get(name));
                let parameters = Arc::new(gpu.allocating(upload).await?);
                Ok(Self::Gpu { gpu, parameters })
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

    /// A copy of the weights.
    pub(super) async fn weights(&self) -> Result<BTreeMap<String, Tensor>> {
        match self {
            Self::Cpu { weights } => Ok(weights.clone()),
            Self::Gpu { gpu, parameters } => {
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
    ) -> Result<Program> {
        Ok(match self {
            Self::Cpu { .. } => Program::Cpu { graph: graph.clone(), outputs: outputs.to_vec(), arithmetic },
            Self::Gpu { gpu, parameters } => {
                let target = Target { arithmetic, ..gpu.target() };
                let plan = Plan::compile(graph, outputs, parameters.map(), &target)?;
                compile_kernels(gpu, &plan, watcher).await?;
                let executor = gpu.allocating(|| Executor::new(gpu, plan, parameters.clone()));
                Program::Gpu(Box::new(executor.await?))
            }
        })
    }

    pub(super) async fn run(
        &self,
        program: &mut Program,
        x: &Tensor,
        watcher: &mut impl Watcher,
    ) -> Result<Vec<Tensor>> {
        match program {
            Program::Cpu { graph, outputs, arithmetic } => {
                let Self::Cpu { weights } = self else {
                    return Err(Error::Shape("a program of another device".into()));
                };
                let feed = |name: &str| if name == INPUT { Some(x) } else { weights.get(name) };
                let mut walk = cpu::Walk::<f32>::new(graph, &outputs[..], *arithmetic);
                while walk.step(&feed)? {
                    let (done, total) = walk.progress();
                    watcher.report(Phase::Run, done, total).await?;
                }
                walk.finish()
            }
            Program::Gpu(executor) => {
                watcher.report(Phase::Run, 0, 1).await?;
                let results = executor.run(&[x]).await?;
                watcher.report(Phase::Run, 1, 1).await?;
                Ok(results)
            }
        }
    }
}

/// Compiles those kernels of a plan that are not yet.
pub(super) async fn compile_kernels(gpu: &Gpu, plan: &Plan, watcher: &mut impl Watcher) -> Result<()> {
    let shaders = plan.shaders();
    for (done, shader) in shaders.iter().enumerate() {
        watcher.report(Phase::Compile, done, shaders.len()).await?;
        gpu.prepare(shader).await?;
    }
    watcher.report(Phase::Compile, shaders.len(), shaders.len()).await
}

impl Program {
    /// Bytes of GPU memory beside the weights.
    pub(super) fn gpu_bytes(&self) -> u64 {
        match self {
            Self::Cpu { .. } => 0,
            Self::Gpu(executor) => executor.memory(),
        }
    }
}
