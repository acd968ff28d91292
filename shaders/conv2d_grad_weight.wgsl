// The gradient of a convolution at its weight, as an implicit matrix product over the pixels:
//
//   partials[s, ky, kx, i, o] = sum over the pixels of split s of
//                               X[n, stride oy + ky - pad, stride ox + kx - pad, i] g[n, oy, ox, o]
//
// with X as in shared/conv2d.wgsl. sum_splits.wgsl adds the splits.
//
//   x [N, H, W, I/4], g [N, OH, OW, O/4], partials [splits, KH KW I, O/4] (I padded)
//
// TILED = 0, register tiles only: an invocation computes IN_QUADS quads of (ky, kx, i) x QUADS
// quads of o; a workgroup has LANES x ROWS invocations.
// TILED = 1, through workgroup memory, for GPUs: a workgroup of 16 x 16 invocations computes
// 16 IN_QUADS quads of (ky, kx, i) x 16 QUADS quads of o, in steps of 16 pixels. While one step is multiplied, the
// next is on its way from memory to registers.
//
// SUBPIXEL = 1: of the four convolutions of 2x2 that together are one of 3x3 behind nearest doubling (shared/conv2d.wgsl),
// over the pixels of the small picture, whose border is repeated:
//
//   partials[s, a, b, ky, kx, i, o] = sum of x[n, r + a + ky - 1, c + b + kx - 1, i] g[n, 2 r + a, 2 c + b, o]
//
// which subpixel_weight_grad.wgsl adds up. `out_height` and `out_width` are those of x, and (ky, kx, i) those of one
// phase (a, b).
//
// SUBPIXEL = 0 too may be several convolutions of one shape, whose x, g and partials lie one after the other:
//
//   x [phases, N, H, W, I/4], g [phases, N, OH, OW, O/4], partials [splits, phases, KH KW I, O/4]
//
// Launch: (ky, kx, i) in x, phase by phase, o in y, splits in z.
#if !SUBPIXEL
#import shared/reflect.wgsl
#endif

struct Params {
    batch: u32,
    in_height: u32,
    in_width: u32,
    in_quads: u32,
    out_height: u32,
    out_width: u32,
    out_quads: u32,
    kernel_width: u32,
    stride: u32,
    pad: u32,
    upsample: u32,
    row_quads: u32, // KH KW I/4, of one phase
    split: u32,     // pixels in a split
    accumulate: u32, // 1: added to what partials hold
    phase_groups: u32, // workgroups of a phase, in x
    phases: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
@group(0) @binding(2) var<storage, read> g: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;

// Where row quad r reads: the tap's offset and the quad of channels.
struct Row {
    ky: i32,
    kx: i32,
    quad: u32,
}

fn row_of(phase: u32, r: u32) -> Row {
    let tap = r / params.in_quads;
#if SUBPIXEL
    let first = vec2i(i32(phase / 2u), i32(phase % 2u)) - 1;
#else
    let first = vec2i(-i32(params.pad));
#endif
    return Row(
        first.x + i32(tap / params.kernel_width),
        first.y + i32(tap % params.kernel_width),
        r % params.in_quads,
    );
}

struct Pixel {
    row: i32,
    column: i32,
    start: u32,
}

fn pixel(phase: u32, index: u32) -> Pixel {
    let area = params.out_height * params.out_width;
    let rest = index % area;
#if SUBPIXEL
    let n = index / area;
#else
    let n = phase * params.batch + index / area;
#endif
    return Pixel(
        i32(params.stride * (rest / params.out_width)),
        i32(params.stride * (rest % params.out_width)),
        n * params.in_height * params.in_width,
    );
}

fn source(p: Pixel, r: Row) -> u32 {
#if SUBPIXEL
    let row = u32(clamp(p.row + r.ky, 0, i32(params.in_height) - 1));
    let column = u32(clamp(p.column + r.kx, 0, i32(params.in_width) - 1));
#else
    let row = u32(reflect_index(p.row + r.ky, i32(params.in_height << params.upsample))) >> params.upsample;
    let column = u32(reflect_index(p.column + r.kx, i32(params.in_width << params.upsample))) >> params.upsample;
#endif
    return (p.start + row * params.in_width + column) * params.in_quads + r.quad;
}

// The gradient's pixel of number `index` and place p.
fn gradient(phase: u32, index: u32, p: Pixel) -> u32 {
#if SUBPIXEL
    let row = 4u * p.start + (2u * u32(p.row) + phase / 2u) * 2u * params.out_width;
    return (row + 2u * u32(p.column) + phase % 2u) * params.out_quads;
#else
    return (phase * params.batch * params.out_height * params.out_width + index) * params.out_quads;
#endif
}

#if TILED
var<workgroup> x_tile: array<vec4f, ${16 * 16 * IN_QUADS}>;
var<workgroup> g_tile: array<vec4f, ${16 * 16 * QUADS}>;
#endif

@compute @workgroup_size(${LANES}, ${ROWS})
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let pixels = params.batch * params.out_height * params.out_width;
    let first_pixel = group.z * params.split;
    let end = min(first_pixel + params.split, pixels);
    let phase = group.x / params.phase_groups;
    let first_group = group.x % params.phase_groups;
#for a in 0..IN_QUADS
#for q in 0..QUADS
#for c in 0..4
    var sum_${a}_${q}_${c} = vec4f(0.0);
#endfor
#endfor
#endfor
#if TILED
    // Rows and columns that this invocation computes, and those that it carries from memory.
#for a in 0..IN_QUADS
    let row_${a} = (first_group * ${IN_QUADS}u + ${a}u) * 16u + local.y;
    let carried_row_${a} = row_of(phase, min((first_group * ${IN_QUADS}u + ${a}u) * 16u + local.x, params.row_quads - 1u));
#endfor
#for q in 0..QUADS
    let column_${q} = (group.y * ${QUADS}u + ${q}u) * 16u + local.x;
    let carried_column_${q} = min(column_${q}, params.out_quads - 1u);
#endfor
#for a in 0..IN_QUADS
    var next_x_${a}: vec4f;
#endfor
#for q in 0..QUADS
    var next_g_${q}: vec4f;
#endfor
    // Each turn stores the step fetched by the turn before, fetches its own, and multiplies what is stored.
    for (var step = first_pixel; step < end + 16u; step += 16u) {
        if (step > first_pixel) {
#for a in 0..IN_QUADS
            x_tile[${256 * a}u + invocation] = next_x_${a};
#endfor
#for q in 0..QUADS
            g_tile[${256 * q}u + invocation] = next_g_${q};
#endfor
        }
        workgroupBarrier();
        if (step < end) {
            let at = step + local.y;
            let p = pixel(phase, min(at, pixels - 1u));
            let from_g = gradient(phase, min(at, pixels - 1u), p);
#for a in 0..IN_QUADS
            next_x_${a} = select(vec4f(0.0), load_x(source(p, carried_row_${a})), at < end);
#endfor
#for q in 0..QUADS
            next_g_${q} = select(vec4f(0.0), g[from_g + carried_column_${q}], at < end);
#endfor
        }
        if (step > first_pixel) {
#for k in 0..LOOPS + 16 * !LOOPS
#if LOOPS
            for (var k = 0u; k < 16u; k += 1u) {
#for a in 0..IN_QUADS
                let x_${a} = x_tile[${256 * a}u + 16u * k + local.y];
#endfor
#for q in 0..QUADS
                let g_${q} = g_tile[${256 * q}u + 16u * k + local.x];
#endfor
#else
            {
#for a in 0..IN_QUADS
                let x_${a} = x_tile[${256 * a + 16 * k}u + local.y];
#endfor
#for q in 0..QUADS
                let g_${q} = g_tile[${256 * q + 16 * k}u + local.x];
#endfor
#endif
#for a in 0..IN_QUADS
#for q in 0..QUADS
#for c in 0..4
                sum_${a}_${q}_${c} = fma(vec4f(x_${a}[${c}]), g_${q}, sum_${a}_${q}_${c});
#endfor
#endfor
#endfor
            }
#endfor
        }
        workgroupBarrier();
    }
#else
#for a in 0..IN_QUADS
    let row_${a} = (first_group * ${LANES}u + local.x) * ${IN_QUADS}u + ${a}u;
    let from_row_${a} = row_of(phase, min(row_${a}, params.row_quads - 1u));
#endfor
#for q in 0..QUADS
    let column_${q} = (group.y * ${ROWS}u + local.y) * ${QUADS}u + ${q}u;
#endfor
    if (row_0 >= params.row_quads || column_0 >= params.out_quads) {
        return;
    }
    for (var at = first_pixel; at < end; at += 1u) {
        let p = pixel(phase, at);
        let from_g = gradient(phase, at, p);
#for a in 0..IN_QUADS
        let x_${a} = load_x(source(p, from_row_${a}));
#endfor
#for q in 0..QUADS
        let g_${q} = g[from_g + min(column_${q}, params.out_quads - 1u)];
#endfor
#for a in 0..IN_QUADS
#for q in 0..QUADS
#for c in 0..4
        sum_${a}_${q}_${c} = fma(vec4f(x_${a}[${c}]), g_${q}, sum_${a}_${q}_${c});
#endfor
#endfor
#endfor
    }
#endif
    let split = (group.z * params.phases + phase) * 4u * params.row_quads;
#for a in 0..IN_QUADS
#for q in 0..QUADS
    if (row_${a} < params.row_quads && column_${q} < params.out_quads) {
#for c in 0..4
        {
            let to = (split + 4u * row_${a} + ${c}u) * params.out_quads + column_${q};
            if (params.accumulate != 0u) {
                sum_${a}_${q}_${c} += partials[to];
            }
            partials[to] = sum_${a}_${q}_${c};
        }
#endfor
    }
#endfor
#endfor
}
