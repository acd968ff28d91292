// ADD 0: y = act(a)    ADD 1: y = a + b
//
//   a, b, y [total] vec4
//
// Launch: one invocation per vec4, workgroups in x and y.
#import shared/activation.wgsl
#import shared/spread.wgsl

struct Params {
    total: u32,
    activation: u32,
    slope: f32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read a 1
#if ADD
#tensor read b 2
#tensor write y 3
#else
#tensor write y 2
#endif

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
#if ADD
    store_y(i, load_a(i) + load_b(i));
#else
    store_y(i, activate(load_a(i), params.activation, params.slope));
#endif
}
