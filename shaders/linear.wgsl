// y[n, m] = act(bias[m] + sum over k of x[n, k] w[m, k])
//
//   x [N, K/4], w [rows, K/4] (rows a multiple of 4; a block of a larger matrix), bias [M/4]
//   (read only if `has_bias`), y [N, M/4] of which this block is written from `first_quad` on;
//   divisor_0, divisor_1 [1] in .x: of the sums of the first `divides` rows, and of those behind them (read only if `divides`)
//
// With BITS = 8 or 4 the weight is quantised (src/quantized.rs): w [rows, K * BITS / 128] of whole numbers, whose
// blocks of BLOCK numbers have a scale each, scales [M, blocks / 2] of two bf16. They are unpacked as they are
// multiplied: vec4u number k of a row has 128 / BITS numbers of one block.
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
    blocks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
#if BITS == 32
#tensor read w 2
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> divisor_0: array<vec4f>;
@group(0) @binding(5) var<storage, read> divisor_1: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4f>;
#else
@group(0) @binding(2) var<storage, read> w: array<vec4u>;
@group(0) @binding(3) var<storage, read> scales: array<u32>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;

// Scale number i: a bf16 is the upper half of an f32.
fn scale(i: u32) -> f32 {
    let pair = scales[i / 2u];
    return bitcast<f32>(select(pair << 16u, pair & 0xffff0000u, i % 2u != 0u));
}

#if BITS == 8
// The four numbers of 8 bits of a word.
fn whole(word: u32) -> vec4f {
    return vec4f((vec4i(i32(word)) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u));
}
#else
// Four numbers of 4 bits of a word: the lower halves of its bytes, or, with 4 bits less to shift, the upper ones.
fn whole(word: u32, less: u32) -> vec4f {
    return vec4f((vec4i(i32(word)) << (vec4u(28u, 20u, 12u, 4u) - less)) >> vec4u(28u));
}
#endif
#endif

var<workgroup> sums: array<vec4f, ${LANES}>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let x_row = group.y * params.in_quads;
#if BITS == 32
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
#else
    let vectors = params.in_quads / ${32 / BITS}u;
    let w_row = 4u * group.x * vectors;
    // Those of this block of rows among those of the whole matrix.
    let first_scale = 4u * (params.first_quad + group.x) * params.blocks;
    var sum = vec4f(0.0);
    for (var k = lane; k < vectors; k += ${LANES}u) {
        let at = x_row + k * ${32 / BITS}u;
#for row in 0..4
        let w${row} = w[w_row + ${row}u * vectors + k];
#endfor
        var part = vec4f(0.0);
        var v: vec4f;
#for word in 0..4
        v = load_x(at + ${word}u);
#if BITS == 8
        part += vec4f(
            dot(v, whole(w0[${word}])),
            dot(v, whole(w1[${word}])),
            dot(v, whole(w2[${word}])),
            dot(v, whole(w3[${word}])),
        );
#else
        part += vec4f(
            dot(v, whole(w0[${word}], 0u)),
            dot(v, whole(w1[${word}], 0u)),
            dot(v, whole(w2[${word}], 0u)),
            dot(v, whole(w3[${word}], 0u)),
        );
        v = load_x(at + ${word + 4}u);
        part += vec4f(
            dot(v, whole(w0[${word}], 4u)),
            dot(v, whole(w1[${word}], 4u)),
            dot(v, whole(w2[${word}], 4u)),
            dot(v, whole(w3[${word}], 4u)),
        );
#endif
#endfor
        let i = first_scale + k / ${BLOCK * BITS / 128}u;
        sum += part * vec4f(
            scale(i),
            scale(i + params.blocks),
            scale(i + 2u * params.blocks),
            scale(i + 3u * params.blocks),
        );
    }
#endif
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
#if BITS == 32
        if (params.divides != 0u) {
            if (group.y < params.divides) {
                v /= divisor_0[0].x;
            } else {
                v /= divisor_1[0].x;
            }
        }
#endif
        if (params.has_bias != 0u) {
            v += bias[quad];
        }
        y[group.y * params.out_quads + quad] = activate(v, params.activation, params.slope);
    }
}
