// What every convolution kernel shares: uniforms, bindings, and where a window reads. With
// TRANSPOSED = 1 the kernels compute the adjoint.
//
//   X[n, r, c, i]: x, doubled by nearest neighbour if `upsample` is 1, then reflected at its borders
#import shared/reflect.wgsl

struct Params {
    batch: u32,
    in_height: u32,
    in_width: u32,
    in_quads: u32,
    out_height: u32,
    out_width: u32,
    out_quads: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride: u32,
    pad: u32,
    upsample: u32,
    has_bias: u32,
    activation: u32,
    slope: f32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;

#if TRANSPOSED
// The adjoint in the input (Conv2dGradInput): x is the gradient at the result, w has its
// channels exchanged, and y is the gradient at the doubled and padded input,
//
//   y[n, r, c, i] = sum over ky, kx, o of x[n, (r - ky) / stride, (c - kx) / stride, o] w[ky, kx, o, i]
//
// where both quotients are whole and within x. Pixels whose row and column have the same
// remainders by the stride meet the same taps: a launch covers stride^2 such phases in z.
// The phase goes from function to function as an argument: of a variable, no compiler knows
// that it is the same for the whole workgroup, and then no barrier may depend on it.
fn phase_of(z: u32) -> vec2u {
    return vec2u(z % (params.stride * params.stride) / params.stride, z % params.stride);
}

fn block_of(z: u32) -> u32 {
    return z / (params.stride * params.stride);
}

fn phase_extent(phase: vec2u) -> vec2u {
    return (vec2u(params.out_height, params.out_width) - phase + params.stride - 1u) / params.stride;
}

fn taps(phase: vec2u) -> vec2u {
    return (vec2u(params.kernel_height, params.kernel_width) - phase + params.stride - 1u) / params.stride;
}

fn weight_tap(phase: vec2u, tap: vec2u) -> u32 {
    let k = phase + params.stride * tap;
    return k.x * params.kernel_width + k.y;
}

struct Pixel {
    row: i32,    // of the phase
    column: i32,
    start: u32,  // of the sample's first pixel in x
    to: u32,     // the pixel in y
}

fn pixel(phase: vec2u, index: u32) -> Pixel {
    let extent = phase_extent(phase);
    let n = index / (extent.x * extent.y);
    let rest = index % (extent.x * extent.y);
    let row = rest / extent.y;
    let column = rest % extent.y;
    let at = phase + params.stride * vec2u(row, column);
    return Pixel(
        i32(row),
        i32(column),
        n * params.in_height * params.in_width,
        (n * params.out_height + at.x) * params.out_width + at.y,
    );
}

fn pixel_count(phase: vec2u) -> u32 {
    let extent = phase_extent(phase);
    return params.batch * extent.x * extent.y;
}

// The index in x of the first channel that the tap reads, or NOWHERE.
const NOWHERE: u32 = 0xffffffffu;

fn source(p: Pixel, tap: vec2u) -> u32 {
    let row = p.row - i32(tap.x);
    let column = p.column - i32(tap.y);
    if (row < 0 || column < 0 || row >= i32(params.in_height) || column >= i32(params.in_width)) {
        return NOWHERE;
    }
    return (p.start + u32(row) * params.in_width + u32(column)) * params.in_quads;
}

fn load(start: u32, quad: u32) -> vec4f {
    if (start == NOWHERE) {
        return vec4f(0.0);
    }
    return x[start + quad];
}
#else
// Without a stride to undo there is one phase.
fn phase_of(z: u32) -> vec2u {
    return vec2u(0u);
}

fn block_of(z: u32) -> u32 {
    return z;
}

fn taps(phase: vec2u) -> vec2u {
    return vec2u(params.kernel_height, params.kernel_width);
}

fn weight_tap(phase: vec2u, tap: vec2u) -> u32 {
    return tap.x * params.kernel_width + tap.y;
}

struct Pixel {
    row: i32,    // of the window's corner, in the doubled picture
    column: i32,
    start: u32,  // of the sample's first pixel in x
    to: u32,     // the pixel in y
}

fn pixel(phase: vec2u, index: u32) -> Pixel {
    let area = params.out_height * params.out_width;
    let n = index / area;
    let rest = index % area;
    return Pixel(
        i32(params.stride * (rest / params.out_width)) - i32(params.pad),
        i32(params.stride * (rest % params.out_width)) - i32(params.pad),
        n * params.in_height * params.in_width,
        index,
    );
}

fn pixel_count(phase: vec2u) -> u32 {
    return params.batch * params.out_height * params.out_width;
}

// The index in x of the first channel that the tap reads.
fn source(p: Pixel, tap: vec2u) -> u32 {
    let row = u32(reflect_index(p.row + i32(tap.x), i32(params.in_height << params.upsample))) >> params.upsample;
    let column = u32(reflect_index(p.column + i32(tap.y), i32(params.in_width << params.upsample))) >> params.upsample;
    return (p.start + row * params.in_width + column) * params.in_quads;
}

fn load(start: u32, quad: u32) -> vec4f {
    return x[start + quad];
}
#endif
