//! Which kernel variant runs where: a table by adapter class and shape, not a search at
//! start-up. The first row that fits is taken. `docs/benchmarks.md` has the figures behind it.

#[cfg(feature = "training")]
use crate::catalogue::conv2d_grad_weight;
use crate::catalogue::{conv2d, conv2d_tiled};
use crate::graph::Arithmetic;
use crate::shader::Shader;

use super::Target;
use super::tuning::Product;

/// What kind of adapter a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdapterClass {
    /// A GPU: workgroup memory is fast.
    Gpu,
    /// A driver that runs shaders on the CPU (lavapipe, SwiftShader, WARP): workgroup memory is
    /// slow, large register tiles win.
    Software,
}

/// A convolution's kernels of one tile: forward, and the adjoint in the input.
#[derive(Debug)]
pub struct Conv2dKernel {
    /// From x to y.
    pub forward: &'static Shader,
    /// From the gradient at y to that at x (`TRANSPOSED`).
    #[cfg(feature = "training")]
    pub transposed: &'static Shader,
}

impl Conv2dKernel {
    /// The output pixels and quads of output channels that one workgroup covers.
    pub fn tile(&self) -> (usize, usize) {
        let constant = |name| self.forward.constant(name) as usize;
        if constant("PIXELS") > 0 {
            (constant("PIXELS") * constant("LANES"), constant("QUADS") * constant("ROWS"))
        } else {
            (64 * constant("PIXEL_QUADS"), 16 * constant("QUADS"))
        }
    }

    /// Whether its text is long even with loops: the end is repeated for each vec4 of the result, and
    /// FXC takes 20 s for 32 of them, 3 s for 16.
    fn is_long(&self) -> bool {
        self.forward.constant("PIXELS") * self.forward.constant("QUADS") > 16
    }

    /// Whether the input channels (of the adjoint: the output channels) must be a multiple of 16.
    pub fn is_aligned(&self) -> bool {
        self.forward.constant("ALIGNED") == 1
    }
}

macro_rules! conv2d_kernel {
    ($forward:expr, $transposed:expr) => {
        Conv2dKernel {
            forward: &$forward,
            #[cfg(feature = "training")]
            transposed: &$transposed,
        }
    };
}

static CONV2D_8X4: Conv2dKernel = conv2d_kernel!(conv2d::CONV2D_8X4, conv2d::CONV2D_8X4_TRANSPOSED);
static CONV2D_8X2: Conv2dKernel = conv2d_kernel!(conv2d::CONV2D_8X2, conv2d::CONV2D_8X2_TRANSPOSED);
static CONV2D_8X1: Conv2dKernel = conv2d_kernel!(conv2d::CONV2D_8X1, conv2d::CONV2D_8X1_TRANSPOSED);
static CONV2D_4X2: Conv2dKernel = conv2d_kernel!(conv2d::CONV2D_4X2, conv2d::CONV2D_4X2_TRANSPOSED);
static TILED_64X64: Conv2dKernel =
    conv2d_kernel!(conv2d_tiled::CONV2D_TILED_64X64, conv2d_tiled::CONV2D_TILED_64X64_TRANSPOSED);
static TILED_64X64_ANY: Conv2dKernel =
    conv2d_kernel!(conv2d_tiled::CONV2D_TILED_64X64_ANY, conv2d_tiled::CONV2D_TILED_64X64_ANY_TRANSPOSED);
static TILED_128X64: Conv2dKernel =
    conv2d_kernel!(conv2d_tiled::CONV2D_TILED_128X64, conv2d_tiled::CONV2D_TILED_128X64_TRANSPOSED);
static TILED_128X128: Conv2dKernel =
    conv2d_kernel!(conv2d_tiled::CONV2D_TILED_128X128, conv2d_tiled::CONV2D_TILED_128X128_TRANSPOSED);

/// Every convolution kernel, to be tested and measured against each other.
pub static CONV2D_KERNELS: [&Conv2dKernel; 8] = [
    &CONV2D_8X4,
    &CONV2D_8X2,
    &CONV2D_8X1,
    &CONV2D_4X2,
    &TILED_64X64,
    &TILED_64X64_ANY,
    &TILED_128X64,
    &TILED_128X128,
];

/// A row of the convolution table.
struct Row {
    class: AdapterClass,
    /// At least so many quads of output channels.
    min_out_quads: usize,
    /// At least so many workgroups would run.
    min_workgroups: usize,
    kernel: &'static Conv2dKernel,
}

use AdapterClass::{Gpu, Software};

const fn row(
    class: AdapterClass,
    min_out_quads: usize,
    min_workgroups: usize,
    kernel: &'static Conv2dKernel,
) -> Row {
    Row { class, min_out_quads, min_workgroups, kernel }
}

static CONV2D: &[Row] = &[
    row(Gpu, 32, 64, &TILED_128X128),
    row(Gpu, 16, 128, &TILED_128X64),
    row(Gpu, 8, 0, &TILED_64X64),
    row(Gpu, 8, 0, &TILED_64X64_ANY),
    row(Gpu, 2, 0, &CONV2D_4X2),
    row(Gpu, 0, 0, &CONV2D_8X1),
    row(Software, 4, 0, &CONV2D_8X4),
    row(Software, 2, 0, &CONV2D_8X2),
    row(Software, 0, 0, &CONV2D_8X1),
];

/// The kernel for the first half of a reduction over pixels with `quads` quads of channels, of
/// one with 16 columns, one with 4, and one without workgroup memory.
pub fn reduce(
    class: AdapterClass,
    quads: usize,
    [wide, narrow, serial]: [&'static Shader; 3],
) -> &'static Shader {
    match class {
        Gpu if quads >= 16 => wide,
        Gpu => narrow,
        Software => serial,
    }
}

/// The kernel for what is little work: of one that joins partial results in workgroup memory and
/// one in which an invocation does it alone. SwiftShader takes 0.5 to 0.8 s to compile the former.
pub fn joined_or_serial(class: AdapterClass, [joined, serial]: [&'static Shader; 2]) -> &'static Shader {
    match class {
        Gpu => joined,
        Software => serial,
    }
}

/// The target's kernel, or the fastest that was measured, or the table's, for a convolution that gives `pixels` pixels (of all samples) of `out_quads`
/// quads of channels from `in_quads` quads.
pub fn conv2d(target: &Target, pixels: usize, in_quads: usize, out_quads: usize) -> &'static Conv2dKernel {
    // Any other kernel would go beyond its buffers, which nothing checks.
    let known =
        |asked: &&'static Conv2dKernel| CONV2D_KERNELS.iter().any(|kernel| std::ptr::eq(*kernel, *asked));
    let computes = |asked: &&'static Conv2dKernel| !asked.is_aligned() || in_quads.is_multiple_of(4);
    if let Some(kernel) = target.conv2d.filter(known).filter(computes) {
        return kernel;
    }
    let tuning = target.tuning.as_ref();
    let measured = tuning.into_iter().flat_map(|t| t.kernels(Product { pixels, in_quads, out_quads }));
    let by_name = |name| CONV2D_KERNELS.into_iter().find(|kernel| kernel.forward.name == name);
    let allowed = |kernel: &&Conv2dKernel| !(target.loops && kernel.is_long());
    if let Some(kernel) = measured.filter_map(by_name).filter(computes).find(allowed) {
        return kernel;
    }
    let fits = |row: &&Row| {
        let (tile_pixels, tile_quads) = row.kernel.tile();
        row.class == target.class
            && !(target.loops && row.kernel.is_long())
            && out_quads >= row.min_out_quads
            && (!row.kernel.is_aligned() || in_quads.is_multiple_of(4))
            && pixels.div_ceil(tile_pixels) * out_quads.div_ceil(tile_quads) >= row.min_workgroups
    };
    CONV2D.iter().find(fits).map_or(&CONV2D_8X1, |row| row.kernel)
}

/// Whether Winograd's F(4x4, 3x3) is faster than the direct kernels, of a convolution with `c` input and
/// `o` output channels and so many tiles of 4x4 outputs. Below, the transforms outweigh what is
/// saved.
pub fn winograd(target: &Target, c: usize, o: usize, tiles: usize) -> bool {
    if target.arithmetic == Arithmetic::Fewest {
        return true;
    }
    let measured = target.tuning.as_ref().and_then(|tuning| tuning.winograd([c, o], tiles));
    if let Some(wins) = target.winograd.or(measured) {
        return wins;
    }
    let (channels, enough_tiles) = match target.class {
        // On an H200 64 channels and 16 tiles took 1.4 of the direct kernel's time, 128 and 64 1.45, 256 and 256 0.78. What
        // lies between was not measured.
        Gpu => (128, 256),
        Software => (32, 32),
    };
    c.min(o) >= channels && tiles >= enough_tiles
}

/// How many invocations keep an adapter busy: below, a launch's sums are cut into parts.
pub fn busy(target: &Target) -> usize {
    let measured = target.tuning.as_ref().and_then(|tuning| tuning.invocations.first());
    target.invocations.or(measured.map(|(invocations, _)| *invocations)).unwrap_or(match target.class {
        Gpu if target.discrete => 1 << 15,
        Gpu => 1 << 14,
        // As many as there are cores, which the first workgroups take.
        Software => 1,
    })
}

/// Workgroups that a launch should have, so that every processor has work.
#[cfg(feature = "training")]
pub fn enough_workgroups(class: AdapterClass) -> usize {
    match class {
        Gpu => 512,
        // As many threads as a computer has cores.
        Software => 16,
    }
}

/// The kernel for the gradient at a convolution's weight.
#[cfg(feature = "training")]
pub fn conv2d_grad_weight(class: AdapterClass, out_quads: usize) -> &'static Shader {
    match class {
        // A tile of the other is 32 quads wide.
        Gpu if out_quads < 4 => &conv2d_grad_weight::CONV2D_GRAD_WEIGHT_2X1,
        Gpu => &conv2d_grad_weight::CONV2D_GRAD_WEIGHT_TILED,
        Software if out_quads >= 4 => &conv2d_grad_weight::CONV2D_GRAD_WEIGHT_2X4,
        Software => &conv2d_grad_weight::CONV2D_GRAD_WEIGHT_2X1,
    }
}

/// The same for the four convolutions of 2x2 that one of 3x3 behind nearest doubling is; none where there are so few
/// output channels that tiles as large would be empty for the most part.
#[cfg(feature = "training")]
pub fn subpixel_grad_weight(class: AdapterClass, out_quads: usize) -> Option<&'static Shader> {
    match class {
        _ if out_quads < 4 => None,
        Gpu => Some(&conv2d_grad_weight::SUBPIXEL_GRAD_WEIGHT_TILED),
        Software => Some(&conv2d_grad_weight::SUBPIXEL_GRAD_WEIGHT_2X4),
    }
}

/// The quads of (tap, input channel) and of output channels that one workgroup of a kernel of
/// `conv2d_grad_weight.wgsl` covers.
#[cfg(feature = "training")]
pub fn conv2d_grad_weight_tile(shader: &Shader) -> (usize, usize) {
    let constant = |name| shader.constant(name) as usize;
    (constant("LANES") * constant("IN_QUADS"), constant("ROWS") * constant("QUADS"))
}

#[cfg(test)]
#[cfg(feature = "training")]
mod tests {
    use super::*;

    /// No variant of the convolution is left out, and each goes with the one of its own tile.
    #[test]
    fn every_convolution_kernel_has_its_adjoint() {
        let mut named: Vec<&str> =
            CONV2D_KERNELS.iter().flat_map(|k| [k.forward.name, k.transposed.name]).collect();
        named.sort_unstable();
        let of_file = |s: &&&Shader| s.constants.iter().any(|(name, _)| *name == "TRANSPOSED");
        let mut all: Vec<&str> = crate::catalogue::ALL.iter().filter(of_file).map(|s| s.name).collect();
        all.sort_unstable();
        assert_eq!(named, all);
        for kernel in CONV2D_KERNELS {
            let constants = |shader: &Shader| -> Vec<(&str, u32)> {
                shader.constants.iter().copied().filter(|(name, _)| *name != "TRANSPOSED").collect()
            };
            let (forward, transposed) = (kernel.forward, kernel.transposed);
            assert_eq!(constants(forward), constants(transposed), "{}", forward.name);
            assert_eq!((forward.constant("TRANSPOSED"), transposed.constant("TRANSPOSED")), (0, 1));
        }
    }
}
