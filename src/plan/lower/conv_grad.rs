//! The gradients of convolution, padding and upsampling.

use crate::catalogue::{conv2d, conv2d_fast_weight, conv2d_grad_weight};
use crate::error::Result;
use crate::graph::{Activation, Arithmetic, Conv2d, Node, NodeId};

use super::super::layout::{Layout, quads};
use super::super::select;
use super::fast_conv::{Around, Extents, PRODUCTS};
use super::forward::Divided;
use super::{Lowering, multiply_adds};

impl Lowering<'_> {
    /// The adjoint in the input: a convolution with the weight's rows and columns exchanged onto the padded and
    /// doubled picture, then the copies that padding and doubling made are summed.
    pub(super) fn conv2d_grad_input(&mut self, id: NodeId, node: &Node, conv: &Conv2d) -> Result<()> {
        let ([n, o, oh, ow], [_, c, h, w]) = (self.image(node.inputs[0])?, self.image(id)?);
        let [_, _, kh, kw] = self.image(node.inputs[1])?;
        let plain = (kh, kw, conv.stride, conv.upsample) == (3, 3, 1, false);
        let fast = self.target.arithmetic != Arithmetic::Exact && !self.absorbed.is_division(node.inputs[1]);
        if plain && fast {
            let e = Extents { n, c: o, h: oh, w: ow, o: c, oh: h + 2 * conv.pad, ow: w + 2 * conv.pad };
            if self.winograd_pays(e) {
                return self.winograd_grad_input(id, node, conv, e);
            }
        }
        let g = self.operand(node.inputs[0])?;
        let Divided { weight, divisor, divides } = self.divided(node.inputs[1])?;

        let taps = kh * kw;
        let scale = 1 + usize::from(conv.upsample);
        let (ph, pw) = (h * scale + 2 * conv.pad, w * scale + 2 * conv.pad);
        let folds = conv.upsample || conv.pad > 0;
        let phase_pixels = n * ph.div_ceil(conv.stride) * pw.div_ceil(conv.stride);
        let kernel = select::conv2d(self.target, phase_pixels, quads(o), quads(c));
        let (tile_pixels, tile_quads) = kernel.tile();
        let [x_groups, z_groups, _] = self.spread(phase_pixels.div_ceil(tile_pixels));
        let mut workgroups = [x_groups, quads(c).div_ceil(tile_quads), z_groups * conv.stride * conv.stride];
        // The phase that meets the most taps.
        let most_taps = kh.div_ceil(conv.stride) * kw.div_ceil(conv.stride);
        let total = n * ph * pw * quads(c);
        let cut = self.cut(kernel.transposed, workgroups, most_taps * quads(o), total);
        workgroups[2] *= cut.splits;
        let params = conv2d::Params {
            batch: n as u32,
            in_height: oh as u32,
            in_width: ow as u32,
            in_quads: quads(o) as u32,
            out_height: ph as u32,
            out_width: pw as u32,
            out_quads: quads(c) as u32,
            kernel_height: kh as u32,
            kernel_width: kw as u32,
            stride: conv.stride as u32,
            splits: cut.splits as u32,
            split_depth: cut.depth as u32,
            split_stride: total as u32,
            divides,
            ..conv2d::Params::default()
        };
        let label = format!("conv2d grad input {kh}x{kw} {o}→{c} {h}x{w}");
        // The bias is not read.
        let flops = multiply_adds(&[n, oh, ow, o, c, taps]);
        let direct = !folds && cut.splits == 1;
        let parts = if direct { self.result(id)? } else { self.scratch_quads(cut.splits * total)? };
        let parts = self.whole(parts);
        let bindings = [g, weight, weight, divisor, parts];
        self.step(kernel.transposed, params, &bindings, workgroups, label, flops)?;
        match direct {
            true => Ok(()),
            false => self.fold(id, parts, conv.pad, usize::from(conv.upsample), cut.splits),
        }
    }

    /// [`Self::conv2d_grad_input`] by Winograd's F(4x4, 3x3): a convolution of the gradient, with zeros around, onto the
    /// padded picture.
    fn winograd_grad_input(&mut self, id: NodeId, node: &Node, conv: &Conv2d, e: Extents) -> Result<()> {
        let u = self.fast_weight(node, &conv2d_fast_weight::WINOGRAD_WEIGHT_EXCHANGED, PRODUCTS, e)?;
        let g = self.operand(node.inputs[0])?;
        let m = self.winograd_products(g, u, Around::Zeros(2), e)?;
        let direct = conv.pad == 0;
        let total = e.n * e.oh * e.ow * quads(e.o);
        let padded = if direct { self.result(id)? } else { self.scratch_quads(total)? };
        let padded = self.whole(padded);
        self.winograd_outputs(m, None, padded, Activation::Identity, e)?;
        if direct { Ok(()) } else { self.fold(id, padded, conv.pad, 0, 1) }
    }

    /// The pixels are cut into splits where the weight alone has too few tiles to fill a GPU.
    pub(super) fn conv2d_grad_weight(&mut self, id: NodeId, node: &Node, conv: &Conv2d) -> Result<()> {
        let ([n, c, h, w], [_, o, oh, ow]) = (self.image(node.inputs[0])?, self.image(node.inputs[1])?);
        let [_, _, kh, kw] = self.image(id)?;
        let (x, g) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);
        let (taps, pixels) = (kh * kw, n * oh * ow);
        let row_quads = taps * quads(c);
        let shader = select::conv2d_grad_weight(self.target.class, quads(o));
        let (tile_rows, tile_quads) = select::conv2d_grad_weight_tile(shader);
        let tiles = [row_quads.div_ceil(tile_rows), quads(o).div_ceil(tile_quads)];
        let enough = select::enough_workgroups(self.target.class);
        let wanted = enough.div_ceil(tiles[0] * tiles[1]).min(pixels.div_ceil(256));
        let split = pixels.div_ceil(wanted).next_multiple_of(16);
        let splits = pixels.div_ceil(split);

        let total = 4 * row_quads * quads(o);
        let layout = Layout::ConvWeight { o, i: c, taps };
        let (partials, accumulate) = match splits {
            1 => self.summed_in(id, layout)?,
            _ => (self.scratch_quads(splits * total)?, 0),
        };
        let params = conv2d_grad_weight::Params {
            batch: n as u32,
            in_height: h as u32,
            in_width: w as u32,
            in_quads: quads(c) as u32,
            out_height: oh as u32,
            out_width: ow as u32,
            out_quads: quads(o) as u32,
            kernel_width: kw as u32,
            stride: conv.stride as u32,
            pad: conv.pad as u32,
            upsample: u32::from(conv.upsample),
            row_quads: row_quads as u32,
            split: split as u32,
            accumulate,
            ..conv2d_grad_weight::Params::default()
        };
        let label = format!("conv2d grad weight {kh}x{kw} {c}→{o} {oh}x{ow}");
        let bindings = [x, g, self.whole(partials)];
        self.step(
            shader,
            params,
            &bindings,
            [tiles[0], tiles[1], splits],
            label,
            multiply_adds(&[pixels, o, c, taps]),
        )?;
        if splits > 1 {
            let (y, accumulate) = self.summed_in(id, layout)?;
            self.sum_parts(self.whole(partials), splits, total, self.whole(y), accumulate)?;
        }
        Ok(())
    }
}
