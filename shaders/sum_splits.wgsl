// y[i] = scale * sum over s of partials[s, i].
//
//   partials [splits, total], y [total] vec4
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
struct Params {
    total: u32,
    splits: u32,
    scale: f32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + invocation;
    if (i >= params.total) {
        return;
    }
    var sum = partials[i];
    for (var s = 1u; s < params.splits; s += 1u) {
        sum += partials[s * params.total + i];
    }
    y[i] = params.scale * sum;
}
