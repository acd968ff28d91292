//! From an operation of training to its function.

use crate::error::Result;
use crate::graph::{Activation, Arithmetic, Graph, Node, NodeId, NormKind, Op, of_every_network};
use crate::shape::Shape;

use super::conv::Extents;
use super::norm_grad::Operands;
use super::spatial::image;
use super::values::Values;
use super::winograd::{Gradient, Winograd};
use super::{Real, conv_grad, linear, loss, norm_grad, pointwise, pool, spatial, spectral};

/// The rest of `compute`.
pub(super) fn compute_for_training<T: Real>(
    graph: &Graph,
    node: &Node,
    values: &mut Values<'_, T>,
    dying: &dyn Fn(&NodeId) -> bool,
) -> Result<Vec<T>> {
    let extents = |i: usize| image(graph.shape(node.inputs[i]));
    Ok(match &node.op {
        // Operations that work in place.
        Op::ActivationGrad(activation) => {
            let mut y = values.take_first(node, dying);
            pointwise::activation_grad(&mut y, values.get(node.inputs[1]), *activation);
            y
        }
        Op::Unflatten { .. } => values.take_first(node, dying),
        Op::SpectralDivide { bias, activation } => {
            let mut y = values.take_first(node, dying);
            let x = values.of(node);
            let (bias, behind) = if *bias { (x.get(2), 3) } else { (&[][..], 2) };
            let pixels = pixels_of_a_plane(&node.shape);
            spectral::divide(&mut y, pixels, [x.get(behind), x.get(behind + 3)], bias, *activation);
            y
        }
        Op::SpectralDivideGrad(activation) => {
            let mut y = values.take_first(node, dying);
            let x = values.of(node);
            pointwise::activation_grad(&mut y, x.get(1), *activation);
            spectral::divide(&mut y, 1, [x.get(2), x.get(3)], &[], Activation::Identity);
            y
        }

        // Operations that write a fresh tensor.
        Op::Stack => values.fresh(node, |x, y| {
            let (first, second) = y.split_at_mut(x.get(0).len());
            first.copy_from_slice(x.get(0));
            second.copy_from_slice(x.get(1));
        }),
        Op::Samples { first, .. } => values.fresh(node, |x, y| {
            let sample = y.len() / node.shape.dims()[0];
            y.copy_from_slice(&x.get(0)[first * sample..][..y.len()]);
        }),
        Op::SamplesGrad { first, total } => values.fresh(node, |x, y| {
            let from = first * (y.len() / total);
            y.fill(T::default());
            y[from..][..x.get(0).len()].copy_from_slice(x.get(0));
        }),

        Op::Mse { target } => values.fresh(node, |x, y| loss::mse(x.get(0), *target, y)),
        Op::L1 => values.fresh(node, |x, y| loss::l1(x.get(0), x.get(1), y)),
        Op::BceWithLogits { target } => {
            values.fresh(node, |x, y| loss::bce_with_logits(x.get(0), *target, y))
        }
        Op::Mean => values.fresh(node, |x, y| loss::average(x.get(0), y)),
        Op::Hinge { target } => values.fresh(node, |x, y| loss::hinge(x.get(0), *target, y)),
        Op::GradientPenalty { one_sided } => values.fresh(node, |x, y| {
            let samples = graph.shape(node.inputs[0]).dims()[0];
            loss::gradient_penalty(x.get(0), samples, *one_sided, y);
        }),
        Op::Interpolate => values.fresh(node, |x, y| {
            let sample = y.len() / x.get(2).len();
            for (i, (y, (a, b))) in y.iter_mut().zip(x.get(0).iter().zip(x.get(1))).enumerate() {
                *y = *a + x.get(2)[i / sample] * (*b - *a);
            }
        }),
        Op::MeanGrad { scale } => values.fresh(node, |x, y| {
            y.fill(T::from_f64(f64::from(*scale) / x.get(0).len() as f64));
        }),
        Op::HingeGrad { target, scale } => {
            values.fresh(node, |x, y| loss::hinge_grad(x.get(0), *target, *scale, y))
        }
        Op::GradientPenaltyGrad { one_sided, scale } => values.fresh(node, |x, y| {
            let samples = node.shape.dims()[0];
            loss::gradient_penalty_grad(x.get(0), samples, *one_sided, *scale, y);
        }),
        Op::AtMaximum => values.fresh(node, |x, y| {
            let [_, _, h, w] = extents(1);
            pool::at_maximum(x.get(0), x.get(1), h * w, y);
        }),
        Op::MseGrad { target, scale } => {
            values.fresh(node, |x, y| loss::mse_grad(x.get(0), *target, *scale, y))
        }
        Op::L1Grad { scale } => values.fresh(node, |x, y| loss::l1_grad(x.get(0), x.get(1), *scale, y)),
        Op::BceWithLogitsGrad { target, scale } => values.fresh(node, |x, y| {
            loss::bce_with_logits_grad(x.get(0), *target, *scale, y);
        }),

        Op::PowerIterationV => values.fresh(node, |x, y| spectral::power_iteration_v(x.get(0), x.get(1), y)),
        Op::PowerIterationU => values.fresh_with(node, |kept, x, y| {
            let operands = [node.inputs[0], node.inputs[1]];
            spectral::power_iteration_u(kept.product(operands, || spectral::product(x.get(0), x.get(1))), y);
        }),
        Op::SpectralSigma => values.fresh_with(node, |kept, x, y| {
            let operands = [node.inputs[0], node.inputs[2]];
            spectral::sigma(kept.product(operands, || spectral::product(x.get(0), x.get(2))), x.get(1), y);
        }),
        Op::SpectralNorm => values.fresh(node, |x, y| spectral::spectral_norm(x.get(0), x.get(1), y)),
        Op::SpectralNormGrad => values.fresh(node, |x, y| {
            spectral::spectral_norm_grad(x.get(0), x.get(1), x.get(2), x.get(3), x.get(4), y);
        }),
        Op::SpectralBiasGrad => values.fresh(node, |x, y| {
            let pixels = pixels_of_a_plane(graph.shape(node.inputs[0]));
            spectral::bias_grad(x.get(0), pixels, [x.get(1), x.get(2)], y);
        }),
        Op::SpectralSigmaGrad { bias, activation } => values.fresh(node, |x, y| {
            let pixels = pixels_of_a_plane(graph.shape(node.inputs[0]));
            let (bias, behind) = if *bias { (x.get(3), 4) } else { (&[][..], 3) };
            let factors = spectral::sigma_factors([x.get(0), x.get(1)], pixels, bias, *activation);
            spectral::sigma_grad(factors, [behind, behind + 2].map(|k| [x.get(k), x.get(k + 1)]), y);
        }),

        Op::Conv2dGradInput { conv, .. } => {
            let (e, winograd) = (of_input(graph, node), winograd(graph, node, values.arithmetic));
            let len = winograd.as_ref().map_or(0, |(winograd, of)| winograd.gradient_scratch(*of));
            values.with_scratch(len, |values, scratch| {
                values.fresh(node, |x, y| match winograd {
                    Some((winograd, _)) => winograd.grad_input(x.get(0), x.get(1), y, scratch),
                    None => conv_grad::input(x.get(0), x.get(1), e, *conv, y),
                })
            })
        }
        Op::Conv2dGradWeight { conv, .. } => {
            let (e, winograd) = (of_weight(graph, node), winograd(graph, node, values.arithmetic));
            let len = winograd.as_ref().map_or(0, |(winograd, of)| winograd.gradient_scratch(*of));
            values.with_scratch(len, |values, scratch| {
                values.fresh(node, |x, y| match winograd {
                    Some((winograd, _)) => winograd.grad_weight(x.get(0), x.get(1), y, scratch),
                    None => conv_grad::weight(x.get(0), x.get(1), e, *conv, y),
                })
            })
        }
        Op::SumPixels => values.fresh(node, |x, y| {
            let [_, _, h, w] = extents(0);
            conv_grad::sum_pixels(x.get(0), h * w, y);
        }),
        Op::SumRows => values.fresh(node, |x, y| linear::sum_rows(x.get(0), y)),
        Op::SumColumns => values.fresh(node, |x, y| y[0] = T::from_f64(pool::sum(x.get(0)))),
        Op::LinearGradInput => {
            values.fresh(node, |x, y| linear::grad_input(x.get(0), x.get(1), node.shape.dims()[1], y))
        }
        Op::LinearGradWeight => {
            values.fresh(node, |x, y| linear::grad_weight(x.get(0), x.get(1), node.shape.dims()[1], y))
        }
        Op::NormGrad { norm, wrt } => values.fresh_with(node, |kept, x, y| {
            let [_, channels, h, w] = extents(1);
            let affine = match norm.kind {
                NormKind::Instance => None,
                NormKind::LayerInstance => Some((Some(x.get(2)), x.get(3))),
                NormKind::Group { .. } => Some((None, x.get(2))),
            };
            let operands = Operands { g: x.get(0), x: x.get(1), affine, channels, pixels: h * w };
            let planes = kept.planes(&node.inputs, *norm, || norm_grad::planes(&operands, *norm));
            norm_grad::norm_grad(&operands, planes, *norm, *wrt, y);
        }),
        Op::ReflectionPad2dGrad(pad) => values.fresh(node, |x, y| {
            let [_, _, h, w] = image(&node.shape);
            let (rows, columns) = (spatial::axis(h, false, *pad), spatial::axis(w, false, *pad));
            spatial::scatter(x.get(0), h * w, w, &rows, &columns, y);
        }),
        Op::GlobalAvgPoolGrad { height, width } => values.fresh(node, |x, y| {
            pool::global_average_grad(x.get(0), height * width, y);
        }),
        Op::GlobalMaxPoolGrad => values.fresh(node, |x, y| {
            let [_, _, h, w] = extents(1);
            pool::global_maximum_grad(x.get(0), x.get(1), h * w, y);
        }),
        Op::BroadcastChannels(channels) => values.fresh(node, |x, y| {
            let [_, _, h, w] = extents(0);
            pool::broadcast_channels(x.get(0), *channels, h * w, y);
        }),
        Op::SliceColumns { start, len } => values.fresh(node, |x, y| {
            let shape = graph.shape(node.inputs[0]);
            let pixels = shape.nchw().map_or(1, |[_, _, h, w]| h * w);
            let columns = shape.dims()[1] * pixels;
            linear::slice_columns(x.get(0), columns, start * pixels, len * pixels, y);
        }),
        Op::CamWeightGrad(wrt) => values.fresh(node, |x, y| {
            linear::cam_weight_grad(x.get(0), x.get(1), x.get(2), x.get(3), *wrt, y);
        }),

        // `compute` has them.
        of_every_network!() => vec![],
    })
}

/// Of `[N, C, …]`: how many elements a sample has of each channel.
fn pixels_of_a_plane(shape: &Shape) -> usize {
    shape.dims()[2..].iter().product()
}

/// The extents of the convolution whose gradient an [`Op::Conv2dGradInput`] is.
fn of_input(graph: &Graph, node: &Node) -> Extents {
    let [[_, _, oh, ow], [outputs, channels, kh, kw]] = [0, 1].map(|i| image(graph.shape(node.inputs[i])));
    let [n, _, h, w] = image(&node.shape);
    Extents { n, channels, h, w, outputs, kh, kw, oh, ow }
}

/// The extents of the convolution whose gradient an [`Op::Conv2dGradWeight`] is.
fn of_weight(graph: &Graph, node: &Node) -> Extents {
    let [[n, channels, h, w], [_, outputs, oh, ow]] = [0, 1].map(|i| image(graph.shape(node.inputs[i])));
    let [_, _, kh, kw] = image(&node.shape);
    Extents { n, channels, h, w, outputs, kh, kw, oh, ow }
}

/// How the gradient of a convolution is computed with fewer multiplications, if it is.
pub(super) fn winograd(graph: &Graph, node: &Node, arithmetic: Arithmetic) -> Option<(Winograd, Gradient)> {
    let (e, conv, gradient) = match &node.op {
        Op::Conv2dGradInput { conv, .. } => (of_input(graph, node), conv, Gradient::Input),
        Op::Conv2dGradWeight { conv, .. } => (of_weight(graph, node), conv, Gradient::Weight),
        _ => return None,
    };
    Some((Winograd::new(e, *conv, arithmetic)?, gradient))
}
