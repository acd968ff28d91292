// CHANNELS 0: y[n, p, c] = scale * x[n, c]: the gradient of average pooling.
// CHANNELS 1: y[p, c] = x[p, 0] for c < C, 0 for what pads: the gradient of a sum over channels.
//
//   x [N, C/4] or [pixels, 1], y [N, pixels, C/4]
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    total: u32,
    pixels: u32,
    channels: u32,
    quads: u32,
    scale: f32,
    accumulate: u32, // of CHANNELS 0: added to what y holds
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
#if CHANNELS
    let c = vec4u(4u * (i % params.quads)) + vec4u(0u, 1u, 2u, 3u);
    y[i] = select(vec4f(0.0), vec4f(x[i / params.quads].x), c < vec4u(params.channels));
#else
    var v = params.scale * x[i / (params.pixels * params.quads) * params.quads + i % params.quads];
    if (params.accumulate != 0u) {
        v += y[i];
    }
    y[i] = v;
#endif
}
