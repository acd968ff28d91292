// The sums of a launch that was cut into parts (shared/conv2d.wgsl, conv2d_grad_weight.wgsl,
// linear_grad_input.wgsl), with what else the launch would have done.
//
//   y[i] = act(bias[i % quads] + sum over s of partials[s, i])    MORE 1: y[i] += sum over s of partials[s, i]
//
//   partials [splits, total], bias [quads] (read only if `has_bias`), y [total] vec4
//
// Launch: one invocation per vec4 of y, workgroups in x and y.
#if !MORE
#import shared/activation.wgsl
#endif
#import shared/spread.wgsl

struct Params {
    total: u32,
    splits: u32,
    quads: u32,
    has_bias: u32,
    activation: u32,
    slope: f32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
#if MORE
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
#else
#tensor write y 3
#endif

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    var sum = partials[i];
    for (var s = 1u; s < params.splits; s += 1u) {
        sum += partials[s * params.total + i];
    }
#if MORE
    y[i] += sum;
#else
    if (params.has_bias != 0u) {
        sum += bias[i % params.quads];
    }
    store_y(i, activate(sum, params.activation, params.slope));
#endif
}
