// MODE 0: y = x    MODE 1: y += x    MODE 2: y = x, but not where the report says that the run
// has halted (see step_report.wgsl; the other modes do not read it)
//
//   x, y [total] vec4
//
// Launch: one invocation per vec4, workgroups in x and y.
struct Params {
    total: u32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
#if MODE == 2
@group(0) @binding(2) var<storage, read> report: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
#else
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
#endif

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let i = (group.y * groups.x + group.x) * 256u + invocation;
    if (i >= params.total) {
        return;
    }
#if MODE == 0
    y[i] = x[i];
#endif
#if MODE == 1
    y[i] += x[i];
#endif
#if MODE == 2
    if (report[0].x == 0.0) {
        y[i] = x[i];
    }
#endif
}
