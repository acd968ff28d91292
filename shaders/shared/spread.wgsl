// An entry point that calls `each(i)` for every i from 0 on: one invocation for each, workgroups in
// x and y where they are more than one dimension holds. There may be more invocations than work;
// `each` has to look.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    each((group.y * groups.x + group.x) * 256u + invocation);
}
