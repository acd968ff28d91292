// y = a + share[n] (b - a) for each sample n.
//
//   a, b, y [N, sample_quads] vec4; share [N], in x
//
// Launch: one invocation per vec4, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    total: u32,
    sample_quads: u32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> share: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    y[i] = a[i] + share[i / params.sample_quads].x * (b[i] - a[i]);
}
