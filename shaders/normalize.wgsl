// y = x / max(|x|, 1e-12): a step of the power iteration.
//
//   x, y [total] vec4
//
// Launch: one workgroup.
#import shared/nan.wgsl

struct Params {
    total: u32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.total; i += 256u) {
        sum += dot(x[i], x[i]);
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    // Not less than 1e-12, and NaN where a value is.
    let norm = larger(vec4f(sqrt(sums[0])), vec4f(1e-12));
    for (var i = lane; i < params.total; i += 256u) {
        y[i] = x[i] / norm;
    }
}
