// What one player's turn was like, and whether the run goes on.
//
//   report[0]             (1 if the run has halted else 0, 0, 0, 0)
//   report[first]         (1 + the first term that is not finite, 1 + the first block of
//                         gradients that is not, 0, 0); 0 where all are
//   report[first + 1]     of each of up to four networks the sum of squares of its gradients
//   report[first + 2 + k] scale * terms 4 k .. 4 k + 3
//
// Where a term or a block is not finite, the run halts. Once it has halted, the report stays as
// it is.
//
//   terms [terms, stride], each in its first .x; partials: see gradient_squares.wgsl
//
// Launch: one workgroup.
struct Params {
    first: u32,
    terms: u32, // at most 256
    stride: u32,
    scale: f32,
    end_0: u32, // the blocks of each network end here
    end_1: u32,
    end_2: u32,
    end_3: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> terms: array<vec4f>;
@group(0) @binding(2) var<storage, read> partials: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> report: array<vec4f>;

const NONE: u32 = 0xffffffffu;

var<workgroup> sums: array<vec4f, 256>;
var<workgroup> broken_blocks: array<u32, 256>;

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

fn term(k: u32) -> f32 {
    if (k >= params.terms) {
        return 0.0;
    }
    return params.scale * terms[k * params.stride].x;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec4f(0.0);
    var broken = NONE;
    for (var i = lane; i < params.end_3; i += 256u) {
        let partial = partials[i];
        let network = select(0u, 1u, i >= params.end_0) + select(0u, 1u, i >= params.end_1)
            + select(0u, 1u, i >= params.end_2);
        // Not `sum[network] +=`: FXC cannot write a component by an index.
        sum += select(vec4f(0.0), vec4f(partial.x), vec4u(0u, 1u, 2u, 3u) == vec4u(network));
        if (partial.y != 0.0) {
            broken = min(broken, i);
        }
    }
    sums[lane] = sum;
    broken_blocks[lane] = broken;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
            broken_blocks[lane] = min(broken_blocks[lane], broken_blocks[lane + half]);
        }
        workgroupBarrier();
    }
    if (lane == 0u && report[0].x == 0.0) {
        var broken_term = NONE;
        for (var k = 0u; k < params.terms; k += 1u) {
            if (!is_finite(terms[k * params.stride].x)) {
                broken_term = min(broken_term, k);
            }
        }
        if (broken_term != NONE || broken_blocks[0] != NONE) {
            report[0] = vec4f(1.0, 0.0, 0.0, 0.0);
        }
        // 1 + NONE is 0.
        report[params.first] = vec4f(f32(broken_term + 1u), f32(broken_blocks[0] + 1u), 0.0, 0.0);
        report[params.first + 1u] = sums[0];
        for (var k = 0u; k < (params.terms + 3u) / 4u; k += 1u) {
            report[params.first + 2u + k] =
                vec4f(term(4u * k), term(4u * k + 1u), term(4u * k + 2u), term(4u * k + 3u));
        }
    }
}
