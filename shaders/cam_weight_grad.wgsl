// The gradients of cam_weight.wgsl. With G = g [C, O/4] (rows padded):
//
//   MIX 1: y[i, o] = G[i, o] gap[i], y[C + i, o] = G[i, o] gmp[i]       y [2C, O/4] (rows padded)
//   MIX 0: y[0, i] = sum over o of G[i, o] mix[first_row + i, o]        y [1, C/4] (rows padded)
//
// Launch: MIX 1: one invocation per vec4 of y; MIX 0: one workgroup per vec4 of y, 16 invocations for each of its
// components.
#if MIX
#import shared/spread.wgsl
#endif

struct Params {
    total: u32,
    channels: u32,
    out_quads: u32,
    columns: u32,
    first_row: u32,
    accumulate: u32, // 1: added to what y holds
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read> mix_weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> gap: array<vec4f>;
@group(0) @binding(4) var<storage, read> gmp: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;

#if MIX
fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    var v = vec4f(0.0);
    let row = i / params.out_quads;
    let o = i % params.out_quads;
    if (row < params.channels) {
        v = g[row * params.out_quads + o] * gap[row / 4u][row % 4u];
    } else if (row < 2u * params.channels) {
        let c = row - params.channels;
        v = g[c * params.out_quads + o] * gmp[c / 4u][c % 4u];
    }
    if (params.accumulate != 0u) {
        v += y[i];
    }
    y[i] = v;
}
#else
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let i = group.y * groups.x + group.x;
    let c = 4u * i + invocation % 4u;
    var sum = 0.0;
    // y has rows that only pad it.
    if (i < params.columns && c < params.channels) {
        for (var o = invocation / 4u; o < params.out_quads; o += 16u) {
            sum += dot(g[c * params.out_quads + o], mix_weight[(params.first_row + c) * params.out_quads + o]);
        }
    }
    sums[invocation] = sum;
    workgroupBarrier();
    for (var half = 32u; half >= 4u; half /= 2u) {
        if (invocation < half) {
            sums[invocation] += sums[invocation + half];
        }
        workgroupBarrier();
    }
    if (invocation == 0u && i < params.total) {
        var v = vec4f(sums[0], sums[1], sums[2], sums[3]);
        if (params.accumulate != 0u) {
            v += y[i];
        }
        y[i] = v;
    }
}
#endif
