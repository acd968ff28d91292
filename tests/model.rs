//! The networks' sizes, without computing them.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail and report like the tests themselves")]

use std::collections::BTreeSet;

use ugatit::Error;
use ugatit::graph::{Graph, Op};
use ugatit::model::{Discriminator, DiscriminatorConfig, Generator, GeneratorConfig, SpectralState};

const GLOBAL: DiscriminatorConfig =
    DiscriminatorConfig { ch: 64, n_layers: 7, img_ch: 3, cam: true, sn: true };
const LOCAL: DiscriminatorConfig =
    DiscriminatorConfig { ch: 64, n_layers: 5, img_ch: 3, cam: true, sn: true };

fn build(config: &DiscriminatorConfig, [h, w]: [usize; 2]) -> Result<(Graph, Discriminator), Error> {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 3, h, w]);
    let network = Discriminator::build(&mut graph, config, "", x, &mut SpectralState::train())?;
    Ok((graph, network))
}

/// Shapes and counts of the official networks at their own size.
#[test]
fn the_official_discriminators_have_the_official_sizes() {
    for (config, features, heatmap, parameters) in
        [(GLOBAL, 2048, 7, 53_130_176), (LOCAL, 512, 31, 3_290_560)]
    {
        let (graph, network) = build(&config, [256, 256]).unwrap();
        assert_eq!(config.features(), features);
        assert_eq!(graph.shape(network.judgement).dims(), [1, 1, heatmap - 1, heatmap - 1]);
        assert_eq!(graph.shape(network.heatmap.unwrap()).dims(), [1, 1, heatmap, heatmap]);
        assert_eq!(graph.shape(network.cam_logit.unwrap()).dims(), [1, 2]);
        let trained = graph.parameters().filter(|(_, n)| !n.name.ends_with("_u") && !n.name.ends_with("_v"));
        assert_eq!(trained.map(|(_, n)| n.shape.elements()).sum::<usize>(), parameters);
    }
}

#[test]
fn pictures_too_small_for_a_discriminator_are_refused() {
    for (n_layers, min) in [(7, 96), (6, 48), (5, 24), (3, 6)] {
        let config = DiscriminatorConfig { n_layers, ch: 2, ..GLOBAL };
        assert_eq!(config.min_size(), min);
        let (graph, network) = build(&config, [min, min + 5]).unwrap();
        assert_eq!(graph.shape(network.judgement).dims()[2], 1);
        let error = build(&config, [min, min - 1]).unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error}");
        assert!(error.to_string().contains(&min.to_string()), "{error}");
    }
    for config in [DiscriminatorConfig { n_layers: 2, ..GLOBAL }, DiscriminatorConfig { ch: 0, ..GLOBAL }] {
        assert!(matches!(build(&config, [256, 256]), Err(Error::Config(_))));
    }
}

/// Networks built twice in one graph share their parameters; a discriminator's second forward
/// goes on with the vectors of the first, in training only.
#[test]
fn a_second_forward_shares_the_parameters() {
    let config = DiscriminatorConfig { ch: 4, ..LOCAL };
    for (mut state, iterations) in [(SpectralState::train(), 14), (SpectralState::eval(), 0)] {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 3, 32, 32]);
        Discriminator::build(&mut graph, &config, "disLA.", x, &mut state).unwrap();
        let (parameters, first) = (graph.parameters().count(), state.updated().collect::<Vec<_>>());
        Discriminator::build(&mut graph, &config, "disLA.", x, &mut state).unwrap();
        assert_eq!(graph.parameters().count(), parameters);
        let second: Vec<_> = state.updated().collect();
        assert_eq!(first == second, iterations == 0);
        assert_eq!(graph.nodes().iter().filter(|n| n.op == Op::PowerIterationU).count(), iterations);

        // The buffers' names are those of the parameters that the next graph is fed with.
        let names: BTreeSet<&str> = graph.parameters().map(|(_, n)| n.name.as_str()).collect();
        assert_eq!(second.len(), 14);
        assert!(second.iter().all(|(key, _)| names.contains(key.as_str())));
    }

    let mut graph = Graph::new();
    let x = graph.input("x", [1, 3, 32, 32]);
    let config = GeneratorConfig { ch: 4, img_size: 32, ..GeneratorConfig::default() };
    let there = Generator::build(&mut graph, &config, "genA2B.", x).unwrap();
    let parameters = graph.parameters().count();
    Generator::build(&mut graph, &config, "genA2B.", there.image).unwrap();
    assert_eq!(graph.parameters().count(), parameters);
    Generator::build(&mut graph, &config, "genB2A.", there.image).unwrap();
    assert_eq!(graph.parameters().count(), 2 * parameters);
}
