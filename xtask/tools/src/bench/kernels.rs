//! Every kernel of the catalogue at the sizes of the standard generator (light, ch 64, 256x256).

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use ugatit::catalogue::ALL;
use ugatit::exec::{Parameters, Timing};
use ugatit::gpu::Gpu;
use ugatit::graph::{Activation, Arithmetic, Conv2d, Graph, Norm, NormInput, NormKind, Op};
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target, select};
use ugatit::{Bits, QuantizedMatrix};

use super::measure::{filled, time_graph, time_plan};
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
        let g = graph.input("g", [1, o, size, size]);
        let (height, width) = (input, input);
        let outputs = [
            graph.add(Op::Conv2d(conv), &[x, w])?,
            graph.add(Op::Conv2dGradInput { conv, height, width }, &[g, w])?,
        ];
        let chosen = [
            select::conv2d(&gpu.target(), size * size, i.div_ceil(4), o.div_ceil(4)),
            // With a stride the adjoint is launched in phases, of the input's pixels each.
            select::conv2d(
                &gpu.target(),
                (input * (1 + usize::from(upsample)) + 2 * (k / 2)).div_ceil(stride).pow(2),
                o.div_ceil(4),
                i.div_ceil(4),
            ),
        ];
        for kernel in select::CONV2D_KERNELS {
            let unfit = kernel.is_aligned() && (i % 16 != 0 || o % 16 != 0);
            // A software adapter takes minutes for the kernels meant for GPUs: once is enough.
            let hopeless = gpu.is_software() && kernel.forward.name.contains("tiled") && !rows.is_empty();
            let measured = rows.iter().any(|r| r.kernel == kernel.forward.name);
            if unfit || (hopeless && measured) {
                continue;
            }
            let mut target = gpu.target();
            target.conv2d = Some(kernel);
            for timing in time_graph(gpu, &graph, &outputs, &target).await? {
                if timing.kernel.shader.name.starts_with("conv2d") {
                    let [forward, adjoint] = chosen;
                    let taken =
                        [forward.forward.name, adjoint.transposed.name].contains(&timing.kernel.shader.name);
                    rows.push(Kernel::new(&timing, peaks, taken));
                } else {
                    add(&mut rows, [timing], peaks, true);
                }
            }
        }
        if (k, stride) == (3, 1) {
            // The same by fewer multiplications.
            let target = Target { arithmetic: Arithmetic::Fast, winograd: Some(true), ..gpu.target() };
            let fast = time_graph(gpu, &graph, &outputs, &target).await?;
            add(
                &mut rows,
                fast.into_iter().filter(|t| !t.kernel.shader.name.starts_with("conv2d")),
                peaks,
                true,
            );
        }
        let y = graph.add(Op::Conv2dGradWeight { conv, kernel: [k, k] }, &[x, g])?;
        for class in [AdapterClass::Gpu, AdapterClass::Software] {
            // The kernel of the other class once, as above.
            let known = |rows: &[Kernel], name| rows.iter().any(|r: &Kernel| r.kernel == name);
            let own = class == gpu.target().class;
            let ways = [Arithmetic::Exact, Arithmetic::Fast];
            for &arithmetic in &ways[..1 + usize::from((k, stride) == (3, 1))] {
                let target = Target { class, arithmetic, winograd: Some(true), ..gpu.target() };
                for timing in time_graph(gpu, &graph, &[y], &target).await? {
                    let name = timing.kernel.shader.name;
                    if !name.contains("grad_weight") {
                        add(&mut rows, [timing], peaks, true);
                    } else if (own && arithmetic == Arithmetic::Exact) || !known(&rows, name) {
                        rows.push(Kernel::new(&timing, peaks, own));
                    }
                }
            }
        }
    }

    // The kernels of both classes: all must be measured.
    for (class, c, size) in
        [(AdapterClass::Gpu, 256, 64), (AdapterClass::Gpu, 8, 256), (AdapterClass::Software, 8, 64)]
    {
        let (graph, outputs) = everything_else(c, size)?;
        let target = Target { class, ..gpu.target() };
        let taken = class == gpu.target().class;
        add(&mut rows, time_graph(gpu, &graph, &outputs, &target).await?, peaks, taken);
    }
    for bits in Bits::BOTH {
        add(&mut rows, quantized(gpu, bits).await?, peaks, true);
    }
    let own = gpu.target().class;
    for class in [own, AdapterClass::Gpu, AdapterClass::Software] {
        let missing = || ALL.iter().any(|s| !is_measured(&rows, s.name));
        if class == own || missing() {
            add(&mut rows, super::training::kernels(gpu, class).await?, peaks, class == own);
        }
    }
    if let Some(missing) = ALL.iter().find(|s| !is_measured(&rows, s.name)) {
        bail!("the benchmark does not measure `{}`", missing.name);
    }
    Ok(rows)
}

/// The peaks' kernels are measured elsewhere.
fn is_measured(rows: &[Kernel], name: &str) -> bool {
    name.starts_with("micro") || name.starts_with("matmul") || rows.iter().any(|r| r.kernel == name)
}

/// Takes in what has not been measured yet, of each kernel its longest launch here.
fn add(rows: &mut Vec<Kernel>, timings: impl IntoIterator<Item = Timing>, peaks: &Peaks, taken: bool) {
    let mut longest: BTreeMap<&str, Timing> = BTreeMap::new();
    for timing in timings {
        let known = rows.iter().any(|r| r.kernel == timing.kernel.shader.name);
        if !known && longest.get(timing.kernel.shader.name).is_none_or(|other| other.bytes < timing.bytes) {
            longest.insert(timing.kernel.shader.name, timing);
        }
    }
    rows.extend(longest.values().map(|timing| Kernel::new(timing, peaks, taken)));
}

/// The launch of a linear layer over flattened features whose weight is quantised: of the full generator's
/// columns, and 16 of its rows.
async fn quantized(gpu: &Gpu, bits: Bits) -> Result<Vec<Timing>> {
    let (channels, side, rows) = (256, 64, 16);
    let columns = channels * side * side;
    let mut graph = Graph::new();
    let x = graph.input("x", [1, channels, side, side]);
    let flat = graph.add(Op::Flatten, &[x])?;
    let weight = graph.parameter("weight", [rows, columns]);
    let linear = Op::Linear { bias: false, activation: Activation::Identity };
    let outputs = [graph.add(linear, &[flat, weight])?];
    let matrix = QuantizedMatrix::quantize(&filled(&[rows, columns].into())?, channels, bits)?;
    let map = ParameterMap::with_quantized(&graph, &gpu.target(), Some(("weight", bits)))?;
    let plan = Plan::compile(&graph, &outputs, &map, &gpu.target())?;
    let parameters = Parameters::upload_quantized(gpu, map, |_| None, Some(("weight", &matrix)))?;
    time_plan(gpu, plan, Arc::new(parameters)).await
}

/// A graph with every operation but the convolution, over `c` channels of `size` x `size`.
fn everything_else(c: usize, size: usize) -> Result<(Graph, Vec<ugatit::graph::NodeId>)> {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, c, size, size]);
    let residual = graph.input("residual", [1, c, size, size]);
    let rho = graph.input("rho", [1, c, 1, 1]);
    let [gamma, beta] = ["gamma", "beta"].map(|name| graph.input(name, [1, c]));
    let norm = |kind| Norm { kind, eps: 1e-5, unbiased: true, activation: Activation::Relu, residual: false };
    let layer = Norm { residual: true, ..norm(NormKind::LayerInstance) };
    let linear = Op::Linear { bias: false, activation: Activation::Identity };

    let mut outputs = vec![
        graph.add(Op::Norm(norm(NormKind::Instance)), &[x])?,
        graph.add(Op::Norm(layer), &[x, rho, gamma, beta, residual])?,
    ];
    // What only ablations and the authors' other losses have.
    let groups = norm(NormKind::Group { groups: 4 });
    outputs.push(graph.add(Op::Norm(groups), &[x, gamma, beta])?);
    for wrt in [NormInput::X, NormInput::Gamma] {
        outputs.push(graph.add(Op::NormGrad { norm: groups, wrt }, &[residual, x, gamma])?);
    }
    let share = graph.input("share", [1, 1]);
    for op in [
        Op::Above(0.1),
        Op::Mean,
        Op::MeanGrad { scale: 1.0 },
        Op::Hinge { target: 1.0 },
        Op::HingeGrad { target: 1.0, scale: 1.0 },
        Op::GradientPenalty { one_sided: false },
        Op::GradientPenaltyGrad { one_sided: false, scale: 1.0 },
    ] {
        outputs.push(graph.add(op, &[x])?);
    }
    outputs.push(graph.add(Op::AtMaximum, &[residual, x])?);
    outputs.push(graph.add(Op::Interpolate, &[x, residual, share])?);
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
    // Gradients that no network here has.
    outputs.push(graph.add(Op::Scale(0.5), &[x])?);
    let heatmap = graph.input("heatmap", [1, 1, size, size]);
    outputs.push(graph.add(Op::BroadcastChannels(c), &[heatmap])?);
    let row = graph.input("row", [1, c * size * size]);
    outputs.push(graph.add(Op::Unflatten { channels: c, height: size, width: size }, &[row])?);
    // Parts of the spectral normalisation for themselves, and all of it for one weight.
    let weight = graph.input("weight", [c, c, 4, 4]);
    let [u, u_alone] = ["u", "u_alone"].map(|name| graph.input(name, [c]));
    outputs.push(graph.add(Op::PowerIterationV, &[weight, u_alone])?);
    let v = graph.add(Op::PowerIterationV, &[weight, u])?;
    let u = graph.add(Op::PowerIterationU, &[weight, v])?;
    let sigma = graph.add(Op::SpectralSigma, &[weight, u, v])?;
    outputs.push(graph.add(Op::SpectralNorm, &[weight, sigma, u, v])?);
    // Sums over many rows: those of the spectral normalisation are of this size.
    let [g, tall] = [[1, 16 * c], [16 * c, c]].map(|shape| graph.input(format!("{shape:?}"), shape));
    outputs.push(graph.add(Op::LinearGradInput, &[g, tall])?);
    Ok((graph, outputs))
}
