// What every convolution kernel shares: uniforms, bindings, and where a window reads.
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

struct Pixel {
    row: i32,    // of the window's corner, in the doubled picture
    column: i32,
    start: u32,  // of the sample's first pixel in x
}

fn pixel(index: u32) -> Pixel {
    let area = params.out_height * params.out_width;
    let n = index / area;
    let rest = index % area;
    return Pixel(
        i32(params.stride * (rest / params.out_width)) - i32(params.pad),
        i32(params.stride * (rest % params.out_width)) - i32(params.pad),
        n * params.in_height * params.in_width,
    );
}

// The index in x of the first channel at (ky, kx) of the pixel's window.
fn source(p: Pixel, ky: u32, kx: u32) -> u32 {
    let row = u32(reflect_index(p.row + i32(ky), i32(params.in_height << params.upsample))) >> params.upsample;
    let column = u32(reflect_index(p.column + i32(kx), i32(params.in_width << params.upsample))) >> params.upsample;
    return (p.start + row * params.in_width + column) * params.in_quads;
}
