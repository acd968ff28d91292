//! A network whose normalisations no longer look at the picture: what they did to one picture
//! (the survey) is folded into the convolutions before them, and only convolutions are left. So
//! every part of a large picture is translated as the whole would be, and no part has to know of
//! the others.

use std::collections::BTreeMap;

use crate::Tensor;
use crate::error::{Error, Result};
use crate::graph::{Activation, Conv2d, Graph, Node, NodeId, Norm, Op, fuse};

/// What every normalisation did to each channel, `[1, 3, C]` ([`Op::NormCoefficients`]), by the
/// weight of the convolution before it.
pub(super) type Frozen = BTreeMap<String, Tensor>;

/// A fused network that also gives the coefficients of every normalisation: the outputs that are
/// asked for first, then those, which are named by the keys that are returned.
pub(super) fn surveyed(graph: &Graph, outputs: &[NodeId]) -> Result<(Graph, Vec<NodeId>, Vec<String>)> {
    let (mut keys, mut coefficients) = (vec![], vec![]);
    let (surveyed, ids) = rebuilt(graph, |new, node, inputs| {
        if let Op::Norm(norm) = &node.op {
            let (key, _) = convolution_before(graph, node)?;
            if keys.iter().any(|known| known == key) {
                return Err(Error::Internal(format!("`{key}` is normalised in two places")));
            }
            keys.push(key.to_owned());
            // Here and not at the end, where the input would have to be kept until then.
            let own = &inputs[..inputs.len() - usize::from(norm.residual)];
            coefficients.push(new.add(Op::NormCoefficients(*norm), own)?);
        }
        new.add(node.op.clone(), inputs)
    })?;
    let outputs = outputs.iter().map(|id| ids[id.index()]).chain(coefficients).collect();
    Ok((surveyed, outputs, keys))
}

/// The network without normalisations. Its weights are those of [`fold`].
pub(super) fn frozen(graph: &Graph, outputs: &[NodeId]) -> Result<(Graph, Vec<NodeId>)> {
    let (frozen, ids) = rebuilt(graph, |new, node, inputs| {
        let Op::Norm(Norm { activation, residual, .. }) = node.op else {
            return new.add(node.op.clone(), inputs);
        };
        let (key, conv) = convolution_before(graph, node)?;
        // Its own bias, if it has one, is folded into the new one, which has the same name.
        let [x, weight] = [0, 1].map(|i| new.node(inputs[0]).inputs[i]);
        let bias = new.parameter(bias_of(key), [new.shape(weight).dims()[0]]);
        let y = new.add(Op::Conv2d(Conv2d { bias: true, activation, ..conv }), &[x, weight, bias])?;
        if residual { new.add(Op::Add, &[y, inputs[inputs.len() - 1]]) } else { Ok(y) }
    })?;
    let outputs: Vec<NodeId> = outputs.iter().map(|id| ids[id.index()]).collect();
    // Also drops what nobody reads any more.
    Ok(fuse(&frozen, &outputs))
}

/// Puts what the normalisations did into the weights: `a (w x + c - shift) + b` is
/// `(a w) x + (b + a (c - shift))`, with c the convolution's own bias, if it has one.
pub(super) fn fold(weights: &mut BTreeMap<String, Tensor>, frozen: &Frozen) -> Result<()> {
    for (key, coefficients) in frozen {
        let weight = weights.get_mut(key).ok_or_else(|| Error::Internal(format!("`{key}` is missing")))?;
        let outputs = weight.shape().dims()[0];
        if coefficients.shape().dims() != [1, 3, outputs] {
            let found = coefficients.shape();
            return Err(Error::Shape(format!(
                "the coefficients of `{key}` are [1, 3, {outputs}], not {found}"
            )));
        }
        let [shift, a, b] = [0, 1, 2].map(|row| &coefficients.data()[row * outputs..][..outputs]);
        let size = weight.data().len() / outputs;
        for (weights, a) in weight.data_mut().chunks_mut(size).zip(a) {
            weights.iter_mut().for_each(|w| *w *= a);
        }
        let own = weights.get(&bias_of(key)).map(|bias| bias.data().to_vec());
        let own = own.unwrap_or_else(|| vec![0.0; outputs]);
        let each = shift.iter().zip(a).zip(b).zip(own);
        let bias = each.map(|(((&shift, &a), &b), own)| {
            (f64::from(b) + f64::from(a) * (f64::from(own) - f64::from(shift))) as f32
        });
        let bias = Tensor::new([outputs], bias.collect())?;
        weights.insert(bias_of(key), bias);
    }
    Ok(())
}

fn bias_of(weight: &str) -> String {
    format!("{}.bias", weight.strip_suffix(".weight").unwrap_or(weight))
}

/// The convolution that a normalisation follows, with the key of its weight.
fn convolution_before<'a>(graph: &'a Graph, norm: &Node) -> Result<(&'a str, Conv2d)> {
    let before = graph.node(norm.inputs[0]);
    let readers = graph.nodes().iter().flat_map(|node| &node.inputs).filter(|&&id| id == norm.inputs[0]);
    if let Op::Conv2d(conv @ Conv2d { activation: Activation::Identity, .. }) = before.op
        && readers.count() == 1
    {
        return Ok((&graph.node(before.inputs[1]).name, conv));
    }
    Err(Error::Internal("only a normalisation right after a plain convolution can be frozen".into()))
}

/// A copy of a graph, leaves as they are and every other node as `each` makes it from its copied
/// inputs; with the copy of each node.
fn rebuilt(
    graph: &Graph,
    mut each: impl FnMut(&mut Graph, &Node, &[NodeId]) -> Result<NodeId>,
) -> Result<(Graph, Vec<NodeId>)> {
    let mut new = Graph::new();
    let mut ids: Vec<NodeId> = vec![];
    for node in graph.nodes() {
        let inputs: Vec<NodeId> = node.inputs.iter().map(|id| ids[id.index()]).collect();
        ids.push(if node.op == Op::Input {
            new.input(&node.name, &node.shape)
        } else if node.op == Op::Parameter {
            new.parameter(&node.name, &node.shape)
        } else {
            each(&mut new, node, &inputs)?
        });
    }
    Ok((new, ids))
}

#[cfg(test)]
mod tests {
    use super::super::{INPUT, network};
    use super::*;
    use crate::cpu;
    use crate::graph::{NormKind, Shape};
    use crate::io::Model;
    use crate::model::{DecoderNorm, Dialect, GeneratorConfig};
    use crate::random::Random;

    /// The same numbers, where the statistics are those of the picture itself.
    #[test]
    fn a_frozen_network_is_the_network() {
        let usual =
            GeneratorConfig { ch: 5, n_res: 2, n_res_decoder: 1, img_size: 16, ..GeneratorConfig::default() };
        frozen_is_the_network(usual);
        // With biases before its normalisations.
        frozen_is_the_network(GeneratorConfig { dialect: Dialect::Tensorflow, smoothing: true, ..usual });
        for decoder_norm in DecoderNorm::ALL {
            frozen_is_the_network(GeneratorConfig { decoder_norm, cam: false, ..usual });
        }
    }

    fn frozen_is_the_network(config: GeneratorConfig) {
        let mut random = Random::seeded(1);
        let mut noise = |shape: &Shape| {
            let values = (0..shape.elements()).map(|_| random.uniform() as f32 - 0.5).collect();
            Tensor::new(shape, values).unwrap()
        };
        let mut weights: BTreeMap<String, Tensor> =
            Model::expected(&config).unwrap().into_iter().map(|(key, shape)| (key, noise(&shape))).collect();
        let x = noise(&[1, 3, 24, 36].into());
        let (graph, outputs) = network(&config, x.shape()).unwrap();

        let (with_coefficients, wanted, keys) = surveyed(&graph, &outputs).unwrap();
        let count = if config.cam { 3 } else { 1 };
        assert_eq!((wanted.len(), keys.len(), outputs.len()), (count + 11, 11, count));
        let feed = |name: &str| if name == INPUT { Some(&x) } else { weights.get(name) };
        let mut results = cpu::run(&with_coefficients, &wanted, &feed).unwrap();
        let coefficients = results.split_off(count);
        assert_eq!(results, cpu::run(&graph, &outputs, &feed).unwrap());

        let (plain, image) = frozen(&graph, &outputs[..count.min(2)]).unwrap();
        assert!(!plain.nodes().iter().any(|node| matches!(node.op, Op::Norm(_) | Op::Linear { .. })));
        fold(&mut weights, &keys.into_iter().zip(coefficients).collect()).unwrap();
        let feed = |name: &str| if name == INPUT { Some(&x) } else { weights.get(name) };
        let again = cpu::run(&plain, &image, &feed).unwrap();
        for (a, b) in again.iter().zip(&results) {
            let largest = b.data().iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            for (a, b) in a.data().iter().zip(b.data()) {
                assert!((a - b).abs() < 1e-5 * largest, "{a} is not {b} of {largest}");
            }
        }
    }

    #[test]
    fn only_a_normalisation_after_a_plain_convolution_is_frozen() {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 2, 4, 4]);
        let norm = Norm {
            kind: NormKind::Instance,
            eps: 1e-5,
            unbiased: true,
            activation: Activation::Identity,
            residual: false,
        };
        let y = graph.add(Op::Activation(Activation::Relu), &[x]).unwrap();
        let y = graph.add(Op::Norm(norm), &[y]).unwrap();
        assert!(surveyed(&graph, &[y]).is_err() && frozen(&graph, &[y]).is_err());
    }
}
