// The gradient of a loss (shared/loss.wgsl) at x, times `scale` (the loss's weight over the elements).
//
//   x, t, y [pixels, quads] vec4 of `channels` channels; what pads them stays zero. x is read from vec4 number `first` on.
//
// Launch: one invocation per vec4, workgroups in x and y.
#import shared/loss.wgsl
#import shared/spread.wgsl

struct Params {
    total: u32,
    quads: u32,
    channels: u32,
    target_value: f32,
    scale: f32,
    first: u32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> t: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    let v = x[params.first + i];
#if MODE == 1
    let other = t[i];
#else
    let other = v;
#endif
    y[i] = select(vec4f(0.0), params.scale * slope_of(v, other), is_channel(i));
}
