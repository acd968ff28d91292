//! Timing plans.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use ugatit::Tensor;
use ugatit::exec::{Executor, Parameters, Timing};
use ugatit::gpu::Gpu;
use ugatit::graph::{Graph, NodeId, Shape};
use ugatit::plan::{ParameterMap, Plan, Target};

/// Runs of which the median is taken, after one that is not counted.
const RUNS: usize = 5;

/// The median.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Numbers of about unit size, so that no kernel meets denormals or infinities.
pub(crate) fn filled(shape: &Shape) -> Result<Tensor> {
    let value = |i: usize| ((i.wrapping_mul(7919)) % 2001) as f32 * 1e-3 - 1.0;
    Ok(Tensor::new(shape, (0..shape.elements()).map(value).collect())?)
}

/// No parameters.
pub(crate) fn no_parameters(gpu: &Gpu) -> Result<Arc<Parameters>> {
    Ok(Arc::new(Parameters::upload(gpu, ParameterMap::default(), |_| None)?))
}

/// The median time of each launch of a plan; without timestamps, the whole run's time on each.
pub(crate) async fn time_plan(gpu: &Gpu, plan: Plan) -> Result<Vec<Timing>> {
    let inputs = plan.inputs().iter().map(|t| filled(&t.shape)).collect::<Result<Vec<_>>>()?;
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let mut executor = Executor::new(gpu, plan, no_parameters(gpu)?)?;
    executor.run(&inputs).await?;
    let mut runs = vec![];
    for i in 0..=RUNS {
        let run = if gpu.has_timestamps() {
            executor.profile().await?
        } else {
            let started = Instant::now();
            executor.run(&inputs).await?;
            let seconds = started.elapsed().as_secs_f64();
            let timing = |s: &ugatit::plan::Step| Timing {
                label: s.label().into(),
                kernel: s.shader().name,
                seconds,
                flops: s.flops(),
                bytes: s.bytes(),
            };
            executor.plan().steps().iter().map(timing).collect()
        };
        if i >= 1 {
            runs.push(run);
        }
    }
    let mut timings = runs[0].clone();
    for (i, timing) in timings.iter_mut().enumerate() {
        timing.seconds = median(runs.iter().map(|run| run[i].seconds).collect());
    }
    Ok(timings)
}

/// The launches of a graph over inputs, planned for `target`.
pub(crate) async fn time_graph(
    gpu: &Gpu,
    graph: &Graph,
    outputs: &[NodeId],
    target: &Target,
) -> Result<Vec<Timing>> {
    time_plan(gpu, Plan::compile(graph, outputs, &ParameterMap::default(), target)?).await
}
