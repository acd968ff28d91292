// Whole samples, which lie one after the other:
//
//   MODE 0: y = a, then b                                                    (Stack)
//   MODE 1: y[i] = a[start + i]                                              (Samples)
//   MODE 2: y[i] = a[i - start] where that is within the `count` vec4s of a, else 0   (SamplesGrad)
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    total: u32, // vec4s of y
    start: u32, // of MODE 0: vec4s of a
    count: u32,
    accumulate: u32, // of MODE 2: added to what y holds
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
#if MODE == 0
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
#else
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
#endif

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
#if MODE == 0
    if (i < params.start) {
        y[i] = a[i];
    } else {
        y[i] = b[i - params.start];
    }
#else
#if MODE == 1
    y[i] = a[params.start + i];
#else
    var v = vec4f(0.0);
    if (i >= params.start && i - params.start < params.count) {
        v = a[i - params.start];
    }
    if (params.accumulate != 0u) {
        v += y[i];
    }
    y[i] = v;
#endif
#endif
}
