//! Sums, maxima and moments over the pixels of pictures.

use crate::catalogue::{pool, reduce};
use crate::error::Result;
use crate::graph::{Node, NodeId, Op};
use crate::shader::Shader;

use super::super::Bound;
use super::super::layout::quads;
use super::super::select;
use super::{Lowering, Reduction, Value};

/// The pixels that a workgroup of a reduction takes, and how many workgroups that makes.
pub(super) fn chunks(shader: &Shader, pixels: usize) -> (usize, usize) {
    // Sixteen pixels for each row of a workgroup, so that joining the rows costs little.
    // Without rows sixteen too: sums of sums are more exact than one long sum.
    let chunk = pixels.div_ceil(64).max(16 * shader.workgroup_size[1] as usize);
    (chunk, pixels.div_ceil(chunk))
}

impl Lowering<'_> {
    /// The first half of a reduction over pixels: partial results of `width` vec4s per quad.
    pub(super) fn reduce(
        &mut self,
        x: Bound,
        [n, c, pixels]: [usize; 3],
        width: usize,
        variants: [&'static Shader; 3],
        what: &str,
    ) -> Result<Reduction> {
        let shader = select::reduce(self.target.class, quads(c), variants);
        let (chunk, chunks) = chunks(shader, pixels);
        let partials = self.scratch_quads(width * n * chunks * quads(c))?;
        self.reduce_into(shader, x, [n, c, pixels], 1.0, (partials, 0), what)?;
        Ok(Reduction { partials, chunk, chunks })
    }

    /// A launch of `reduce.wgsl`.
    fn reduce_into(
        &mut self,
        shader: &'static Shader,
        x: Bound,
        [n, c, pixels]: [usize; 3],
        scale: f32,
        (y, accumulate): (Value, u32),
        what: &str,
    ) -> Result<()> {
        let q = quads(c);
        let (chunk, chunks) = chunks(shader, pixels);
        let params = reduce::Params {
            pixels: pixels as u32,
            quads: q as u32,
            chunk: chunk as u32,
            scale,
            accumulate,
            ..reduce::Params::default()
        };
        let workgroups = [q.div_ceil(shader.workgroup_size[0] as usize), chunks, n];
        let label = format!("{what} {c} of {pixels}");
        self.launch(shader, params, &[x, self.whole(y)], workgroups, label, 0)
    }

    /// The sum (or maximum) over pixels, into the memory that `y` gives, or added to it: `scale` times it.
    pub(super) fn pool(
        &mut self,
        is_sum: bool,
        x: Bound,
        [n, c, pixels]: [usize; 3],
        scale: f32,
        y: impl FnOnce(&mut Self) -> Result<(Value, u32)>,
        what: &str,
    ) -> Result<()> {
        let (first, second) = if is_sum {
            ([&reduce::REDUCE_SUM_16, &reduce::REDUCE_SUM_4, &reduce::REDUCE_SUM_SERIAL], &pool::POOL_SUM)
        } else {
            ([&reduce::REDUCE_MAX_16, &reduce::REDUCE_MAX_4, &reduce::REDUCE_MAX_SERIAL], &pool::POOL_MAX)
        };
        let shader = select::reduce(self.target.class, quads(c), first);
        if chunks(shader, pixels).1 == 1 {
            let y = y(self)?;
            return self.reduce_into(shader, x, [n, c, pixels], scale, y, what);
        }
        let reduction = self.reduce(x, [n, c, pixels], 1, first, what)?;
        let (y, accumulate) = y(self)?;
        let total = n * quads(c);
        let params = pool::Params {
            total: total as u32,
            quads: quads(c) as u32,
            chunks: reduction.chunks as u32,
            scale,
            accumulate,
            ..pool::Params::default()
        };
        let bindings = [self.whole(reduction.partials), self.whole(y)];
        self.launch(second, params, &bindings, [total.div_ceil(64), 1, 1], format!("pool {c}"), 0)
    }

    pub(super) fn global_pool(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let [n, c, h, w] = self.image(node.inputs[0])?;
        let x = self.operand(node.inputs[0])?;
        let is_sum = node.op == Op::GlobalAvgPool;
        let scale = if is_sum { 1.0 / (h * w) as f32 } else { 1.0 };
        self.pool(is_sum, x, [n, c, h * w], scale, |this| Ok((this.result(id)?, 0)), "pool")
    }
}
