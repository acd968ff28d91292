//! Bytes from outside, changed at random: every reader of them returns, within its memory. The inputs are the
//! same in every run. `cargo fuzz` (the folder `fuzz`) looks further, from the same seeds.
#![cfg(all(feature = "pictures", feature = "pytorch", not(target_arch = "wasm32")))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::duplicate_mod,
    missing_docs,
    unreachable_pub,
    reason = "tests fail and report; the targets are shared with another crate"
)]

#[path = "support/counting.rs"]
mod counting;
#[path = "files/mod.rs"]
mod files;
#[path = "fuzz/mutate.rs"]
mod mutate;
mod support;
#[path = "fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutate::Mutator;
use targets::{TARGETS, Target};

/// No input takes longer, even on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target.name)
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn readers_of_bytes_from_outside_return_within_their_memory() {
    // The long form goes on where the short one ends.
    let times: usize = std::env::var("UGATIT_FUZZ").map_or(1, |text| text.parse().unwrap());
    let mut all = 0;
    for target in &TARGETS {
        let inputs = target.inputs * times;
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        let mut mutator = Mutator::new(target.name);
        let (mut worst, started) = (0, Instant::now());
        for number in 0..inputs {
            // The seeds themselves first.
            let input = seeds.get(number).cloned().unwrap_or_else(|| mutator.next(&seeds));
            let keep = |why: String| {
                let path = std::env::temp_dir().join(format!("ugatit-fuzz-{}-{number}", target.name));
                fs::write(&path, &input).unwrap();
                panic!("{}, input {number} (kept as {}): {why}", target.name, path.display());
            };
            let begun = Instant::now();
            let (peak, read) = counting::peak(|| catch_unwind(AssertUnwindSafe(|| (target.read)(&input))));
            if read.is_err() {
                keep("it panicked".into());
            }
            let took = begun.elapsed();
            if peak > target.memory + target.per_byte * input.len() {
                keep(format!("it had allocated {peak} bytes for {}", input.len()));
            }
            if took > PATIENCE {
                keep(format!("it took {took:?}"));
            }
            worst = worst.max(peak);
        }
        all += inputs;
        println!(
            "{}: {} inputs from {} seeds, at most {} kB at a time, {:.1} s",
            target.name,
            inputs,
            seeds.len(),
            worst >> 10,
            started.elapsed().as_secs_f64()
        );
    }
    assert!(all >= 20_000);
}

/// Writes the seeds that this project's own code makes: `cargo test --test fuzz -- --ignored`.
#[test]
#[ignore = "writes into the checkout"]
fn write_seeds() {
    use files::checkpoint::{Storage, hostile, legacy_checkpoint, with_options, zip_checkpoint};
    use files::tensorflow;
    use support::random::weights;
    use ugatit::io::{Model, ModelMetadata, Precision};
    use ugatit::model::{Direction, GeneratorConfig};
    use ugatit::run::{Checkpoint, Position, RunConfig};
    use ugatit::train::TrainState;

    let put = |target: &str, name: &str, bytes: &[u8]| {
        let target = TARGETS.iter().find(|t| t.name == target).unwrap();
        fs::create_dir_all(corpus(target)).unwrap();
        fs::write(corpus(target).join(name), bytes).unwrap();
    };
    let config = GeneratorConfig {
        ch: 1,
        n_res: 1,
        n_res_decoder: 1,
        img_size: 8,
        img_ch: 1,
        light: true,
        ..GeneratorConfig::default()
    };
    let tensors = weights(&config, 1);
    let metadata = ModelMetadata { domain_a: Some("cat".into()), ..ModelMetadata::default() };
    let model = Model::new(config, Direction::A2B, metadata, tensors.clone()).unwrap();
    put("safetensors", "own.safetensors", &model.to_bytes(Precision::F16).unwrap());
    put("safetensors", "own_f32.safetensors", &model.to_bytes(Precision::F32).unwrap());
    // The smallest full model whose matrix can be quantised.
    let full = GeneratorConfig { ch: 2, img_size: 16, light: false, ..config };
    for bits in ugatit::Bits::BOTH {
        let mut model =
            Model::new(full, Direction::A2B, ModelMetadata::default(), weights(&full, 1)).unwrap();
        model.quantize(bits).unwrap();
        put("safetensors", &format!("own_{bits}_bits.safetensors"), &model.to_bytes(Precision::F16).unwrap());
    }
    put("safetensors", "pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 5\n");
    put("safetensors", "page", b"<!doctype html><title>404</title>");

    let state_dict: Vec<_> = tensors.into_iter().collect();
    let networks = [("genA2B", state_dict.clone())];
    put("pytorch", "zip.pt", &zip_checkpoint(&networks, "cuda:0", Storage::Half));
    put("pytorch", "legacy.pt", &legacy_checkpoint(&networks, "cpu", Storage::Float));
    put("pytorch", "bare.pt", &zip_checkpoint(&[("", state_dict)], "cpu", Storage::BFloat16));
    put("pytorch", "options.pt", &with_options(&networks));
    put("pytorch", "hostile.pt", &hostile(&[], "true", true));
    put("pytorch", "hostile_legacy.pt", &hostile(&[], "true", false));

    let mut next = 0.0;
    let value = || {
        next = (next + 0.37) % 1.0;
        next - 0.5
    };
    let variables = tensorflow::generator("generator_B", [1, 1, 1, 1], value);
    let (entries, data) = tensorflow::entries(&variables, 1);
    let content = tensorflow::block(&entries);
    for (name, kind, index) in
        [("whole", 0, tensorflow::table_of(std::slice::from_ref(&content))), ("entries", 1, content)]
    {
        let length = (index.len() as u32).to_le_bytes();
        put("tensorflow", name, &[&[kind], &length[..3], &index, &data[0]].concat());
    }

    let run = "light = true\nimg_size = 16\nch = 1\nn_res = 1\nn_dis_global = 3\nn_dis_local = 3\nema = 0.9\niteration = 9\n";
    let table = RunConfig::read(run).unwrap();
    let run = RunConfig::layered(None, &[table]).unwrap();
    let step_config = run.step();
    let state = TrainState::new(&step_config, 1).unwrap();
    let checkpoint = Checkpoint {
        config: step_config,
        state: std::borrow::Cow::Owned(state),
        position: Position::default(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    checkpoint.save(&path).unwrap();
    put("checkpoint", "run.safetensors", &fs::read(&path).unwrap());
    put("config", "whole.toml", run.to_toml().unwrap().as_bytes());
}
