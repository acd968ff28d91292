// y[p] = (sum over c of x[p, c], 0, 0, 0): the attention heat-map.
//
//   x [pixels, C/4], y [pixels, 1]
//
// Launch: a workgroup of 16 lanes x 16 pixels; ceil(pixels / 16) in x and y.
struct Params {
    pixels: u32,
    quads: u32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
#tensor write y 2

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let p = (group.y * groups.x + group.x) * 16u + local.y;
    var sum = vec4f(0.0);
    for (var q = local.x; p < params.pixels && q < params.quads; q += 16u) {
        sum += load_x(p * params.quads + q);
    }
    sums[invocation] = dot(sum, vec4f(1.0));
    workgroupBarrier();
    for (var half = 8u; half > 0u; half /= 2u) {
        if (local.x < half) {
            sums[invocation] += sums[invocation + half];
        }
        workgroupBarrier();
    }
    if (local.x == 0u && p < params.pixels) {
        store_y(p, vec4f(sums[invocation], 0.0, 0.0, 0.0));
    }
}
