// The dot product of two tensors, in parts: y[group] = sum over this workgroup's share of a b
//
//   a, b [total] vec4, y [workgroups], in .x
//
// Launch: as many workgroups in x as there are to be parts.
struct Params {
    total: u32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    var sum = 0.0;
    for (var i = group.x * 256u + lane; i < params.total; i += groups.x * 256u) {
        sum += dot(a[i], b[i]);
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
        y[group.x] = vec4f(sums[0], 0.0, 0.0, 0.0);
    }
}
