// The adjoint of resample.wgsl: each element of y gets the sum of its copies in g.
//
//   g [splits, N, (H << upsample) + 2 pad, (W << upsample) + 2 pad, C/4], y [N, H, W, C/4]
//
// Where g was computed in parts (shared/conv2d.wgsl), their sum is taken for it. What is copied where is said in
// shared/mirrors.wgsl; an axis is doubled before it is padded.
//
// MORE 1: it is stored as shared/keep_grad.wgsl says.
//
// RING 1: y holds the elements themselves already, and g only the ring around them [N, ring, C/4] (shared/ring.wgsl): to each element
// of y that has mirror images their sum is added, and no other is touched. Nothing is doubled, and there are no parts.
//
// Launch: one invocation per vec4 of y (RING: of its `2 pad (W + H)` elements that may have mirror images), workgroups in
// x and y.
#if MORE
#import shared/keep_grad.wgsl
#endif
#import shared/mirrors.wgsl
#if RING
#import shared/ring.wgsl
#endif
#import shared/spread.wgsl

struct Params {
    height: u32, // of y
    width: u32,
    quads: u32,
    pad: u32,
    upsample: u32,
    total: u32,
    splits: u32,
    split_stride: u32, // vec4s from one part of g to the next
    accumulate: u32,
    activation: u32,
    slope: f32,
    skip: u32, // read only if MORE; else it is 1
}

@group(0) @binding(0) var<uniform> params: Params;
#if MORE
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
#tensor read result 2
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

fn load_g(i: u32) -> vec4f {
    return g[i];
}
#else
#tensor read g 1
#tensor write y 2
#endif

#if RING
fn is_first(i: i32) -> bool {
    return i >= i32(params.skip) && i < i32(params.skip + params.pad);
}

fn is_last(i: i32, extent: i32) -> bool {
    let beyond = extent - i32(params.skip);
    return i >= beyond - i32(params.pad) && i < beyond;
}

// The k-th of the elements of an axis that have mirror images, -1 if it was counted at the other end.
fn mirrored(k: i32, extent: i32) -> i32 {
    if (k < i32(params.pad)) {
        return i32(params.skip) + k;
    }
    let i = extent - 1 - i32(params.skip) - (k - i32(params.pad));
    return select(i, -1, is_first(i));
}

fn each(at: u32) {
    if (at >= params.total) {
        return;
    }
    let quad = at % params.quads;
    let extent = vec2u(params.height, params.width);
    let both = 2u * params.pad;
    let count = both * (extent.x + extent.y);
    let n = at / params.quads / count;
    let k = at / params.quads % count;
    var row: i32;
    var column: i32;
    if (k < both * extent.y) {
        row = mirrored(i32(k / extent.y), i32(extent.x));
        column = i32(k % extent.y);
    } else {
        let rest = k - both * extent.y;
        row = i32(rest / both);
        column = mirrored(i32(rest % both), i32(extent.y));
        if (is_first(row) || is_last(row, i32(extent.x))) {
            return; // It is among the rows.
        }
    }
    if (row < 0 || column < 0) {
        return;
    }
    var rows = places(row, i32(extent.x), i32(params.pad), i32(params.skip));
    var columns = places(column, i32(extent.y), i32(params.pad), i32(params.skip));
    var sum = vec4f(0.0);
    for (var r = 0; r < 3; r += 1) {
        for (var c = 0; c < 3; c += 1) {
            if (r + c > 0 && rows[r] >= 0 && columns[c] >= 0) {
                let place = place_of(n, vec2u(u32(rows[r]), u32(columns[c])), extent, params.pad);
                sum += load_g(place.index * params.quads + quad);
            }
        }
    }
    keep_grad(((n * extent.x + u32(row)) * extent.y + u32(column)) * params.quads + quad, sum);
}
#else
fn each(at: u32) {
    if (at >= params.total) {
        return;
    }
    let quad = at % params.quads;
    let pixel = at / params.quads;
    let n = pixel / (params.height * params.width);
    let height = i32(params.height << params.upsample);
    let width = i32(params.width << params.upsample);
    let pad = i32(params.pad);
#if MORE
    let skip = i32(params.skip);
#else
    let skip = 1;
#endif
    let copies = 1 << params.upsample;
    var sum = vec4f(0.0);
    for (var a = 0; a < copies; a += 1) {
        let row = i32(pixel / params.width % params.height) * copies + a;
        var rows = places(row, height, pad, skip);
        for (var b = 0; b < copies; b += 1) {
            var columns = places(i32(pixel % params.width) * copies + b, width, pad, skip);
            for (var r = 0; r < 3; r += 1) {
                for (var c = 0; c < 3; c += 1) {
                    if (rows[r] >= 0 && columns[c] >= 0) {
                        let from_row = n * u32(height + 2 * pad) + u32(rows[r]);
                        let from_pixel = from_row * u32(width + 2 * pad) + u32(columns[c]);
                        for (var s = 0u; s < params.splits; s += 1u) {
                            sum += load_g(s * params.split_stride + from_pixel * params.quads + quad);
                        }
                    }
                }
            }
        }
    }
#if MORE
    keep_grad(at, sum);
#else
    store_y(at, sum);
#endif
}
#endif
