// Reflection padding and nearest upsampling where no convolution takes them into its own
// indexing: y[n, r, c] = x[n, reflect(r - pad) >> upsample, reflect(c - pad) >> upsample].
//
//   x [N, H, W, C/4], y [N, (H << upsample) + 2 pad, (W << upsample) + 2 pad, C/4]
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#import shared/reflect.wgsl
#import shared/spread.wgsl

struct Params {
    in_height: u32,
    in_width: u32,
    quads: u32,
    pad: u32,
    upsample: u32,
    out_height: u32,
    out_width: u32,
    total: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
#tensor write y 2

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    let quad = i % params.quads;
    let pixel = i / params.quads;
    let column = i32(pixel % params.out_width) - i32(params.pad);
    let row = i32(pixel / params.out_width % params.out_height) - i32(params.pad);
    let n = pixel / (params.out_width * params.out_height);
    let from_row = u32(reflect_index(row, i32(params.in_height << params.upsample))) >> params.upsample;
    let from_column = u32(reflect_index(column, i32(params.in_width << params.upsample))) >> params.upsample;
    let from_pixel = (n * params.in_height + from_row) * params.in_width + from_column;
    store_y(i, load_x(from_pixel * params.quads + quad));
}
