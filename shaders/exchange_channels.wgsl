// y[tap, o, i] = w[tap, i, o]: the weight of a convolution with its channels exchanged, for the
// adjoint in the input.
//
//   w [taps, I, O/4] (I padded), y [taps, O, I/4] (O padded)
//
// Launch: one invocation per 4x4 block: taps * I/4 * O/4, workgroups in x and y.
struct Params {
    in_quads: u32,
    out_quads: u32,
    total: u32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let block = (group.y * groups.x + group.x) * 64u + invocation;
    if (block >= params.total) {
        return;
    }
    let tap = block / (params.in_quads * params.out_quads);
    let i = block / params.out_quads % params.in_quads;
    let o = block % params.out_quads;
    let first = tap * 4u * params.in_quads * params.out_quads;
    let read = first + 4u * i * params.out_quads + o;
    let block_t = transpose(mat4x4f(
        w[read],
        w[read + params.out_quads],
        w[read + 2u * params.out_quads],
        w[read + 3u * params.out_quads],
    ));
    let write = first + 4u * o * params.in_quads + i;
#for c in 0..4
    y[write + ${c}u * params.in_quads] = block_t[${c}];
#endfor
}
