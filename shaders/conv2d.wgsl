// Convolution as an implicit matrix product, register tiles only.
//
//   y[n, oy, ox, o] = act(bias[o] + sum over ky, kx, i of
//                         X[n, stride oy + ky - pad, stride ox + kx - pad, i] w[ky, kx, i, o])
//
// X is x, doubled by nearest neighbour if `upsample` is 1, then reflected at its borders.
//
//   x     [N, H, W, I/4]          vec4 of four input channels
//   w     [KH, KW, I, O/4]        vec4 of four output channels, I padded to a multiple of 4
//   y     [N, OH, OW, O/4]
//   bias  [O/4], read only if `has_bias`; divisor_0, divisor_1 [1] in .x, read only if `divides`
//
// Launch: an invocation computes PIXELS pixels x QUADS vec4s of output channels. Workgroups
// cover ceil(pixels / (PIXELS LANES)) in x and z, ceil(O/4 / (QUADS ROWS)) in y; phases and splits in z.
//
// LOOPS = 1: for FXC, which unrolls a loop whose length it knows and takes minutes for the result.
// It does not know that `reserved` is 0.
#if !TRANSPOSED
#import shared/activation.wgsl
#endif
#import shared/conv2d.wgsl

@compute @workgroup_size(${LANES}, ${ROWS})
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
) {
    let split = group.z % params.splits;
    let z = group.z / params.splits;
    let phase = phase_of(z);
    let first = ((block_of(z) * groups.x + group.x) * ${LANES}u + local.x) * ${PIXELS}u;
    let first_quad = (group.y * ${ROWS}u + local.y) * ${QUADS}u;
    let pixels = pixel_count(phase);
    if (first >= pixels || first_quad >= params.out_quads) {
        return;
    }
#for p in 0..PIXELS
    let pixel_${p} = pixel(phase, min(first + ${p}u, pixels - 1u));
#endfor
#for q in 0..QUADS
    let column_${q} = min(first_quad + ${q}u, params.out_quads - 1u);
#for p in 0..PIXELS
    var sum_${p}_${q} = vec4f(0.0);
#endfor
#endfor

    let extent = taps(phase);
    let summed = part(split, extent.x * extent.y * params.in_quads);
    var at = summed.x;
    while (at < summed.y) {
        let tap = vec2u(at / params.in_quads / extent.y, at / params.in_quads % extent.y);
        let first_i = at % params.in_quads;
        let last_i = min(params.in_quads, first_i + summed.y - at);
        at += last_i - first_i;
#if TRANSPOSED
        let row = 4u * weight_tap(phase, tap) * params.out_quads;
#else
        var row = 4u * (weight_tap(phase, tap) * params.in_quads + first_i) * params.out_quads;
#endif
#for p in 0..PIXELS
        let from_${p} = source(pixel_${p}, tap);
#endfor
        for (var i = first_i; i < last_i; i += 1u) {
#if TRANSPOSED
#for p in 0..PIXELS
            let x_${p} = load(from_${p}, i);
#endfor
#for q in 0..QUADS
            {
                let at_w = (row + 4u * column_${q}) * params.in_quads + i;
                let w_0 = load_w(at_w);
                let w_1 = load_w(at_w + params.in_quads);
                let w_2 = load_w(at_w + 2u * params.in_quads);
                let w_3 = load_w(at_w + 3u * params.in_quads);
#for p in 0..PIXELS
                sum_${p}_${q} += vec4f(dot(x_${p}, w_0), dot(x_${p}, w_1), dot(x_${p}, w_2), dot(x_${p}, w_3));
#endfor
            }
#endfor
#else
#if LOOPS
#for p in 0..PIXELS
            var x_${p} = load(from_${p}, i);
#endfor
            for (var c = 0u; c < 4u + params.reserved; c += 1u) {
#for q in 0..QUADS
                let w_${q} = load_w(row + column_${q});
#endfor
#for q in 0..QUADS
#for p in 0..PIXELS
                sum_${p}_${q} = fma(x_${p}.xxxx, w_${q}, sum_${p}_${q});
#endfor
#endfor
#for p in 0..PIXELS
                x_${p} = x_${p}.yzwx;
#endfor
                row += params.out_quads;
            }
#else
#for p in 0..PIXELS
            let x_${p} = load(from_${p}, i);
#endfor
#for c in 0..4
            {
#for q in 0..QUADS
                let w_${q} = load_w(row + column_${q});
#endfor
#for q in 0..QUADS
#for p in 0..PIXELS
                sum_${p}_${q} = fma(vec4f(x_${p}[${c}]), w_${q}, sum_${p}_${q});
#endfor
#endfor
                row += params.out_quads;
            }
#endfor
#endif
#endif
        }
    }

#for q in 0..QUADS
    if (first_quad + ${q}u < params.out_quads) {
#if !TRANSPOSED
        var offset = vec4f(0.0);
        if (params.has_bias != 0u) {
            offset = bias[column_${q}];
        }
#endif
#for p in 0..PIXELS
        if (first + ${p}u < pixels) {
#if TRANSPOSED
            keep(pixel_${p}, split, column_${q}, sum_${p}_${q});
#else
            let to = split * params.split_stride + pixel_${p}.to * params.out_quads + column_${q};
            store_y(to, finished(pixel_${p}, sum_${p}_${q}, offset));
#endif
        }
#endfor
    }
#endfor
}
