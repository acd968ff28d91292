//! A plan from the bytes of a picture to those of another, two pictures at a time: while one is computed, the next
//! is sent and the one before is read.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu, Mapping};
use crate::plan::pixels::{PIXEL, PixelPlan};

use super::{Budget, Clock, Parameters, Program, Recorder, STORED, flush};

/// Pictures that are under way at a time, at most.
const UNDER_WAY: usize = 2;

/// A [`PixelPlan`] with everything that it needs to run, again and again, without allocating.
#[derive(Debug)]
pub(crate) struct PixelExecutor {
    gpu: Gpu,
    program: Program,
    activations: Vec<Buffer>,
    input: usize,
    output: usize,
    pixels: usize,
    /// Taken in turn.
    downloads: [Buffer; UNDER_WAY],
    turn: usize,
    under_way: VecDeque<UnderWay>,
    /// When the last picture was there.
    last: Option<Clock>,
    budget: Budget,
    _parameters: Arc<Parameters>,
}

/// A picture that was begun.
#[derive(Debug)]
struct UnderWay {
    mapping: Mapping,
    submission: wgpu::SubmissionIndex,
    begun: Clock,
}

impl PixelExecutor {
    /// Makes all buffers, pipelines and bind groups.
    ///
    /// # Errors
    /// Those of [`super::Executor::new`].
    pub(crate) fn new(gpu: &Gpu, plan: PixelPlan, parameters: Arc<Parameters>) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let PixelPlan { plan, input, output, pixels } = plan;
        let allocate = |&bytes| gpu.buffer("activations", bytes, STORED);
        let activations = plan.buffers.iter().map(allocate).collect::<Result<Vec<Buffer>>>()?;
        let bytes = plan.buffers[output];
        let download = || gpu.buffer("download", bytes, Usage::MAP_READ | Usage::COPY_DST);
        let downloads = [download()?, download()?];
        let program = Program::new(gpu, plan, &activations, &parameters, vec![])?;
        flush(gpu)?;
        gpu.save_pipelines();
        Ok(Self {
            gpu: gpu.clone(),
            program,
            activations,
            input,
            output,
            pixels,
            downloads,
            turn: 0,
            under_way: VecDeque::new(),
            last: None,
            budget: Budget::default(),
            _parameters: parameters,
        })
    }

    /// Bytes of GPU memory beside the parameters.
    pub(crate) fn memory(&self) -> u64 {
        self.program.plan.memory() + self.downloads.iter().map(|buffer| buffer.size()).sum::<u64>()
    }

    /// Sends a picture, RGBA8, row by row, and has the plan run on it. Its opacity counts for nothing.
    ///
    /// # Errors
    /// [`Error::Shape`] where it has another number of pixels, or two are under way already; what the GPU reports.
    pub(crate) fn begin(&mut self, rgba: &[u8]) -> Result<()> {
        if rgba.len() as u64 != PIXEL * self.pixels as u64 {
            return Err(Error::Shape(format!(
                "{} bytes are not {} pixels of RGBA8",
                rgba.len(),
                self.pixels
            )));
        }
        if self.under_way.len() == UNDER_WAY {
            return Err(Error::Shape(format!("{UNDER_WAY} pictures are under way already")));
        }
        self.gpu.check()?;
        let begun = Clock::now();
        // The copy is made when all that was submitted before is done.
        self.gpu.queue().write_buffer(&self.activations[self.input], 0, rgba);
        let download = &self.downloads[self.turn];
        let mut recorder = Recorder::new(&self.gpu, &self.budget);
        recorder.run(&self.program);
        recorder.copy((&self.activations[self.output], 0), (download, 0), download.size());
        let submission = recorder.finish();
        let mapping = self.gpu.begin_map(download, wgpu::MapMode::Read);
        self.under_way.push_back(UnderWay { mapping, submission, begun });
        self.turn = (self.turn + 1) % UNDER_WAY;
        Ok(())
    }

    /// The result of the picture that was begun first, RGBA8, opaque.
    ///
    /// # Errors
    /// [`Error::Shape`] where none is under way; what the GPU reports.
    pub(crate) async fn finish(&mut self) -> Result<Vec<u8>> {
        let Some(UnderWay { mapping, submission, begun }) = self.under_way.pop_front() else {
            return Err(Error::Shape("no picture is under way".into()));
        };
        let mapped = self.gpu.mapped(mapping, Some(submission)).await?;
        let bytes = mapped.read(..)?[..PIXEL as usize * self.pixels].to_vec();
        drop(mapped);
        // The GPU began with it when it had done the one before.
        let since = self.last.as_ref().map_or(f64::INFINITY, Clock::seconds);
        self.budget.measure(self.program.plan.flops(), begun.seconds().min(since));
        self.last = Some(Clock::now());
        Ok(bytes)
    }

    /// Forgets what is under way.
    pub(crate) fn forget(&mut self) {
        self.under_way.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::gpu::AdapterOptions;
    use crate::graph::{Graph, Op};
    use crate::io::Rounding;
    use crate::plan::{ParameterMap, Plan};

    /// Every byte, through a network that multiplies by `factor`.
    fn multiplied(gpu: &Gpu, factor: f32, down: bool) -> Vec<u8> {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 3, 8, 11]);
        let y = graph.add(Op::Scale(factor), &[x]).unwrap();
        let target = gpu.target();
        let map = ParameterMap::new(&graph, &target).unwrap();
        let plan = Plan::compile(&graph, &[y], &map, &target).unwrap().in_pixels(&target, down).unwrap();
        let none: BTreeMap<String, crate::Tensor> = BTreeMap::new();
        let parameters = Parameters::upload(gpu, map, |name| none.get(name)).unwrap();
        let mut executor = PixelExecutor::new(gpu, plan, Arc::new(parameters)).unwrap();
        let rgba: Vec<u8> = (0..4 * 88).map(|i| (i / 4 * 3 + i % 4) as u8).collect();
        executor.begin(&rgba).unwrap();
        executor.begin(&rgba).unwrap();
        assert!(matches!(executor.begin(&rgba), Err(Error::Shape(_))));
        assert!(matches!(executor.begin(&rgba[4..]), Err(Error::Shape(_))));
        let first = pollster::block_on(executor.finish()).unwrap();
        assert_eq!(pollster::block_on(executor.finish()).unwrap(), first);
        assert!(matches!(pollster::block_on(executor.finish()), Err(Error::Shape(_))));
        first
    }

    #[test]
    #[cfg_attr(
        target_pointer_width = "32",
        ignore = "programs of 32 bits may find no driver on a system of 64"
    )]
    fn bytes_come_out_as_the_processor_makes_them() {
        let options = AdapterOptions { name: None, allow_software: true };
        let gpu = pollster::block_on(Gpu::open(&options)).unwrap();
        let cases = [
            (1.0, Rounding::Nearest),
            (0.7, Rounding::Nearest),
            (-3.0, Rounding::Down),
            (f32::NAN, Rounding::Nearest),
            (f32::INFINITY, Rounding::Nearest),
        ];
        for (factor, rounding) in cases {
            let bytes = multiplied(&gpu, factor, rounding == Rounding::Down);
            for (i, &byte) in bytes.iter().enumerate() {
                if i % 4 == 3 {
                    assert_eq!(byte, 255);
                    continue;
                }
                let x = ((i / 4 * 3 + i % 4) as u8) as f32 / 255.0;
                let wanted = rounding.byte((x - 0.5) / 0.5 * factor);
                // A value on the edge between two bytes may fall to either side.
                let off = byte.abs_diff(wanted);
                assert!(
                    off <= u8::from(factor.is_finite() && factor != 1.0),
                    "{factor}: {i} is {byte}, not {wanted}"
                );
            }
        }
    }
}
