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
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
#if ADD
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
#else
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
#endif

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
#if ADD
    y[i] = a[i] + b[i];
#else
    y[i] = activate(a[i], params.activation, params.slope);
#endif
}
