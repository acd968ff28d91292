//! The kernels of normalisations and of spectral normalisation, and what is computed within them, on the GPU against the
//! CPU executor in f64, on shapes that are no multiple of any tile, with memory poisoned before each run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use ugatit::graph::{
    Activation, CamInput, Conv2d, Graph, NodeId, Norm, NormInput, NormKind, Op, Seed, backward,
};
use ugatit::plan::{AdapterClass, ParameterMap, Plan, Target};

mod support;
use support::case::{Case, noise, rounding};
use support::engine::gpu;

/// More than one group of more than one channel, where there can be any.
fn groups(c: usize) -> usize {
    (2..=c).find(|groups| c.is_multiple_of(*groups) && *groups < c).unwrap_or(1)
}

#[test]
fn normalisation() {
    for (n, c, h, w) in
        [(1, 5, 6, 7), (2, 7, 5, 4), (2, 70, 33, 17), (1, 64, 64, 64), (1, 3, 2, 1), (2, 12, 150, 120)]
    {
        for (kind, own, unbiased) in [
            (NormKind::Instance, false, true),
            (NormKind::LayerInstance, false, true),
            (NormKind::LayerInstance, true, true),
            (NormKind::LayerInstance, true, false),
            (NormKind::Group { groups: 1 }, true, true),
            (NormKind::Group { groups: c }, false, true),
            (NormKind::Group { groups: groups(c) }, true, true),
        ] {
            for (activation, residual) in [(Activation::Relu, false), (Activation::Identity, true)] {
                let mut case = Case::new(format!(
                    "{kind:?} own {own} {n}x{c}x{h}x{w} {activation:?} residual {residual}"
                ));
                let mut inputs = vec![case.input(&[n, c, h, w])];
                let shape: &[usize] = if own { &[1, c, 1, 1] } else { &[n, c] };
                let parameters: [&[usize]; 3] = [&[1, c, 1, 1], shape, shape];
                let parameters = &parameters[3 - kind.parameters()..];
                inputs.extend(parameters.iter().map(|shape| case.input(shape)));
                if residual {
                    inputs.push(case.input(&[n, c, h, w]));
                }
                let norm = Norm { kind, eps: 1e-5, unbiased, activation, residual };
                case.output(Op::Norm(norm), &inputs);
                case.output(Op::NormCoefficients(norm), &inputs[..inputs.len() - usize::from(residual)]);
                case.check(AdapterClass::Gpu, None, 2e-6);
            }
        }
    }
}

#[test]
fn the_gradients_of_normalisation() {
    for class in [AdapterClass::Gpu, AdapterClass::Software] {
        for (n, c, h, w) in [(2, 7, 5, 4), (2, 70, 33, 17), (1, 12, 64, 64), (2, 64, 9, 8)] {
            for (kind, unbiased) in [
                (NormKind::Instance, true),
                (NormKind::LayerInstance, true),
                (NormKind::LayerInstance, false),
                (NormKind::Group { groups: 1 }, true),
                (NormKind::Group { groups: c }, true),
                (NormKind::Group { groups: groups(c) }, true),
            ] {
                let mut case =
                    Case::new(format!("gradients of {kind:?} {unbiased} {n}x{c}x{h}x{w} {class:?}"));
                let mut inputs = vec![case.input(&[n, c, h, w]), case.input(&[n, c, h, w])];
                let mut wrt = vec![NormInput::X];
                if kind == NormKind::LayerInstance {
                    inputs.push(case.input(&[1, c, 1, 1]));
                    wrt.push(NormInput::Rho);
                }
                if kind != NormKind::Instance {
                    let (own, given): (&[usize], &[usize]) = (&[1, c, 1, 1], &[n, c]);
                    inputs.push(case.input(if n == 1 { own } else { given }));
                    wrt.extend([NormInput::Gamma, NormInput::Beta]);
                }
                let norm =
                    Norm { kind, eps: 1e-5, unbiased, activation: Activation::Identity, residual: false };
                for wrt in wrt {
                    case.output(Op::NormGrad { norm, wrt }, &inputs);
                }
                case.check(class, None, rounding(c * h * w));
            }
        }
    }
}

/// A mean of 50 with a deviation of 1e-3, and first pixels far from the rest.
#[test]
fn normalisation_keeps_a_tiny_deviation_on_a_large_mean() {
    for outlier in [0.0, 0.5] {
        for kind in [NormKind::Instance, NormKind::LayerInstance, NormKind::Group { groups: 2 }] {
            let (c, h, w) = (6, 40, 40);
            let mut case = Case::new(format!("{kind:?}, outlier {outlier}"));
            let mut x = noise(&[1, c, h, w], 3).map(|v| 50.0 + 1e-3 * v);
            x.data_mut()[0] += outlier;
            let mut inputs = vec![case.given(x)];
            let parameters: [&[usize]; 3] = [&[1, c, 1, 1], &[1, c], &[1, c]];
            let parameters = &parameters[3 - kind.parameters()..];
            inputs.extend(parameters.iter().map(|shape| case.input(shape)));
            let norm =
                Norm { kind, eps: 1e-5, unbiased: true, activation: Activation::Identity, residual: false };
            case.output(Op::Norm(norm), &inputs);
            // One rounding of the differences from the mean is what f32 can give.
            case.check(AdapterClass::Gpu, None, 2e-5);
        }
    }
}

/// Power iteration, sigma, the normalised weight and its gradient, of a convolution and of a
/// linear layer.
#[test]
fn spectral_normalisation() {
    for (w, out, rest) in
        [(vec![5, 3, 4, 4], 5, 48), (vec![1, 7, 4, 4], 1, 112), (vec![1, 9], 1, 9), (vec![6, 70], 6, 70)]
    {
        let mut case = Case::new(format!("spectral norm of {w:?}"));
        let (w, g, u) = (case.input(&w), case.input(&w), case.input(&[out]));
        let v = case.output(Op::PowerIterationV, &[w, u]);
        let next_u = case.output(Op::PowerIterationU, &[w, v]);
        let sigma = case.output(Op::SpectralSigma, &[w, next_u, v]);
        case.output(Op::SpectralNorm, &[w, sigma, next_u, v]);
        case.output(Op::SpectralNormGrad, &[g, w, sigma, next_u, v]);
        assert_eq!(case.graph.shape(v).elements(), rest);
        case.check(AdapterClass::Gpu, None, rounding(rest));
    }
}

/// Gradients of what is used twice: each is added where the one before lies, without a launch of its own, at the end
/// too, where it is an output. And the gradient of an activation is part of that of the normalisation before it.
#[test]
fn sums_and_activations_without_a_launch_of_their_own() {
    for class in [AdapterClass::Gpu, AdapterClass::Software] {
        for (n, c, h, w, own) in [(2, 7, 9, 6, true), (1, 20, 33, 19, false), (3, 5, 4, 4, true)] {
            let mut case = Case::new(format!("sums {n}x{c}x{h}x{w} {class:?}"));
            let (x, g, other) =
                (case.input(&[n, c, h, w]), case.input(&[n, c, h, w]), case.input(&[n, c, h, w]));
            let (rho, shape): (NodeId, &[usize]) =
                (case.input(&[1, c, 1, 1]), if own { &[1, c, 1, 1] } else { &[n, c] });
            let (gamma, beta) = (case.input(shape), case.input(shape));
            let (row, weights, k) = (case.input(&[n, c]), case.input(&[6, c]), case.input(&[n, 6]));
            let [mix, pooled, at_mix] =
                [&[5, 2 * c, 1, 1][..], &[1, c], &[5, c, 1, 1]].map(|shape| case.input(shape));
            let layer = Norm {
                kind: NormKind::LayerInstance,
                eps: 1e-5,
                unbiased: true,
                activation: Activation::Relu,
                residual: false,
            };
            let instance = Norm { kind: NormKind::Instance, activation: Activation::LeakyRelu(0.2), ..layer };
            let graph = &mut case.graph;
            let mut sums: Vec<Option<NodeId>> = vec![None; 11];
            let mut add = |graph: &mut Graph, k: usize, op: Op, inputs: &[NodeId]| {
                let part = graph.add(op, inputs).unwrap();
                sums[k] = Some(match sums[k] {
                    Some(sum) => graph.add(Op::Add, &[sum, part]).unwrap(),
                    None => part,
                });
            };
            for (x, g) in [(x, g), (other, x), (g, other)] {
                // The gradient at what is normalised, and at its parameters.
                for (norm, inputs) in [(layer, vec![x, rho, gamma, beta]), (instance, vec![x])] {
                    let y = graph.add(Op::Norm(norm), &inputs).unwrap();
                    let before = graph.add(Op::ActivationGrad(norm.activation), &[g, y]).unwrap();
                    let mut operands = vec![before];
                    operands.extend(&inputs[..inputs.len().max(2) - 1]);
                    let bare = Norm { activation: Activation::Identity, ..norm };
                    let wrt = [NormInput::X, NormInput::Rho, NormInput::Gamma, NormInput::Beta];
                    for (k, wrt) in wrt.into_iter().enumerate().take(inputs.len()) {
                        add(graph, k, Op::NormGrad { norm: bare, wrt }, &operands);
                    }
                }
                // No gradient, so that it is added by a launch.
                add(graph, 4, Op::Scale(0.5), &[g]);
                add(graph, 4, Op::GlobalAvgPoolGrad { height: h, width: w }, &[row]);
                add(graph, 4, Op::GlobalMaxPoolGrad, &[row, x]);
                let conv = Conv2d {
                    stride: 1,
                    pad: 1,
                    upsample: false,
                    bias: false,
                    activation: Activation::Identity,
                };
                add(graph, 5, Op::Conv2dGradWeight { conv, kernel: [3, 3] }, &[x, g]);
                add(graph, 6, Op::SumPixels, &[g]);
                add(graph, 7, Op::LinearGradWeight, &[row, k]);
                add(graph, 8, Op::LinearGradInput, &[k, weights]);
                add(graph, 9, Op::CamWeightGrad(CamInput::Mix), &[at_mix, mix, pooled, pooled]);
                let start = graph.add(Op::Samples { first: 0, count: 1 }, &[g]).unwrap();
                add(graph, 10, Op::SamplesGrad { first: n - 1, total: n }, &[start]);
            }
            case.outputs.extend(sums.into_iter().flatten());
            let target = Target { class, ..gpu().target() };
            let plan = Plan::compile(&case.graph, &case.outputs, &ParameterMap::default(), &target).unwrap();
            let launches =
                |name: &str| plan.launches().iter().filter(|s| s.kernel().shader.name == name).count();
            assert_eq!(launches("activation_grad"), 0);
            assert_eq!(launches("pointwise_add"), 2, "only what is no gradient is added so");
            assert_eq!(launches("norm_grad_parameter_layer"), 3);
            case.check(class, None, rounding(n * c * h * w));
        }
    }
}

/// Two layers of two batches, divided by a sigma for each, the losses of both batches, and all gradients: what the
/// convolutions, the linear layer and the losses do beside.
#[test]
fn two_batches_under_spectral_normalisation() {
    for (class, invocations) in [
        (AdapterClass::Gpu, None),
        // Sums that are cut into parts.
        (AdapterClass::Gpu, Some(1 << 15)),
        (AdapterClass::Software, None),
    ] {
        for (c, o, side) in [(5, 6, 13), (40, 70, 9), (6, 5, 40)] {
            let mut case = Case::new(format!("two batches, {c} {o} {side} {class:?} {invocations:?}"));
            let mut x = case.input(&[4, 3, side, side + 1]);
            let mut parameters = vec![];
            let mut shapes = vec![(vec![c, 3, 4, 4], 2, true), (vec![o, c, 4, 4], 1, true)];
            shapes.push((vec![1, o, 4, 4], 1, false));
            for (shape, stride, bias) in shapes {
                let (w, u) = (case.input(&shape), case.input(&shape[..1]));
                let b = bias.then(|| case.input(&shape[..1]));
                parameters.extend([w].into_iter().chain(b));
                let mut sigmas = vec![];
                let mut last = u;
                for _ in 0..2 {
                    let v = case.graph.add(Op::PowerIterationV, &[w, last]).unwrap();
                    last = case.graph.add(Op::PowerIterationU, &[w, v]).unwrap();
                    sigmas.extend([case.output(Op::SpectralSigma, &[w, last, v]), last, v]);
                }
                let activation = Activation::Identity;
                let conv = Conv2d { stride, pad: 1, upsample: false, bias: false, activation };
                let sums = case.graph.add(Op::Conv2d(conv), &[x, w]).unwrap();
                let operands = [&[sums, w][..], b.as_slice(), &sigmas].concat();
                let activation = if bias { Activation::LeakyRelu(0.2) } else { activation };
                x = case.graph.add(Op::SpectralDivide { bias, activation }, &operands).unwrap();
            }
            let mut seeds = vec![];
            for (first, target) in [(0, 1.0), (2, 0.0)] {
                let some = case.graph.add(Op::Samples { first, count: 2 }, &[x]).unwrap();
                let loss = case.output(Op::Mse { target }, &[some]);
                seeds.push((loss, Seed::Weight(0.5)));
            }
            let gradients = backward(&mut case.graph, &seeds, &parameters).unwrap();
            case.outputs.extend(gradients.into_iter().flatten());
            let target = Target { class, invocations, ..gpu().target() };
            let plan = Plan::compile(&case.graph, &case.outputs, &ParameterMap::default(), &target).unwrap();
            let launches = |name: &str| {
                plan.launches().iter().filter(|s| s.kernel().shader.name.starts_with(name)).count()
            };
            // That of the last layer's sums, whose gradient comes from the losses.
            assert_eq!([launches("spectral_divide"), launches("spectral_divide_grad")], [1, 1]);
            assert_eq!([launches("loss_and_grad_mse"), launches("loss"), launches("samples")], [2, 2, 0]);
            assert_eq!([launches("spectral_sigma_grad"), launches("activation_grad")], [3, 0]);
            case.check_for(target, rounding(16 * c.max(o)));
        }
    }
}

/// Two weights of one shape, each iterated twice: what they share a launch for; and convolutions that divide their
/// results instead of their weights.
#[test]
fn spectral_normalisation_of_two_weights() {
    for (class, invocations) in [
        (AdapterClass::Gpu, None),
        // Sums that are cut into parts.
        (AdapterClass::Gpu, Some(1 << 15)),
        (AdapterClass::Software, None),
    ] {
        for shape in [[5, 3, 4, 4], [1, 7, 4, 4], [20, 130, 4, 4]] {
            let [o, i, _, _] = shape;
            let mut case = Case::new(format!("spectral norms of {shape:?} {class:?} {invocations:?}"));
            let both = [0, 1].map(|_| (case.input(&shape), case.input(&[o])));
            let (x, g, bias) = (case.input(&[2, i, 9, 8]), case.input(&[2, o, 8, 7]), case.input(&[o]));
            for _ in 0..2 {
                for (w, u) in both {
                    let v = case.output(Op::PowerIterationV, &[w, u]);
                    let u = case.output(Op::PowerIterationU, &[w, v]);
                    let sigma = case.output(Op::SpectralSigma, &[w, u, v]);
                    let weight = case.graph.add(Op::SpectralNorm, &[w, sigma, u, v]).unwrap();
                    let activation = Activation::LeakyRelu(0.2);
                    let conv = Conv2d { stride: 1, pad: 1, upsample: false, bias: true, activation };
                    case.output(Op::Conv2d(conv), &[x, weight, bias]);
                    let bare = Conv2d { bias: false, activation: Activation::Identity, ..conv };
                    case.output(Op::Conv2d(bare), &[x, weight]);
                    let adjoint = Op::Conv2dGradInput { conv: bare, height: 9, width: 8 };
                    case.output(adjoint, &[g, weight]);
                }
            }
            let target = Target { class, invocations, ..gpu().target() };
            let plan = Plan::compile(&case.graph, &case.outputs, &ParameterMap::default(), &target).unwrap();
            let launches =
                |name: &str| plan.launches().iter().filter(|s| s.kernel().shader.name == name).count();
            assert_eq!(launches("divide"), 0);
            assert_eq!(launches("spectral_iteration_pair"), 2);
            assert_eq!(launches("spectral_iteration"), 0);
            case.check_for(target, rounding(16 * i.max(o)));
        }
    }
}
