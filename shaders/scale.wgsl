// MODE 0: y = factor * x    MODE 1: y = x / divisor[0].x    MODE 2: y = max(x - factor, 0), factor >= 0
//
//   x, y [total] vec4
//
// Launch: one invocation per vec4, workgroups in x and y.
#if MODE == 2
#import shared/nan.wgsl
#endif
#import shared/spread.wgsl

struct Params {
    total: u32,
    factor: f32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
#if MODE == 1
@group(0) @binding(2) var<storage, read> divisor: array<vec4f>;
#tensor write y 3
#else
#tensor write y 2
#endif

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
#if MODE == 0
    store_y(i, params.factor * load_x(i));
#endif
#if MODE == 1
    store_y(i, load_x(i) / divisor[0].x);
#endif
#if MODE == 2
    store_y(i, at_least_zero(load_x(i) - params.factor));
#endif
}
