// The first half of the gradients at a bias and at two sigmas (spectral_totals.wgsl): sums over chunks of pixels, for each
// batch and channel.
//
//   partials[n, chunk, quad] = sum of d, sum of d s    s: see shared/spectral_sums.wgsl
//
//   d, y [2, pixels, quads] vec4, `pixels` those of all samples of a batch; bias [quads]; partials [2, chunks, quads, 2]
//
// Launch: workgroups of COLUMNS vec4s of channels x ROWS pixels; ceil(quads / COLUMNS) in x, chunks in y, batches in z. With one
// row an invocation does its chunk alone: see reduce.wgsl.
#import shared/spectral_sums.wgsl

struct Params {
    pixels: u32,
    quads: u32,
    chunk: u32,
    has_bias: u32,
    activation: u32,
    slope: f32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d: array<vec4f>;
#tensor read y 2
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;

#if ROWS - 1
var<workgroup> sums_of_d: array<vec4f, ${COLUMNS * ROWS}>;
var<workgroup> products: array<vec4f, ${COLUMNS * ROWS}>;
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
    let offset = offset_of(column);
    let end = min((group.y + 1u) * params.chunk, params.pixels);
    let start = group.z * params.pixels;
    var sums = Sums(vec4f(0.0), vec4f(0.0));
    for (var p = group.y * params.chunk + local.y; p < end; p += ${ROWS}u) {
        sums = added(sums, (start + p) * params.quads + column, offset);
    }
#if ROWS - 1
    sums_of_d[invocation] = sums.d;
    products[invocation] = sums.product;
    workgroupBarrier();
    for (var half = ${ROWS / 2}u; half > 0u; half /= 2u) {
        if (local.y < half) {
            sums_of_d[invocation] += sums_of_d[invocation + half * ${COLUMNS}u];
            products[invocation] += products[invocation + half * ${COLUMNS}u];
        }
        workgroupBarrier();
    }
    sums = Sums(sums_of_d[invocation], products[invocation]);
#endif
    if (local.y == 0u && quad < params.quads) {
        let to = 2u * ((group.z * groups.y + group.y) * params.quads + quad);
        partials[to] = sums.d;
        partials[to + 1u] = sums.product;
    }
}
