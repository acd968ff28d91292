// A loss over all elements, in y[0].x:
//
//   MODE 0: mean (x - target)^2    MODE 1: mean |x - t|
//   MODE 2: mean of max(x, 0) - x target + ln(1 + exp(-|x|))
//   MODE 3: mean x                MODE 4: mean max(1 - target x, 0)
//
//   x and t [pixels, quads] vec4 of `channels` channels; y [1]
//
// Launch: one workgroup.
#if MODE == 4
#import shared/nan.wgsl
#endif

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

var<workgroup> sums: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec4f(0.0);
    for (var i = lane; i < params.total; i += 256u) {
        let c = vec4u(4u * (i % params.quads)) + vec4u(0u, 1u, 2u, 3u);
        let v = x[i];
#if MODE == 0
        let term = (v - params.target_value) * (v - params.target_value);
#endif
#if MODE == 1
        let term = abs(v - t[i]);
#endif
#if MODE == 2
        let term = max(v, vec4f(0.0)) - v * params.target_value + log(1.0 + exp(-abs(v)));
#endif
#if MODE == 3
        let term = v;
#endif
#if MODE == 4
        let term = at_least_zero(1.0 - params.target_value * v);
#endif
        sum += select(vec4f(0.0), term, c < vec4u(params.channels));
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
        y[0] = vec4f(params.scale * dot(sums[0], vec4f(1.0)), 0.0, 0.0, 0.0);
    }
}
