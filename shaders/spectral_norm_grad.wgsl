// The gradient at W of W / sigma with sigma = u . (W v):
//
//   y[r, c] = g[r, c] / sigma - product / sigma^2 * p[r] q[c]
//
// with product = sum of g W, which is there in parts. W lies as rows x columns: of a linear layer rows are its outputs
// (p = u, q = v), of a convolution its inputs (p = v, q = u).
//
//   g, y [rows, columns] vec4; p [rows/4], q [columns]; sigma [1], product [parts] in .x
//
// Launch: one invocation per vec4, workgroups in x and y. JOINED 1: they add the parts together, else each alone: see
// reduce.wgsl.

struct Params {
    total: u32,
    columns: u32,
    p_quads: u32,
    parts: u32, // at most 256
    accumulate: u32, // 1: added to what y holds
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read> sigma: array<vec4f>;
@group(0) @binding(3) var<storage, read> product: array<vec4f>;
@group(0) @binding(4) var<storage, read> p: array<vec4f>;
@group(0) @binding(5) var<storage, read> q: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4f>;

#if JOINED
var<workgroup> sums: array<f32, 256>;
#endif

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let i = (group.y * groups.x + group.x) * 256u + invocation;
#if JOINED
    sums[invocation] = 0.0;
    if (invocation < params.parts) {
        sums[invocation] = product[invocation].x;
    }
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (invocation < half) {
            sums[invocation] += sums[invocation + half];
        }
        workgroupBarrier();
    }
    let sum = sums[0];
#else
    var sum = product[0].x;
    for (var part = 1u; part < params.parts; part += 1u) {
        sum += product[part].x;
    }
#endif
    if (i >= params.total) {
        return;
    }
    let s = sigma[0].x;
    let row = i / params.columns;
    // Rows that pad a linear layer's weight have no u.
    var factor = 0.0;
    if (row / 4u < params.p_quads) {
        factor = sum / (s * s) * p[row / 4u][row % 4u];
    }
    var v = g[i] / s - factor * q[i % params.columns];
    if (params.accumulate != 0u) {
        v += y[i];
    }
    y[i] = v;
}
