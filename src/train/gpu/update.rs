//! What follows the gradients of a turn, as launches over whole buffers: sums of batches, the
//! report, the vectors of the spectral normalisation, the optimiser.

use std::ops::Range;

use crate::catalogue::{accumulate, adam, gradient_squares, step_report};
use crate::error::Result;
use crate::plan::{Bound, Memory, ParameterMap, Target, Wanted};
use crate::shader::Shader;

use super::super::config::StepConfig;
use super::super::player::Player;
use super::super::step::StepGraph;
use super::places::{BLOCK, Place, Placed, REPORT, REPORT_QUADS, Store, VECTORS, group, term_stride};

/// A part of a buffer that one binding holds.
struct Window {
    /// Of the map.
    buffer: usize,
    bytes: Range<u64>,
    /// Its first block among those of its group.
    first_block: u64,
}

struct Launches<'a> {
    target: &'a Target,
    placed: Placed,
}

impl<'a> Launches<'a> {
    fn new(target: &'a Target) -> Self {
        Self { target, placed: Placed::default() }
    }

    fn bind(&mut self, store: Store, bytes: Range<u64>) -> Bound {
        self.placed.given.push(Place { store, offset: bytes.start });
        Bound {
            memory: Memory::Given(self.placed.given.len() - 1),
            bytes: bytes.end - bytes.start,
            half: false,
        }
    }

    fn launch<P: bytemuck::NoUninit>(
        &mut self,
        shader: &'static Shader,
        params: P,
        bindings: &[Bound],
        invocations: u64,
        label: &str,
    ) -> Result<()> {
        let size: u32 = shader.workgroup_size.iter().product();
        let workgroups = self.target.spread(invocations.div_ceil(u64::from(size)) as usize);
        let launch = Wanted { shader, bindings, workgroups, label: label.into(), flops: 0 };
        self.placed.plan.push(self.target, params, launch)
    }

    /// `y = x`, `y += x`, or `y = x` if the run has not halted.
    fn accumulate(&mut self, shader: &'static Shader, [x, y]: [Store; 2], bytes: Range<u64>) -> Result<()> {
        let total = (bytes.end - bytes.start) / 16;
        let params = accumulate::Params { total: total as u32, ..accumulate::Params::default() };
        let mut bindings = vec![self.bind(x, bytes.clone())];
        if std::ptr::eq(shader, &accumulate::ACCUMULATE_KEPT) {
            bindings.push(self.bind(Store::Report, 0..REPORT));
        }
        bindings.push(self.bind(y, bytes));
        self.launch(shader, params, &bindings, total, "sum of batches")
    }

    /// Takes over the vectors.
    fn keep(&mut self, map: &ParameterMap) -> Result<()> {
        for window in windows(map, VECTORS, self.target) {
            let stores = [Store::Vectors(window.buffer), Store::Weights(window.buffer)];
            self.accumulate(&accumulate::ACCUMULATE_KEPT, stores, window.bytes)?;
        }
        Ok(())
    }
}

/// What a group's buffers are cut into.
fn windows(map: &ParameterMap, group: usize, target: &Target) -> Vec<Window> {
    let size = (target.max_binding / BLOCK * BLOCK).max(BLOCK);
    let mut first_block = 0;
    let mut windows = vec![];
    for buffer in map.group(group) {
        let mut at = 0;
        while at < map.buffers[buffer] {
            let end = (at + size).min(map.buffers[buffer]);
            windows.push(Window { buffer, bytes: at..end, first_block });
            first_block += (end - at) / BLOCK;
            at = end;
        }
    }
    windows
}

/// The launches after a batch where there are several (the first, a further one), those that
/// take over its vectors, and those that end the turn.
pub(super) fn update(
    step: &StepGraph,
    config: &StepConfig,
    map: &ParameterMap,
    target: &Target,
) -> Result<(Option<[Placed; 2]>, Placed, Placed)> {
    let group = group(step.player);
    let windows = windows(map, group, target);
    let stride = term_stride(target);
    let terms = step.terms.len() as u64 * stride;

    let sum = |shader: &'static Shader| {
        let mut launches = Launches::new(target);
        launches.accumulate(shader, [Store::BatchTerms, Store::Terms], 0..terms)?;
        for window in &windows {
            let stores = [Store::BatchGradients(window.buffer), Store::Gradients(window.buffer)];
            launches.accumulate(shader, stores, window.bytes.clone())?;
        }
        Ok(launches.placed)
    };
    let sums = match config.accumulation {
        1 => None,
        _ => Some([sum(&accumulate::ACCUMULATE_FIRST)?, sum(&accumulate::ACCUMULATE_MORE)?]),
    };

    let mut keep = Launches::new(target);
    keep.keep(map)?;

    let scale = (1.0 / config.batches() as f64) as f32;
    let mut launches = Launches::new(target);
    let blocks =
        windows.last().map_or(0, |last| last.first_block + (last.bytes.end - last.bytes.start) / BLOCK);
    for window in &windows {
        let count = (window.bytes.end - window.bytes.start) / BLOCK;
        let bindings = [
            launches.bind(Store::Gradients(window.buffer), window.bytes.clone()),
            launches.bind(Store::Partials, 0..16 * blocks),
        ];
        let params = gradient_squares::Params {
            blocks: count as u32,
            first_block: window.first_block as u32,
            scale,
            reserved: 0,
        };
        launches.launch(
            &gradient_squares::GRADIENT_SQUARES,
            params,
            &bindings,
            64 * count,
            "gradient norms",
        )?;
    }
    report(&mut launches, step, map, [terms, stride, blocks], scale)?;
    launches.keep(map)?;
    for window in &windows {
        adam(&mut launches, step.player, config, map, window)?;
    }
    Ok((sums, keep.placed, launches.placed))
}

fn report(
    launches: &mut Launches<'_>,
    step: &StepGraph,
    map: &ParameterMap,
    [terms, stride, blocks]: [u64; 3],
    scale: f32,
) -> Result<()> {
    // Where the blocks of each network end; the last one's end stands for those there are not.
    let mut ends = [blocks as u32; 4];
    let mut before = 0;
    for buffer in map.group(group(step.player)) {
        for piece in map.pieces.iter().filter(|piece| piece.buffer == buffer) {
            let network = piece.name.split('.').next().unwrap_or_default();
            if let Some(k) = step.player.networks().iter().position(|n| *n == network) {
                ends[k] = (before + (piece.offset + piece.bytes()).div_ceil(BLOCK)) as u32;
            }
        }
        before += map.buffers[buffer] / BLOCK;
    }
    let last = step.player.networks().len() - 1;
    ends[last..].fill(blocks as u32);
    let params = step_report::Params {
        first: (1 + REPORT_QUADS * group(step.player)) as u32,
        terms: step.terms.len() as u32,
        stride: (stride / 16) as u32,
        scale,
        end_0: ends[0],
        end_1: ends[1],
        end_2: ends[2],
        end_3: ends[3],
    };
    let bindings = [
        launches.bind(Store::Terms, 0..terms),
        launches.bind(Store::Partials, 0..16 * blocks),
        launches.bind(Store::Report, 0..REPORT),
    ];
    launches.launch(&step_report::STEP_REPORT, params, &bindings, 1, "report")
}

fn adam(
    launches: &mut Launches<'_>,
    player: Player,
    config: &StepConfig,
    map: &ParameterMap,
    window: &Window,
) -> Result<()> {
    let (buffer, bytes) = (window.buffer, &window.bytes);
    let averaged = config.ema > 0.0 && player == Player::Generators;
    let [rho_0, rho_1] = rho(map, window);
    let [beta1, beta2] = config.adam.betas;
    let total = (bytes.end - bytes.start) / 16;
    let params = adam::Params {
        total: total as u32,
        rho_first_0: rho_0.start,
        rho_end_0: rho_0.end,
        rho_first_1: rho_1.start,
        rho_end_1: rho_1.end,
        scale: (1.0 / config.batches() as f64) as f32,
        weight_decay: config.adam.weight_decay as f32,
        eps: config.adam.eps as f32,
        beta1: beta1 as f32,
        rest1: (1.0 - beta1) as f32,
        beta2: beta2 as f32,
        rest2: (1.0 - beta2) as f32,
    };
    let numbers = term_stride(launches.target) * group(player) as u64;
    let mut bindings =
        vec![launches.bind(Store::Numbers, numbers..numbers + 16), launches.bind(Store::Report, 0..REPORT)];
    let moved = [
        Store::Gradients(buffer),
        Store::Weights(buffer),
        Store::FirstMoments(buffer),
        Store::SecondMoments(buffer),
    ];
    bindings.extend(moved.map(|store| launches.bind(store, bytes.clone())));
    let mut shader = &adam::ADAM;
    if averaged {
        shader = &adam::ADAM_EMA;
        bindings.push(launches.bind(Store::Averages(buffer), bytes.clone()));
    }
    launches.launch(shader, params, &bindings, total, "adam")
}

/// Where rho lies in a window, in vec4s from its beginning: once for each generator.
fn rho(map: &ParameterMap, window: &Window) -> [Range<u32>; 2] {
    let mut ranges = [0..0, 0..0];
    for (range, network) in ranges.iter_mut().zip(Player::Generators.networks()) {
        let own = |name: &str| name.split('.').next() == Some(network) && name.ends_with(".rho");
        let pieces = || map.pieces.iter().filter(|p| p.buffer == window.buffer && own(&p.name));
        let first = pieces().map(|p| p.offset).min();
        let end = pieces().map(|p| p.offset + p.bytes()).max();
        if let (Some(first), Some(end)) = (first, end) {
            let within =
                |at: u64| ((at.clamp(window.bytes.start, window.bytes.end) - window.bytes.start) / 16) as u32;
            *range = within(first)..within(end);
        }
    }
    ranges
}
