//! The ends of a plan for one picture: bytes in, bytes out.

use crate::catalogue::pixels;
use crate::error::{Error, Result};
use crate::graph::Shape;

use super::{Bound, Memory, Plan, Target, Terminal, Wanted};

/// Bytes of a pixel: RGBA8.
pub(crate) const PIXEL: u64 = 4;

/// A plan whose input and output are one picture each, RGBA8, packed: a quarter of the bytes of a tensor.
/// It has no other terminals.
#[derive(Debug)]
pub(crate) struct PixelPlan {
    pub(crate) plan: Plan,
    /// The buffer that the picture is written to.
    pub(crate) input: usize,
    /// The buffer that it is read from.
    pub(crate) output: usize,
    /// Pixels of the picture.
    pub(crate) pixels: usize,
}

impl Plan {
    /// The plan between two launches that convert: its one input `[1, 3, H, W]` from bytes, its one output, of
    /// the same shape, to bytes, which are cut off rather than rounded where `down`.
    ///
    /// # Errors
    /// [`Error::Shape`] where it has other terminals, [`Error::GpuLimit`] where the picture is too large.
    pub(crate) fn in_pixels(mut self, target: &Target, down: bool) -> Result<PixelPlan> {
        let (pixels, [from, to]) = self.picture()?;
        let [input, output] = [self.buffers.len(), self.buffers.len() + 1];
        let bytes = (PIXEL * pixels as u64).next_multiple_of(16);
        self.buffers.extend([bytes; 2]);
        let bound = |buffer, bytes| Bound { memory: Memory::Buffer(buffer), bytes, half: false };
        let (x, y) = (from.layout.bytes(), to.layout.bytes());
        let ends = [
            (&pixels::PIXELS_FROM_BYTES, [bound(input, bytes), bound(from.buffer, x)], "bytes to picture"),
            (&pixels::PIXELS_TO_BYTES, [bound(to.buffer, y), bound(output, bytes)], "picture to bytes"),
        ];
        let params =
            pixels::Params { total: pixels as u32, down: u32::from(down), ..pixels::Params::default() };
        for (shader, bindings, label) in ends {
            let workgroups = target.spread(pixels.div_ceil(256));
            let launch = Wanted { shader, bindings: &bindings, workgroups, label: label.into(), flops: 0 };
            self.push(target, params, launch)?;
        }
        // The first of the two goes before all others.
        let first = self.launches.len() - 2;
        self.launches[..=first].rotate_right(1);
        Ok(PixelPlan { plan: self, input, output, pixels })
    }

    /// The pixels of the one picture that goes in and comes out, and the two terminals, which are taken.
    fn picture(&mut self) -> Result<(usize, [Terminal; 2])> {
        let (inputs, outputs) = (std::mem::take(&mut self.inputs), std::mem::take(&mut self.outputs));
        let one = |terminals: Vec<Terminal>| <[Terminal; 1]>::try_from(terminals).ok();
        let picture = |shape: &Shape| match shape.nchw() {
            Some([1, 3, height, width]) => Some(height * width),
            _ => None,
        };
        if let (Some([input]), Some([output])) = (one(inputs), one(outputs))
            && input.shape == output.shape
            && let Some(pixels) = picture(&input.shape)
        {
            return Ok((pixels, [input, output]));
        }
        Err(Error::Shape("only a plan from one picture [1, 3, H, W] to another has pixels".into()))
    }
}
