// What the gradient of a normalisation needs of each channel, one result per chunk of `chunk`
// pixels: the sums of g and of g (x - shift), where `shift` is the channel's mean, rounded.
//
// If an activation followed, g is behind it, and `result` is its result; else that is not read.
//
//   g, x, result [N, H W, C/4], coefficients [N, C/4, 3] (norm_coefficients.wgsl; shift first),
//   partials [N, chunks, C/4, 2]
//
// Launch: as reduce.wgsl.
#import shared/activation_grad.wgsl

struct Params {
    pixels: u32,
    quads: u32,
    chunk: u32,
    activation: u32,
    slope: f32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
#tensor read x 2
@group(0) @binding(3) var<storage, read> moments: array<vec4f>;
#tensor read result 4
@group(0) @binding(5) var<storage, read_write> partials: array<vec4f>;

var<workgroup> sums: array<vec4f, ${COLUMNS * ROWS}>;
var<workgroup> products: array<vec4f, ${COLUMNS * ROWS}>;

@compute @workgroup_size(${COLUMNS}, ${ROWS})
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let quad = group.x * ${COLUMNS}u + local.x;
    let column = min(quad, params.quads - 1u);
    let end = min((group.y + 1u) * params.chunk, params.pixels);
    let shift = moments[3u * (group.z * params.quads + column)];
    var sum = vec4f(0.0);
    var product = vec4f(0.0);
    for (var p = group.y * params.chunk + local.y; p < end; p += ${ROWS}u) {
        let at = (group.z * params.pixels + p) * params.quads + column;
        var v = g[at];
        if (params.activation != 0u) {
            v = before_activation(v, load_result(at), params.activation, params.slope);
        }
        sum += v;
        product = fma(v, load_x(at) - shift, product);
    }
    sums[invocation] = sum;
    products[invocation] = product;
    workgroupBarrier();
    for (var half = ${ROWS / 2}u; half > 0u; half /= 2u) {
        if (local.y < half) {
            sums[invocation] += sums[invocation + half * ${COLUMNS}u];
            products[invocation] += products[invocation + half * ${COLUMNS}u];
        }
        workgroupBarrier();
    }
    if (local.y == 0u && quad < params.quads) {
        let at = 2u * ((group.z * groups.y + group.y) * params.quads + quad);
        partials[at] = sums[invocation];
        partials[at + 1u] = products[invocation];
    }
}
