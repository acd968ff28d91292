// The gradient at the weight of a 3x3 convolution behind nearest doubling, from those at the weights of the four convolutions of 2x2 that
// it is computed by: each of these is a sum of taps (SUBPIXEL in conv2d_fast_weight.wgsl), so a tap's gradient is the sum of those
// it is in, one of each phase (a, b),
//
//   y[p, q, i, o] = sum over splits s and phases of partials[s, a, b, (p + 1 - a) / 2, (q + 1 - b) / 2, i, o]
//
// with whole quotients; added to what y holds if `accumulate` is 1.
//
//   partials [splits, 2, 2, 2, 2, I, O/4] (conv2d_grad_weight.wgsl), y [3, 3, I, O/4], I padded to a multiple of 4
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    tap: u32, // vec4s of one tap
    splits: u32,
    accumulate: u32,
    reserved_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

fn each(at: u32) {
    if (at >= 9u * params.tap) {
        return;
    }
    let tap = vec2u(at / params.tap / 3u, at / params.tap % 3u);
    var sum = vec4f(0.0);
    for (var s = 0u; s < params.splits; s += 1u) {
#for a in 0..2
#for b in 0..2
        {
            let met = 2u * ((tap.x + ${1 - a}u) / 2u) + (tap.y + ${1 - b}u) / 2u;
            sum += partials[(16u * s + ${8 * a + 4 * b}u + met) * params.tap + at % params.tap];
        }
#endfor
#endfor
    }
    if (params.accumulate != 0u) {
        sum += y[at];
    }
    y[at] = sum;
}
