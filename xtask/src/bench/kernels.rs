//! Every kernel of the catalogue at the sizes of the standard generator (light, ch 64, 256x256).

use anyhow::{Result, bail};
use ugatit::catalogue::ALL;
use ugatit::gpu::Gpu;
use ugatit::graph::{Activation, Conv2d, Graph, Norm, NormKind, Op};
use ugatit::plan::{AdapterClass, select};

use super::measure::time_graph;
use super::report::{Kernel, Peaks};

/// The convolutions: input channels, output channels, output extent, window, stride, upsample.
const CONVOLUTIONS: [(usize, usize, usize, usize, usize, bool); 6] = [
    (256, 256, 64, 3, 1, false),
    (64, 128, 128, 3, 2, false),
    (256, 128, 128, 3, 1, true),
    (256, 256, 64, 1, 1, false),
    (3, 64, 128, 7, 1, false),
    (64, 3, 128, 7, 1, false),
];

pub(crate) async fn measure(gpu: &Gpu, peaks: &Peaks) -> Result<Vec<Kernel>> {
    let mut rows: Vec<Kernel> = vec![];
    for (i, o, size, k, stride, upsample) in CONVOLUTIONS {
        let size = if gpu.is_software() { size.min(64) } else { size };
        let input = if upsample { size / 2 } else { size * stride };
        let mut graph = Graph::new();
        let x = graph.input("x", [1, i, input, input]);
        let w = graph.input("w", [o, i, k, k]);
        let conv = Conv2d { stride, pad: k / 2, upsample, bias: false, activation: Activation::Identity };
        let y = graph.add(Op::Conv2d(conv), &[x, w])?;
        let chosen = select::conv2d(gpu.target().class, size * size, i.div_ceil(4), o.div_ceil(4));
        for shader in select::conv2d_variants() {
            let unfit = shader.constant("ALIGNED") == 1 && i % 16 != 0;
            // A software adapter takes minutes for the kernels meant for GPUs: once is enough.
            let hopeless = gpu.is_software() && shader.name.contains("tiled") && !rows.is_empty();
            let measured = rows.iter().any(|r| r.kernel == shader.name);
            if unfit || (hopeless && measured) {
                continue;
            }
            let mut target = gpu.target();
            target.conv2d = Some(shader);
            for (timing, bytes) in time_graph(gpu, &graph, &[y], &target).await? {
                rows.push(Kernel::new(&timing, bytes, peaks, std::ptr::eq(shader, chosen)));
            }
        }
    }

    for (c, size) in [(256, 64), (8, 256)] {
        let (graph, outputs) = everything_else(c, size)?;
        let mut target = gpu.target();
        target.class = AdapterClass::Gpu;
        for (timing, bytes) in time_graph(gpu, &graph, &outputs, &target).await? {
            if !timing.kernel.starts_with("conv2d") && !rows.iter().any(|r| r.kernel == timing.kernel) {
                rows.push(Kernel::new(&timing, bytes, peaks, true));
            }
        }
    }
    let measured = |name: &str| {
        // The kernels of training are measured when there is training.
        let training =
            ["grad", "loss", "transposed", "spectral", "exchange"].iter().any(|s| name.contains(s))
                || ["dot", "normalize", "scale", "divide", "broadcast", "slice", "unflatten", "sum_splits"]
                    .iter()
                    .any(|s| name.starts_with(s))
                || name == "norm_coefficients_moments";
        training
            || name.starts_with("micro")
            || name.starts_with("matmul")
            || rows.iter().any(|r| r.kernel == name)
    };
    if let Some(missing) = ALL.iter().find(|s| !measured(s.name)) {
        bail!("the benchmark does not measure `{}`", missing.name);
    }
    Ok(rows)
}

/// A graph with every operation but the convolution, over `c` channels of `size` x `size`.
fn everything_else(c: usize, size: usize) -> Result<(Graph, Vec<ugatit::graph::NodeId>)> {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, c, size, size]);
    let residual = graph.input("residual", [1, c, size, size]);
    let rho = graph.input("rho", [1, c, 1, 1]);
    let [gamma, beta] = ["gamma", "beta"].map(|name| graph.input(name, [1, c]));
    let norm = |kind| Norm { kind, eps: 1e-5, activation: Activation::Relu, residual: false };
    let layer = Norm { residual: true, ..norm(NormKind::LayerInstance) };
    let linear = Op::Linear { bias: false, activation: Activation::Identity };

    let mut outputs = vec![
        graph.add(Op::Norm(norm(NormKind::Instance)), &[x])?,
        graph.add(Op::Norm(layer), &[x, rho, gamma, beta, residual])?,
    ];
    let average = graph.add(Op::GlobalAvgPool, &[x])?;
    let maximum = graph.add(Op::GlobalMaxPool, &[x])?;
    outputs.push(graph.add(Op::Concat, &[average, maximum])?);
    let square = graph.input("square", [c, c]);
    outputs.push(graph.add(linear.clone(), &[average, square])?);
    let flat = graph.add(Op::Flatten, &[x])?;
    let wide = graph.input("wide", [8, c * size * size]);
    outputs.extend([graph.add(linear, &[flat, wide])?, flat]);
    let mix = graph.input("mix", [c, 2 * c, 1, 1]);
    let [gap, gmp] = ["gap", "gmp"].map(|name| graph.input(name, [1, c]));
    outputs.push(graph.add(Op::CamWeight, &[mix, gap, gmp])?);
    outputs.push(graph.add(Op::SumChannels, &[x])?);
    outputs.push(graph.add(Op::Activation(Activation::Relu), &[x])?);
    outputs.push(graph.add(Op::Add, &[x, residual])?);
    outputs.push(graph.add(Op::ReflectionPad2d(1), &[x])?);
    Ok((graph, outputs))
}
