// The gradient at a weight that goes through the sigmas of two batches, or added to y if `accumulate`:
//
//   y[r, c] = factors.x * p_0[r] q_0[c] + factors.y * p_1[r] q_1[c]
//
// The weight lies as rows x columns: of a linear layer rows are its outputs (p = u, q = v), of a convolution its inputs
// (p = v, q = u).
//
//   factors [1]; p_k [rows/4], q_k [columns]; y [rows, columns] vec4
//
// Launch: one invocation per vec4, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    total: u32,
    columns: u32,
    p_quads: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> factors: array<vec4f>;
@group(0) @binding(2) var<storage, read> p_0: array<vec4f>;
@group(0) @binding(3) var<storage, read> q_0: array<vec4f>;
@group(0) @binding(4) var<storage, read> p_1: array<vec4f>;
@group(0) @binding(5) var<storage, read> q_1: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    let row = i / params.columns;
    let column = i % params.columns;
    // Rows that pad a linear layer's weight have no u.
    var v = vec4f(0.0);
    if (row / 4u < params.p_quads) {
        let of_row = factors[0].xy * vec2f(p_0[row / 4u][row % 4u], p_1[row / 4u][row % 4u]);
        v = of_row.x * q_0[column] + of_row.y * q_1[column];
    }
    if (params.accumulate != 0u) {
        v += y[i];
    }
    y[i] = v;
}
