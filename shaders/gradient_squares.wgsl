// Of each block of 256 vec4s of the gradients:
//
//   y[block] = (sum of (scale g)^2, 1 if one of them is NaN or infinite else 0, 0, 0)
//
// A block belongs to one tensor. What is not finite is told by its bits: compilers may take it
// that no number is NaN.
//
//   g [blocks, 256] vec4, y [blocks]
//
// Launch: one workgroup per block, in x and y.
struct Params {
    blocks: u32,
    first_block: u32, // in y
    scale: f32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

var<workgroup> sums: array<vec2f, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = group.y * groups.x + group.x;
    var sum = 0.0;
    var broken = false;
    if (block < params.blocks) {
        for (var k = 0u; k < 4u; k += 1u) {
            let x = g[block * 256u + k * 64u + lane];
            broken = broken || any((bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u));
            let scaled = params.scale * x;
            sum += dot(scaled, scaled);
        }
    }
    sums[lane] = vec2f(sum, f32(broken));
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if (lane == 0u && block < params.blocks) {
        y[params.first_block + block] = vec4f(sums[0].x, min(sums[0].y, 1.0), 0.0, 0.0);
    }
}
