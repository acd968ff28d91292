//! Training runs on disk: they go on exactly where they were, whatever ended them.
#![cfg(feature = "pictures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

#[path = "runs/place.rs"]
mod place;
mod support;

use std::fs;

use place::{Place, advance, metrics, tiny};
use ugatit::Error;
use ugatit::device::Device;
use ugatit::gpu::{Gpu, InjectedFault};
use ugatit::io::Model;
use ugatit::run::{PRESETS, PreprocessKind, Preset, RunConfig, RunFolder};
use ugatit::train::GanType;

/// A run in one piece, and one that is stopped twice, once between two checkpoints.
fn halves(device: &Device) {
    let place = Place::new();
    for accumulation in [1, 2] {
        let config = RunConfig { accumulation, ..tiny() };
        let [whole, parts] = ["whole", "parts"].map(|name| format!("{name}{accumulation}"));
        let (mut run, begun) = place.open(&whole, &config, device).unwrap();
        assert_eq!(begun, 0);
        advance(&mut run, 6);
        assert!(run.is_done());
        drop(run);
        for (from, count) in [(0, 3), (3, 1), (4, 2)] {
            let (mut run, begun) = place.open(&parts, &config, device).unwrap();
            assert_eq!(begun, from);
            advance(&mut run, count);
            pollster::block_on(run.stop("a test")).unwrap();
        }
        let [a, b] = [&whole, &parts].map(|name| place.checkpoint(name, 6));
        assert_eq!(a.state, b.state);
        assert_eq!((a.position.samples, a.state.step), (6 * accumulation as u64, 6));
        assert_eq!(a.position.samples, b.position.samples);
        assert_eq!(metrics(&place.path(&whole)), metrics(&place.path(&parts)));
        assert_eq!(metrics(&place.path(&whole)).len(), 6);
        for file in ["models/A2B.safetensors", "models/raw/B2A.safetensors", "samples/B2A_0000001.png"] {
            let [a, b] = [&whole, &parts].map(|name| fs::read(place.path(name).join(file)).unwrap());
            assert_eq!(a, b, "{file}");
        }
        assert!(a.state.ema.len() > 40 && a.state.ema != a.state.tensors);
        // The whole folder serves as a model, which is the average.
        let model = Model::open(place.path(&whole), None).unwrap();
        assert_eq!(model.tensors["conv1x1.bias"], a.state.ema["genA2B.conv1x1.bias"]);
    }
}

#[test]
fn two_halves_make_the_whole_on_the_processor() {
    halves(&Device::Cpu);
}

#[test]
fn two_halves_make_the_whole_on_the_gpu() {
    halves(&Device::Gpu(support::engine::gpu().clone()));
}

#[test]
fn a_lost_gpu_is_replaced() {
    let place = Place::new();
    let open = || pollster::block_on(Gpu::open(&support::adapter::any())).unwrap();
    let (gpu, config) = (open(), tiny());
    let (mut run, _) = place.open("lost", &config, &Device::Gpu(gpu.clone())).unwrap();
    advance(&mut run, 3);
    gpu.device().destroy();
    let error = (0..3).find_map(|_| pollster::block_on(run.advance()).err()).unwrap();
    assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    let device = Device::Gpu(open());
    let mut run = pollster::block_on(run.recover(device.clone(), None)).unwrap();
    assert_eq!(run.step(), 2, "the last checkpoint");
    advance(&mut run, 4);
    let (mut whole, _) = place.open("whole", &config, &device).unwrap();
    advance(&mut whole, 6);
    assert_eq!(place.checkpoint("lost", 6).state, place.checkpoint("whole", 6).state);
    assert!(fs::read_to_string(place.path("lost/log.txt")).unwrap().contains("the device was lost"));
}

/// As a system that resets a GPU does it: in the middle of a wait, where wgpu panics.
#[test]
fn a_gpu_that_is_lost_in_a_wait_is_replaced() {
    let place = Place::new();
    let open = || pollster::block_on(Gpu::open(&support::adapter::any())).unwrap();
    let (mut whole, _) = place.open("whole", &tiny(), &Device::Gpu(open())).unwrap();
    advance(&mut whole, 6);
    for wait in [0, 1, 2, 5] {
        let (name, gpu) = (format!("lost{wait}"), open());
        let (mut run, _) = place.open(&name, &tiny(), &Device::Gpu(gpu.clone())).unwrap();
        advance(&mut run, 3);
        gpu.inject(InjectedFault::LossInWait, wait);
        let error = (0..3).find_map(|_| pollster::block_on(run.advance()).err()).unwrap();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
        let notice = "a note for the log";
        let mut run = pollster::block_on(run.recover(Device::Gpu(open()), Some(notice))).unwrap();
        let from = run.step();
        assert!(from == 2 || from == 4, "the last checkpoint");
        advance(&mut run, 6 - from);
        assert_eq!(place.checkpoint(&name, 6).state, place.checkpoint("whole", 6).state);
        assert_eq!(metrics(&place.path(&name)), metrics(&place.path("whole")));
        assert!(fs::read_to_string(place.path(&name).join("log.txt")).unwrap().contains(notice));
    }
}

/// The writer of the run that has ended must not add to the file of the one that follows it.
#[test]
fn a_run_that_is_recovered_has_no_lines_of_the_one_before() {
    let place = Place::new();
    // No checkpoint; the sheet of the first iteration has its line written to the file, and the
    // lines of those after it wait in memory.
    let config = RunConfig { save_freq: 100, iteration: 200, ..tiny() };
    let gpu = pollster::block_on(Gpu::open(&support::adapter::any())).unwrap();
    let (mut run, _) = place.open("run", &config, &Device::Gpu(gpu.clone())).unwrap();
    advance(&mut run, 4);
    let mut run = pollster::block_on(run.recover(Device::Gpu(gpu), None)).unwrap();
    assert_eq!(run.step(), 0);
    assert_eq!(fs::read_to_string(place.path("run/metrics.jsonl")).unwrap(), "");
    advance(&mut run, 3);
    pollster::block_on(run.stop("a test")).unwrap();
    let steps: Vec<_> = metrics(&place.path("run")).iter().map(|line| line["step"].as_u64()).collect();
    assert_eq!(steps, [Some(1), Some(2), Some(3)]);
}

fn diverge(device: &Device) {
    let place = Place::new();
    let (mut run, _) = place.open("run", &tiny(), device).unwrap();
    advance(&mut run, 2);
    pollster::block_on(run.stop("a test")).unwrap();
    let good = place.checkpoint("run", 2);
    let config = RunConfig { lr: 1e30, ..tiny() };
    let (mut run, _) = place.open("run", &config, device).unwrap();
    let error = (0..3).find_map(|_| pollster::block_on(run.advance()).err()).unwrap();
    assert!(
        matches!(&error, Error::NonFinite { step: 3, what } if what.starts_with("the loss G/")),
        "{error}"
    );
    pollster::block_on(run.fail(&error)).unwrap();
    drop(run);
    let page = fs::read_to_string(place.path("run/index.html")).unwrap();
    assert!(page.contains("diverged"));
    // The last good state is there, and goes on with a rate that works.
    assert_eq!(place.checkpoint("run", 2).state, good.state);
    let (mut run, begun) = place.open("run", &tiny(), device).unwrap();
    assert_eq!(begun, 2);
    advance(&mut run, 1);
}

#[test]
fn a_run_that_diverges_stops_at_the_last_good_state_on_the_processor() {
    diverge(&Device::Cpu);
}

#[test]
fn a_run_that_diverges_stops_at_the_last_good_state_on_the_gpu() {
    diverge(&Device::Gpu(support::engine::gpu().clone()));
}

#[test]
fn old_checkpoints_are_deleted_but_milestones() {
    let place = Place::new();
    let config = RunConfig { save_freq: 1, keep: 2, keep_every: 3, ..tiny() };
    let (mut run, _) = place.open("run", &config, &Device::Cpu).unwrap();
    advance(&mut run, 6);
    let mut names: Vec<String> = fs::read_dir(place.path("run/checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [3, 5, 6].map(|step| format!("step-{step:07}.safetensors")));
}

/// Every network with the official keys and shapes, and what Adam holds of it.
#[test]
fn a_state_is_exported_for_pytorch() {
    let official = support::golden::folder().join("traj_light_ch4_96_init.safetensors");
    let official = support::golden::File::read(&official);
    let place = Place::new();
    let config = RunConfig {
        img_size: 96,
        ch: 4,
        n_res: 4,
        n_dis_global: 7,
        n_dis_local: 5,
        load_size: 0,
        iteration: 1,
        ..tiny()
    };
    let (mut run, _) = place.open("run", &config, &Device::Cpu).unwrap();
    advance(&mut run, 1);
    let checkpoint = place.checkpoint("run", 1);
    let files = checkpoint.export(&place.path("out"), false).unwrap();
    assert_eq!(files.len(), 6 + 6 + 2);
    let (mut keys, mut moments) = (0, 0);
    for network in ["genA2B", "genB2A", "disGA", "disGB", "disLA", "disLB"] {
        let file = |ending: &str| {
            support::golden::File::read(&place.path(&format!("out/{network}{ending}.safetensors")))
        };
        for (key, tensor) in &file("").tensors {
            assert_eq!(
                tensor.shape(),
                official.tensors[&format!("{network}/{key}")].shape(),
                "{network} {key}"
            );
            assert_eq!(tensor, &checkpoint.state.tensors[&format!("{network}.{key}")]);
            keys += 1;
        }
        for (key, tensor) in &file(".adam").tensors {
            let (kind, key) = key.split_once('.').unwrap();
            let own = &checkpoint.state.moments[&format!("{network}.{key}")];
            assert_eq!(tensor.data(), if kind == "exp_avg" { &own.m } else { &own.v });
            assert!(matches!(kind, "exp_avg" | "exp_avg_sq"));
            moments += 1;
        }
    }
    assert_eq!((keys, moments), (official.tensors.len(), 2 * checkpoint.state.moments.len()));
    let again = checkpoint.export(&place.path("out"), false).unwrap_err().to_string();
    assert!(again.contains("exists already"), "{again}");
}

#[test]
fn settings_are_checked() {
    let read = |text: &str| RunConfig::layered(None, &[RunConfig::read(text).unwrap()]);
    let problem = |text: &str| read(text).and_then(|c| c.validate()).unwrap_err().to_string();
    assert!(problem("cycle_wieght = 3").contains("did you mean `cycle_weight`"));
    let syntax = RunConfig::read("ch = 4\nlr == 2\n").unwrap_err().to_string();
    assert!(syntax.starts_with("line 2: "), "{syntax}");
    assert!(problem("zzz = 3").contains("no setting `zzz`"));
    assert!(problem("full = true").contains("did you mean `light = false`"));
    assert!(problem("ch = \"many\"").contains("ch"));
    assert!(problem("img_size = 64").contains("96"), "{}", problem("img_size = 64"));
    assert!(problem("lr = -1.0").contains("lr is -1"));
    assert!(problem("load_size = 100").contains("img_size 256"));
    assert!(problem("save_freq = 0").contains("save_freq is 0"));
    assert!(problem("batch_size = 0").contains("batch"));
    assert_eq!(read("cycle-weight = 5").unwrap().cycle_weight, 5.0);
    for Preset { name, .. } in PRESETS {
        RunConfig::layered(Some(name), &[]).unwrap().validate().unwrap();
    }
    let official = RunConfig::layered(Some("official"), &[]).unwrap();
    assert!(!official.light && official.iteration == 1_000_000 && official.ema == 0.0);
    assert!(RunConfig::layered(Some("cat2cat"), &[]).unwrap_err().to_string().contains("cat2dog"));

    let config = tiny();
    // The authors' TensorFlow program calls these so.
    let theirs =
        read("GP_ld = 5.0\ngan_type = \"wgan-lp\"\naugment_flag = false\nepoch = 2\niteration = 3").unwrap();
    assert_eq!((theirs.gp_ld, theirs.gan_type, theirs.iterations()), (5.0, GanType::WganLp, 6));
    assert_eq!((theirs.preprocess, theirs.flip), (PreprocessKind::Resize, false));
    assert!(RunConfig::read("augment_flag = 1").unwrap_err().to_string().contains("true or false"));
    let again = RunConfig::layered(None, &[RunConfig::read(&config.to_toml().unwrap()).unwrap()]).unwrap();
    assert_eq!(again, config);
    let other = RunConfig { ch: 8, lr: 1.0, init: "model".into(), ..config.clone() };
    let differences = config.fixed_differences(&other).unwrap();
    let [ch, init] = &differences[..] else { panic!("{differences:?}") };
    assert_eq!(*ch, ("ch".to_owned(), "4".to_owned(), "8".to_owned()));
    assert_eq!(*init, ("init".to_owned(), "\"\"".to_owned(), "\"model\"".to_owned()));

    let place = Place::new();
    drop(place.open("run", &config, &Device::Cpu).unwrap());
    assert_eq!(RunFolder::config(&place.path("run")).unwrap(), Some(config));
    assert_eq!(RunFolder::config(&place.path("nowhere")).unwrap(), None);
}

/// What has nothing left to train is said of no model.
#[test]
fn other_settings_for_a_finished_run_are_refused() {
    let place = Place::new();
    let (mut run, _) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    advance(&mut run, 6);
    drop(run);
    let model = || fs::read(place.path("run/models/A2B.safetensors")).unwrap();
    let (config, made) = (fs::read(place.path("run/config.toml")).unwrap(), model());
    for (other, word) in [
        (RunConfig { iteration: 5, ..tiny() }, "done 6 iterations already"),
        (RunConfig { lr: 0.5, ..tiny() }, "larger `iteration`"),
    ] {
        let error = place.open("run", &other, &Device::Cpu).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!(config == fs::read(place.path("run/config.toml")).unwrap() && made == model());
    assert!(place.open("run", &tiny(), &Device::Cpu).unwrap().0.is_done());
    let (mut run, begun) =
        place.open("run", &RunConfig { lr: 0.5, iteration: 7, ..tiny() }, &Device::Cpu).unwrap();
    assert_eq!(begun, 6);
    advance(&mut run, 1);
    let log = fs::read_to_string(place.path("run/log.txt")).unwrap();
    assert!(log.contains("all 6 iterations are done") && log.contains("all 7 iterations are done"), "{log}");
}

#[test]
fn a_start_that_fails_binds_the_folder_to_nothing() {
    let place = Place::new();
    let pictures: Vec<_> = ["trainA", "testA"]
        .iter()
        .flat_map(|name| fs::read_dir(place.path("data").join(name)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    let good = pictures.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>();
    pictures.iter().for_each(|path| fs::write(path, b"no picture").unwrap());
    assert!(matches!(place.open("run", &tiny(), &Device::Cpu), Err(Error::Picture { .. })));
    assert_eq!(RunFolder::config(&place.path("run")).unwrap(), None);
    pictures.iter().zip(good).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    place.open("run", &RunConfig { ch: 6, ..tiny() }, &Device::Cpu).unwrap();
}

#[test]
fn a_checkpoint_of_other_networks_is_refused() {
    let place = Place::new();
    let (mut run, _) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    advance(&mut run, 2);
    drop(run);
    let wider = RunConfig { ch: 8, ..tiny() };
    let error = place.open("run", &wider, &Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("ch: 4") && error.contains("ch: 8"), "{error}");
    // The average can be switched off and on.
    let (mut run, _) = place.open("run", &RunConfig { ema: 0.0, ..tiny() }, &Device::Cpu).unwrap();
    advance(&mut run, 2);
    drop(run);
    assert!(place.checkpoint("run", 4).state.ema.is_empty());
    assert!(!place.path("run/models/raw").exists(), "they are those of iteration 2");
    let (mut run, _) = place.open("run", &tiny(), &Device::Cpu).unwrap();
    advance(&mut run, 2);
    assert!(!place.checkpoint("run", 6).state.ema.is_empty());
}
