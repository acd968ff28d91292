//! From an operation to its function.

use crate::error::Result;
use crate::graph::{Arithmetic, Graph, Node, NodeId, NormKind, Op, of_training};

use super::conv::Extents;
use super::norm::Affine;
use super::spatial::image;
#[cfg(feature = "training")]
use super::training::compute_for_training;
use super::values::{Inputs, Values};
use super::winograd::Winograd;
use super::{Real, conv, linear, norm, pointwise, pool, spatial};

/// The result of one operation. The graph has checked all shapes.
///
/// # Errors
/// Without the feature `training`, of its operations.
pub(super) fn compute<T: Real>(
    graph: &Graph,
    node: &Node,
    values: &mut Values<'_, T>,
    dying: &dyn Fn(&NodeId) -> bool,
) -> Result<Vec<T>> {
    let extents = |i: usize| image(graph.shape(node.inputs[i]));
    Ok(match &node.op {
        // Leaves are fed, not computed.
        Op::Input | Op::Parameter => vec![],

        // Operations that work in place.
        Op::Activation(activation) => {
            let mut y = values.take_first(node, dying);
            pointwise::activate(&mut y, *activation);
            y
        }
        Op::Add => {
            let mut y = values.take_first(node, dying);
            pointwise::add(&mut y, values.get(node.inputs[1]));
            y
        }
        Op::Norm(op) => {
            let mut y = values.take_first(node, dying);
            let x = values.of(node);
            let affine = affine(op.kind, x);
            let residual = op.residual.then(|| x.get(node.inputs.len() - 1));
            let [_, channels, h, w] = image(&node.shape);
            norm::norm(&mut y, channels, h * w, *op, affine, residual);
            y
        }
        Op::Scale(factor) => {
            let mut y = values.take_first(node, dying);
            pointwise::scale(&mut y, *factor);
            y
        }
        Op::Above(threshold) => {
            let mut y = values.take_first(node, dying);
            pointwise::above(&mut y, *threshold);
            y
        }
        Op::Flatten => values.take_first(node, dying),

        // Operations that write a fresh tensor.
        Op::ReflectionPad2d(pad) => values.fresh(node, |x, y| {
            let [_, _, h, w] = extents(0);
            let (rows, columns) = (spatial::axis(h, false, *pad), spatial::axis(w, false, *pad));
            spatial::gather(x.get(0), h * w, w, &rows, &columns, y);
        }),
        Op::UpsampleNearest2x => values.fresh(node, |x, y| {
            let [_, _, h, w] = extents(0);
            let (rows, columns) = (spatial::axis(h, true, 0), spatial::axis(w, true, 0));
            spatial::gather(x.get(0), h * w, w, &rows, &columns, y);
        }),
        Op::Conv2d(op) => {
            let e = convolution(graph, node);
            let winograd = winograd(graph, node, values.arithmetic);
            let scratch = winograd.as_ref().map_or(0, Winograd::scratch);
            values.with_scratch(scratch, |values, scratch| {
                values.fresh(node, |x, y| {
                    let bias = op.bias.then(|| x.get(2));
                    match winograd {
                        Some(winograd) => winograd.conv2d(x.get(0), x.get(1), bias, y, scratch),
                        None => conv::conv2d(x.get(0), x.get(1), bias, e, *op, y),
                    }
                })
            })
        }
        Op::Linear { bias, activation } => values.fresh(node, |x, y| {
            let columns = graph.shape(node.inputs[0]).dims()[1];
            linear::linear(x.get(0), x.get(1), bias.then(|| x.get(2)), columns, *activation, y);
        }),
        Op::NormCoefficients(op) => values.fresh(node, |x, y| {
            let [_, channels, h, w] = extents(0);
            let affine = affine(op.kind, x);
            norm::coefficients(x.get(0), channels, h * w, *op, affine, y);
        }),
        Op::GlobalAvgPool => values.fresh(node, |x, y| {
            let [_, _, h, w] = extents(0);
            pool::global_average(x.get(0), h * w, y);
        }),
        Op::GlobalMaxPool => values.fresh(node, |x, y| {
            let [_, _, h, w] = extents(0);
            pool::global_maximum(x.get(0), h * w, y);
        }),
        Op::SumChannels => values.fresh(node, |x, y| {
            let [_, channels, h, w] = extents(0);
            pool::sum_channels(x.get(0), channels, h * w, y);
        }),
        Op::Concat => values.fresh(node, |x, y| linear::concat(x.get(0), x.get(1), node.shape.dims()[0], y)),
        Op::UpsampleNearest2xGrad => values.fresh(node, |x, y| {
            let [_, _, h, w] = image(&node.shape);
            let (rows, columns) = (spatial::axis(h, true, 0), spatial::axis(w, true, 0));
            spatial::scatter(x.get(0), h * w, w, &rows, &columns, y);
        }),
        Op::AddScalar => values.fresh(node, |x, y| linear::add_scalar(x.get(0), x.get(1)[0], y)),
        Op::CamWeight => values.fresh(node, |x, y| linear::cam_weight(x.get(0), x.get(1), x.get(2), y)),
        of_training!() => return compute_for_training(graph, node, values, dying),
    })
}

/// A build without training has none of its operations.
#[cfg(not(feature = "training"))]
fn compute_for_training<T: Real>(
    _: &Graph,
    node: &Node,
    _: &mut Values<'_, T>,
    _: &dyn Fn(&NodeId) -> bool,
) -> Result<Vec<T>> {
    Err(node.op.needs_training())
}

/// The extents of an [`Op::Conv2d`].
fn convolution(graph: &Graph, node: &Node) -> Extents {
    let [[n, channels, h, w], [outputs, _, kh, kw]] = [0, 1].map(|i| image(graph.shape(node.inputs[i])));
    let [_, _, oh, ow] = image(&node.shape);
    Extents { n, channels, h, w, outputs, kh, kw, oh, ow }
}

/// How [`compute`] computes a convolution with fewer multiplications, if it does.
fn winograd(graph: &Graph, node: &Node, arithmetic: Arithmetic) -> Option<Winograd> {
    match &node.op {
        Op::Conv2d(op) => Winograd::new(convolution(graph, node), *op, arithmetic),
        _ => None,
    }
}

/// The elements of the memory that [`compute`] works in beside the tensors.
pub(super) fn scratch(graph: &Graph, node: &Node, arithmetic: Arithmetic) -> usize {
    #[cfg(feature = "training")]
    if let Some((winograd, gradient)) = super::training::winograd(graph, node, arithmetic) {
        return winograd.gradient_scratch(gradient);
    }
    winograd(graph, node, arithmetic).as_ref().map_or(0, Winograd::scratch)
}

/// The parameters of a normalisation that has any.
fn affine<T: Real>(kind: NormKind, x: Inputs<'_, T>) -> Option<Affine<'_, T>> {
    match kind {
        NormKind::Instance => None,
        NormKind::LayerInstance => Some(Affine { rho: Some(x.get(1)), gamma: x.get(2), beta: x.get(3) }),
        NormKind::Group { .. } => Some(Affine { rho: None, gamma: x.get(1), beta: x.get(2) }),
    }
}
