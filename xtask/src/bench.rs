//! Quick bench (to be replaced).
use std::sync::Arc;
use std::time::Instant;
use anyhow::Result;
use ugatit::catalogue::matmul;
use ugatit::exec::{Executor, Parameters};
use ugatit::gpu::{AdapterOptions, Gpu};
use ugatit::graph::{Activation, Conv2d, Graph, Op, fuse};
use ugatit::model::{Generator, GeneratorConfig};
use ugatit::plan::{Bound, Memory, ParameterMap, Plan, Step, select};
use ugatit::Tensor;

async fn time(ex: &mut Executor, inputs: &[&Tensor]) -> Result<f64> {
    ex.run(inputs).await?;
    let mut best = f64::MAX;
    for _ in 0..5 {
        let t: f64 = ex.profile().await?.iter().map(|t| t.seconds).sum();
        best = best.min(t);
    }
    Ok(best)
}

pub async fn run() -> Result<()> {
    let gpu = Gpu::open(&AdapterOptions::any()).await?;
    println!("{}", gpu.name());
    let args: Vec<String> = std::env::args().collect();
    let none = Arc::new(Parameters::upload(&gpu, ParameterMap::default(), |_| None)?);
    let what = args.get(1).map(String::as_str).unwrap_or("all");
    if what == "all" || what == "matmul" {
        for shader in [&matmul::MATMUL_8X4, &matmul::MATMUL_8X2, &matmul::MATMUL_4X2, &matmul::MATMUL_4X1] {
            let n = 1024u32;
            let c = |s: &str| shader.constant(s);
            let params = matmul::Params { m: n, n_quads: n / 4, k_quads: n / 4, reserved: 0 };
            let bytes = u64::from(n * n * 4);
            let step = Step {
                shader,
                bindings: (0..3).map(|i| Bound { memory: Memory::Buffer(i), bytes }).collect(),
                uniform_offset: 0,
                uniform_bytes: 16,
                workgroups: [n / c("PIXELS") / c("LANES"), n / 4 / c("QUADS") / c("ROWS"), 1],
                label: "matmul".into(),
                flops: 2 * 1024 * 1024 * 1024,
            };
            let plan = Plan { steps: vec![step], uniforms: bytemuck::bytes_of(&params).to_vec(), buffers: vec![bytes; 3], ..Default::default() };
            let mut ex = Executor::new(&gpu, plan, none.clone())?;
            let t = time(&mut ex, &[]).await?;
            println!("{} {:.2} ms {:.1} GFLOP/s", shader.name, t * 1e3, 2.0 * 1024f64.powi(3) / t / 1e9);
        }
    }
    if what == "all" || what == "conv" {
        for (c, hw, k, o, stride) in [(256, 64, 3, 256, 1), (64, 64, 3, 128, 2), (64, 64, 7, 3, 1), (3, 64, 7, 64, 1)] {
            let mut g = Graph::new();
            let x = g.input("x", [1, c, hw, hw]);
            let w = g.input("w", [o, c, k, k]);
            let y = g.add(Op::Conv2d(Conv2d { stride, pad: k / 2, upsample: false, bias: false, activation: Activation::Identity }), &[x, w])?;
            for shader in select::conv2d_variants() {
                if shader.constant("ALIGNED") == 1 && c % 16 != 0 { continue; }
                let mut target = gpu.target();
                target.conv2d = Some(shader);
                let plan = Plan::compile(&g, &[y], &ParameterMap::default(), &target)?;
                let flops = plan.flops();
                let mut ex = Executor::new(&gpu, plan, none.clone())?;
                let xs = Tensor::new([1, c, hw, hw], (0..c * hw * hw).map(|i| (i % 17) as f32 * 0.1).collect())?;
                let ws = Tensor::new([o, c, k, k], (0..o * c * k * k).map(|i| (i % 13) as f32 * 0.01).collect())?;
                let t = time(&mut ex, &[&xs, &ws]).await?;
                println!("conv {c}->{o} k{k} {hw} {} {:.2} ms {:.1} GFLOP/s", shader.name, t * 1e3, flops as f64 / t / 1e9);
            }
        }
    }
    if what == "all" || what == "gen" {
        for (ch, size) in [(16, 64), (32, 128), (64, 128)] {
            let config = GeneratorConfig { ch, img_size: size, ..Default::default() };
            let mut g = Graph::new();
            let x = g.input("x", [1, 3, size, size]);
            let gen_ = Generator::build(&mut g, &config, "", x)?;
            let (g, outs) = fuse(&g, &[gen_.image, gen_.cam_logit, gen_.heatmap]);
            let map = ParameterMap::new(&g, &gpu.target())?;
            let weights: std::collections::HashMap<String, Tensor> = g
                .parameters()
                .map(|(_, n)| {
                    let e = n.shape.elements();
                    (n.name.clone(), Tensor::new(&n.shape, (0..e).map(|i| ((i * 7919) % 1000) as f32 * 1e-4 - 0.05).collect()).unwrap_or_else(|_| Tensor::zeros(&n.shape)))
                })
                .collect();
            let params = Arc::new(Parameters::upload(&gpu, map, |n| weights.get(n))?);
            let plan = Plan::compile(&g, &outs, params.map(), &gpu.target())?;
            println!("{} steps, {} MiB", plan.steps.len(), plan.memory() >> 20);
            let flops = plan.flops();
            let t0 = Instant::now();
            let mut ex = Executor::new(&gpu, plan, params)?;
            let xs = Tensor::new([1, 3, size, size], (0..3 * size * size).map(|i| ((i * 31) % 201) as f32 * 0.01 - 1.0).collect())?;
            ex.run(&[&xs]).await?;
            let first = t0.elapsed();
            let mut best = f64::MAX;
            for _ in 0..5 {
                let t0 = Instant::now();
                ex.run(&[&xs]).await?;
                best = best.min(t0.elapsed().as_secs_f64());
            }
            println!("gen ch{ch} {size}: first {first:?}, then {:.1} ms {:.1} GFLOP/s", best * 1e3, flops as f64 / best / 1e9);
            let mut by: std::collections::BTreeMap<String, (f64, u64, usize)> = Default::default();
            for t in ex.profile().await? {
                let e = by.entry(format!("{} {}", t.kernel, if t.flops > 0 { &t.label } else { "" })).or_default();
                e.0 += t.seconds; e.1 += t.flops; e.2 += 1;
            }
            for (k, (s, f, n)) in by { println!("   {k}: {n} x, {:.2} ms, {:.1} GFLOP/s", s * 1e3, f as f64 / s / 1e9); }
        }
    }
    Ok(())
}
