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
// Launch: ceil(pixels / (64 PIXEL_QUADS)) workgroups in x and z, ceil(O/4 / (16 QUADS)) in y.
#import shared/activation.wgsl
#import shared/conv2d.wgsl

// [16 of the summed dimension][pixels / 4] and [16][output channels / 4].
var<workgroup> x_tile: array<vec4f, ${16 * 16 * PIXEL_QUADS}>;
var<workgroup> w_tile: array<vec4f, ${16 * 16 * QUADS}>;

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let first = (choose_phase(group.z) * groups.x + group.x) * ${64 * PIXEL_QUADS}u;
    let pixels = pixel_count();
    let first_quad = group.y * ${16 * QUADS}u;
    let extent = taps();
    let depth = extent.x * extent.y * params.in_quads; // of the summed dimension, in vec4s

    // What this invocation carries from memory: vec4 `x_quad` of some pixels, row `w_row` of
    // some columns.
    let x_quad = invocation % 4u;
    let w_row = invocation / 16u;
#for p in 0..PIXEL_QUADS
    let carried_${p} = invocation / 4u + ${64 * p}u;
    let pixel_${p} = pixel(min(first + carried_${p}, pixels - 1u));
    var next_x_${p}: vec4f;
#if ALIGNED
    var from_${p} = source(pixel_${p}, vec2u(0u));
#endif
#endfor
#for q in 0..QUADS
    let column_${q} = min(first_quad + invocation % 16u + ${16 * q}u, params.out_quads - 1u);
    var next_w_${q}: vec4f;
#for p in 0..4 * PIXEL_QUADS
    var sum_${p}_${q} = vec4f(0.0);
#endfor
#endfor
#if ALIGNED
    var tap = 0u;
    var channel = 0u;
    var w_first = weight_tap(vec2u(0u)) * 4u * params.in_quads; // row of w
#endif

    // Each turn stores the step fetched by the turn before, fetches its own, and multiplies
    // what is stored. The first turn stores and multiplies nothing, the last fetches nothing.
    let end = 4u * ((depth + 3u) / 4u);
    for (var step = 0u; step <= end; step += 4u) {
        if (step > 0u) {
#for p in 0..PIXEL_QUADS
#for c in 0..4
            x_tile[(4u * x_quad + ${c}u) * ${16 * PIXEL_QUADS}u + carried_${p} / 4u][carried_${p} % 4u] = next_x_${p}[${c}];
#endfor
#endfor
#for q in 0..QUADS
            w_tile[w_row * ${16 * QUADS}u + invocation % 16u + ${16 * q}u] = next_w_${q};
#endfor
        }
        workgroupBarrier();

#if ALIGNED
        if (step < depth) {
#for p in 0..PIXEL_QUADS
            next_x_${p} = load(from_${p}, channel + x_quad);
#endfor
#for q in 0..QUADS
            next_w_${q} = w[(w_first + 4u * channel + w_row) * params.out_quads + column_${q}];
#endfor
            channel += 4u;
            if (channel == params.in_quads) {
                channel = 0u;
                tap += 1u;
                w_first = weight_tap(vec2u(tap / extent.y, tap % extent.y)) * 4u * params.in_quads;
#for p in 0..PIXEL_QUADS
                from_${p} = source(pixel_${p}, vec2u(tap / extent.y, tap % extent.y));
#endfor
            }
        }
#else
        let at = step + x_quad;
        let at_tap = vec2u(at / params.in_quads / extent.y, at / params.in_quads % extent.y);
#for p in 0..PIXEL_QUADS
        next_x_${p} = vec4f(0.0);
        if (at < depth) {
            next_x_${p} = load(source(pixel_${p}, at_tap), at % params.in_quads);
        }
#endfor
        let w_tap = (step + w_row / 4u) / params.in_quads;
        let w_at = 4u * (step + w_row / 4u - w_tap * params.in_quads) + w_row % 4u
            + weight_tap(vec2u(w_tap / extent.y, w_tap % extent.y)) * 4u * params.in_quads;
#for q in 0..QUADS
        next_w_${q} = vec4f(0.0);
        if (step + w_row / 4u < depth) {
            next_w_${q} = w[w_at * params.out_quads + column_${q}];
        }
#endfor
#endif

        if (step > 0u) {
#for k in 0..16
            {
#for p in 0..PIXEL_QUADS
                let x_${p} = x_tile[${16 * PIXEL_QUADS * k + 16 * p}u + local.y];
#endfor
#for q in 0..QUADS
                let w_${q} = w_tile[${16 * QUADS * k + 16 * q}u + local.x];
#endfor
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
        var offset = vec4f(0.0);
        if (params.has_bias != 0u) {
            offset = bias[column];
        }
#for p in 0..4 * PIXEL_QUADS
        {
            let at = first + 4u * (local.y + ${16 * (p / 4)}u) + ${p % 4}u;
            if (at < pixels) {
                y[pixel(at).to * params.out_quads + column] =
                    activate(sum_${p}_${q} + offset, params.activation, params.slope);
            }
        }
#endfor
    }
#endfor
}
