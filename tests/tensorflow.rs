//! Checkpoints of the authors' TensorFlow program: read without it, and refused by name and reason where they
//! are damaged, cut off, hostile or of another program. `tests/golden_dialects.rs` reads real ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod files;

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use files::tensorflow::{
    KeyValue, Variable, block, bundle, entries, entry, generator, header, shapes, table_of,
};
use ugatit::Error;
use ugatit::io::{ImportOptions, Model, checkpoint_directions, is_tensorflow_checkpoint, read_checkpoint};
use ugatit::model::{Dialect, Direction};

/// Numbers that tell where they come from.
fn counter() -> impl FnMut() -> f32 {
    let mut next = 0_u32;
    move || {
        next += 1;
        (next % 9973) as f32 / 9973.0
    }
}

/// Both generators, a discriminator, and what the optimiser keeps.
fn variables(sizes: [i64; 4]) -> Vec<Variable> {
    let mut all = generator("generator_A", sizes, counter());
    all.extend(generator("generator_B", sizes, counter()));
    let slots = all.iter().map(|v| Variable { name: format!("{}/Adam_1", v.name), ..v.clone() });
    let slots: Vec<Variable> = slots.collect();
    all.extend(slots);
    all.push(Variable::float("beta1_power", &[], &[0.5]));
    all.push(Variable::float("discriminator_A/global/conv_0/conv2d/bias", &[2], &[1.0, 2.0]));
    all
}

/// Writes a checkpoint, and gives its index.
fn put(folder: &Path, index: &[u8], data: &[Vec<u8>]) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join("UGATIT.model-7.index");
    fs::write(&path, index).unwrap();
    for (i, bytes) in data.iter().enumerate() {
        fs::write(folder.join(format!("UGATIT.model-7.data-{i:05}-of-{:05}", data.len())), bytes).unwrap();
    }
    path
}

fn write(folder: &Path, variables: &[Variable], shards: usize, per_block: usize) -> PathBuf {
    let (index, data) = bundle(variables, shards, per_block);
    put(folder, &index, &data)
}

fn read(path: &Path) -> ugatit::Result<Vec<Model>> {
    read_checkpoint(path, None, &ImportOptions::default())
}

fn refused(path: &Path, words: &[&str]) {
    let error = read(path).unwrap_err();
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
}

/// The value of a variable at a place of its own.
fn value(variables: &[Variable], name: &str, at: &[usize]) -> f32 {
    let variable = variables.iter().find(|v| v.name == name).unwrap();
    let place = at.iter().zip(&variable.dims).fold(0, |place, (i, &side)| place * side as usize + i);
    f32::from_le_bytes(variable.bytes[4 * place..][..4].try_into().unwrap())
}

#[test]
fn variables_go_where_they_belong() {
    let folder = tempfile::tempdir().unwrap();
    for (pixels, shards, per_block) in [(1, 1, 1000), (64, 3, 5), (64, 1, 1)] {
        let all = variables([1, 2, 3, pixels]);
        let path =
            write(&folder.path().join(format!("{pixels}-{shards}-{per_block}")), &all, shards, per_block);
        let models = read(&path).unwrap();
        assert_eq!(models.iter().map(|m| m.direction).collect::<Vec<_>>(), Direction::BOTH);
        let model = &models[0];
        let config = model.config;
        assert_eq!(
            (config.dialect, config.ch, config.n_res, config.n_res_decoder),
            (Dialect::Tensorflow, 1, 2, 2)
        );
        assert_eq!((config.light, config.img_size), (pixels == 1, if pixels == 1 { 256 } else { 32 }));

        let of = |name: &str, at: &[usize]| value(&all, &format!("generator_B/{name}"), at);
        let at = |key: &str, at: &[usize]| {
            let tensor = &model.tensors[key];
            let place = at.iter().zip(tensor.shape().dims()).fold(0, |place, (i, side)| place * side + i);
            tensor.data()[place]
        };
        assert_eq!(at("DownBlock.5.weight", &[1, 0, 2, 1]), of("conv_0/conv2d/kernel", &[2, 1, 0, 1]));
        let inner = "resblock_1/res2/conv_0/conv2d/kernel";
        assert_eq!(at("DownBlock.13.conv_block.5.weight", &[3, 1, 0, 2]), of(inner, &[0, 2, 1, 3]));
        assert_eq!(at("FC.2.weight", &[3, 1]), of("MLP/linear_1/dense/kernel", &[1, 3]));
        assert_eq!(at("cam_fc.weight", &[0, 2]), of("CAM_logit/kernel", &[2, 0]));
        assert_eq!(at("DownBlock.2.gamma", &[0, 0, 0, 0]), of("ins_norm/gamma", &[0]));
        assert_eq!(at("DownBlock.2.rho", &[0, 0, 0, 0]), 1.0);
        // Height, width, channels there, channels, height, width here.
        let (c, p) = (3, pixels as usize - 1);
        assert_eq!(
            at("FC.0.weight", &[2, c * pixels as usize + p]),
            of("MLP/linear_0/dense/kernel", &[p * 4 + c, 2])
        );
        let rho = of("adaptive_resblock1/res2/instance_layer_norm/rho", &[2]);
        assert_eq!(at("UpBlock1_2.norm2.rho", &[0, 2, 0, 0]), (rho - 0.1).clamp(0.0, 1.0));
        assert_eq!(at("UpBlock2.3.rho", &[0, 1, 0, 0]), of("layer_ins_norm_0/rho", &[1]));
        assert!(!model.tensors.contains_key("DownBlock.1.bias"));
        let unsmoothed = ImportOptions { smoothing: Some(false), ..ImportOptions::default() };
        let model = read_checkpoint(&path, Some(Direction::A2B), &unsmoothed).unwrap().remove(0);
        assert_eq!(model.tensors["UpBlock1_2.norm2.rho"].data()[2], rho);
    }
}

#[test]
fn a_checkpoint_is_found_by_whatever_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let all = variables([1, 1, 3, 1]);
    let index = write(folder.path(), &all, 2, 20);
    fs::write(folder.path().join("checkpoint"), "model_checkpoint_path: \"UGATIT.model-7\"\n").unwrap();
    let expected = read(&index).unwrap();
    for name in
        ["", "UGATIT.model-7", "UGATIT.model-7.index", "UGATIT.model-7.data-00001-of-00002", "checkpoint"]
    {
        let path = folder.path().join(name);
        assert!(is_tensorflow_checkpoint(&path), "{name}");
        assert_eq!(checkpoint_directions(&path).unwrap(), Direction::BOTH, "{name}");
        assert_eq!(Model::open_all(&path).unwrap().len(), 2, "{name}");
        let model = Model::open(&path, Some(Direction::B2A)).unwrap();
        assert_eq!(model.tensors, expected[1].tensors, "{name}");
    }
    // A model of ours in the folder is nearer.
    expected[0].save(folder.path().join("A2B.safetensors"), ugatit::io::Precision::F32, false).unwrap();
    assert!(!is_tensorflow_checkpoint(folder.path()));
    let own = Model::open(folder.path(), None).unwrap();
    assert_eq!((own.config, own.tensors == expected[0].tensors), (expected[0].config, true));
    let half: Vec<Variable> = all.into_iter().filter(|v| !v.name.starts_with("generator_A")).collect();
    let one = write(&folder.path().join("one"), &half, 1, 20);
    assert_eq!(checkpoint_directions(&one).unwrap(), [Direction::A2B]);
    assert!(matches!(Model::open(&one, Some(Direction::B2A)), Err(Error::Direction { .. })));
    let pt = files::tiny_checkpoint();
    let smoothing = ImportOptions { smoothing: Some(true), ..ImportOptions::default() };
    assert!(matches!(read_checkpoint(pt, None, &smoothing), Err(Error::Config(_))));
}

#[test]
fn what_is_damaged_or_cut_off_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let all = variables([1, 1, 3, 1]);
    let index = write(folder.path(), &all, 1, 20);
    let data = index.with_extension("data-00000-of-00001");
    let (whole_index, whole_data) = (fs::read(&index).unwrap(), fs::read(&data).unwrap());
    for keep in [0, 1, 47, 48, 100, whole_index.len() / 2, whole_index.len() - 1] {
        fs::write(&index, &whole_index[..keep]).unwrap();
        refused(&index, &["UGATIT.model-7.index", "TensorFlow checkpoint"]);
    }
    // Whatever bit falls over: in the blocks and their places. The footer's padding may.
    let mut unnoticed = 0;
    for at in (0..whole_index.len() - 48).step_by(7) {
        let mut broken = whole_index.clone();
        broken[at] ^= 1 << (at % 8);
        fs::write(&index, &broken).unwrap();
        match read(&index) {
            Err(error) => assert!(matches!(error, Error::ModelFile { .. }), "byte {at}: {error}"),
            Ok(_) => unnoticed += 1,
        }
    }
    // In the block of the table's own metadata, 13 bytes, which is empty and not read.
    assert!(unnoticed <= 2, "{unnoticed}");
    fs::write(&index, &whole_index).unwrap();
    // Of the data only what belongs to a generator is read.
    let (mut refusals, mut unnoticed) = (0, 0);
    for at in (0..whole_data.len()).step_by(61) {
        let mut broken = whole_data.clone();
        broken[at] ^= 1 << (at % 8);
        fs::write(&data, &broken).unwrap();
        match read(&index) {
            Err(error) => {
                assert!(
                    error.to_string().contains("checksum") && error.to_string().contains("generator_"),
                    "{error}"
                );
                refusals += 1;
            }
            Ok(_) => unnoticed += 1,
        }
    }
    assert!(refusals > 20 && unnoticed > 20, "{refusals} {unnoticed}");
    fs::write(&data, &whole_data[..whole_data.len() / 3]).unwrap();
    refused(&index, &["data-00000-of-00001", "cut off", "generator_"]);
    fs::remove_file(&data).unwrap();
    refused(&index, &["data-00000-of-00001", "missing", "belongs beside"]);
}

/// An index of entries that some function has changed.
fn changed(folder: &Path, variables: &[Variable], change: impl Fn(&mut Vec<KeyValue>)) -> PathBuf {
    let (mut listed, data) = entries(variables, 1);
    change(&mut listed);
    put(folder, &table_of(&[block(&listed)]), &data)
}

#[test]
fn what_is_hostile_or_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = variables([1, 1, 3, 1]);
    let first = "generator_B/conv/conv2d/kernel";
    let with = |name: &str, change: &dyn Fn(&mut Variable)| {
        let mut all = all.clone();
        all.iter_mut().filter(|v| v.name == name).for_each(change);
        write(folder, &all, 1, 20)
    };
    let foreign = [Variable::float("dense/kernel", &[1], &[1.0])];
    refused(&write(folder, &foreign, 1, 20), &["another program", "1 tensors, `dense/kernel` first"]);
    let without: Vec<Variable> =
        all.iter().filter(|v| v.name != "generator_B/G_logit/conv2d/bias").cloned().collect();
    assert!(matches!(
        read(&write(folder, &without, 1, 20)).unwrap_err(),
        Error::MissingTensor { key, .. } if key == "UpBlock2.11.bias"
    ));
    let mut more = all.clone();
    more.push(Variable::float("generator_B/extra/kernel", &[1], &[1.0]));
    refused(&write(folder, &more, 1, 20), &["belong to no network", "extra/kernel"]);
    refused(
        &with("generator_B/MLP/gamma/dense/kernel", &|v| v.dims = vec![2, 8]),
        &["gamma.weight", "[8, 2]"],
    );
    refused(&with(first, &|v| v.dtype = 3), &[first, "type 3"]);
    refused(&with(first, &|v| v.dims = vec![7, 7, 3, -1]), &[first, "shape"]);
    refused(&with(first, &|v| v.dims = vec![i64::MAX; 4]), &["no 7x7 convolution"]);
    // A shape that fits the network, with too few bytes behind it.
    refused(&with("generator_B/conv_0/conv2d/kernel", &|v| v.bytes.truncate(8)), &["8 bytes", "damaged"]);
    refused(
        &with("generator_B/up_conv_0/conv2d/bias", &|v| {
            v.bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }),
        &["UpBlock2.2.bias"],
    );
    // What is not a generator's is not looked at.
    assert!(read(&with("beta1_power", &|v| (v.dtype, v.dims) = (99, vec![i64::MAX; 4]))).is_ok());

    let swap = |listed: &mut Vec<KeyValue>| listed.swap(3, 4);
    refused(&changed(folder, &all, swap), &["not in order"]);
    let twice = |listed: &mut Vec<KeyValue>| listed.insert(5, listed[5].clone());
    refused(&changed(folder, &all, twice), &["not in order"]);
    let headless = |listed: &mut Vec<KeyValue>| drop(listed.remove(0));
    refused(&changed(folder, &all, headless), &["no header"]);
    let big_endian = |listed: &mut Vec<KeyValue>| listed[0].1.extend([2 << 3, 1]);
    refused(&changed(folder, &all, big_endian), &["big-endian"]);
    let shards = |listed: &mut Vec<KeyValue>| listed[0].1 = vec![1 << 3, 0];
    refused(&changed(folder, &all, shards), &["0 data files"]);
    let long = |listed: &mut Vec<KeyValue>| listed[1].0 = vec![b'b'; 5000];
    refused(&changed(folder, &all, long), &["makes no sense"]);
    let (kernel, in_parts) = (first.as_bytes(), [7 << 3 | 2, 0]);
    let parts = |listed: &mut Vec<KeyValue>| {
        listed.iter_mut().filter(|(key, _)| key == kernel).for_each(|(_, value)| value.extend(in_parts));
    };
    refused(&changed(folder, &all, parts), &[first, "in parts"]);

    let (listed, data) = entries(&all, 1);
    let content = block(&listed);
    // One block named over and over, to make a small file a long work.
    let many = table_of(&[content.clone(), content]);
    refused(&put(folder, &many, &data), &["not in order"]);
    let mut snappy = table_of(&[block(&listed)]);
    let at = block(&listed).len();
    snappy[at] = 1;
    let sum = files::tensorflow::masked(&snappy[..=at]).to_le_bytes();
    snappy[at + 1..][..4].copy_from_slice(&sum);
    refused(&put(folder, &snappy, &data), &["Snappy"]);
    let page = b"<!doctype html><title>404</title>";
    refused(&put(folder, page, &data), &["web page"]);
}

/// Writes a checkpoint of the published size, 2.3 GB, for measurements: both full generators, ch 64, 256 px.
/// `UGATIT_TENSORFLOW_FOLDER=/tmp/full cargo test --release --test tensorflow -- --ignored`
#[test]
#[ignore = "2.3 GB, for measurements"]
fn write_a_full_checkpoint() {
    let folder = PathBuf::from(std::env::var_os("UGATIT_TENSORFLOW_FOLDER").unwrap());
    fs::create_dir_all(&folder).unwrap();
    let mut all: Vec<(String, Vec<i64>)> = vec![];
    for scope in ["generator_A", "generator_B"] {
        all.extend(shapes(scope, [64, 4, 3, 64 * 64]));
    }
    all.sort();
    let file = fs::File::create(folder.join("UGATIT.model-1000000.data-00000-of-00001")).unwrap();
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let (mut listed, mut offset, mut random) = (vec![(vec![], header(1))], 0, 1_u32);
    for (name, dims) in &all {
        let count = dims.iter().product::<i64>() as u64;
        // About as large as trained weights are: 1 in all, over the inputs of each sum.
        let fan_in = dims[..dims.len() - 1].iter().product::<i64>().max(1) as f32;
        let (middle, spread) = match name.rsplit('/').next() {
            Some("gamma") => (1.0, 0.2),
            Some("rho") => (0.6, 0.5),
            _ => (0.0, 2.0 / fan_in.sqrt()),
        };
        let mut crc = 0;
        let mut chunk = vec![];
        for i in 0..count {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            let value = middle + spread * (random as f32 / u32::MAX as f32 - 0.5);
            chunk.extend(value.to_le_bytes());
            if chunk.len() == 1 << 16 || i + 1 == count {
                crc = crc32c::crc32c_append(crc, &chunk);
                file.write_all(&chunk).unwrap();
                chunk.clear();
            }
        }
        let checksum = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        listed.push((name.clone().into_bytes(), entry(1, dims, 0, [offset, 4 * count], checksum)));
        offset += 4 * count;
    }
    file.flush().unwrap();
    fs::write(folder.join("UGATIT.model-1000000.index"), table_of(&[block(&listed)])).unwrap();
    fs::write(folder.join("checkpoint"), "model_checkpoint_path: \"UGATIT.model-1000000\"\n").unwrap();
}

/// What `ugatit import` does with it, for measurements of time and memory: models in
/// its folder's `imported`.
#[test]
#[ignore = "2.3 GB, for measurements"]
fn import_a_full_checkpoint() {
    let folder = PathBuf::from(std::env::var_os("UGATIT_TENSORFLOW_FOLDER").unwrap());
    for direction in checkpoint_directions(&folder).unwrap() {
        let models = read_checkpoint(&folder, Some(direction), &ImportOptions::default()).unwrap();
        fs::create_dir_all(folder.join("imported")).unwrap();
        let path = folder.join("imported").join(format!("{direction}.safetensors"));
        models[0].save(path, ugatit::io::Precision::F32, true).unwrap();
    }
}
