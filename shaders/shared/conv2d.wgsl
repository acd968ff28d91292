// What every convolution kernel shares: uniforms, bindings, and where a window reads. With
// TRANSPOSED = 1 the kernels compute the adjoint.
//
//   X[n, r, c, i]: x, doubled by nearest neighbour if `upsample` is 1, then reflected at its borders
//
// A launch may be several convolutions of the same shape, its `phases`, which z counts:
// - `upsample` 2: four of 2x2, one for each place in a 2x2 of outputs, which together are one of 3x3
//   behind nearest doubling (conv2d_fast_weight.wgsl). `out_height` and `out_width` are those of one,
//   and x repeats its border.
// - else as many as there are matrices in a row in x, w and y (winograd_pixels.wgsl).
//
// Where a launch has too few results to keep a GPU busy, its sums are cut into `splits` parts of
// `split_depth` vec4s of the summed dimension (ky, kx, i), which z counts too. Each is written to a y of
// its own, without bias and activation, for sum_splits.wgsl or resample_grad.wgsl to add.
#if TRANSPOSED
#import shared/keep_grad.wgsl
#import shared/ring.wgsl
#endif
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
    phases: u32,
    reserved: u32,
    splits: u32,
    split_depth: u32, // a multiple of 4
    split_stride: u32, // vec4s from one part's y to the next
    divides: u32, // of so many samples the sums are divided by `divisor_0`, of those behind them by `divisor_1`; 0: none
    accumulate: u32, // of the adjoint, 1: the sums are added to what y holds
    reserved_2: u32,
    reserved_3: u32,
}

const SUBPIXEL: u32 = 2u;

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
#tensor read w 2
#if TRANSPOSED
#tensor read result 3
#else
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
#endif
@group(0) @binding(4) var<storage, read> divisor_0: array<vec4f>;
@group(0) @binding(5) var<storage, read> divisor_1: array<vec4f>;
#if TRANSPOSED
@group(0) @binding(6) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> ring: array<vec4f>;
#else
#tensor write y 6
#endif

// A sum of a sample's. Where the weights are still to be divided by the sigma of their spectral normalisation, it is.
fn divided(sum: vec4f, sample: u32) -> vec4f {
    if (params.divides == 0u) {
        return sum;
    }
    if (sample < params.divides) {
        return sum / divisor_0[0].x;
    }
    return sum / divisor_1[0].x;
}

#if !TRANSPOSED
// What is stored of a sum.
fn finished(p: Pixel, sum: vec4f, offset: vec4f) -> vec4f {
    return activate(divided(sum, p.sample) + offset, params.activation, params.slope);
}
#endif

// The vec4s of the summed dimension that a part has: from x to y, of `depth`.
fn part(split: u32, depth: u32) -> vec2u {
    return min(vec2u(split, split + 1u) * params.split_depth, vec2u(depth));
}

#if TRANSPOSED
// The adjoint in the input (Conv2dGradInput): x is the gradient at the result, w the convolution's own
// weight (so that `in_quads` counts its columns, `out_quads` its rows), and y the gradient at the doubled and
// padded input,
//
//   y[n, r, c, i] = sum over ky, kx, o of x[n, (r - ky) / stride, (c - kx) / stride, o] w[ky, kx, i, o]
//
// where both quotients are whole and within x. Pixels whose row and column have the same
// remainders by the stride meet the same taps: a launch covers stride^2 such phases in z.
//
// `upsample` 2: y is that of the small picture with its border repeated (`pad` 1), and w holds the weights of the four
// convolutions of 2x2 [2, 2, 2, 2, I, O/4], by phase (a, b) and tap (ky, kx). A pixel of y meets 4x4 taps, once each:
//
//   y[n, r, c, i] = sum over a, b, ky, kx, o of x[n, 2 r - a - 2 ky, 2 c - b - 2 kx, o] w[a, b, ky, kx, i, o]
//
// Of y what is within the picture is stored as shared/keep_grad.wgsl says, what lies within `pad` around it in `ring` [N, ring, I/4]
// (shared/ring.wgsl).
//
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
    if (params.upsample == SUBPIXEL) {
        let place = tap % 2u;
        let near = tap / 2u;
        return 8u * place.x + 4u * place.y + 2u * near.x + near.y;
    }
    let k = phase + params.stride * tap;
    return k.x * params.kernel_width + k.y;
}

struct Pixel {
    row: i32,    // that in x which the first tap reads
    column: i32,
    sample: u32,
    start: u32,  // of the sample's first pixel in x
    place: Place,
}

fn pixel(phase: vec2u, index: u32) -> Pixel {
    let extent = phase_extent(phase);
    let n = index / (extent.x * extent.y);
    let rest = index % (extent.x * extent.y);
    let row = rest / extent.y;
    let column = rest % extent.y;
    let at = phase + params.stride * vec2u(row, column);
    let picture = vec2u(params.out_height, params.out_width) - 2u * params.pad;
    let step = select(1u, 2u, params.upsample == SUBPIXEL);
    return Pixel(
        i32(step * row),
        i32(step * column),
        n,
        n * params.in_height * params.in_width,
        place_of(n, at, picture, params.pad),
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
    return load_x(start + quad);
}

fn keep(p: Pixel, split: u32, column: u32, sum: vec4f) {
    let to = split * params.split_stride + p.place.index * params.out_quads + column;
    let v = divided(sum, p.sample);
    if (p.place.is_inside) {
        keep_grad(to, v);
    } else {
        ring[to] = v;
    }
}
#else
fn phase_of(z: u32) -> vec2u {
    return vec2u(z % params.phases, 0u);
}

fn block_of(z: u32) -> u32 {
    return z / params.phases;
}

fn taps(phase: vec2u) -> vec2u {
    return vec2u(params.kernel_height, params.kernel_width);
}

fn weight_tap(phase: vec2u, tap: vec2u) -> u32 {
    return (phase.x * params.kernel_height + tap.x) * params.kernel_width + tap.y;
}

struct Pixel {
    row: i32,    // of the window's corner, in the doubled picture
    column: i32,
    sample: u32,
    start: u32,  // of the sample's first pixel in x
    to: u32,     // the pixel in y
}

fn pixel(phase: vec2u, index: u32) -> Pixel {
    let area = params.out_height * params.out_width;
    let n = index / area;
    let place = vec2u(index % area / params.out_width, index % area % params.out_width);
    let size = params.in_height * params.in_width;
    if (params.upsample == SUBPIXEL) {
        let offset = vec2u(phase.x / 2u, phase.x % 2u);
        let at = 2u * place + offset;
        return Pixel(
            i32(place.x + offset.x) - 1,
            i32(place.y + offset.y) - 1,
            n,
            n * size,
            (2u * n * params.out_height + at.x) * 2u * params.out_width + at.y,
        );
    }
    return Pixel(
        i32(params.stride * place.x) - i32(params.pad),
        i32(params.stride * place.y) - i32(params.pad),
        n,
        (n + phase.x) * size,
        index + phase.x * area,
    );
}

fn pixel_count(phase: vec2u) -> u32 {
    return params.batch * params.out_height * params.out_width;
}

// The index in x of the first channel that the tap reads.
fn source(p: Pixel, tap: vec2u) -> u32 {
    let at = vec2i(p.row + i32(tap.x), p.column + i32(tap.y));
    let extent = vec2i(i32(params.in_height), i32(params.in_width));
    var place = clamp(at, vec2i(0), extent - 1);
    if (params.upsample != SUBPIXEL) {
        place.x = reflect_index(at.x, extent.x << params.upsample) >> params.upsample;
        place.y = reflect_index(at.y, extent.y << params.upsample) >> params.upsample;
    }
    return (p.start + u32(place.x) * params.in_width + u32(place.y)) * params.in_quads;
}

fn load(start: u32, quad: u32) -> vec4f {
    return load_x(start + quad);
}
#endif
