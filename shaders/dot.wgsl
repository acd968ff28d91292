// The dot product of two tensors, in two launches.
//
//   FINAL 0: y[group] = sum over this workgroup's share of a b       y [workgroups], in .x
//   FINAL 1: y[0] = sum over a[i].x                                  (b is not read)
//
//   a, b [total] vec4
//
// Launch: up to 256 workgroups in x; FINAL 1: one.
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
#if FINAL
        sum += a[i].x;
#else
        sum += dot(a[i], b[i]);
#endif
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
