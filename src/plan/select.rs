//! Which kernel variant runs where: a table by adapter class and shape, not a search at
//! start-up. The first row that fits is taken. `docs/benchmarks.md` has the figures behind it.

use crate::catalogue::{conv2d, conv2d_grad_weight, conv2d_tiled};
use crate::shader::Shader;

/// What kind of adapter a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdapterClass {
    /// A GPU: workgroup memory is fast.
    Gpu,
    /// A driver that runs shaders on the CPU (lavapipe, SwiftShader, WARP): workgroup memory is
    /// slow, large register tiles win.
    Software,
}

/// A row of the convolution table.
struct Row {
    class: AdapterClass,
    /// At least so many quads of output channels.
    min_out_quads: usize,
    /// The input channels are a multiple of 16.
    aligned: bool,
    /// At least so many workgroups would run.
    min_workgroups: usize,
    shader: &'static Shader,
}

use AdapterClass::{Gpu, Software};

const fn row(
    class: AdapterClass,
    min_out_quads: usize,
    aligned: bool,
    min_workgroups: usize,
    shader: &'static Shader,
) -> Row {
    Row { class, min_out_quads, aligned, min_workgroups, shader }
}

static CONV2D: &[Row] = &[
    row(Gpu, 32, true, 256, &conv2d_tiled::CONV2D_TILED_128X128),
    row(Gpu, 16, true, 256, &conv2d_tiled::CONV2D_TILED_128X64),
    row(Gpu, 8, true, 0, &conv2d_tiled::CONV2D_TILED_64X64),
    row(Gpu, 8, false, 0, &conv2d_tiled::CONV2D_TILED_64X64_ANY),
    row(Gpu, 2, false, 0, &conv2d::CONV2D_4X2),
    row(Gpu, 0, false, 0, &conv2d::CONV2D_8X1),
    row(Software, 4, false, 0, &conv2d::CONV2D_8X4),
    row(Software, 2, false, 0, &conv2d::CONV2D_8X2),
    row(Software, 0, false, 0, &conv2d::CONV2D_8X1),
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

/// The output pixels and quads of output channels that one workgroup of `shader` covers.
pub fn conv2d_tile(shader: &Shader) -> (usize, usize) {
    let constant = |name| shader.constant(name) as usize;
    if constant("PIXELS") > 0 {
        (constant("PIXELS") * constant("LANES"), constant("QUADS") * constant("ROWS"))
    } else {
        (64 * constant("PIXEL_QUADS"), 16 * constant("QUADS"))
    }
}

/// The kernel for a convolution that gives `pixels` pixels (of all samples) of `out_quads`
/// quads of channels from `in_quads` quads.
pub fn conv2d(class: AdapterClass, pixels: usize, in_quads: usize, out_quads: usize) -> &'static Shader {
    let fits = |row: &&Row| {
        let (tile_pixels, tile_quads) = conv2d_tile(row.shader);
        row.class == class
            && out_quads >= row.min_out_quads
            && (!row.aligned || in_quads.is_multiple_of(4))
            && pixels.div_ceil(tile_pixels) * out_quads.div_ceil(tile_quads) >= row.min_workgroups
    };
    CONV2D.iter().find(fits).map_or(&conv2d::CONV2D_8X1, |row| row.shader)
}

/// The kernel of the same tile for the adjoint in the input.
pub fn transposed(shader: &'static Shader) -> &'static Shader {
    let twin = |s: &&&Shader| s.name.strip_suffix("_transposed") == Some(shader.name);
    crate::catalogue::ALL.iter().find(twin).copied().unwrap_or(shader)
}

/// The kernel for the gradient at a convolution's weight.
pub fn conv2d_grad_weight(class: AdapterClass, out_quads: usize) -> &'static Shader {
    match class {
        Gpu => &conv2d_grad_weight::CONV2D_GRAD_WEIGHT_TILED,
        Software if out_quads >= 4 => &conv2d_grad_weight::CONV2D_GRAD_WEIGHT_2X4,
        Software => &conv2d_grad_weight::CONV2D_GRAD_WEIGHT_2X1,
    }
}

/// The quads of (tap, input channel) and of output channels that one workgroup of a kernel of
/// `conv2d_grad_weight.wgsl` covers.
pub fn conv2d_grad_weight_tile(shader: &Shader) -> (usize, usize) {
    let constant = |name| shader.constant(name) as usize;
    (constant("LANES") * constant("IN_QUADS"), constant("ROWS") * constant("QUADS"))
}

/// Every convolution kernel, to be tested and measured against each other.
pub fn conv2d_variants() -> impl Iterator<Item = &'static Shader> {
    crate::catalogue::ALL
        .iter()
        .copied()
        .filter(|s| s.constant("TRANSPOSED") == 0 && s.name.starts_with("conv2d") && !s.name.contains("grad"))
}
