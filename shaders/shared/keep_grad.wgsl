// The end of a launch that sums up the gradient at a picture. What is stored is the gradient behind an activation whose
// result is `result` [as y], `activation` being its code, and it is added to what y holds if `accumulate` is 1. Who imports this
// has both of `params`, and declares the tensor `result` and y.
#import shared/activation_grad.wgsl

fn keep_grad(at: u32, sum: vec4f) {
    var v = sum;
    if (params.activation != ${ACTIVATION_IDENTITY}u) {
        v = before_activation(sum, load_result(at), params.activation, params.slope);
    }
    if (params.accumulate != 0u) {
        v += y[at];
    }
    y[at] = v;
}
