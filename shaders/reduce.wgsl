// The first half of a reduction over pixels, for each sample and channel: one result per
// chunk of `chunk` pixels.
//
//   MODE 0: moments (shift, offset, squares; see shared/moments.wgsl)  partials [N, chunks, C/4, 3]
//   MODE 1: sum (`scale` times it)                                      partials [N, chunks, C/4]
//   MODE 2: maximum                                                    partials [N, chunks, C/4]
//   x [N, H W, C/4]
//
// Launch: workgroups of COLUMNS vec4s of channels x ROWS pixels; ceil(C/4 / COLUMNS) in x,
// chunks in y, N in z. The second half is norm_coefficients.wgsl or pool.wgsl.
//
// With one row an invocation does its chunk alone. Drivers that run shaders on the CPU take
// seconds to compile a barrier, and gain nothing by one.
//
// A maximum is NaN where a value is (torch.nn.AdaptiveMaxPool2d).
#if MODE == 0
#import shared/moments.wgsl
#endif
#import shared/nan.wgsl

struct Params {
    pixels: u32,
    quads: u32,
    chunk: u32,
    scale: f32, // of MODE 1: the sum is multiplied by it
    accumulate: u32, // of MODE 1: added to what partials hold
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;

#if ROWS - 1
#if MODE == 0
var<workgroup> shifts: array<vec4f, ${COLUMNS * ROWS}>;
var<workgroup> offsets: array<vec4f, ${COLUMNS * ROWS}>;
var<workgroup> squares: array<vec4f, ${COLUMNS * ROWS}>;
var<workgroup> counts: array<f32, ${ROWS}>;

fn load(at: u32, row: u32) -> Moments {
    return Moments(shifts[at], offsets[at], squares[at], counts[row]);
}
#else
var<workgroup> values: array<vec4f, ${COLUMNS * ROWS}>;
#endif
#endif

#if MODE
fn finish(at: u32, value: vec4f) {
#if MODE == 1
    var v = value * params.scale;
    if (params.accumulate != 0u) {
        v += partials[at];
    }
    partials[at] = v;
#else
    partials[at] = value;
#endif
}
#endif

@compute @workgroup_size(${COLUMNS}, ${ROWS})
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let quad = group.x * ${COLUMNS}u + local.x;
    let column = min(quad, params.quads - 1u);
    let first = group.y * params.chunk + local.y;
    let end = min((group.y + 1u) * params.chunk, params.pixels);
    let start = group.z * params.pixels;

#if MODE == 0
    // Every chunk has a pixel, so row 0 is never empty.
    let shift = load_x((start + min(first, end - 1u)) * params.quads + column);
    var sum = vec4f(0.0);
    var sum_of_squares = vec4f(0.0);
    var count = 0.0;
    for (var p = first; p < end; p += ${ROWS}u) {
        let v = load_x((start + p) * params.quads + column) - shift;
        sum += v;
        sum_of_squares = fma(v, v, sum_of_squares);
        count += 1.0;
    }
    let offset = sum / max(count, 1.0);
    let deviations = at_least_zero(sum_of_squares - sum * offset);
#if ROWS - 1
    shifts[invocation] = shift;
    offsets[invocation] = offset;
    squares[invocation] = deviations;
    if (local.x == 0u) {
        counts[local.y] = count;
    }
    workgroupBarrier();
    for (var half = ${ROWS / 2}u; half > 0u; half /= 2u) {
        var merged: Moments;
        if (local.y < half) {
            merged = merge(load(invocation, local.y), load(invocation + half * ${COLUMNS}u, local.y + half));
        }
        workgroupBarrier();
        if (local.y < half) {
            shifts[invocation] = merged.shift;
            offsets[invocation] = merged.offset;
            squares[invocation] = merged.squares;
            if (local.x == 0u) {
                counts[local.y] = merged.count;
            }
        }
        workgroupBarrier();
    }
    if (local.y == 0u && quad < params.quads) {
        let at = 3u * ((group.z * groups.y + group.y) * params.quads + quad);
        partials[at] = shifts[invocation];
        partials[at + 1u] = offsets[invocation];
        partials[at + 2u] = squares[invocation];
    }
#else
    if (quad < params.quads) {
        let at = 3u * ((group.z * groups.y + group.y) * params.quads + quad);
        partials[at] = shift;
        partials[at + 1u] = offset;
        partials[at + 2u] = deviations;
    }
#endif
#else
    var value = load_x((start + min(first, end - 1u)) * params.quads + column);
#if MODE == 1
    value = select(vec4f(0.0), value, first < end);
#endif
    for (var p = first + ${ROWS}u; p < end; p += ${ROWS}u) {
        let v = load_x((start + p) * params.quads + column);
#if MODE == 1
        value += v;
#else
        value = larger(value, v);
#endif
    }
#if ROWS - 1
    values[invocation] = value;
    workgroupBarrier();
    for (var half = ${ROWS / 2}u; half > 0u; half /= 2u) {
        if (local.y < half) {
#if MODE == 1
            values[invocation] += values[invocation + half * ${COLUMNS}u];
#else
            values[invocation] = larger(values[invocation], values[invocation + half * ${COLUMNS}u]);
#endif
        }
        workgroupBarrier();
    }
    if (local.y == 0u && quad < params.quads) {
        finish((group.z * groups.y + group.y) * params.quads + quad, values[invocation]);
    }
#else
    if (quad < params.quads) {
        finish((group.z * groups.y + group.y) * params.quads + quad, value);
    }
#endif
#endif
}
