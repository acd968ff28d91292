//! Group normalisation, whose channels each need the moments of others.

use crate::catalogue::{norm_coefficients, norm_group_coefficients};
use crate::error::Result;
use crate::graph::{Node, NodeId, Norm};

use super::super::layout::quads;
use super::super::select;
use super::{Lowering, Value};

impl Lowering<'_> {
    /// From the moments of a normalisation's input to what it does to each channel, into `y`; the groups have `group`
    /// channels each.
    pub(super) fn group_coefficients(
        &mut self,
        node: &Node,
        norm: &Norm,
        y: Value,
        group: usize,
    ) -> Result<()> {
        let [n, c, h, w] = self.image(node.inputs[0])?;
        let q = quads(c);
        let of_channels = self.channel_moments(node.inputs[0])?;
        let params = norm_group_coefficients::Params {
            pixels: (h * w) as u32,
            channels: c as u32,
            quads: q as u32,
            group: group as u32,
            gamma_stride: self.gamma_stride(node.inputs[1], q),
            eps: norm.eps,
            ..norm_group_coefficients::Params::default()
        };
        let (gamma, beta) = (self.operand(node.inputs[1])?, self.operand(node.inputs[2])?);
        let bindings = [self.whole(of_channels), gamma, beta, self.whole(y)];
        let shader = &norm_group_coefficients::NORM_GROUP_COEFFICIENTS;
        let workgroups = [q.div_ceil(64), n, 1];
        self.launch(shader, params, &bindings, workgroups, format!("norm coefficients {c}"), 0)
    }

    /// The moments of each channel of `x`: `[N, C/4, 3]`, computed once for all that ask.
    pub(super) fn channel_moments(&mut self, x: NodeId) -> Result<Value> {
        if let Some(&known) = self.channel_moments.get(&x) {
            return Ok(known);
        }
        let chunks = self.moments(x)?;
        let [n, c, h, w] = self.image(x)?;
        let q = quads(c);
        let moments = self.scratch_quads(3 * n * q)?;
        let params = norm_coefficients::Params {
            pixels: (h * w) as u32,
            channels: c as u32,
            quads: q as u32,
            chunks: chunks.chunks as u32,
            chunk: chunks.chunk as u32,
            ..norm_coefficients::Params::default()
        };
        let variants = [
            &norm_coefficients::NORM_COEFFICIENTS_MOMENTS,
            &norm_coefficients::NORM_COEFFICIENTS_MOMENTS_SERIAL,
        ];
        let shader = select::joined_or_serial(self.target.class, variants);
        let groups = q.div_ceil(shader.workgroup_size[0] as usize);
        let bindings = [self.whole(chunks.partials), self.whole(moments)];
        self.launch(shader, params, &bindings, [groups, n, 1], "norm moments", 0)?;
        self.channel_moments.insert(x, moments);
        Ok(moments)
    }
}
