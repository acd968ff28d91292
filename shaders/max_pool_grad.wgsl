// y[n, p, c] = g[n, c] where p is the first pixel in row-major order at which x[n, p, c] is
// largest, or the last at which it is NaN, if any is (as torch.nn.AdaptiveMaxPool2d); else 0.
// AT 1, the adjoint: y[n, c] = g[n, p, c] at that pixel.
//
//   x [N, pixels, C/4]; g [N, C/4] and y as x, or with AT 1 g as x and y [N, C/4]
//
// Launch: one workgroup per vec4 of [N, C/4].
#import shared/nan.wgsl

struct Params {
    pixels: u32,
    quads: u32,
    accumulate: u32, // of AT 0: added to what y holds
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
#tensor read x 2
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

var<workgroup> values: array<vec4f, 256>;
var<workgroup> places: array<vec4u, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let start = group.x / params.quads * params.pixels * params.quads + group.x % params.quads;
    // Lanes beyond the last pixel look at it too: a tie goes to the smaller place.
    var place = vec4u(min(lane, params.pixels - 1u));
    var value = load_x(start + place.x * params.quads);
    for (var p = lane + 256u; p < params.pixels; p += 256u) {
        let v = load_x(start + p * params.quads);
        let better = is_nan(v) | ((v > value) & !is_nan(value));
        place = select(place, vec4u(p), better);
        value = select(value, v, better);
    }
    values[lane] = value;
    places[lane] = place;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half) {
            let other = values[lane + half];
            let own = values[lane];
            let place = places[lane + half];
            let greater = (other > own) | ((other == own) & (place < places[lane]));
            let better = select(greater & !is_nan(own), !is_nan(own) | (place > places[lane]), is_nan(other));
            values[lane] = select(own, other, better);
            places[lane] = select(places[lane], place, better);
        }
        workgroupBarrier();
    }
#if AT
    if (lane == 0u) {
        let at = vec4u(start) + places[0] * params.quads;
        y[group.x] = vec4f(g[at.x].x, g[at.y].y, g[at.z].z, g[at.w].w);
    }
#else
    for (var p = lane; p < params.pixels; p += 256u) {
        var v = select(vec4f(0.0), g[group.x], places[0] == vec4u(p));
        if (params.accumulate != 0u) {
            v += y[start + p * params.quads];
        }
        y[start + p * params.quads] = v;
    }
#endif
}
