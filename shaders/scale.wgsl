// BY_TENSOR 0: y = factor * x    BY_TENSOR 1: y = x / divisor[0].x
//
//   x, y [total] vec4
//
// Launch: one invocation per vec4, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    total: u32,
    factor: f32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
#if BY_TENSOR
@group(0) @binding(2) var<storage, read> divisor: array<vec4f>;
#tensor write y 3
#else
#tensor write y 2
#endif

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
#if BY_TENSOR
    store_y(i, load_x(i) / divisor[0].x);
#else
    store_y(i, params.factor * load_x(i));
#endif
}
