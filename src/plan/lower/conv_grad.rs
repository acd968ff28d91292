//! The gradient of a convolution at its input, and what padding and doubling before it made of that.

use crate::catalogue::{conv2d, conv2d_fast_weight, resample_grad, winograd_outputs};
use crate::error::Result;
use crate::graph::{Arithmetic, Conv2d, Node, NodeId};

use super::super::layout::quads;
use super::super::{Bound, select};
use super::absorbed::Epilogue;
use super::divided::Divided;
use super::fast_conv::{Around, Extents, PRODUCTS};
use super::{Lowering, multiply_adds};

/// What the kernels for the gradient at a padded picture write.
struct Surrounded {
    /// What of it is within the picture.
    picture: Bound,
    epilogue: Epilogue,
    /// What is around it ([`shared/ring.wgsl`](../../../shaders/shared/ring.wgsl)).
    ring: Bound,
    border: Border,
}

/// How a picture was padded.
#[derive(Clone, Copy)]
struct Border {
    pad: usize,
    /// 1: the border itself is not repeated (reflection).
    skip: u32,
}

/// How a gradient at a padded, and before that perhaps doubled, picture lies.
#[derive(Clone, Copy)]
struct Copies {
    border: Border,
    /// 1: doubled.
    upsample: usize,
    /// Parts of the sums.
    splits: usize,
}

impl Lowering<'_> {
    /// Whether a convolution is one of 3x3 behind nearest doubling that may be computed by four of 2x2 on the small
    /// picture.
    pub(super) fn is_subpixel(&self, conv: &Conv2d, kernel: [usize; 2]) -> bool {
        self.target.arithmetic != Arithmetic::Exact
            && conv.upsample
            && (kernel, conv.stride, conv.pad) == ([3, 3], 1, 1)
    }

    /// The adjoint in the input: a convolution with the weight's rows and columns exchanged, onto the padded picture,
    /// whose ring is then added to the border that it was copied from.
    ///
    /// Behind nearest doubling that is the small picture, its border repeated; with exact arithmetic the doubled one,
    /// whose copies are summed.
    pub(super) fn conv2d_grad_input(&mut self, id: NodeId, node: &Node, conv: &Conv2d) -> Result<()> {
        let ([n, o, oh, ow], [_, c, h, w]) = (self.image(node.inputs[0])?, self.image(id)?);
        let [_, _, mut kh, mut kw] = self.image(node.inputs[1])?;
        let Divided { mut weight, mut divisors, mut divides } = self.divided(node.inputs[1])?;
        let subpixel = divides == 0 && self.is_subpixel(conv, [kh, kw]);
        let plain = (kh, kw, conv.stride, conv.upsample) == (3, 3, 1, false) && divides == 0;
        if plain && self.target.arithmetic != Arithmetic::Exact {
            let e = Extents { n, c: o, h: oh, w: ow, o: c, oh: h + 2 * conv.pad, ow: w + 2 * conv.pad };
            if self.winograd_pays(e) {
                return self.winograd_grad_input(id, node, conv, e);
            }
        }
        let (mut label, mut flops) = (
            format!("conv2d grad input {kh}x{kw} {o}→{c} {h}x{w}"),
            multiply_adds(&[n, oh, ow, o, c, kh * kw]),
        );
        if subpixel {
            let e = Extents { n, c, h, w, o, oh, ow };
            weight = self.fast_weight(node, &conv2d_fast_weight::SUBPIXEL_WEIGHT, 16, e)?;
            // One tap of each phase meets one of four rows, and columns, of the gradient.
            (divisors, kh, kw) = ([weight; 2], 4, 4);
            label = format!("conv2d grad input 2x2 {o}→{c} {h}x{w}, four times");
            flops = multiply_adds(&[n, h, w, o, c, 16]);
        }
        // What is behind divides by other sigmas than those of this weight, which then has none.
        if let Some((behind, samples)) = self.divisors_behind(id)? {
            (divisors, divides) = (behind, samples);
        }
        let [d, e] = divisors;
        let g = self.operand(node.inputs[0])?;

        let border = Border { pad: conv.pad, skip: u32::from(!subpixel) };
        let upsample = usize::from(conv.upsample && !subpixel);
        let (ph, pw) = ((h << upsample) + 2 * conv.pad, (w << upsample) + 2 * conv.pad);
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
            upsample: if subpixel { 2 } else { 0 },
            splits: cut.splits as u32,
            split_depth: cut.depth as u32,
            split_stride: total as u32,
            divides,
            ..conv2d::Params::default()
        };
        if upsample == 0 && cut.splits == 1 {
            let to = self.surrounded(id, border)?;
            let params = conv2d::Params {
                pad: conv.pad as u32,
                accumulate: to.epilogue.accumulate,
                activation: to.epilogue.activation,
                slope: to.epilogue.slope,
                ..params
            };
            let result = to.epilogue.result.unwrap_or(weight);
            let bindings = [g, weight, result, d, e, to.picture, to.ring];
            self.launch(kernel.transposed, params, &bindings, workgroups, label, flops)?;
            return self.add_ring(id, &to);
        }
        let parts = self.scratch_quads(cut.splits * total)?;
        let (parts, no_ring) = (self.whole(parts), self.scratch_quads(1)?);
        let bindings = [g, weight, weight, d, e, parts, self.whole(no_ring)];
        self.launch(kernel.transposed, params, &bindings, workgroups, label, flops)?;
        self.sum_copies(id, parts, Copies { border, upsample, splits: cut.splits })
    }

    /// [`Self::conv2d_grad_input`] by Winograd's F(4x4, 3x3): a convolution of the gradient, with zeros around, onto the
    /// padded picture.
    fn winograd_grad_input(&mut self, id: NodeId, node: &Node, conv: &Conv2d, e: Extents) -> Result<()> {
        let u = self.fast_weight(node, &conv2d_fast_weight::WINOGRAD_WEIGHT_EXCHANGED, PRODUCTS, e)?;
        let g = self.operand(node.inputs[0])?;
        let m = self.winograd_products(g, u, Around::Zeros(2), e)?;
        let to = self.surrounded(id, Border { pad: conv.pad, skip: 1 })?;
        let params = winograd_outputs::Params {
            pad: conv.pad as u32,
            accumulate: to.epilogue.accumulate,
            activation: to.epilogue.activation,
            slope: to.epilogue.slope,
            ..self.winograd_tiles(e)
        };
        let bindings = [m, to.epilogue.result.unwrap_or(m), to.picture, to.ring];
        let workgroups = self.spread((params.total as usize).div_ceil(256));
        let label = format!("winograd outputs {} {}x{}", e.o, e.oh, e.ow);
        self.launch(&winograd_outputs::WINOGRAD_OUTPUTS_ADJOINT, params, &bindings, workgroups, label, 0)?;
        self.add_ring(id, &to)
    }

    /// Memory for the gradient at a picture and what is around it.
    fn surrounded(&mut self, id: NodeId, border: Border) -> Result<Surrounded> {
        let [n, c, h, w] = self.image(id)?;
        let (picture, epilogue) = self.epilogue(id)?;
        let ring = self.scratch_quads(n * 2 * border.pad * (h + w + 2 * border.pad) * quads(c))?;
        Ok(Surrounded { picture: self.whole(picture), epilogue, ring: self.whole(ring), border })
    }

    /// Adds what is around a picture to the border that it was copied from.
    fn add_ring(&mut self, id: NodeId, to: &Surrounded) -> Result<()> {
        let Border { pad, skip } = to.border;
        if pad == 0 {
            return Ok(());
        }
        let [n, c, h, w] = self.image(id)?;
        let total = n * 2 * pad * (h + w) * quads(c);
        let params = resample_grad::Params {
            height: h as u32,
            width: w as u32,
            quads: quads(c) as u32,
            pad: pad as u32,
            total: total as u32,
            // The picture is there already.
            accumulate: 1,
            activation: to.epilogue.activation,
            slope: to.epilogue.slope,
            skip,
            ..resample_grad::Params::default()
        };
        let bindings = [to.ring, to.epilogue.result.unwrap_or(to.ring), to.picture];
        let workgroups = self.spread(total.div_ceil(256));
        let shader = &resample_grad::RESAMPLE_GRAD_RING;
        self.launch(shader, params, &bindings, workgroups, "resample grad ring", 0)
    }

    /// Sums the copies that padding and doubling made, and the parts that `g` was computed in.
    fn sum_copies(&mut self, id: NodeId, g: Bound, copies: Copies) -> Result<()> {
        let Copies { border: Border { pad, skip }, upsample, splits } = copies;
        let [n, c, h, w] = self.image(id)?;
        let total = n * h * w * quads(c);
        let (y, epilogue) = self.epilogue(id)?;
        let params = resample_grad::Params {
            height: h as u32,
            width: w as u32,
            quads: quads(c) as u32,
            pad: pad as u32,
            upsample: upsample as u32,
            total: total as u32,
            splits: splits as u32,
            split_stride: (n * ((h << upsample) + 2 * pad) * ((w << upsample) + 2 * pad) * quads(c)) as u32,
            accumulate: epilogue.accumulate,
            activation: epilogue.activation,
            slope: epilogue.slope,
            skip,
        };
        let bindings = [g, epilogue.result.unwrap_or(g), self.whole(y)];
        let workgroups = self.spread(total.div_ceil(256));
        let shader = &resample_grad::RESAMPLE_GRAD_MORE;
        self.launch(shader, params, &bindings, workgroups, "resample grad", 0)
    }
}
