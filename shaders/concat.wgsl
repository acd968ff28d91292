// y[n, j] = a[n, j] for j < A, b[n, j - A] for j < A + B, else 0: columns side by side. Of pictures n is a
// pixel of a sample, j a channel.
//
//   a [N, A/4], b [N, B/4], y [N, (A+B)/4]
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    a_columns: u32,
    b_columns: u32,
    a_quads: u32,
    b_quads: u32,
    y_quads: u32,
    total: u32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read a 1
#tensor read b 2
#tensor write y 3

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    let n = i / params.y_quads;
    var v = vec4f(0.0);
    for (var c = 0u; c < 4u; c += 1u) {
        let j = 4u * (i % params.y_quads) + c;
        if (j < params.a_columns) {
            v[c] = load_a(n * params.a_quads + j / 4u)[j % 4u];
        } else if (j < params.a_columns + params.b_columns) {
            let k = j - params.a_columns;
            v[c] = load_b(n * params.b_quads + k / 4u)[k % 4u];
        }
    }
    store_y(i, v);
}
