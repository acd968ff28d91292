// Pixels of RGBA8 in a u32 each, as they are sent and read back, and the vec4s that the network computes with.
//
//   FROM_BYTES 1: y[i] = (byte / 255 - 0.5) / 0.5 of red, green, blue; the fourth channel is padding, 0
//   FROM_BYTES 0: y[i] = the bytes of (x * 0.5 + 0.5) * 255, rounded half to even, of ((x + 1) / 2) * 255 cut off
//                 where `down`; opaque; NaN is 0
//
//   x, y [total] u32 or vec4
//
// Launch: one invocation per pixel, workgroups in x and y.
#import shared/nan.wgsl
#import shared/spread.wgsl

struct Params {
    total: u32,
    down: u32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#if FROM_BYTES
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
#else
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
#endif

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
#if FROM_BYTES
    let bytes = (vec3u(x[i]) >> vec3u(0u, 8u, 16u)) & vec3u(0xffu);
    y[i] = vec4f((vec3f(bytes) / 255.0 - 0.5) / 0.5, 0.0);
#else
    let value = x[i];
    let nearest = round((value * 0.5 + 0.5) * 255.0);
    let below = floor((value + 1.0) / 2.0 * 255.0);
    let held = clamp(select(nearest, below, params.down != 0u), vec4f(0.0), vec4f(255.0));
    let bytes = vec4u(select(held, vec4f(0.0), is_nan(value)));
    y[i] = bytes.r | (bytes.g << 8u) | (bytes.b << 16u) | 0xff000000u;
#endif
}
