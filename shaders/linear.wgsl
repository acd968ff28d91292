// y[n, m] = act(bias[m] + sum over k of x[n, k] w[m, k])
//
//   x [N, K/4], w [rows, K/4] (rows a multiple of 4; a block of a larger matrix), bias [M/4]
//   (read only if `has_bias`), divisor [1] in .x (only if `divides`: of the sums), y [N, M/4] of which this block is written from `first_quad` on.
//
// Launch: one workgroup per four rows in x, N in y.
#import shared/activation.wgsl

struct Params {
    in_quads: u32,
    out_quads: u32,
    first_quad: u32,
    has_bias: u32,
    activation: u32,
    slope: f32,
    divides: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
#tensor read w 2
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> divisor: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;

var<workgroup> sums: array<vec4f, ${LANES}>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let x_row = group.y * params.in_quads;
    let w_row = 4u * group.x * params.in_quads;
    var sum = vec4f(0.0);
    for (var k = lane; k < params.in_quads; k += ${LANES}u) {
        let v = load_x(x_row + k);
        let at = w_row + k;
        sum += vec4f(
            dot(v, load_w(at)),
            dot(v, load_w(at + params.in_quads)),
            dot(v, load_w(at + 2u * params.in_quads)),
            dot(v, load_w(at + 3u * params.in_quads)),
        );
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = ${LANES / 2}u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        let quad = params.first_quad + group.x;
        var v = sums[0];
        if (params.divides != 0u) {
            v /= divisor[0].x;
        }
        if (params.has_bias != 0u) {
            v += bias[quad];
        }
        y[group.y * params.out_quads + quad] = activate(v, params.activation, params.slope);
    }
}
