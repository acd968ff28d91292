//! Pictures in, pictures out: a model on a device, and the way from a picture file to the
//! network's tensor and back.
//!
//! [`Translator::translate`] is the commonest wish in one call. What it is made of is there too, for callers that show
//! progress, keep pictures on other threads, or hold a large photo elsewhere: [`prepare`], [`Translator::run`] and
//! [`Prepared::finish`]; [`Translator::survey`] and [`Tiles`].
//!
//! Everything here that computes is async, so that a web page never blocks on it, and has a twin that blocks
//! (`_blocking`) natively.

mod backend;
mod freeze;
mod large;
mod pictures;
mod tiles;
mod watcher;
mod whole;

use std::collections::VecDeque;

use crate::Tensor;
use crate::cpu;
use crate::error::{Error, Result};
use crate::events::event;
use crate::gpu::Gpu;
use crate::graph::{Arithmetic, Graph, NodeId, Shape, fuse};
use crate::io::{Model, QUANTIZED_KEY};
use crate::model::{Direction, Generator, GeneratorConfig};
use crate::plan::{AdapterClass, ParameterMap, Plan, Target};
use crate::quantized::Bits;

pub use crate::device::Device;
use backend::{Backend, Compiled, Weights};
pub use large::{Tiles, survey_size, wants_tiles};
pub use pictures::{
    Fit, PictureOptions, PictureSize, Prepared, Translated, fitted_part, fitted_size, prepare, resize,
};
pub use tiles::{Rect, TileGrid, TileOptions};
pub use watcher::{Phase, Watcher};
pub use whole::{Arranged, Options, Tiling};

/// The name of the graph's input.
const INPUT: &str = "x";
/// How many picture sizes stay compiled.
const KEPT_SIZES: usize = 4;
/// The memory that a translator keeps for its next pictures, bytes: that of a GPU for all kept sizes together, of which the
/// current one always stays; or the processor's.
const KEPT_BYTES: u64 = 256 << 20;

/// How weights, and the pictures between operations, lie in a GPU's memory. What is computed is computed with f32
/// everywhere, and the processor keeps f32 too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As f32, unless `ugatit tune` found f16 to be faster on this adapter.
    #[default]
    Auto,
    /// As f32.
    F32,
    /// As f16: half the memory. Pictures are within 2 of 255 of those with f32.
    F16,
}

/// What a generator makes of a batch of pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Translation {
    /// `[N, img_ch, H, W]` in -1..1.
    pub image: Tensor,
    /// `[N, 1, H/4, W/4]`, not negative: what the network attends to; none of a model without attention.
    pub heatmap: Option<Tensor>,
    /// `[N, 2]`: the auxiliary classifier's raw logits, average pooling first; none of a model without attention.
    pub cam_logit: Option<Tensor>,
}

impl Translation {
    /// From the outputs of [`network`].
    fn new(outputs: Vec<Tensor>) -> Result<Self> {
        let mut outputs = outputs.into_iter();
        let image =
            outputs.next().ok_or_else(|| Error::Internal("a translation without a picture".into()))?;
        Ok(Self { image, heatmap: outputs.next(), cam_logit: outputs.next() })
    }
}

/// A generator on a device, ready to translate.
#[derive(Debug)]
pub struct Translator {
    config: GeneratorConfig,
    direction: Direction,
    backend: Backend,
    arithmetic: Arithmetic,
    /// Compiled for a shape, the one used last in front.
    programs: VecDeque<(Shape, Compiled)>,
}

impl Translator {
    /// Brings a model onto a device.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn new(device: Device, model: Model) -> Result<Self> {
        Self::with_precision(device, model, Precision::Auto).await
    }

    /// [`Self::new`] for callers that are not async: it waits on this thread.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new_blocking(device: Device, model: Model) -> Result<Self> {
        pollster::block_on(Self::new(device, model))
    }

    /// Brings a model onto a device, its tensors lying there as `precision` says.
    ///
    /// # Errors
    /// What the device reports; [`Error::GpuLimit`] where it has no such precision.
    pub async fn with_precision(device: Device, model: Model, precision: Precision) -> Result<Self> {
        let (config, direction) = (model.config, model.direction);
        // Where the weights lie does not depend on the picture's size.
        let (graph, _) = network(&config, &[1, config.img_ch, config.img_size, config.img_size].into())?;
        let weights = Weights { tensors: model.tensors, quantized: model.quantized };
        let backend = Backend::new(device, &graph, weights, precision, true).await?;
        let arithmetic = Arithmetic::default();
        Ok(Self { config, direction, backend, arithmetic, programs: VecDeque::new() })
    }

    /// [`Self::with_precision`] for callers that are not async: it waits on this thread.
    ///
    /// # Errors
    /// Those of [`Self::with_precision`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn with_precision_blocking(device: Device, model: Model, precision: Precision) -> Result<Self> {
        pollster::block_on(Self::with_precision(device, model, precision))
    }

    /// Compiles the kernels that translate a picture of the model's own size, while the model itself is on
    /// its way. What one of that device compiles later is there already. `bits` are those of its
    /// largest matrix, where that is quantised.
    ///
    /// # Errors
    /// [`Error::Config`] where there can be no such model, what the device reports, [`Error::GpuLimit`] where it has
    /// no such precision, and what `watcher` returns.
    pub async fn prepare(
        gpu: &Gpu,
        config: &GeneratorConfig,
        bits: Option<Bits>,
        precision: Precision,
        watcher: &mut impl Watcher,
    ) -> Result<()> {
        let side = config.img_size;
        let (graph, outputs) = network(config, &[1, config.img_ch, side, side].into())?;
        let target = Target { arithmetic: Arithmetic::default(), ..backend::target(gpu, precision)? };
        let map = ParameterMap::with_quantized(&graph, &target, bits.map(|bits| (QUANTIZED_KEY, bits)))?;
        let plan = Plan::compile(&graph, &outputs, &map, &target)?;
        backend::compile_kernels(gpu, &plan, watcher).await
    }

    /// The translator with another [`Arithmetic`]; without this it is [`Arithmetic::Fast`], whose
    /// pictures are within 1 of 255 of the exact ones.
    #[must_use]
    pub fn with_arithmetic(self, arithmetic: Arithmetic) -> Self {
        Self { arithmetic, programs: VecDeque::new(), ..self }
    }

    /// How the tensors lie in the device's memory; never [`Precision::Auto`].
    pub fn precision(&self) -> Precision {
        self.backend.precision()
    }

    /// The model's architecture.
    pub fn config(&self) -> &GeneratorConfig {
        &self.config
    }

    /// Which way the model translates.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Errs where the GPU has been lost or has reported an error since the last call.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`] or [`Error::Gpu`].
    pub fn check(&self) -> Result<()> {
        self.backend.check()
    }

    /// Translates a batch `[N, img_ch, H, W]` in -1..1. H and W are multiples of 4, at least
    /// 8; the full model takes its own size only. The first run at a size compiles for it.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Shape`] where the model cannot take the batch; what the
    /// device reports.
    pub async fn run(&mut self, x: &Tensor) -> Result<Translation> {
        self.run_watched(x, &mut ()).await
    }

    /// [`Self::run`], followed by `watcher`.
    ///
    /// # Errors
    /// Those of [`Self::run`], and what `watcher` returns.
    pub async fn run_watched(&mut self, x: &Tensor, watcher: &mut impl Watcher) -> Result<Translation> {
        let known = self.programs.iter().position(|(shape, _)| shape == x.shape());
        let mut entry = match known.and_then(|i| self.programs.remove(i)) {
            Some(entry) => entry,
            None => {
                event!(DEBUG, kept = self.programs.len(), "compiles a program for pictures {}", x.shape());
                let (graph, outputs) = network(&self.config, x.shape())?;
                let mut compiled = self.backend.compile(&graph, &outputs, self.arithmetic, watcher).await;
                if matches!(compiled, Err(Error::OutOfMemory { .. })) {
                    // The other sizes can be made again.
                    self.programs.clear();
                    compiled = self.backend.compile(&graph, &outputs, self.arithmetic, watcher).await;
                }
                (x.shape().clone(), compiled?)
            }
        };
        let result = self.backend.run(&mut entry.1, x, watcher).await;
        // A program whose run failed is not used again: what a browser tells only then may be that
        // there was no memory for it.
        if !matches!(result, Ok(_) | Err(Error::Aborted)) {
            drop(entry);
            return Translation::new(result?);
        }
        self.programs.push_front(entry);
        let mut bytes = 0;
        let fitting = self.programs.iter().take_while(|(_, program)| {
            bytes += program.gpu_bytes();
            bytes <= KEPT_BYTES
        });
        let kept = fitting.count().clamp(1, KEPT_SIZES);
        self.programs.truncate(kept);
        Translation::new(result?)
    }
}

/// The fused graph of a generator for one input shape `[N, img_ch, H, W]`, and its image, then, where it has
/// attention, heat-map and logits. The input is called "x".
///
/// # Errors
/// [`Error::Config`] or [`Error::Shape`] where the generator cannot take that shape.
pub fn network(config: &GeneratorConfig, shape: &Shape) -> Result<(Graph, Vec<NodeId>)> {
    if shape.nchw().is_none_or(|[n, ..]| n == 0) {
        return Err(Error::Shape(format!("pictures must be [N, {}, H, W], not {shape}", config.img_ch)));
    }
    let mut graph = Graph::new();
    let x = graph.input(INPUT, shape);
    let net = Generator::build(&mut graph, config, "", x)?;
    let wanted: Vec<NodeId> = std::iter::once(net.image).chain(net.heatmap).chain(net.cam_logit).collect();
    Ok(fuse(&graph, &wanted))
}

/// The GPU memory that a translation needs, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNeed {
    /// The weights.
    pub weights: u64,
    /// Everything else, one picture at a time.
    pub activations: u64,
}

/// Bytes of the computer's memory that the processor takes for translating one picture of `side` x `side` in f32,
/// beside the weights.
///
/// # Errors
/// [`Error::Config`] where the model cannot take that size.
pub fn processor_memory(config: &GeneratorConfig, side: usize) -> Result<u64> {
    let (graph, outputs) = network(config, &[1, config.img_ch, side, side].into())?;
    Ok(cpu::memory::<f32>(&graph, &outputs, Arithmetic::default()))
}

/// The GPU memory that translating one picture of `height` x `width` needs, in f32 but for a largest matrix of
/// so many `bits`, whatever a GPU's limits are.
///
/// # Errors
/// [`Error::Config`] where the model cannot take that size; [`Error::Shape`] where it has no matrix that can be
/// quantised.
pub fn memory_need(
    config: &GeneratorConfig,
    bits: Option<Bits>,
    height: usize,
    width: usize,
) -> Result<MemoryNeed> {
    let (graph, outputs) = network(config, &[1, config.img_ch, height, width].into())?;
    let any = Target {
        max_binding: u64::MAX,
        max_buffer: u64::MAX,
        arithmetic: Arithmetic::default(),
        ..Target::browser(AdapterClass::Gpu)
    };
    let parameters = ParameterMap::with_quantized(&graph, &any, bits.map(|bits| (QUANTIZED_KEY, bits)))?;
    let plan = Plan::compile(&graph, &outputs, &parameters, &any)?;
    Ok(MemoryNeed { weights: parameters.bytes(), activations: plan.memory() })
}
