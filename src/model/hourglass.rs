//! The hourglasses of photo2cartoon: down to a sixteenth of the picture and up again.

use crate::error::Result;
use crate::graph::{NodeId, Op};

use super::builder::Builder;

/// How often an hourglass halves the picture.
const LEVELS: usize = 4;
/// The channels of what an hourglass draws.
const DRAWN: usize = 3;

impl Builder<'_> {
    /// An hourglass `HourGlassN` on features of `channels`: with `residual` features of as many, else the
    /// [`DRAWN`] channels of a picture.
    pub(super) fn hourglass(
        &mut self,
        x: NodeId,
        name: &str,
        channels: usize,
        residual: bool,
    ) -> Result<NodeId> {
        let y = self.down_and_up(x, &format!("{name}.HG.0"), channels)?;
        let y = self.split_block(y, &format!("{name}.HG.1"), channels)?;
        let y = self.conv(y, &format!("{name}.HG.2"), [channels, channels, 1, 1], 1)?;
        let y = self.instance_norm(y)?;
        let low = self.relu(y)?;
        let drawn = self.convolution(low, &format!("{name}.Conv1"), [DRAWN, channels, 1, 1], 1, true)?;
        if !residual {
            self.stages.push((name.into(), drawn));
            return Ok(drawn);
        }
        let low = self.convolution(low, &format!("{name}.Conv2"), [channels, channels, 1, 1], 1, true)?;
        let drawn = self.convolution(drawn, &format!("{name}.Conv3"), [channels, DRAWN, 1, 1], 1, true)?;
        let sum = self.graph.add(Op::Add, &[x, low])?;
        self.stage(name, Op::Add, &[sum, drawn])
    }

    /// `HourGlassBlock`: blocks at each size on the way down, whose other results skip to the way up.
    fn down_and_up(&mut self, x: NodeId, name: &str, channels: usize) -> Result<NodeId> {
        let (mut y, mut skips) = (x, vec![]);
        for level in 1..=LEVELS {
            skips.push(self.split_block(y, &format!("{name}.ConvBlock{level}_1"), channels)?);
            y = self.average_pool(y)?;
            y = self.split_block(y, &format!("{name}.ConvBlock{level}_2"), channels)?;
        }
        y = self.split_block(y, &format!("{name}.ConvBlock{}", LEVELS + 1), channels)?;
        for (i, skip) in skips.into_iter().rev().enumerate() {
            y = self.split_block(y, &format!("{name}.ConvBlock{}", LEVELS + 2 + i), channels)?;
            y = self.graph.add(Op::UpsampleNearest2x, &[y])?;
            y = self.graph.add(Op::Add, &[y, skip])?;
        }
        Ok(y)
    }

    /// `ConvBlock`: three convolutions in a row, of a half, a quarter and a quarter of the channels, side by
    /// side on top of what went in.
    fn split_block(&mut self, x: NodeId, name: &str, channels: usize) -> Result<NodeId> {
        let (mut last, mut width) = (x, channels);
        let mut parts = vec![];
        for (i, divisor) in [2, 4, 4].into_iter().enumerate() {
            let y = self.instance_norm(last)?;
            let y = self.relu(y)?;
            last =
                self.conv(y, &format!("{name}.ConvBlock{}.3", i + 1), [channels / divisor, width, 3, 3], 1)?;
            width = channels / divisor;
            parts.push(last);
        }
        let two = self.graph.add(Op::Concat, &parts[..2])?;
        let three = self.graph.add(Op::Concat, &[two, parts[2]])?;
        self.graph.add(Op::Add, &[x, three])
    }

    /// `nn.AvgPool2d(2)`: a quarter of the sum of each 2x2.
    fn average_pool(&mut self, x: NodeId) -> Result<NodeId> {
        let sum = self.graph.add(Op::UpsampleNearest2xGrad, &[x])?;
        self.graph.add(Op::Scale(0.25), &[sum])
    }
}
