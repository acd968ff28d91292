// Convolution as an implicit matrix product through workgroup memory: for GPUs, whose
// workgroup memory is fast. The formula, the layouts and the uniforms are those of
// conv2d.wgsl.
//
// A workgroup of 16 x 16 invocations computes 64 PIXEL_QUADS pixels x 64 QUADS output
// channels, in steps of 16 of the summed dimension (ky, kx, i). While one step is
// multiplied, the next is on its way from memory to registers.
//
// ALIGNED = 1: the input channels are a multiple of 16, so that a step lies within one tap.
// ALIGNED = 0: any number; each invocation finds tap and channel by division.
//
// Launch: ceil(pixels / (64 PIXEL_QUADS)) workgroups in x and z, ceil(O/4 / (16 QUADS)) in y; phases and
// splits in z.
#if !TRANSPOSED
#import shared/activation.wgsl
#endif
#import shared/conv2d.wgsl

// [16 of the summed dimension][pixels / 4] and [16][output channels / 4]. In row k of x_tile the
// vec4 of the pixels 4 p to 4 p + 3 lies at p ^ (2 (k / 4)): eight invocations side by side then
// store to eight different groups of banks.
var<workgroup> x_tile: array<vec4f, ${16 * 16 * PIXEL_QUADS}>;
var<workgroup> w_tile: array<vec4f, ${16 * 16 * QUADS}>;

// vec4s of rows that w has for each tap.
fn w_row_quads() -> u32 {
#if TRANSPOSED
    return params.out_quads;
#else
    return params.in_quads;
#endif
}

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let split = group.z % params.splits;
    let z = group.z / params.splits;
    let phase = phase_of(z);
    let first = (block_of(z) * groups.x + group.x) * ${64 * PIXEL_QUADS}u;
    let pixels = pixel_count(phase);
    let first_quad = group.y * ${16 * QUADS}u;
    let extent = taps(phase);
    let summed = part(split, extent.x * extent.y * params.in_quads);
    let depth = summed.y;

    // The first 64 PIXEL_QUADS invocations carry x from memory: each vec4 `x_quad` of four pixels,
    // which it stores as four vec4s of four pixels. The last 64 QUADS carry w: each one column of
    // the rows `w_row` + 4 j; of the adjoint, whose columns are the rows of w, four vec4s of four, as for x.
    // So every store is of a whole vector: that of a component may touch
    // the others, which other invocations would be writing.
    let carries_x = invocation < ${64 * PIXEL_QUADS}u;
    let carries_w = invocation >= ${256 - 64 * QUADS}u;
    let x_quad = invocation % 4u;
    let x_to = 4u * x_quad * ${16 * PIXEL_QUADS}u + ((invocation / 4u) ^ (2u * x_quad));
    let w_row = invocation / ${16 * QUADS}u % 4u;
    let w_column = min(first_quad + invocation % ${16 * QUADS}u, params.out_quads - 1u);
#if TRANSPOSED
    let w_to = 4u * w_row * ${16 * QUADS}u + invocation % ${16 * QUADS}u;
#else
    let w_to = invocation % ${64 * QUADS}u;
#endif
#if ALIGNED
    let first_tap = vec2u(summed.x / params.in_quads / extent.y, summed.x / params.in_quads % extent.y);
#endif
#for j in 0..4
    let pixel_${j} = pixel(phase, min(first + invocation / 4u * 4u + ${j}u, pixels - 1u));
    var next_${j}: vec4f;
#if ALIGNED
    var from_${j} = source(pixel_${j}, first_tap);
#endif
#endfor
#for q in 0..QUADS
#for p in 0..4 * PIXEL_QUADS
    var sum_${p}_${q} = vec4f(0.0);
#endfor
#endfor
#if ALIGNED
    var tap = summed.x / params.in_quads;
    var channel = summed.x % params.in_quads;
    var w_first = weight_tap(phase, first_tap) * 4u * w_row_quads(); // row of w
#endif

    // Each turn stores the step fetched by the turn before, fetches its own, and multiplies
    // what is stored. The first turn stores and multiplies nothing, the last fetches nothing.
    let end = summed.x + (depth - summed.x + 3u) / 4u * 4u;
    for (var step = summed.x; step <= end; step += 4u) {
        if (step > summed.x) {
            if (carries_x) {
#for c in 0..4
                x_tile[x_to + ${16 * PIXEL_QUADS * c}u] = vec4f(next_0[${c}], next_1[${c}], next_2[${c}], next_3[${c}]);
#endfor
            }
            if (carries_w) {
#for j in 0..4
#if TRANSPOSED
                w_tile[w_to + ${16 * QUADS * j}u] = vec4f(next_0[${j}], next_1[${j}], next_2[${j}], next_3[${j}]);
#else
                w_tile[w_to + ${64 * QUADS * j}u] = next_${j};
#endif
#endfor
            }
        }
        workgroupBarrier();

#if ALIGNED
        if (step < depth) {
            if (carries_x) {
#for j in 0..4
                next_${j} = load(from_${j}, channel + x_quad);
#endfor
            }
            if (carries_w) {
#for j in 0..4
#if TRANSPOSED
                next_${j} = load_w((w_first + 4u * w_column + ${j}u) * params.in_quads + channel + w_row);
#else
                next_${j} = load_w((w_first + 4u * (channel + ${j}u) + w_row) * params.out_quads + w_column);
#endif
#endfor
            }
            channel += 4u;
            if (channel == params.in_quads) {
                channel = 0u;
                tap += 1u;
                let next_tap = vec2u(tap / extent.y, tap % extent.y);
                w_first = weight_tap(phase, next_tap) * 4u * w_row_quads();
                if (carries_x) {
#for j in 0..4
                    from_${j} = source(pixel_${j}, next_tap);
#endfor
                }
            }
        }
#else
        if (carries_x) {
            let at = step + x_quad;
            let at_tap = vec2u(at / params.in_quads / extent.y, at / params.in_quads % extent.y);
#for j in 0..4
            next_${j} = vec4f(0.0);
            if (at < depth) {
                next_${j} = load(source(pixel_${j}, at_tap), at % params.in_quads);
            }
#endfor
        }
        if (carries_w) {
#for j in 0..4
            next_${j} = vec4f(0.0);
#if TRANSPOSED
            if (step + w_row < depth) {
                let at = (step + w_row) / params.in_quads;
                let row = weight_tap(phase, vec2u(at / extent.y, at % extent.y)) * params.out_quads + w_column;
                next_${j} = load_w((4u * row + ${j}u) * params.in_quads + (step + w_row) % params.in_quads);
            }
#else
            if (step + ${j}u < depth) {
                let at = (step + ${j}u) / params.in_quads;
                let row = weight_tap(phase, vec2u(at / extent.y, at % extent.y)) * params.in_quads
                    + (step + ${j}u) % params.in_quads;
                next_${j} = load_w((4u * row + w_row) * params.out_quads + w_column);
            }
#endif
#endfor
        }
#endif

        if (step > summed.x) {
#for k in 0..LOOPS + 16 * !LOOPS
#if LOOPS
            for (var k = 0u; k < 16u; k += 1u) {
#for p in 0..PIXEL_QUADS
                let x_${p} = x_tile[${16 * PIXEL_QUADS}u * k + ${16 * p}u + (local.y ^ (2u * (k / 4u)))];
#endfor
#for q in 0..QUADS
                let w_${q} = w_tile[${16 * QUADS}u * k + ${16 * q}u + local.x];
#endfor
#else
            {
#for p in 0..PIXEL_QUADS
                let x_${p} = x_tile[${16 * PIXEL_QUADS * k + 16 * p}u + (local.y ^ ${2 * (k / 4)}u)];
#endfor
#for q in 0..QUADS
                let w_${q} = w_tile[${16 * QUADS * k + 16 * q}u + local.x];
#endfor
#endif
#for q in 0..QUADS
#for p in 0..4 * PIXEL_QUADS
                sum_${p}_${q} = fma(vec4f(x_${p / 4}[${p % 4}]), w_${q}, sum_${p}_${q});
#endfor
#endfor
            }
#endfor
        }
        workgroupBarrier();
    }

#for q in 0..QUADS
    if (first_quad + local.x + ${16 * q}u < params.out_quads) {
        let column = first_quad + local.x + ${16 * q}u;
#if !TRANSPOSED
        var offset = vec4f(0.0);
        if (params.has_bias != 0u) {
            offset = bias[column];
        }
#endif
#for p in 0..4 * PIXEL_QUADS
        {
            let at = first + 4u * (local.y + ${16 * (p / 4)}u) + ${p % 4}u;
            if (at < pixels) {
#if TRANSPOSED
                keep(pixel(phase, at), split, column, sum_${p}_${q});
#else
                let to_pixel = pixel(phase, at);
                let to = split * params.split_stride + to_pixel.to * params.out_quads + column;
                store_y(to, finished(to_pixel, sum_${p}_${q}, offset));
#endif
            }
        }
#endfor
    }
#endfor
}
