//! What the adapter reaches at best.

use anyhow::Result;
use ugatit::catalogue::{ALL, matmul, micro};
use ugatit::gpu::Gpu;
use ugatit::plan::Plan;

use super::measure::{no_parameters, time_plan};
use super::report::{Peaks, Rate};

async fn seconds(gpu: &Gpu, plan: Plan) -> Result<f64> {
    Ok(time_plan(gpu, plan, no_parameters(gpu)?).await?.iter().map(|t| t.seconds).sum())
}

pub(crate) async fn measure(gpu: &Gpu) -> Result<Peaks> {
    // Multiply-adds on registers.
    let (total, rounds) = if gpu.is_software() { (1 << 12, 64) } else { (1 << 20, 256) };
    let params = micro::Params { total, rounds, reserved_0: 0, reserved_1: 0 };
    let flops = u64::from(total) * u64::from(rounds) * 64 * 4 * 2;
    let bytes = u64::from(total) * 16;
    // SAFETY: each of `total` invocations reads and writes the vec4 of its number.
    let plan = unsafe { Plan::single(&micro::MICRO_FMA, params, vec![bytes; 2], [total / 256, 1, 1], flops) };
    let fma_gflops = flops as f64 / seconds(gpu, plan).await? / 1e9;

    // Copying 64 MiB.
    let total = 1_u32 << 22;
    let params = micro::Params { total, rounds: 0, reserved_0: 0, reserved_1: 0 };
    let bytes = u64::from(total) * 16;
    // SAFETY: as above.
    let plan = unsafe { Plan::single(&micro::MICRO_COPY, params, vec![bytes; 2], [total / 256, 1, 1], 0) };
    let copy_gbytes = 2.0 * bytes as f64 / seconds(gpu, plan).await? / 1e9;

    // The plain matrix product at 1024 cubed.
    let n = 1024_u32;
    let flops = 2 * u64::from(n).pow(3);
    let mut matmuls = vec![];
    for &shader in ALL.iter().filter(|s| s.name.starts_with("matmul")) {
        let tile = |a, b| shader.constant(a) * shader.constant(b);
        let params = matmul::Params { m: n, n_quads: n / 4, k_quads: n / 4, reserved: 0 };
        let workgroups = [n / tile("PIXELS", "LANES"), n / 4 / tile("QUADS", "ROWS"), 1];
        // SAFETY: three matrices of `n` rows of `n` floats, and a workgroup for each tile of the
        // last one.
        let plan = unsafe { Plan::single(shader, params, vec![u64::from(n * n * 4); 3], workgroups, flops) };
        let gflops = flops as f64 / seconds(gpu, plan).await? / 1e9;
        matmuls.push(Rate { name: shader.name.into(), gflops });
    }
    let practical_gflops = matmuls.iter().map(|m| m.gflops).fold(0.0, f64::max);
    Ok(Peaks { fma_gflops, copy_gbytes, matmuls, practical_gflops })
}
