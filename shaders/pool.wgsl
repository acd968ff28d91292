// The second half of global pooling: y[n, c] = scale * (sum or maximum over chunks of
// partials[n, chunk, c]).
//
//   MODE 1: sum (scale 1 / (H W) makes it the mean), MODE 2: maximum
//   partials [N, chunks, C/4], y [N, C/4]
//
// Launch: one invocation per vec4 of y.
#import shared/nan.wgsl

struct Params {
    total: u32, // N C/4
    quads: u32,
    chunks: u32,
    scale: f32,
    accumulate: u32, // of MODE 1: added to what y holds
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= params.total) {
        return;
    }
    let first = id.x / params.quads * params.chunks * params.quads + id.x % params.quads;
    var value = partials[first];
    for (var i = 1u; i < params.chunks; i += 1u) {
#if MODE == 1
        value += partials[first + i * params.quads];
#else
        value = larger(value, partials[first + i * params.quads]);
#endif
    }
    value *= params.scale;
#if MODE == 1
    if (params.accumulate != 0u) {
        value += y[id.x];
    }
#endif
    y[id.x] = value;
}
