// The products along the rows of two matrices of one shape, for the power iteration of two weights in one launch:
//
//   y[k, r] = sum over c of w_k[r, c] x_k[c]
//
//   x_k [columns], w_k [rows, columns] vec4 (rows a multiple of 4), y [2, rows/4]
//
// Launch: one workgroup per four rows in x, the matrices in y.
struct Params {
    columns: u32,
    row_quads: u32,
    second: u32, // where x_1 begins in its binding
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#for k in 0..2
@group(0) @binding(${1 + 2 * k}) var<storage, read> x_${k}: array<vec4f>;
@group(0) @binding(${2 + 2 * k}) var<storage, read> w_${k}: array<vec4f>;
#endfor
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;

var<workgroup> sums: array<vec4f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let row = 4u * group.x * params.columns;
    var sum = vec4f(0.0);
#for k in 0..2
    if (group.y == ${k}u) {
        for (var i = lane; i < params.columns; i += 64u) {
            let v = x_${k}[${k}u * params.second + i];
            let at = row + i;
            sum += vec4f(
                dot(v, w_${k}[at]),
                dot(v, w_${k}[at + params.columns]),
                dot(v, w_${k}[at + 2u * params.columns]),
                dot(v, w_${k}[at + 3u * params.columns]),
            );
        }
    }
#endfor
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        y[group.y * params.row_quads + group.x] = sums[0];
    }
}
