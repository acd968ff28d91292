//! The gradients of whole generators against central differences in `f64`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]

use ugatit::Tensor;
use ugatit::graph::{Graph, NodeId, Seed, backward};
use ugatit::model::{DecoderNorm, Dialect, Generator, GeneratorConfig};

mod support;
use support::differences::{Feed, dot, run};
use support::random::noise;

/// A whole generator of every dialect and every ablation: the gradient along a random direction of all its parameters and of the
/// picture.
#[test]
fn generators_of_every_dialect_match_differences() {
    let small = GeneratorConfig {
        ch: 4,
        n_res: 1,
        n_res_decoder: 1,
        img_size: 32,
        img_ch: 3,
        light: true,
        ..GeneratorConfig::default()
    };
    let mut configs: Vec<_> = Dialect::ALL.map(|dialect| GeneratorConfig { dialect, ..small }).into();
    configs.extend(DecoderNorm::ALL.map(|decoder_norm| GeneratorConfig {
        decoder_norm,
        cam: false,
        ..small
    }));
    configs.push(GeneratorConfig { smoothing: true, ..small });
    configs.push(GeneratorConfig {
        dialect: Dialect::Tensorflow,
        decoder_norm: DecoderNorm::Gn,
        light: false,
        ..small
    });
    for config in configs {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 3, 32, 32]);
        let net = Generator::build(&mut graph, &config, "", x).unwrap();
        let outputs: Vec<NodeId> =
            [Some(net.image), net.cam_logit, net.heatmap].into_iter().flatten().collect();
        let leaves: Vec<NodeId> = std::iter::once(x).chain(graph.parameters().map(|(id, _)| id)).collect();
        let value = |(id, seed): (&NodeId, u64)| {
            let node = graph.node(*id);
            (node.name.clone(), noise(&node.shape, seed).map(|v| 0.5 * v))
        };
        let feed: Feed = leaves.iter().zip(1..).map(value).collect();
        let along: Feed = leaves.iter().zip(1001..).map(value).collect();
        let upstream: Vec<_> =
            outputs.iter().map(|id| noise(graph.shape(*id), 7 + id.index() as u64)).collect();
        let names = ["g0", "g1", "g2"];

        let mut whole = graph.clone();
        let seeds: Vec<(NodeId, Seed)> = (outputs.iter().zip(names).zip(&upstream))
            .map(|((&id, name), g)| (id, Seed::Node(whole.input(name, g.shape()))))
            .collect();
        let gradients = backward(&mut whole, &seeds, &leaves).unwrap();
        let gradients: Vec<NodeId> = gradients.into_iter().map(Option::unwrap).collect();
        let mut fed = feed.clone();
        fed.extend(names.iter().zip(&upstream).map(|(name, g)| (name.to_string(), g.clone())));
        let exact = run(&whole, &gradients, &fed);
        let slope: f64 = leaves.iter().zip(&exact).map(|(id, g)| dot(g, &along[&graph.node(*id).name])).sum();

        let at = |step: f64| -> f64 {
            let moved = |(name, value): (&String, &Tensor<f64>)| {
                let mut value = value.clone();
                value.data_mut().iter_mut().zip(along[name].data()).for_each(|(v, d)| *v += step * d);
                (name.clone(), value)
            };
            let feed: Feed = feed.iter().map(moved).collect();
            run(&graph, &outputs, &feed).iter().zip(&upstream).map(|(y, g)| dot(y, g)).sum()
        };
        let step = 1e-8;
        let difference = (at(step) - at(-step)) / (2.0 * step);
        // Few of many relus are met by so small a step, each of which is a kink.
        let error = (difference - slope).abs() / slope.abs();
        assert!(error < 1e-5, "{config:?}: {slope} by the rules, {difference} by differences ({error:.1e})");
    }
}
