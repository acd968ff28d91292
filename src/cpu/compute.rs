//! From an operation to its function.

use crate::graph::{Graph, Node, NodeId, NormKind, Op, Shape};

use super::conv::Extents;
use super::norm::Affine;
use super::norm_grad::Operands;
use super::run::Values;
use super::{Real, conv, conv_grad, linear, loss, norm, norm_grad, pointwise, pool, spatial, spectral};

/// The result of one operation. The graph has checked all shapes.
pub(super) fn compute<T: Real>(
    graph: &Graph,
    node: &Node,
    values: &mut Values<'_, T>,
    dying: &dyn Fn(&NodeId) -> bool,
) -> Vec<T> {
    // Operations that work in place.
    match &node.op {
        Op::Activation(activation) => {
            let mut y = values.take_first(node, dying);
            pointwise::activate(&mut y, *activation);
            return y;
        }
        Op::Add => {
            let mut y = values.take_first(node, dying);
            pointwise::add(&mut y, values.get(node.inputs[1]));
            return y;
        }
        Op::Norm(op) => {
            let mut y = values.take_first(node, dying);
            let input = |i: usize| values.get(node.inputs[i]);
            let affine = (op.kind == NormKind::LayerInstance).then(|| Affine {
                rho: input(1),
                gamma: input(2),
                beta: input(3),
            });
            let residual = op.residual.then(|| input(node.inputs.len() - 1));
            let [_, channels, h, w] = image(&node.shape);
            norm::norm(&mut y, channels, h * w, *op, affine, residual);
            return y;
        }
        Op::ActivationGrad(activation) => {
            let mut y = values.take_first(node, dying);
            pointwise::activation_grad(&mut y, values.get(node.inputs[1]), *activation);
            return y;
        }
        Op::Scale(factor) => {
            let mut y = values.take_first(node, dying);
            pointwise::scale(&mut y, *factor);
            return y;
        }
        Op::Flatten | Op::Unflatten { .. } => return values.take_first(node, dying),
        _ => {}
    }

    let mut result = values.buffer(&node.shape);
    let y = result.as_mut_slice();
    let input = |i: usize| values.get(node.inputs[i]);
    let extents = |i: usize| image(graph.shape(node.inputs[i]));
    match &node.op {
        // Leaves, and what works in place.
        Op::Input
        | Op::Parameter
        | Op::Activation(_)
        | Op::ActivationGrad(_)
        | Op::Add
        | Op::Scale(_)
        | Op::Norm(_)
        | Op::Flatten
        | Op::Unflatten { .. } => {}
        Op::ReflectionPad2d(pad) => {
            let [_, _, h, w] = extents(0);
            let (rows, columns) = (spatial::axis(h, false, *pad), spatial::axis(w, false, *pad));
            spatial::gather(input(0), h * w, w, &rows, &columns, y);
        }
        Op::UpsampleNearest2x => {
            let [_, _, h, w] = extents(0);
            let (rows, columns) = (spatial::axis(h, true, 0), spatial::axis(w, true, 0));
            spatial::gather(input(0), h * w, w, &rows, &columns, y);
        }
        Op::Conv2d(op) => {
            let ([n, channels, h, w], [outputs, _, kh, kw]) = (extents(0), extents(1));
            let [_, _, oh, ow] = image(&node.shape);
            let e = Extents { n, channels, h, w, outputs, kh, kw, oh, ow };
            conv::conv2d(input(0), input(1), op.bias.then(|| input(2)), e, *op, y);
        }
        Op::Linear { bias, activation } => {
            let columns = graph.shape(node.inputs[0]).dims()[1];
            linear::linear(input(0), input(1), bias.then(|| input(2)), columns, *activation, y);
        }
        Op::NormCoefficients(op) => {
            let [_, channels, h, w] = extents(0);
            let affine = (op.kind == NormKind::LayerInstance).then(|| Affine {
                rho: input(1),
                gamma: input(2),
                beta: input(3),
            });
            norm::coefficients(input(0), channels, h * w, *op, affine, y);
        }
        Op::GlobalAvgPool => {
            let [_, _, h, w] = extents(0);
            pool::global_average(input(0), h * w, y);
        }
        Op::GlobalMaxPool => {
            let [_, _, h, w] = extents(0);
            pool::global_maximum(input(0), h * w, y);
        }
        Op::SumChannels => {
            let [_, channels, h, w] = extents(0);
            pool::sum_channels(input(0), channels, h * w, y);
        }
        Op::Concat => linear::concat(input(0), input(1), node.shape.dims()[0], y),
        Op::CamWeight => linear::cam_weight(input(0), input(1), input(2), y),

        Op::Mse { target } => loss::mse(input(0), *target, y),
        Op::L1 => loss::l1(input(0), input(1), y),
        Op::BceWithLogits { target } => loss::bce_with_logits(input(0), *target, y),
        Op::MseGrad { target, scale } => loss::mse_grad(input(0), *target, *scale, y),
        Op::L1Grad { scale } => loss::l1_grad(input(0), input(1), *scale, y),
        Op::BceWithLogitsGrad { target, scale } => {
            loss::bce_with_logits_grad(input(0), *target, *scale, y);
        }

        Op::PowerIterationV => spectral::power_iteration_v(input(0), input(1), y),
        Op::PowerIterationU => spectral::power_iteration_u(input(0), input(1), y),
        Op::SpectralSigma => spectral::sigma(input(0), input(1), input(2), y),
        Op::SpectralNorm => spectral::spectral_norm(input(0), input(1), y),
        Op::SpectralNormGrad => {
            spectral::spectral_norm_grad(input(0), input(1), input(2), input(3), input(4), y);
        }

        Op::Conv2dGradInput { conv, .. } => {
            let ([_, _, oh, ow], [outputs, channels, kh, kw]) = (extents(0), extents(1));
            let [n, _, h, w] = image(&node.shape);
            let e = Extents { n, channels, h, w, outputs, kh, kw, oh, ow };
            conv_grad::input(input(0), input(1), e, *conv, y);
        }
        Op::Conv2dGradWeight { conv, .. } => {
            let ([n, channels, h, w], [_, outputs, oh, ow]) = (extents(0), extents(1));
            let [_, _, kh, kw] = image(&node.shape);
            let e = Extents { n, channels, h, w, outputs, kh, kw, oh, ow };
            conv_grad::weight(input(0), input(1), e, *conv, y);
        }
        Op::SumPixels => {
            let [_, _, h, w] = extents(0);
            conv_grad::sum_pixels(input(0), h * w, y);
        }
        Op::SumRows => linear::sum_rows(input(0), y),
        Op::LinearGradInput => linear::grad_input(input(0), input(1), node.shape.dims()[1], y),
        Op::LinearGradWeight => linear::grad_weight(input(0), input(1), node.shape.dims()[1], y),
        Op::NormGrad { norm, wrt } => {
            let [_, channels, h, w] = extents(1);
            let affine = (norm.kind == NormKind::LayerInstance).then(|| (input(2), input(3)));
            let operands = Operands { g: input(0), x: input(1), affine, channels, pixels: h * w };
            norm_grad::norm_grad(&operands, *norm, *wrt, y);
        }
        Op::ReflectionPad2dGrad(pad) => {
            let [_, _, h, w] = image(&node.shape);
            let (rows, columns) = (spatial::axis(h, false, *pad), spatial::axis(w, false, *pad));
            spatial::scatter(input(0), h * w, w, &rows, &columns, y);
        }
        Op::UpsampleNearest2xGrad => {
            let [_, _, h, w] = image(&node.shape);
            let (rows, columns) = (spatial::axis(h, true, 0), spatial::axis(w, true, 0));
            spatial::scatter(input(0), h * w, w, &rows, &columns, y);
        }
        Op::GlobalAvgPoolGrad { height, width } => {
            pool::global_average_grad(input(0), height * width, y);
        }
        Op::GlobalMaxPoolGrad => {
            let [_, _, h, w] = extents(1);
            pool::global_maximum_grad(input(0), input(1), h * w, y);
        }
        Op::BroadcastChannels(channels) => {
            let [_, _, h, w] = extents(0);
            pool::broadcast_channels(input(0), *channels, h * w, y);
        }
        Op::SliceColumns { start, len } => {
            let columns = graph.shape(node.inputs[0]).dims()[1];
            linear::slice_columns(input(0), columns, *start, *len, y);
        }
        Op::CamWeightGrad(wrt) => {
            linear::cam_weight_grad(input(0), input(1), input(2), input(3), *wrt, y);
        }
    }
    result
}

/// `[N, C, H, W]` of a shape that the graph has checked to be one.
fn image(shape: &Shape) -> [usize; 4] {
    shape.nchw().unwrap_or_default()
}
