// The adjoint of resample.wgsl: each element of y gets the sum of its copies in g.
//
//   g [splits, N, (H << upsample) + 2 pad, (W << upsample) + 2 pad, C/4], y [N, H, W, C/4]
//
// Where g was computed in parts (shared/conv2d.wgsl), their sum is taken for it.
//
// On an axis of `extent`, doubled or not, element i was copied to i + pad, and if it is among
// the first or last `pad` beside the border also to its mirror image.
//
// MORE 1: to the sum is added what y holds, if `accumulate` is 1, or it is the gradient behind an activation whose
// result is `result` [as y], and y that before it.
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#if MORE
#import shared/activation_grad.wgsl
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
    reserved: u32,
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

// The three places of element i of an axis of `extent` in g: itself, its mirror image at the
// beginning, at the end; -1 where there is none.
fn places(i: i32, extent: i32) -> array<i32, 3> {
    let pad = i32(params.pad);
    return array<i32, 3>(
        i + pad,
        select(-1, pad - i, i >= 1 && i <= pad),
        select(-1, pad + 2 * (extent - 1) - i, i >= extent - 1 - pad && i <= extent - 2),
    );
}

fn each(at: u32) {
    if (at >= params.total) {
        return;
    }
    let quad = at % params.quads;
    let pixel = at / params.quads;
    let n = pixel / (params.height * params.width);
    let height = i32(params.height << params.upsample);
    let width = i32(params.width << params.upsample);
    let copies = 1 << params.upsample;
    var sum = vec4f(0.0);
    for (var a = 0; a < copies; a += 1) {
        var rows = places(i32(pixel / params.width % params.height) * copies + a, height);
        for (var b = 0; b < copies; b += 1) {
            var columns = places(i32(pixel % params.width) * copies + b, width);
            for (var r = 0; r < 3; r += 1) {
                for (var c = 0; c < 3; c += 1) {
                    if (rows[r] >= 0 && columns[c] >= 0) {
                        let from_row = n * u32(height + 2 * i32(params.pad)) + u32(rows[r]);
                        let from_pixel = from_row * u32(width + 2 * i32(params.pad)) + u32(columns[c]);
                        for (var s = 0u; s < params.splits; s += 1u) {
                            sum += load_g(s * params.split_stride + from_pixel * params.quads + quad);
                        }
                    }
                }
            }
        }
    }
#if MORE
    sum = before_activation(sum, load_result(at), params.activation, params.slope);
    if (params.accumulate != 0u) {
        sum += y[at];
    }
    y[at] = sum;
#else
    store_y(at, sum);
#endif
}
