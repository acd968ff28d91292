// y[n, k] = sum over m of g[n, m] w[m, k], or added to y if `accumulate`: a block of rows of w,
// from `first_row` of g on.
//
//   g [N, g_quads], w [rows, K/4], y [N, K/4]
//
// Launch: one invocation per vec4 of a row of y in x, N in y.
struct Params {
    in_quads: u32,
    g_quads: u32,
    rows: u32,
    first_row: u32,
    accumulate: u32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= params.in_quads) {
        return;
    }
    var sum = vec4f(0.0);
    for (var m = 0u; m < params.rows; m += 1u) {
        let at = params.first_row + m;
        sum = fma(vec4f(g[id.y * params.g_quads + at / 4u][at % 4u]), w[m * params.in_quads + id.x], sum);
    }
    let to = id.y * params.in_quads + id.x;
    if (params.accumulate != 0u) {
        sum += y[to];
    }
    y[to] = sum;
}
