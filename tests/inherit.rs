//! A run that begins with the weights of a model: what is taken, and what starts afresh.
#![cfg(all(feature = "pictures", feature = "pytorch"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod files;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use files::checkpoint::{Network, Storage, zip_checkpoint};
use tempfile::TempDir;
use ugatit::io::{Model, ModelMetadata, Precision};
use ugatit::model::Direction;
use ugatit::run::{Checkpoint, Inherited, InheritedNetwork, Position, RunConfig};
use ugatit::train::TrainState;
use ugatit::{Error, Tensor};

/// `img_size` 24 and 4 layers in the global discriminators, the seed 1.
fn source() -> RunConfig {
    let text = "img_size = 24\nch = 4\nn_res = 1\nn_dis_global = 4\nn_dis_local = 3\nema = 0.9\nseed = 1";
    RunConfig::layered(None, &[RunConfig::read(text).unwrap()]).unwrap()
}

/// Other pictures, other global discriminators, another seed.
fn target(init: &Path) -> RunConfig {
    RunConfig { img_size: 32, n_dis_global: 5, seed: 2, init: init.into(), ..source() }
}

/// A state whose average differs from its weights.
fn trained(config: &RunConfig) -> TrainState<f32> {
    let mut state = TrainState::new(&config.step(), config.seed).unwrap();
    state.ema.values_mut().flat_map(Tensor::data_mut).for_each(|x| *x += 0.25);
    state.step = 7;
    state
}

fn save(config: &RunConfig, state: &TrainState<f32>, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let position = Position { seed: config.seed, ..Position::default() };
    Checkpoint { config: config.step(), state: Cow::Borrowed(state), position }.save(path).unwrap();
}

/// A file of official keys without our metadata.
fn foreign(tensors: &BTreeMap<String, Tensor>) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), vec![]);
    for (key, tensor) in tensors {
        let begin = data.len();
        data.extend(tensor.data().iter().flat_map(|v| v.to_le_bytes()));
        let entry = serde_json::json!({
            "dtype": "F32", "shape": tensor.shape().dims(), "data_offsets": [begin, data.len()],
        });
        header.insert(key.clone(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

fn taken(inherited: &Inherited) -> BTreeMap<&str, [usize; 2]> {
    let count = |n: &InheritedNetwork| (n.name, [n.taken, n.fresh.len()]);
    inherited.networks.iter().map(count).collect()
}

/// Of one direction, with the average's weights.
fn model(config: &RunConfig, state: &TrainState<f32>, direction: Direction) -> Model {
    let prefix = format!("{}.", direction.network());
    let own = state.ema.iter().filter_map(|(name, t)| Some((name.strip_prefix(&prefix)?.into(), t.clone())));
    Model::new(config.step().generator, direction, ModelMetadata::default(), own.collect()).unwrap()
}

#[test]
fn all_networks_of_a_checkpoint_at_another_size() {
    let folder = TempDir::new().unwrap();
    let state = trained(&source());
    let run = folder.path().join("run");
    let file = run.join("checkpoints/step-0000007.safetensors");
    save(&source(), &state, &file);

    for path in [&file, &run] {
        let config = target(path);
        let start = config.start().unwrap();
        let fresh = TrainState::<f32>::new(&config.step(), config.seed).unwrap();
        let inherited = start.inherited.unwrap();
        assert!(start.unreadable.is_empty() && inherited.source == *path);
        let counts = taken(&inherited);
        for name in ["genA2B", "genB2A", "disLA", "disLB"] {
            assert!(counts[name][0] > 3 && counts[name][1] == 0, "{counts:?}");
        }
        for name in ["disGA", "disGB"] {
            assert!(counts[name][0] >= 2 && counts[name][1] >= 3, "{counts:?}");
        }
        let text: Vec<String> = inherited.networks.iter().map(ToString::to_string).collect();
        assert!(text[0].starts_with("genA2B: all ") && text[0].ends_with(" layers taken over"), "{text:?}");
        let partly = text.iter().find(|text| text.starts_with("disGA")).unwrap();
        assert!(partly.contains("; afresh: ") && partly.contains("gap_fc"), "{partly}");

        assert_eq!((start.state.step, start.state.tensors.len()), (0, fresh.tensors.len()));
        assert_eq!(start.state.moments, fresh.moments, "the optimiser starts anew");
        for (name, tensor) in &start.state.tensors {
            let (network, key) = name.split_once('.').unwrap();
            let layer = key.rsplit_once('.').unwrap().0;
            let own = inherited.networks.iter().find(|n| n.name == network).unwrap();
            let expected = match state.ema.get(name) {
                Some(average) => average,
                None if own.fresh.iter().any(|fresh| fresh == layer) => &fresh.tensors[name],
                None => &state.tensors[name],
            };
            assert_eq!(tensor, expected, "{name}");
            if let Some(average) = start.state.ema.get(name) {
                assert_eq!(average, tensor, "{name}");
            }
        }
    }
}

#[test]
fn a_checkpoint_is_a_model() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("step-0000007.safetensors");
    let mut state = trained(&source());
    for what in ["the moving average", "the weights"] {
        save(&source(), &state, &file);
        if state.ema.is_empty() {
            // What is taken where nothing is averaged.
            state.ema = state.tensors.clone();
        }
        let models = Model::open_all(&file).unwrap();
        assert_eq!(models.len(), 2);
        for (found, direction) in models.into_iter().zip(Direction::BOTH) {
            let expected = model(&source(), &state, direction);
            assert_eq!((found.config, found.direction), (expected.config, direction));
            assert_eq!(found.tensors, expected.tensors);
            let provenance = found.metadata.provenance.unwrap();
            assert_eq!(provenance, format!("{what} in step-0000007.safetensors, after 7 iterations"));
            assert_eq!(Model::open(&file, Some(direction)).unwrap().tensors, expected.tensors);
        }
        state.ema.clear();
    }
    // One that a newer program wrote.
    let (old, new) = (br#""format_version":"1""#, br#""format_version":"9""#);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(old.len()).position(|bytes| bytes == old).unwrap();
    bytes[at..at + new.len()].copy_from_slice(new);
    fs::write(&file, bytes).unwrap();
    assert!(matches!(Model::open(&file, None), Err(Error::NewerVersion { found: 9, .. })));
}

#[test]
fn models_give_their_generators() {
    let folder = TempDir::new().unwrap();
    let state = trained(&source());
    let models = Direction::BOTH.map(|direction| model(&source(), &state, direction));
    for model in &models {
        let path = folder.path().join(format!("{}.safetensors", model.direction));
        model.save(path, Precision::F32, false).unwrap();
    }
    // B2A by its name.
    let bare = folder.path().join("mine_b2a.safetensors");
    fs::write(&bare, foreign(&models[1].tensors)).unwrap();

    for (path, there) in [
        (folder.path().to_path_buf(), ["genA2B", "genB2A"].as_slice()),
        (folder.path().join("A2B.safetensors"), &["genA2B"]),
        (bare, &["genB2A"]),
    ] {
        let config = target(&path);
        let start = config.start().unwrap();
        let fresh = TrainState::<f32>::new(&config.step(), config.seed).unwrap();
        for network in start.inherited.unwrap().networks {
            let all = there.contains(&network.name);
            assert!(if all { network.fresh.is_empty() } else { network.taken == 0 }, "{network}");
            assert_eq!(network.to_string().ends_with("starts afresh"), !all, "{network}");
        }
        for (name, tensor) in &start.state.tensors {
            let network = name.split('.').next().unwrap();
            let expected = if there.contains(&network) { &state.ema[name] } else { &fresh.tensors[name] };
            assert_eq!(tensor, expected, "{}: {name}", path.display());
        }
    }
}

/// As the official program saves them, and with generators only, as many people share them.
#[test]
fn official_checkpoints_give_what_they_hold() {
    let folder = TempDir::new().unwrap();
    let state = trained(&source());
    let of = |network: &'static str| -> Network<'static> {
        let key = |name: &str| Some(name.strip_prefix(network)?.strip_prefix('.')?.to_owned());
        (network, state.tensors.iter().filter_map(|(name, t)| Some((key(name)?, t.clone()))).collect())
    };
    let all = ["genA2B", "genB2A", "disGA", "disGB", "disLA", "disLB"];
    for there in [&all[..], &all[..2]] {
        let path = folder.path().join(format!("params_{}.pt", there.len()));
        let networks: Vec<_> = there.iter().map(|name| of(name)).collect();
        fs::write(&path, zip_checkpoint(&networks, "cpu", Storage::Float)).unwrap();
        // The same networks: every tensor that is there.
        let config = RunConfig { seed: 2, init: path, ..source() };
        let start = config.start().unwrap();
        let fresh = TrainState::<f32>::new(&config.step(), config.seed).unwrap();
        for (name, tensor) in &start.state.tensors {
            let network = name.split('.').next().unwrap();
            let expected = if there.contains(&network) { &state.tensors[name] } else { &fresh.tensors[name] };
            assert_eq!(tensor, expected, "{name}");
        }
        let counts = start.inherited.unwrap();
        assert!(
            taken(&counts).iter().all(|(name, [taken, fresh])| there.contains(name) == (*fresh == 0)
                && (*taken == 0) != (*fresh == 0))
        );
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let folder = TempDir::new().unwrap();
    let state = trained(&source());
    let file = folder.path().join("step-0000007.safetensors");
    save(&source(), &state, &file);
    let problem = |config: RunConfig| config.start().unwrap_err();

    // Nothing of a wider network, not even the few tensors whose shapes do not depend on it.
    let wider = problem(RunConfig { ch: 8, ..target(&file) });
    assert!(matches!(wider, Error::ModelFile { .. }), "{wider}");
    let wider = wider.to_string();
    assert!(wider.contains("nothing in it fits") && wider.contains("this run's"), "{wider}");

    // More blocks: those that there are.
    let deeper = RunConfig { n_res: 2, ..target(&file) }.start().unwrap().inherited.unwrap();
    let [taken, fresh] = taken(&deeper)["genA2B"];
    assert!(taken > 5 && fresh > 2, "{taken} {fresh}");

    assert!(matches!(problem(target(&folder.path().join("nothing"))), Error::Io { .. }));
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(problem(target(&empty)).to_string().contains("holds no model"));
    let other = folder.path().join("other.safetensors");
    fs::write(&other, foreign(&BTreeMap::from([("a.b".into(), Tensor::zeros([2]))]))).unwrap();
    assert!(problem(target(&other)).to_string().contains("none of the networks"));
    fs::write(&other, []).unwrap();
    assert!(problem(target(&other)).to_string().contains("empty"));
    fs::write(&other, b"text").unwrap();
    assert!(matches!(problem(target(&other)), Error::ModelFile { .. }));
    assert!(target(Path::new("")).start().unwrap().inherited.is_none());
}

/// A run in an imported model's own dialect takes all of it over, and in another one says what to change.
#[test]
fn models_of_other_programs_are_trained_on() {
    for (dialect, fixture, size) in
        [("tensorflow", "tf/tf_light_ch4_48_nosmooth", 48), ("photo2cartoon", "p2c/p2c_ngf4_32.pt", 32)]
    {
        let init = files::committed_dir().join(fixture);
        let text = format!(
            "img_size = {size}\nch = 4\nn_res = 4\nn_dis_global = 4\nn_dis_local = 3\nseed = 1\ndialect = \"{dialect}\""
        );
        let config = RunConfig::layered(None, &[RunConfig::read(&text).unwrap()]).unwrap();
        let config = RunConfig { init: init.clone(), ..config };
        let start = config.start().unwrap();
        let counts = taken(start.inherited.as_ref().unwrap());
        for network in ["genA2B", "genB2A"] {
            assert!(counts[network][0] > 30 && counts[network][1] == 0, "{dialect}: {counts:?}");
        }
        assert_eq!(counts["disGA"][0], 0);
        let model = Model::open(&init, Some(Direction::B2A)).unwrap();
        for (key, tensor) in &model.tensors {
            assert_eq!(start.state.tensors[&format!("genB2A.{key}")], *tensor, "{key}");
        }
        if dialect == "tensorflow" {
            let other = RunConfig { ch: 8, ..config };
            let error = other.start().map(drop).unwrap_err().to_string();
            assert!(error.contains("dialect"), "{error}");
        }
    }
}
