// The gradients of loss.wgsl at x, times `scale` (the loss's weight over the elements):
//
//   MODE 0: 2 (x - target)    MODE 1: sign(x - t), 0 at 0 and NaN    MODE 2: 1 / (1 + exp(-x)) - target
//   MODE 3: 1    MODE 4: -target where 1 - target x > 0 or x is NaN, else 0
//
//   x, t, y [pixels, quads] vec4 of `channels` channels; what pads them stays zero
//
// Launch: one invocation per vec4, workgroups in x and y.
#import shared/nan.wgsl
#import shared/spread.wgsl

struct Params {
    total: u32,
    quads: u32,
    channels: u32,
    target_value: f32,
    scale: f32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> t: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    let c = vec4u(4u * (i % params.quads)) + vec4u(0u, 1u, 2u, 3u);
    let v = x[i];
#if MODE == 0
    let slope = 2.0 * (v - params.target_value);
#endif
#if MODE == 1
    let slope = select(sign(v - t[i]), vec4f(0.0), is_nan(v - t[i]));
#endif
#if MODE == 2
    let slope = 1.0 / (1.0 + exp(-v)) - params.target_value;
#endif
#if MODE == 3
    let slope = vec4f(1.0);
#endif
#if MODE == 4
    let free = (1.0 - params.target_value * v <= vec4f(0.0)) & !is_nan(v);
    let slope = select(vec4f(-params.target_value), vec4f(0.0), free);
#endif
    y[i] = select(vec4f(0.0), params.scale * slope, c < vec4u(params.channels));
}
