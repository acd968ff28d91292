// y[n, k] = sum over m of g[n, m] w[m, k], or added to y if `accumulate`: a block of rows of w,
// from `first_row` of g on.
//
//   g [N, g_quads], w [rows, K/4], divisor [1] in .x (read only if `divides`: of the sums), y [splits, N, K/4]
//
// Where y alone has too few results to keep a GPU busy, the rows are cut into splits of `split` rows, for
// sum_splits.wgsl to add.
//
// Launch: workgroups of COLUMNS vec4s of a row of y x ROWS rows of w in x, N in y, splits in z. With one row
// an invocation sums alone: see reduce.wgsl.
struct Params {
    in_quads: u32,
    g_quads: u32,
    rows: u32,
    first_row: u32,
    accumulate: u32,
    split: u32,
    divides: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> divisor: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;

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
    let column = min(quad, params.in_quads - 1u);
    let end = min((group.z + 1u) * params.split, params.rows);
    var sum = vec4f(0.0);
    for (var m = group.z * params.split + local.y; m < end; m += ${ROWS}u) {
        let at = params.first_row + m;
        sum = fma(vec4f(g[group.y * params.g_quads + at / 4u][at % 4u]), w[m * params.in_quads + column], sum);
    }
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
    if (local.y == 0u && quad < params.in_quads) {
        let to = (group.z * groups.y + group.y) * params.in_quads + quad;
        if (params.divides != 0u) {
            sum /= divisor[0].x;
        }
        if (params.accumulate != 0u) {
            sum += y[to];
        }
        y[to] = sum;
    }
}
