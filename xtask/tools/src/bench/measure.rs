//! Timing plans.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use ugatit::Tensor;
use ugatit::exec::{Executor, Parameters, Timing};
use ugatit::gpu::Gpu;
use ugatit::graph::{Graph, NodeId, Shape};
use ugatit::plan::{ParameterMap, Plan, Target};

use xtask::process::say;

/// Runs of which the median is taken at least, after those that are not counted.
const RUNS: usize = 5;

/// Seconds that a GPU works before it counts, since it raises its clock only then; and that it is measured at least.
const WARM_UP: f64 = 0.3;

/// The median.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Whether all runs that count are done, of `times` seconds each so far, the runs to warm up included.
pub(crate) fn enough(times: &[f64]) -> bool {
    counted(times).len() >= RUNS && counted(times).iter().sum::<f64>() >= WARM_UP
}

/// The times without those of the runs to warm up: the first, and all within [`WARM_UP`].
pub(crate) fn counted(times: &[f64]) -> &[f64] {
    let mut passed = 0.0;
    let warming = |time: &&f64| {
        passed += **time;
        passed < WARM_UP
    };
    let uncounted = 1 + times.iter().take_while(warming).count();
    times.get(uncounted..).unwrap_or_default()
}

/// Numbers of about unit size, so that no kernel meets denormals or infinities.
pub(crate) fn filled(shape: &Shape) -> Result<Tensor> {
    let value = |i: usize| ((i.wrapping_mul(7919)) % 2001) as f32 * 1e-3 - 1.0;
    Ok(Tensor::new(shape, (0..shape.elements()).map(value).collect())?)
}

/// The Python that `UGATIT_PYTHON` names, else `python3`, if it has all of these packages; what it lacks
/// is said.
pub(crate) fn python_with(packages: &[&str]) -> Option<String> {
    let python = std::env::var("UGATIT_PYTHON").unwrap_or_else(|_| "python3".into());
    let import = format!("import {}", packages.join(", "));
    let has = Command::new(&python).args(["-c", &import]).stderr(Stdio::null()).status();
    if has.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    say(&format!(
        "`{python}` lacks what others are measured with (`pip install {}`; UGATIT_PYTHON names another Python)\n",
        packages.join(" ")
    ));
    None
}

/// No parameters.
pub(crate) fn no_parameters(gpu: &Gpu) -> Result<Arc<Parameters>> {
    Ok(Arc::new(Parameters::upload(gpu, ParameterMap::default(), |_| None)?))
}

/// The median time of each launch of a plan; without timestamps, the whole run's time on each.
pub(crate) async fn time_plan(gpu: &Gpu, plan: Plan, parameters: Arc<Parameters>) -> Result<Vec<Timing>> {
    let inputs = plan.inputs().iter().map(|t| filled(&t.shape)).collect::<Result<Vec<_>>>()?;
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let mut executor = Executor::new(gpu, plan, parameters)?;
    executor.run(&inputs).await?;
    let (mut runs, mut times) = (vec![], vec![]);
    while !enough(&times) {
        let started = Instant::now();
        let run = if gpu.has_timestamps() {
            executor.profile().await?
        } else {
            let started = Instant::now();
            executor.run(&inputs).await?;
            let seconds = started.elapsed().as_secs_f64();
            let timing = |s: &ugatit::plan::Launch| Timing {
                label: s.label().into(),
                kernel: s.kernel(),
                seconds,
                flops: s.flops(),
                bytes: s.bytes(),
            };
            executor.plan().launches().iter().map(timing).collect()
        };
        runs.push(run);
        times.push(started.elapsed().as_secs_f64());
    }
    runs.drain(..runs.len() - counted(&times).len());
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
    let plan = Plan::compile(graph, outputs, &ParameterMap::default(), target)?;
    time_plan(gpu, plan, no_parameters(gpu)?).await
}
