//! Convolutions with fewer multiplications than their formula has.

use crate::catalogue::{conv2d, conv2d_fast_weight, winograd_outputs, winograd_pixels};
use crate::error::Result;
use crate::graph::{Activation, Arithmetic, Conv2d, Node, NodeId};
use crate::shader::Shader;

use super::super::layout::{Layout, quads};
use super::super::{Bound, select};
use super::forward::Products;
use super::{Lowering, activation_code};

/// Outputs of a tile of F(4x4, 3x3) a side, and its matrix products.
const SIDE: usize = 4;
pub(super) const PRODUCTS: usize = 36;

/// The extents of a convolution: x `[n, c, h, w]`, y `[n, o, oh, ow]`.
#[derive(Clone, Copy)]
pub(super) struct Extents {
    pub(super) n: usize,
    pub(super) c: usize,
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) o: usize,
    pub(super) oh: usize,
    pub(super) ow: usize,
}

/// What a convolution reads outside of the picture, and how far.
#[derive(Clone, Copy)]
pub(super) enum Around {
    Reflected(usize),
    #[cfg(feature = "training")]
    Zeros(usize),
}

impl Extents {
    /// Tiles in a row, and rows of tiles.
    pub(super) fn tiles(self) -> [usize; 2] {
        [self.ow.div_ceil(SIDE), self.oh.div_ceil(SIDE)]
    }
}

impl Lowering<'_> {
    /// Lowers a 3x3 convolution with fewer multiplications; false where that is not allowed or does
    /// not pay, and nothing was done.
    pub(super) fn fast_conv2d(&mut self, id: NodeId, node: &Node, conv: &Conv2d) -> Result<bool> {
        let ([n, c, h, w], [_, o, oh, ow]) = (self.image(node.inputs[0])?, self.image(id)?);
        let [_, _, kh, kw] = self.image(node.inputs[1])?;
        if self.target.arithmetic == Arithmetic::Exact || (kh, kw, conv.stride) != (3, 3, 1) {
            return Ok(false);
        }
        let e = Extents { n, c, h, w, o, oh, ow };
        if conv.upsample {
            if conv.pad != 1 {
                return Ok(false);
            }
            self.subpixel_conv2d(id, node, conv, e)?;
            return Ok(true);
        }
        if !self.winograd_pays(e) {
            return Ok(false);
        }
        self.winograd_conv2d(id, node, conv, e)?;
        Ok(true)
    }

    /// Whether Winograd's algorithm is faster, and its products fit.
    pub(super) fn winograd_pays(&self, e: Extents) -> bool {
        let [across, down] = e.tiles();
        let tiles = e.n * across * down;
        let largest = Layout::Image { n: PRODUCTS, c: e.c.max(e.o), pixels: tiles }.bytes();
        largest <= self.target.max_binding && select::winograd(self.target, e.c, e.o, tiles)
    }

    /// Behind nearest doubling: four convolutions of 2x2 on the small picture, 4/9 of the
    /// multiplications.
    fn subpixel_conv2d(&mut self, id: NodeId, node: &Node, conv: &Conv2d, e: Extents) -> Result<()> {
        let phases = self.fast_weight(node, &conv2d_fast_weight::SUBPIXEL_WEIGHT, 16, e)?;
        let x = self.operand(node.inputs[0])?;
        let bias = if conv.bias { self.operand(node.inputs[2])? } else { phases };
        let y = self.result(id)?;
        let (activation, slope) = activation_code(conv.activation);
        let params = conv2d::Params {
            batch: e.n as u32,
            in_height: e.h as u32,
            in_width: e.w as u32,
            out_height: e.h as u32,
            out_width: e.w as u32,
            kernel_height: 2,
            kernel_width: 2,
            stride: 1,
            upsample: 2,
            has_bias: u32::from(conv.bias),
            activation,
            slope,
            ..conv2d::Params::default()
        };
        let bindings = [x, phases, bias, phases, phases, self.whole(y)];
        let label = format!("conv2d 2x2 {}→{} {}x{}, four times", e.c, e.o, e.h, e.w);
        let pixels = e.n * e.h * e.w;
        self.products(Products { params, phases: 4, bindings, pixels, c: e.c, o: e.o, taps: 4, label })
    }

    /// Winograd's F(4x4, 3x3): a quarter of the multiplications.
    fn winograd_conv2d(&mut self, id: NodeId, node: &Node, conv: &Conv2d, e: Extents) -> Result<()> {
        let u = self.fast_weight(node, &conv2d_fast_weight::WINOGRAD_WEIGHT, PRODUCTS, e)?;
        let x = self.operand(node.inputs[0])?;
        let m = self.winograd_products(x, u, Around::Reflected(conv.pad), e)?;
        let bias = if conv.bias { Some(self.operand(node.inputs[2])?) } else { None };
        let y = self.result(id)?;
        self.winograd_outputs(m, bias, self.whole(y), conv.activation, e)
    }

    /// The tiles of `x`, transformed: 36 matrices `[tiles, c]`.
    pub(super) fn winograd_pixels(&mut self, x: Bound, around: Around, e: Extents) -> Result<Bound> {
        let Extents { n, c, h, w, .. } = e;
        let [across, down] = e.tiles();
        let tiles = n * across * down;
        let v = self.scratch_quads(PRODUCTS * tiles * quads(c))?;
        let total = tiles * quads(c);
        let (pad, zeros) = match around {
            Around::Reflected(pad) => (pad, 0),
            #[cfg(feature = "training")]
            Around::Zeros(pad) => (pad, 1),
        };
        let params = winograd_pixels::Params {
            height: h as u32,
            width: w as u32,
            quads: quads(c) as u32,
            pad: pad as u32,
            across: across as u32,
            down: down as u32,
            tiles: tiles as u32,
            total: total as u32,
            zeros,
            ..winograd_pixels::Params::default()
        };
        let (bindings, workgroups) = ([x, self.whole(v)], self.spread(total.div_ceil(256)));
        let label = format!("winograd pixels {c} {h}x{w}");
        self.launch(&winograd_pixels::WINOGRAD_PIXELS, params, &bindings, workgroups, label, 0)?;
        Ok(self.whole(v))
    }

    /// The 36 products of tiles of `x` with the transformed weights `u`.
    pub(super) fn winograd_products(
        &mut self,
        x: Bound,
        u: Bound,
        around: Around,
        e: Extents,
    ) -> Result<Bound> {
        let Extents { n, c, o, oh, ow, .. } = e;
        let [across, down] = e.tiles();
        let tiles = n * across * down;
        let v = self.winograd_pixels(x, around, e)?;
        let m = self.scratch_quads(PRODUCTS * tiles * quads(o))?;
        let params = conv2d::Params {
            batch: 1,
            in_height: 1,
            in_width: tiles as u32,
            out_height: 1,
            out_width: tiles as u32,
            kernel_height: 1,
            kernel_width: 1,
            stride: 1,
            ..conv2d::Params::default()
        };
        let bindings = [v, u, u, u, u, self.whole(m)];
        let label = format!("winograd products {c}→{o} {oh}x{ow}");
        self.products(Products { params, phases: PRODUCTS, bindings, pixels: tiles, c, o, taps: 1, label })?;
        Ok(self.whole(m))
    }

    /// From the 36 products to `y`.
    fn winograd_outputs(
        &mut self,
        m: Bound,
        bias: Option<Bound>,
        y: Bound,
        activation: Activation,
        e: Extents,
    ) -> Result<()> {
        let (activation, slope) = activation_code(activation);
        let params = winograd_outputs::Params {
            has_bias: u32::from(bias.is_some()),
            activation,
            slope,
            ..self.winograd_tiles(e)
        };
        let workgroups = self.spread((params.total as usize).div_ceil(256));
        let label = format!("winograd outputs {} {}x{}", e.o, e.oh, e.ow);
        let bindings = [m, bias.unwrap_or(m), y];
        self.launch(&winograd_outputs::WINOGRAD_OUTPUTS, params, &bindings, workgroups, label, 0)
    }

    /// What the last step of Winograd's algorithm knows of the tiles.
    pub(super) fn winograd_tiles(&self, e: Extents) -> winograd_outputs::Params {
        let [across, down] = e.tiles();
        let tiles = e.n * across * down;
        winograd_outputs::Params {
            height: e.oh as u32,
            width: e.ow as u32,
            quads: quads(e.o) as u32,
            across: across as u32,
            down: down as u32,
            tiles: tiles as u32,
            total: (tiles * quads(e.o)) as u32,
            ..winograd_outputs::Params::default()
        }
    }

    /// The weights of a 3x3 convolution, transformed to those of so many taps. `e` is that of the convolution that reads
    /// them.
    pub(super) fn fast_weight(
        &mut self,
        node: &Node,
        shader: &'static Shader,
        taps: usize,
        e: Extents,
    ) -> Result<Bound> {
        let weight = self.operand(node.inputs[1])?;
        let tap = 4 * quads(e.c) * quads(e.o);
        let transformed = self.scratch_quads(taps * tap)?;
        let transformed = self.whole(transformed);
        let params = conv2d_fast_weight::Params {
            tap: tap as u32,
            in_quads: quads(e.o) as u32,
            out_quads: quads(e.c) as u32,
            ..Default::default()
        };
        let workgroups = self.spread(tap.div_ceil(256));
        self.launch(shader, params, &[weight, transformed], workgroups, shader.name.replace('_', " "), 0)?;
        Ok(transformed)
    }
}
