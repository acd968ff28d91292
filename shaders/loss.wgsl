// The mean over all elements of a loss (shared/loss.wgsl), in value[0].x; with GRADIENT = 1 its gradient at x too, times
// `grad_scale` (the loss's weight over the elements).
//
//   x, t, y [pixels, quads] vec4 of `channels` channels; value [1]
//
// The pixels may be some samples of more: x is read from vec4 number `first` on, t from the beginning. Its gradient may be one at
// all of them: then y has `whole` vec4s, and is zero outside of those from `to` on, or nothing is added there if `accumulate`.
//
// Launch: one workgroup.
#import shared/loss.wgsl

struct Params {
    total: u32,
    quads: u32,
    channels: u32,
    target_value: f32,
    scale: f32,
    first: u32,
    grad_scale: f32,
    to: u32,
    whole: u32,
    accumulate: u32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> t: array<vec4f>;
#if GRADIENT
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
#endif
@group(0) @binding(${3 + GRADIENT}) var<storage, read_write> value: array<vec4f>;

var<workgroup> sums: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec4f(0.0);
#if GRADIENT
    for (var at = lane; at < params.whole; at += 256u) {
        let i = at - params.to; // In front of them that is a huge number.
        if (i >= params.total) {
            if (params.accumulate == 0u) {
                y[at] = vec4f(0.0);
            }
            continue;
        }
#else
    for (var i = lane; i < params.total; i += 256u) {
#endif
        let v = x[params.first + i];
#if MODE == 1
        let other = t[i];
#else
        let other = v;
#endif
        sum += select(vec4f(0.0), loss_of(v, other), is_channel(i));
#if GRADIENT
        var g = select(vec4f(0.0), params.grad_scale * slope_of(v, other), is_channel(i));
        if (params.accumulate != 0u) {
            g += y[at];
        }
        y[at] = g;
#endif
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        value[0] = vec4f(params.scale * dot(sums[0], vec4f(1.0)), 0.0, 0.0, 0.0);
    }
}
