//! The gradient of a convolution at its weight.

use crate::catalogue::{conv2d_grad_weight, subpixel_weight_grad, winograd_gradients, winograd_weight_grad};
use crate::error::Result;
use crate::graph::{Arithmetic, Conv2d, Node, NodeId};
use crate::shader::Shader;

use super::super::layout::{Layout, quads};
use super::super::{Bound, select};
use super::fast_conv::{Around, Extents, PRODUCTS};
use super::{Lowering, multiply_adds};

/// A launch of `conv2d_grad_weight.wgsl`: of one convolution, or of several of one shape.
struct WeightProducts {
    shader: &'static Shader,
    /// How many convolutions.
    phases: usize,
    /// What is summed over, of each.
    pixels: usize,
    c: usize,
    o: usize,
    taps: usize,
    /// Workgroups in x and y.
    tiles: [usize; 2],
    /// Pixels in a part of the sums, and how many parts.
    split: usize,
    splits: usize,
}

impl WeightProducts {
    /// The vec4s of a part.
    fn total(&self) -> usize {
        self.phases * self.taps * 4 * quads(self.c) * quads(self.o)
    }
}

impl Lowering<'_> {
    /// By a product over the pixels; behind nearest doubling by four on the small picture, the gradients at the weights of
    /// four convolutions, which are then summed; or by Winograd's algorithm.
    pub(super) fn conv2d_grad_weight(&mut self, id: NodeId, node: &Node, conv: &Conv2d) -> Result<()> {
        let ([n, c, h, w], [_, o, oh, ow]) = (self.image(node.inputs[0])?, self.image(node.inputs[1])?);
        let [_, _, kh, kw] = self.image(id)?;
        let class = self.target.class;
        let plain = (kh, kw, conv.stride, conv.upsample) == (3, 3, 1, false);
        if plain && self.target.arithmetic != Arithmetic::Exact {
            let e = Extents { n, c, h, w, o, oh, ow };
            if self.winograd_pays(e) {
                return self.winograd_grad_weight(id, node, conv, e);
            }
        }
        let four = self.is_subpixel(conv, [kh, kw]).then(|| select::subpixel_grad_weight(class, quads(o)));
        let four = four.flatten();
        let subpixel = four.is_some();
        let (phases, [rows, columns], [height, width]) =
            if subpixel { (4, [2, 2], [h, w]) } else { (1, [kh, kw], [oh, ow]) };
        let shader = four.unwrap_or_else(|| select::conv2d_grad_weight(class, quads(o)));
        let work = self.weight_products(shader, phases, n * height * width, [c, o, rows * columns]);
        let layout = Layout::ConvWeight { o, i: c, taps: kh * kw };
        let direct = work.splits == 1 && !subpixel;
        let (partials, accumulate) = match direct {
            true => self.summed_in(id, layout)?,
            false => (self.scratch_quads(work.splits * work.total())?, 0),
        };
        let params = conv2d_grad_weight::Params {
            batch: n as u32,
            in_height: h as u32,
            in_width: w as u32,
            out_height: height as u32,
            out_width: width as u32,
            kernel_width: columns as u32,
            stride: conv.stride as u32,
            pad: conv.pad as u32,
            upsample: u32::from(conv.upsample),
            accumulate,
            ..conv2d_grad_weight::Params::default()
        };
        let label = match subpixel {
            true => format!("conv2d grad weight 2x2 {c}→{o} {h}x{w}, four times"),
            false => format!("conv2d grad weight {kh}x{kw} {c}→{o} {oh}x{ow}"),
        };
        let partials = self.whole(partials);
        let bindings = [self.operand(node.inputs[0])?, self.operand(node.inputs[1])?, partials];
        self.launch_weight_products(&work, params, &bindings, label)?;
        if direct {
            return Ok(());
        }
        let (y, accumulate) = self.summed_in(id, layout)?;
        let y = self.whole(y);
        if !subpixel {
            return self.sum_parts(partials, work.splits, work.total(), y, accumulate);
        }
        let tap = 4 * quads(c) * quads(o);
        let params = subpixel_weight_grad::Params {
            tap: tap as u32,
            splits: work.splits as u32,
            accumulate,
            ..subpixel_weight_grad::Params::default()
        };
        let workgroups = self.spread((9 * tap).div_ceil(256));
        let shader = &subpixel_weight_grad::SUBPIXEL_WEIGHT_GRAD;
        self.launch(shader, params, &[partials, y], workgroups, "subpixel weight grad", 0)
    }

    /// By the adjoint of Winograd's F(4x4, 3x3), with a quarter of the multiplications.
    fn winograd_grad_weight(&mut self, id: NodeId, node: &Node, conv: &Conv2d, e: Extents) -> Result<()> {
        let Extents { n, c, o, oh, ow, .. } = e;
        let (x, g) = (self.operand(node.inputs[0])?, self.operand(node.inputs[1])?);
        let [across, down] = e.tiles();
        let tiles = n * across * down;
        let pixels = self.winograd_pixels(x, Around::Reflected(conv.pad), e)?;
        let gradients = self.scratch_quads(PRODUCTS * tiles * quads(o))?;
        let gradients = self.whole(gradients);
        let total = tiles * quads(o);
        let params = winograd_gradients::Params {
            height: oh as u32,
            width: ow as u32,
            quads: quads(o) as u32,
            across: across as u32,
            down: down as u32,
            tiles: tiles as u32,
            total: total as u32,
            ..winograd_gradients::Params::default()
        };
        let workgroups = self.spread(total.div_ceil(256));
        let shader = &winograd_gradients::WINOGRAD_GRADIENTS;
        let label = format!("winograd gradients {o} {oh}x{ow}");
        self.launch(shader, params, &[g, gradients], workgroups, label, 0)?;

        let shader = select::conv2d_grad_weight(self.target.class, quads(o));
        let work = self.weight_products(shader, PRODUCTS, tiles, [c, o, 1]);
        let products = self.scratch_quads(work.splits * work.total())?;
        let products = self.whole(products);
        let params = conv2d_grad_weight::Params {
            batch: 1,
            in_height: 1,
            in_width: tiles as u32,
            out_height: 1,
            out_width: tiles as u32,
            kernel_width: 1,
            stride: 1,
            ..conv2d_grad_weight::Params::default()
        };
        let label = format!("winograd grad weight {c}→{o} {oh}x{ow}");
        self.launch_weight_products(&work, params, &[pixels, gradients, products], label)?;

        let (y, accumulate) = self.summed_in(id, Layout::ConvWeight { o, i: c, taps: 9 })?;
        let tap = 4 * quads(c) * quads(o);
        let params = winograd_weight_grad::Params {
            tap: tap as u32,
            splits: work.splits as u32,
            accumulate,
            ..winograd_weight_grad::Params::default()
        };
        let (bindings, workgroups) = ([products, self.whole(y)], self.spread(tap.div_ceil(256)));
        let shader = &winograd_weight_grad::WINOGRAD_WEIGHT_GRAD;
        self.launch(shader, params, &bindings, workgroups, "winograd weight grad", 0)
    }

    /// How the gradients at the weights of `phases` convolutions are computed. The pixels are cut into parts where the
    /// weights alone have too few tiles to fill a GPU.
    fn weight_products(
        &self,
        shader: &'static Shader,
        phases: usize,
        pixels: usize,
        [c, o, taps]: [usize; 3],
    ) -> WeightProducts {
        let (tile_rows, tile_quads) = select::conv2d_grad_weight_tile(shader);
        let tiles = [phases * (taps * quads(c)).div_ceil(tile_rows), quads(o).div_ceil(tile_quads)];
        let enough = select::enough_workgroups(self.target.class);
        let wanted = enough.div_ceil(tiles[0] * tiles[1]).min(pixels.div_ceil(256));
        let split = pixels.div_ceil(wanted).next_multiple_of(16);
        let splits = pixels.div_ceil(split);
        WeightProducts { shader, phases, pixels, c, o, taps, tiles, split, splits }
    }

    /// `params` without channels, parts and phases; `bindings` are x, the gradient and the parts.
    fn launch_weight_products(
        &mut self,
        work: &WeightProducts,
        params: conv2d_grad_weight::Params,
        bindings: &[Bound; 3],
        label: String,
    ) -> Result<()> {
        let &WeightProducts { phases, pixels, c, o, taps, tiles, split, splits, .. } = work;
        let params = conv2d_grad_weight::Params {
            in_quads: quads(c) as u32,
            out_quads: quads(o) as u32,
            row_quads: (taps * quads(c)) as u32,
            split: split as u32,
            phase_groups: (tiles[0] / phases) as u32,
            phases: phases as u32,
            ..params
        };
        let flops = multiply_adds(&[phases, pixels, o, c, taps]);
        self.launch(work.shader, params, bindings, [tiles[0], tiles[1], splits], label, flops)
    }
}
