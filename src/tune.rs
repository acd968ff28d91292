//! Measures the convolution kernels on a GPU, so that what runs there is what is fastest there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Tensor;
use crate::cpu;
use crate::error::Result;
use crate::exec::{Executor, Parameters};
use crate::gpu::Gpu;
use crate::graph::{Activation, Arithmetic, Conv2d, Graph, NodeId, Op, Shape};
use crate::model::GeneratorConfig;
use crate::plan::layout::quads;
use crate::plan::select::{self, Conv2dKernel};
use crate::plan::tuning::{MeasuredProduct, MeasuredWinograd, Product, Tuning};
use crate::plan::{ParameterMap, Plan, Target};
use crate::random::Random;
use crate::translate::network;

/// Channels and picture sizes of the light generators whose convolutions are measured.
const NETWORKS: [(usize, usize); 3] = [(16, 64), (32, 128), (64, 256)];

/// How many invocations may keep an adapter busy.
const BUSY: [usize; 7] = [1, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18];

/// Seconds that a GPU works before it is measured: it raises its clock only then.
const WARM_UP: f64 = 0.3;

/// Runs of which the fastest counts at least, after one whose result is checked.
const RUNS: usize = 3;

/// How long the runs of one kernel go on at least, in seconds.
const LONG_ENOUGH: f64 = 0.02;

/// A kernel that takes so many times the fastest one's time is not measured again.
const HOPELESS: f64 = 2.0;

/// How far from the processor's result, of its largest value, a kernel's may be: sums of 3,136
/// products in another order, and Winograd's algorithm, stay below.
const TOLERANCE: f32 = 1e-4;

/// How far, on average, the picture of random weights of f16 may be from that of f32; it reaches from -1 to 1.
const HALF_TOLERANCE: f32 = 0.02;

/// A convolution of a light generator.
#[derive(Clone, Copy)]
struct Work {
    c: usize,
    o: usize,
    /// Of the input.
    side: usize,
    window: usize,
    stride: usize,
}

impl Work {
    fn of(ch: usize, size: usize) -> [Self; 6] {
        let work = |c, o, side, window, stride| Self { c, o, side, window, stride };
        [
            work(4 * ch, 4 * ch, size / 4, 3, 1),
            work(3, ch, size, 7, 1),
            work(ch, 2 * ch, size, 3, 2),
            work(2 * ch, 4 * ch, size / 2, 3, 2),
            work(4 * ch, 4 * ch, size / 4, 1, 1),
            work(ch, 3, size, 7, 1),
        ]
    }

    /// Convolutions with few results and long sums: of small networks, and the last ones of discriminators.
    fn narrow() -> [Self; 6] {
        let work = |c, o, side, window, stride| Self { c, o, side, window, stride };
        [
            work(64, 64, 16, 3, 1),
            work(128, 128, 32, 3, 1),
            work(256, 512, 16, 4, 2),
            work(512, 1024, 8, 4, 1),
            work(1024, 1, 7, 4, 1),
            work(32, 3, 128, 7, 1),
        ]
    }

    fn label(self) -> String {
        let Self { c, o, side, window, stride } = self;
        let stride = if stride > 1 { format!(", stride {stride}") } else { String::new() };
        format!("{window}x{window} {c}→{o} at {side}x{side}{stride}")
    }

    fn product(self) -> Product {
        let pixels = (self.side / self.stride).pow(2);
        Product { pixels, in_quads: quads(self.c), out_quads: quads(self.o) }
    }

    fn tiles(self) -> usize {
        self.side.div_ceil(4).pow(2)
    }

    fn is_winograd(self) -> bool {
        (self.window, self.stride) == (3, 1)
    }
}

/// One convolution with its inputs and its result on the processor.
struct Case {
    graph: Graph,
    y: NodeId,
    inputs: [Tensor; 2],
    expected: Tensor,
}

impl Case {
    fn new(work: Work) -> Result<Self> {
        let mut random = Random::seeded(1);
        let mut noise = |shape: [usize; 4]| {
            let values = (0..shape.iter().product()).map(|_| random.uniform() as f32 - 0.5);
            Tensor::new(shape, values.collect())
        };
        let Work { c, o, side, window, stride } = work;
        let inputs = [noise([1, c, side, side])?, noise([o, c, window, window])?];
        let mut graph = Graph::new();
        let [x, w] = [("x", 0), ("w", 1)].map(|(name, i)| graph.input(name, inputs[i].shape()));
        let pad = window / 2;
        let conv = Conv2d { stride, pad, upsample: false, bias: false, activation: Activation::Identity };
        let y = graph.add(Op::Conv2d(conv), &[x, w])?;
        let feed = |name: &str| Some(&inputs[usize::from(name == "w")]);
        let expected = cpu::run(&graph, &[y], &feed)?.remove(0);
        Ok(Self { graph, y, inputs, expected })
    }

    /// Milliseconds of all launches; none where the result is wrong.
    async fn time(&self, gpu: &Gpu, target: &Target, best: f64) -> Result<Option<f64>> {
        let plan = Plan::compile(&self.graph, &[self.y], &ParameterMap::default(), target)?;
        let none = Arc::new(Parameters::upload(gpu, ParameterMap::default(), |_| None)?);
        let mut executor = Executor::new(gpu, plan, none)?;
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        let found = executor.run(&inputs).await?;
        let largest = self.expected.data().iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let right = |(a, b): (&f32, &f32)| (a - b).abs() <= TOLERANCE * largest;
        if !found[0].data().iter().zip(self.expected.data()).all(right) {
            return Ok(None);
        }
        fastest(gpu, &mut executor, &inputs, best).await.map(Some)
    }
}

/// Milliseconds of the fastest of some runs; it gives up where it is far from `best`.
async fn fastest(gpu: &Gpu, executor: &mut Executor, inputs: &[&Tensor], best: f64) -> Result<f64> {
    let mut fastest = f64::INFINITY;
    let (begin, mut runs) = (Instant::now(), 0);
    while runs < RUNS || begin.elapsed().as_secs_f64() < LONG_ENOUGH {
        runs += 1;
        let ms = if gpu.has_timestamps() {
            executor.profile().await?.iter().map(|timing| timing.seconds * 1e3).sum()
        } else {
            let started = Instant::now();
            executor.run(inputs).await?;
            started.elapsed().as_secs_f64() * 1e3
        };
        fastest = fastest.min(ms);
        if fastest > HOPELESS * best {
            break;
        }
    }
    Ok(fastest)
}

/// Milliseconds of a light generator with tensors of f32 and of f16; none where the adapter has no f16, or the picture
/// is a wrong one.
async fn precision(gpu: &Gpu, tuning: &Tuning) -> Result<Option<[f64; 2]>> {
    if !gpu.takes_f16() {
        return Ok(None);
    }
    let (ch, size) = NETWORKS[1];
    let config = GeneratorConfig { ch, img_size: size, light: true, ..GeneratorConfig::default() };
    let shape = Shape::from([1, config.img_ch, size, size]);
    let (graph, outputs) = network(&config, &shape)?;
    let mut random = Random::seeded(2);
    let mut noise = |shape: &Shape| {
        let values = (0..shape.elements()).map(|_| random.uniform() as f32 - 0.5);
        Tensor::new(shape, values.collect())
    };
    let x = noise(&shape)?;
    let weights = graph.parameters().map(|(_, node)| Ok((node.name.clone(), noise(&node.shape)?)));
    let weights = weights.collect::<Result<BTreeMap<_, _>>>()?;
    let mut drawn: Option<Tensor> = None;
    let mut milliseconds = [0.0; 2];
    for (ms, f16) in milliseconds.iter_mut().zip([false, true]) {
        let tuning = Some(Arc::new(tuning.clone()));
        let target = Target { f16, arithmetic: Arithmetic::Fast, tuning, ..gpu.target() };
        let map = ParameterMap::new(&graph, &target)?;
        let plan = Plan::compile(&graph, &outputs[..1], &map, &target)?;
        let parameters = Arc::new(Parameters::upload(gpu, map, |name| weights.get(name))?);
        let mut executor = Executor::new(gpu, plan, parameters)?;
        let picture = executor.run(&[&x]).await?.remove(0);
        let differences = |other: &Tensor| -> f32 {
            let pairs = picture.data().iter().zip(other.data());
            pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / picture.data().len() as f32
        };
        // NaN is none either.
        let close = drawn.as_ref().is_none_or(|other| differences(other) <= HALF_TOLERANCE);
        if !close {
            return Ok(None);
        }
        drawn = Some(picture);
        *ms = fastest(gpu, &mut executor, &[&x], f64::INFINITY).await?;
    }
    Ok(Some(milliseconds))
}

/// Measures every kernel that can compute them at the convolutions of light generators, for at most
/// about `limit`, and whether Winograd's algorithm and tensors of f16 are worth it. Each result is compared with the
/// processor's; a kernel whose result is wrong is not taken. `report` is told what is done and how
/// much there is.
///
/// # Errors
/// What the device reports.
pub async fn tune(gpu: &Gpu, limit: Duration, mut report: impl FnMut(usize, usize)) -> Result<Tuning> {
    let started = Instant::now();
    let works: Vec<Work> = NETWORKS.iter().flat_map(|&(ch, size)| Work::of(ch, size)).collect();
    let kernel_runs = works.len() * select::CONV2D_KERNELS.len();
    // A software adapter has no clock to raise, and its processors are busy with one workgroup each.
    let busy: &[usize] = if gpu.is_software() { &[] } else { &BUSY };
    let total = kernel_runs + busy.len() + 1;
    let mut tuning = Tuning::default();
    if !gpu.is_software() {
        warm_up(gpu).await?;
    }
    for (i, &work) in works.iter().enumerate() {
        if started.elapsed() > limit {
            break;
        }
        let case = Case::new(work)?;
        let mut kernels: Vec<(&'static Conv2dKernel, f64)> = vec![];
        for (k, kernel) in select::CONV2D_KERNELS.into_iter().enumerate() {
            report(i * select::CONV2D_KERNELS.len() + k, total);
            let fits = !kernel.is_aligned() || work.c % 16 == 0;
            let late = started.elapsed() > limit && !kernels.is_empty();
            if !fits || late {
                continue;
            }
            let best = kernels.iter().map(|(_, ms)| *ms).fold(f64::INFINITY, f64::min);
            let target = Target { conv2d: Some(kernel), tuning: None, ..gpu.target() };
            if let Some(ms) = case.time(gpu, &target, best).await? {
                kernels.push((kernel, ms));
            }
        }
        kernels.sort_by(|a, b| a.1.total_cmp(&b.1));
        if let (true, Some(&(kernel, direct_ms))) = (work.is_winograd(), kernels.first()) {
            let target = Target {
                conv2d: Some(kernel),
                winograd: Some(true),
                arithmetic: Arithmetic::Fast,
                tuning: None,
                ..gpu.target()
            };
            let winograd_ms = case.time(gpu, &target, direct_ms).await?;
            let (channels, tiles) = ([work.c, work.o], work.tiles());
            tuning.winograd.push(MeasuredWinograd { channels, tiles, direct_ms, winograd_ms });
        }
        let kernels = kernels.into_iter().map(|(kernel, ms)| (kernel.forward.name.to_owned(), ms)).collect();
        tuning.products.push(MeasuredProduct { product: work.product(), label: work.label(), kernels });
    }
    let narrow = if busy.is_empty() { vec![] } else { Work::narrow().to_vec() };
    let cases = narrow.into_iter().map(Case::new).collect::<Result<Vec<_>>>()?;
    for (i, &invocations) in busy.iter().enumerate() {
        if started.elapsed() > limit {
            break;
        }
        report(kernel_runs + i, total);
        let kernels = Some(Arc::new(tuning.clone()));
        let target = Target { invocations: Some(invocations), tuning: kernels, ..gpu.target() };
        let mut all = Some(0.0);
        for case in &cases {
            let ms = case.time(gpu, &target, f64::INFINITY).await?;
            all = all.zip(ms).map(|(sum, ms)| sum + ms);
        }
        tuning.invocations.extend(all.map(|ms| (invocations, ms)));
    }
    tuning.invocations.sort_by(|a, b| a.1.total_cmp(&b.1));
    if started.elapsed() < limit {
        report(total - 1, total);
        tuning.precision = precision(gpu, &tuning).await?;
    }
    report(total, total);
    Ok(tuning)
}

/// Keeps a GPU at work for a moment.
async fn warm_up(gpu: &Gpu) -> Result<()> {
    let started = Instant::now();
    let case = Case::new(Work { c: 64, o: 64, side: 64, window: 3, stride: 1 })?;
    while started.elapsed().as_secs_f64() < WARM_UP {
        case.time(gpu, &gpu.target(), f64::INFINITY).await?;
    }
    Ok(())
}
