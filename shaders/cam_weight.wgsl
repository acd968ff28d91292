// out[i, o] = mix[i, o] gap[i] + mix[C + i, o] gmp[i]: the CAM block's 1x1 kernel with the
// classifier's weights multiplied in, zero for the rows that pad C to a multiple of four.
//
//   mix [2C, O/4] (rows padded), gap and gmp [C/4], out [C, O/4] (rows padded)
//
// Launch: one invocation per vec4 of out.
struct Params {
    channels: u32,
    out_quads: u32,
    total: u32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mix_weight: array<vec4f>;
@group(0) @binding(2) var<storage, read> gap: array<vec4f>;
@group(0) @binding(3) var<storage, read> gmp: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= params.total) {
        return;
    }
    let i = id.x / params.out_quads;
    let o = id.x % params.out_quads;
    var v = vec4f(0.0);
    if (i < params.channels) {
        v = mix_weight[i * params.out_quads + o] * gap[i / 4u][i % 4u]
            + mix_weight[(params.channels + i) * params.out_quads + o] * gmp[i / 4u][i % 4u];
    }
    out[id.x] = v;
}
