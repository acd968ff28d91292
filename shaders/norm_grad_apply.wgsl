// gx = a g + b (x - shift) + d, with the record of norm_grad_coefficients.wgsl.
//
//   g, x, y [N, H W, C/4]; record [N, C/4, 7]
//
// Launch: as norm_apply.wgsl.
struct Params {
    pixels: u32,
    quads: u32,
    stride: u32,
    reserved_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> record: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= params.stride * params.quads) {
        return;
    }
    let quad = id.x % params.quads;
    let at = 7u * (id.y * params.quads + quad);
    let shift = record[at];
    let a = record[at + 1u];
    let b = record[at + 2u];
    let d = record[at + 3u];
    for (var p = id.x / params.quads; p < params.pixels; p += params.stride) {
        let i = (id.y * params.pixels + p) * params.quads + quad;
        y[i] = fma(a, g[i], fma(b, x[i] - shift, d));
    }
}
