// The products along the columns of two matrices of one shape, for the power iteration of two weights in one launch:
//
//   y[k, s, c] = sum over the rows r of split s of x_k[r] w_k[r, c]
//
//   x_k [rows/4], w_k [rows, columns] vec4, y [2, splits, columns]; spectral_iteration.wgsl adds the splits
//
// Launch: workgroups of COLUMNS columns x ROWS rows in x, the matrices in y, splits in z. With one row an invocation
// sums alone: see reduce.wgsl.
struct Params {
    columns: u32,
    rows: u32,
    split: u32, // rows in a split
    second: u32, // where x_1 begins in its binding
}

@group(0) @binding(0) var<uniform> params: Params;
#for k in 0..2
@group(0) @binding(${1 + 2 * k}) var<storage, read> x_${k}: array<vec4f>;
@group(0) @binding(${2 + 2 * k}) var<storage, read> w_${k}: array<vec4f>;
#endfor
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;

#if ROWS - 1
var<workgroup> sums: array<vec4f, ${COLUMNS * ROWS}>;
#endif

@compute @workgroup_size(${COLUMNS}, ${ROWS})
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let quad = group.x * ${COLUMNS}u + local.x;
    let column = min(quad, params.columns - 1u);
    let first = group.z * params.split + local.y;
    let end = min((group.z + 1u) * params.split, params.rows);
    var sum = vec4f(0.0);
#for k in 0..2
    if (group.y == ${k}u) {
        for (var r = first; r < end; r += ${ROWS}u) {
            sum = fma(vec4f(x_${k}[${k}u * params.second + r / 4u][r % 4u]), w_${k}[r * params.columns + column], sum);
        }
    }
#endfor
#if ROWS - 1
    sums[invocation] = sum;
    workgroupBarrier();
    for (var half = ${ROWS / 2}u; half > 0u; half /= 2u) {
        if (local.y < half) {
            sums[invocation] += sums[invocation + half * ${COLUMNS}u];
        }
        workgroupBarrier();
    }
    sum = sums[invocation];
#endif
    if (local.y == 0u && quad < params.columns) {
        y[(group.y * groups.z + group.z) * params.columns + quad] = sum;
    }
}
