//! The executors under test, behind one interface.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use ugatit::exec::{Executor, Parameters};
use ugatit::gpu::Gpu;
use ugatit::graph::{Graph, NodeId};
use ugatit::plan::{AdapterClass, ParameterMap, Plan};
use ugatit::{Tensor, cpu};

/// The adapter that the tests run on. There must be one: no green on nothing.
pub(crate) fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        let gpu = pollster::block_on(Gpu::open(&super::adapter::any()));
        gpu.unwrap_or_else(|e| panic!("these tests need a GPU adapter: {e}"))
    })
}

/// Something that computes a graph.
pub(crate) trait Engine {
    /// For messages.
    fn name(&self) -> String;

    /// The tensors `outputs` of `graph`, given every input and parameter by name.
    fn run(&self, graph: &Graph, outputs: &[NodeId], feed: &HashMap<String, Tensor>) -> Vec<Tensor>;
}

/// The CPU executor in `f32`.
pub(crate) struct CpuF32;

impl Engine for CpuF32 {
    fn name(&self) -> String {
        "cpu f32".into()
    }

    fn run(&self, graph: &Graph, outputs: &[NodeId], feed: &HashMap<String, Tensor>) -> Vec<Tensor> {
        cpu::run(graph, outputs, &|name| feed.get(name)).unwrap()
    }
}

/// The CPU executor in `f64`; what goes in and out is rounded to `f32`.
pub(crate) struct CpuF64;

impl Engine for CpuF64 {
    fn name(&self) -> String {
        "cpu f64".into()
    }

    fn run(&self, graph: &Graph, outputs: &[NodeId], feed: &HashMap<String, Tensor>) -> Vec<Tensor> {
        let feed: HashMap<&str, Tensor<f64>> =
            feed.iter().map(|(name, t)| (name.as_str(), t.map(|&x| f64::from(x)))).collect();
        let results = cpu::run(graph, outputs, &|name| feed.get(name)).unwrap();
        results.iter().map(|t| t.map(|&x| x as f32)).collect()
    }
}

/// The GPU, with the kernels that one class of adapters would get, on poisoned memory.
pub(crate) struct OnGpu(pub(crate) AdapterClass);

impl Engine for OnGpu {
    fn name(&self) -> String {
        format!("{} with the kernels for {:?}", gpu().name(), self.0)
    }

    fn run(&self, graph: &Graph, outputs: &[NodeId], feed: &HashMap<String, Tensor>) -> Vec<Tensor> {
        let mut target = gpu().target();
        target.class = self.0;
        let map = ParameterMap::new(graph, &target).unwrap();
        let plan = Plan::compile(graph, outputs, &map, &target).unwrap();
        let parameters = Parameters::upload(gpu(), map, |name| feed.get(name)).unwrap();
        let inputs: Vec<&Tensor> = plan.inputs().iter().map(|t| &feed[&t.name]).collect();
        let mut executor = Executor::new(gpu(), plan, Arc::new(parameters)).unwrap();
        executor.poison(f32::NAN).unwrap();
        pollster::block_on(executor.run(&inputs)).unwrap()
    }
}

/// Every engine. A further backend is a further entry here.
pub(crate) fn engines() -> Vec<Box<dyn Engine>> {
    let gpu = [AdapterClass::Gpu, AdapterClass::Software].map(|c| Box::new(OnGpu(c)) as Box<dyn Engine>);
    let cpu: [Box<dyn Engine>; 2] = [Box::new(CpuF32), Box::new(CpuF64)];
    cpu.into_iter().chain(gpu).collect()
}
