// A layer's sums over two batches, each divided by a sigma of its own, where no other launch divides them; and the gradient.
//
//   MODE 0: y[n, p, c] = act(x[n, p, c] / sigma_n + bias[c])
//   MODE 1: y = x * act'(..) / sigma_n, from the activation's result
//
//   x, result, y [2 N, pixels, quads] vec4; bias [quads], read only if `has_bias`; sigma_0, sigma_1 [1] in .x
//
// Launch: one invocation per vec4, workgroups in x and y.
#if MODE
#import shared/activation_grad.wgsl
#else
#import shared/activation.wgsl
#endif
#import shared/spread.wgsl

struct Params {
    total: u32,
    first: u32, // vec4s of the first batch
    quads: u32,
    has_bias: u32,
    activation: u32,
    slope: f32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
#if MODE
#tensor read result 2
#else
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
#endif
@group(0) @binding(3) var<storage, read> sigma_0: array<vec4f>;
@group(0) @binding(4) var<storage, read> sigma_1: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    var sigma = sigma_0[0].x;
    if (i >= params.first) {
        sigma = sigma_1[0].x;
    }
#if MODE
    y[i] = before_activation(x[i], load_result(i), params.activation, params.slope) / sigma;
#else
    var v = x[i] / sigma;
    if (params.has_bias != 0u) {
        v += bias[i % params.quads];
    }
    y[i] = activate(v, params.activation, params.slope);
#endif
}
