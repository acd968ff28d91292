// gx = g * activation'(x), from the activation's result.
//
//   g, result, gx [total] vec4
//
// Launch: one invocation per vec4, workgroups in x and y.
#import shared/activation_grad.wgsl
#import shared/spread.wgsl

struct Params {
    total: u32,
    activation: u32,
    slope: f32,
    reserved_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
#tensor read result 2
@group(0) @binding(3) var<storage, read_write> gx: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
    gx[i] = before_activation(g[i], load_result(i), params.activation, params.slope);
}
