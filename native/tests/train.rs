//! `ugatit train` as a person meets it: runs that are interrupted and gone on with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use std::fs;
use std::path::Path;
#[cfg(unix)]
use std::{
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use common::training::{SMALL, command, place, train};
use common::{Done, Place};
use image::{Rgb, RgbImage};

/// The iterations of the checkpoints of a run, sorted.
fn checkpoints(run: &Path) -> Vec<u64> {
    let entries = fs::read_dir(run.join("checkpoints")).into_iter().flatten();
    let mut steps: Vec<u64> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok())
        .collect();
    steps.sort_unstable();
    steps
}

#[test]
fn a_run_writes_everything_and_its_models_translate() {
    let place = place();
    let done = train(&place, "run", &["--iteration", "12", "--domain-a", "dark"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("all 12 iterations are done") && done.out.contains("--model run"), "{done:?}");
    let run = place.path("run");
    for file in [
        "config.toml",
        "log.txt",
        "metrics.jsonl",
        "index.html",
        "samples/A2B_0000001.png",
        "samples/B2A_0000010.png",
        "checkpoints/step-0000012.safetensors",
        "models/A2B.safetensors",
        "models/raw/B2A.safetensors",
    ] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let events = fs::read_dir(&run).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(events.filter(|name| name.starts_with("events.out.tfevents.")).count(), 1);
    assert_eq!(checkpoints(&run), [9, 12]);
    // Seven official rows and two of the moving average; three and one pictures.
    assert_eq!(image::image_dimensions(run.join("samples/A2B_0000010.png")).unwrap(), (4 * 16, 9 * 16));

    let done =
        place.run(&["translate", "data/testA/0.png", "-o", "out.png", "--model", "run", "--device", "cpu"]);
    assert_eq!(done.code, 0, "{done:?}");
    let info = place.run(&["info", "run"]);
    assert!(info.out.contains("12 of 12 iterations") && info.out.contains("A: dark"), "{info:?}");

    // Again: nothing left to do. Further: goes on.
    let again = train(&place, "run", &["--iteration", "12"]);
    assert!(again.code == 0 && again.out.contains("all 12"), "{again:?}");
    let further = train(&place, "run", &["--steps", "14"]);
    assert!(further.out.contains("going on from iteration 12 of 14"), "{further:?}");
}

/// The switches of the authors' TensorFlow program by its names, and the paper's ablations: a run that knows them, goes
/// on with them, and makes models that say so.
#[test]
fn the_authors_switches_and_the_ablations() {
    let place = place();
    let switches = ["--gan_type", "wgan-gp", "--GP_ld", "5", "--n_critic", "2", "--sn", "false"];
    let ablations = ["--decoder_norm", "gn", "--g_cam", "false", "--d_cam=false", "--n_res_decoder", "2"];
    let epochs = ["--epoch", "3", "--iteration", "4", "--decay_epoch", "1", "--augment_flag", "True"];
    let all = [&switches[..], &ablations, &epochs].concat();
    let done = train(&place, "run", &all);
    assert!(done.code == 0 && done.out.contains("all 12 iterations are done"), "{done:?}");
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    for line in [
        "gan_type = \"wgan-gp\"",
        "gp_ld = 5.0",
        "n_critic = 2",
        "sn = false",
        "decoder_norm = \"gn\"",
        "g_cam = false",
        "epoch = 3",
        "preprocess = \"tensorflow\"",
    ] {
        assert!(config.contains(line), "{line}: {config}");
    }
    let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let lines: Vec<&str> = metrics.lines().collect();
    assert!(lines[0].contains("D/GA/gp") && !metrics.contains("cam"), "{}", lines[0]);
    let of_generators: Vec<bool> = lines.iter().map(|line| line.contains("G/total")).collect();
    assert_eq!(of_generators[..4], [true, false, true, false]);
    // Without attention four rows, and one of the moving average; three and one pictures.
    let sheet = place.path("run/samples/A2B_0000010.png");
    assert_eq!(image::image_dimensions(sheet).unwrap(), (4 * 16, 5 * 16));

    let info = place.run(&["info", "run"]);
    assert!(info.out.contains("gn: group normalisation") && info.out.contains("without G_CAM"), "{info:?}");
    let info = place.run(&["info", "run", "--json"]);
    assert!(info.out.contains(r#""decoder_norm": "gn""#) && info.out.contains(r#""cam": false"#), "{info:?}");
    let translate = ["translate", "data/testA/0.png", "--model", "run", "--device", "cpu", "-o", "out.png"];
    let done = place.run(&[&translate[..], &["--sheet"]].concat());
    assert_eq!(done.code, 0, "{done:?}");
    let done = place.run(&[&translate[..], &["--attention", "--force"]].concat());
    assert!(done.code == 2 && done.err.contains("no attention"), "{done:?}");
    let done = place.run(&["export", "run", "--onnx", "-o", "onnx"]);
    assert_eq!(done.code, 0, "{done:?}");

    // What the networks are made of stays; how they are trained may change.
    let done = train(&place, "run", &["--decoder-norm", "ln"]);
    assert!(done.code == 2 && done.err.contains("decoder_norm = \"gn\""), "{done:?}");
    let done = train(&place, "run", &["--sn", "true"]);
    assert!(done.code == 2 && done.err.contains("sn = false"), "{done:?}");
    let done = train(&place, "run", &["--epoch", "4", "--gan-type", "hinge"]);
    assert!(done.out.contains("going on from iteration 12 of 16"), "{done:?}");

    for (options, problem) in [
        (&["--gan-type", "wgan"][..], "no adversarial loss; known are gan, lsgan"),
        (&["--decoder-norm", "bn"], "known are adalin, in, ln, adain, gn"),
        (&["--n-critic", "0"], "n_critic is 0"),
        (&["--decay-epoch", "5"], "give epoch with it"),
        (&["--smoothing", "true", "--decoder-norm", "in"], "leave one of them out"),
    ] {
        let done = train(&place, "other", options);
        assert!(done.code == 2 && done.err.contains(problem), "{problem}: {done:?}");
    }
}

/// Starts a run without an end through `starter`, and waits until it trains.
#[cfg(unix)]
fn endless(place: &Place, starter: &[&str]) -> Child {
    let arguments = ["-o", "run", "--iteration", "100000", "--save-freq", "100000"];
    let program = command(place, &arguments);
    let mut command = heeding_signals(match starter.split_first() {
        None => program,
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program.get_program()).args(program.get_args());
            command.current_dir(program.get_current_dir().unwrap());
            command
        }
    });
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_lines(place, 1);
    child
}

/// A shell starts what it runs in the background with SIGINT ignored, `nohup` with SIGHUP. If these tests are started like
/// that, the program must not inherit it, or it would run on for ever.
#[cfg(unix)]
fn heeding_signals(mut command: Command) -> Command {
    use std::os::unix::process::CommandExt as _;
    #[expect(unsafe_code, reason = "the standard library cannot set a signal's handler")]
    // SAFETY: between fork and exec only `signal` is called, which may be called there.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGTERM] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        })
    };
    command
}

/// Waits until the run has logged at least so many iterations.
#[cfg(unix)]
fn wait_for_lines(place: &Place, lines: usize) {
    let metrics = place.path("run/metrics.jsonl");
    let deadline = Instant::now() + Duration::from_secs(120);
    while fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < lines {
        assert!(Instant::now() < deadline, "the run does not go on");
        sleep(Duration::from_millis(20));
    }
}

#[cfg(unix)]
fn send(child: &Child, signals: &[&str]) {
    let kills: Vec<_> = signals.iter().map(|signal| format!("kill {signal} {}", child.id())).collect();
    assert!(Command::new("sh").args(["-c", &kills.join(" && ")]).status().unwrap().success());
}

/// The run has saved its state, and the same command goes on from there.
#[cfg(unix)]
fn saved_and_goes_on(place: &Place, child: Child) {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{text}");
    let [saved] = checkpoints(&place.path("run"))[..] else { panic!("one checkpoint") };
    assert!(text.contains(&format!("interrupted after iteration {saved} of 100000")), "{text}");
    assert!(place.path("run/models/A2B.safetensors").is_file());
    let page = fs::read_to_string(place.path("run/index.html")).unwrap();
    assert!(page.contains("interrupted"));
    let further = train(place, "run", &["--iteration", &(saved + 1).to_string()]);
    assert!(further.out.contains(&format!("going on from iteration {saved}")), "{further:?}");
}

#[cfg(unix)]
#[test]
fn a_signal_finishes_the_iteration_and_saves() {
    // Alone; a scheduler's signal behind a Ctrl-C; one press of Ctrl-C that arrives twice.
    for signals in [&["-INT"][..], &["-TERM"], &["-INT", "-TERM", "-HUP"], &["-INT", "-INT"]] {
        let place = place();
        let child = endless(&place, &[]);
        send(&child, signals);
        saved_and_goes_on(&place, child);
    }
}

/// As `nohup` starts a program, and a script's shell one in the background.
#[cfg(unix)]
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let place = place();
    let child = endless(&place, &["sh", "-c", "trap '' HUP INT; exec \"$@\"", "sh"]);
    for signal in ["-HUP", "-INT"] {
        send(&child, &[signal]);
        let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
        wait_for_lines(&place, metrics.lines().count() + 5);
    }
    send(&child, &["-TERM"]);
    saved_and_goes_on(&place, child);
}

#[test]
fn time_is_a_limit_too() {
    let place = place();
    let done = train(&place, "run", &["--iteration", "1000000", "--time", "1s"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("the time is up after iteration"), "{done:?}");
    assert_eq!(checkpoints(&place.path("run")).len(), 2);
}

#[test]
fn settings_come_from_preset_file_and_options() {
    let place = place();
    fs::write(place.path("my.toml"), "lr = 0.5\ncycle-weight = 7\niteration = 1\n").unwrap();
    let done = train(
        &place,
        "run",
        &["--preset", "cat2dog", "--light", "--config", "my.toml", "--lr", "1e-4", "--no-flip"],
    );
    assert_eq!(done.code, 0, "{done:?}");
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    for line in ["domain_a = \"cat\"", "cycle_weight = 7.0", "lr = 0.0001", "flip = false", "light = true"] {
        assert!(config.lines().any(|l| l == line), "{line}: {config}");
    }
    let wrong = |arguments: &[&str]| {
        let done = train(&place, "other", arguments);
        assert_eq!(done.code, 2, "{done:?}");
        done.err
    };
    fs::write(place.path("bad.toml"), "cycle_wieght = 7\n").unwrap();
    let message = wrong(&["--config", "bad.toml"]);
    assert!(message.contains("bad.toml") && message.contains("did you mean `cycle_weight`"), "{message}");
    assert!(wrong(&["--cycle-wieght", "7"]).contains("--cycle-weight"));
    assert!(wrong(&["--preset", "cat2cat"]).contains("cat2dog"));
    assert!(wrong(&["--batch-size", "0"]).contains("batch is 0"));
    assert!(wrong(&["--img-size", "18"]).contains("18"));
    // A run cannot change its networks.
    let done = train(&place, "run", &["--ch", "8"]);
    assert!(done.code == 2 && done.err.contains("ch = 4"), "{done:?}");
}

#[test]
fn a_run_begins_with_the_weights_of_another() {
    let place = place();
    assert_eq!(train(&place, "old", &["--iteration", "3"]).code, 0);
    let init =
        ["--init", "old", "--img-size", "24", "--load-size", "26", "--n-dis-global", "5", "--seed", "5"];
    let arguments = [&["--iteration", "4"], &init[..]].concat();

    let dry = Done::of(&mut command(&place, &[&["--dry-run"], &arguments[..]].concat()));
    assert!(dry.code == 0 && dry.out.contains("genA2B: all "), "{dry:?}");
    let done = train(&place, "new", &arguments);
    assert_eq!(done.code, 0, "{done:?}");
    for text in
        ["begins with the weights of old:", "  genB2A: all ", "  disGA: ", "; afresh: ", "  disLB: all "]
    {
        assert!(done.out.contains(text), "{text}: {done:?}");
    }
    let read = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    assert!(read("new/config.toml").contains("init = \"old\""));
    assert!(read("new/log.txt").contains("genA2B: all "));
    let info = place.run(&["info", "new"]);
    assert!(info.out.contains("begun with the weights of old"), "{info:?}");

    // It goes on from its own checkpoint, and needs the other no more.
    fs::rename(place.path("old"), place.path("gone")).unwrap();
    let further = train(&place, "new", &[&["--steps", "6"], &init[2..]].concat());
    assert!(further.code == 0 && further.out.contains("going on from iteration 4 of 6"), "{further:?}");
    assert!(!further.out.contains("begins with"), "{further:?}");
    let other = train(&place, "new", &[&["--steps", "8", "--init", "gone"], &init[2..]].concat());
    assert!(other.code == 2 && other.err.contains("has init = \"old\""), "{other:?}");

    let missing = train(&place, "none", &["--init", "nowhere"]);
    assert!(missing.code == 1 && missing.err.contains("nowhere"), "{missing:?}");
    let unfit = train(&place, "none", &["--init", "gone", "--ch", "8"]);
    assert!(unfit.code == 1 && unfit.err.contains("nothing in it fits"), "{unfit:?}");
}

#[test]
fn a_dry_run_trains_nothing() {
    let place = place();
    let Done { code, out: text, err } = Done::of(&mut command(&place, &["--dry-run"]));
    assert_eq!(code, 0, "{text} {err}");
    for part in
        ["trainB", "genA2B", "parameters", "s an iteration", "free in its own memory", "sample sheets"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 1, "only the data");

    let less = Done::of(&mut command(&place, &["--dry-run", "--checkpointing"]));
    assert!(less.code == 0 && less.out.contains("recompute = true"), "{less:?}");
    // What is said to be needed with an option is what is needed with it.
    let said = text.lines().find_map(|line| line.trim().strip_suffix(" with --recompute"));
    assert!(less.out.contains(&format!("memory   {} on ", said.unwrap())), "{text}\n{less:?}");
    let said = text.lines().find_map(|line| line.trim().strip_suffix(" with --precision f16"));
    // The processor has no such memory, but what a GPU would need is shown before that is said.
    let half = Done::of(&mut command(&place, &["--dry-run", "--precision", "f16", "--device", "cpu"]));
    assert!(half.code == 1 && half.err.contains("use f32, or a GPU"), "{half:?}");
    assert!(half.out.contains(&format!("memory   {} on ", said.unwrap())), "{text}\n{half:?}");
    assert!(half.out.contains(" with --recompute") && !half.out.contains(" with --precision"), "{half:?}");
}

/// A run may change how its pictures lie in a GPU's memory, and says so; the processor refuses.
#[test]
fn a_run_with_f16() {
    let place = place();
    let on = |device, precision, steps| {
        train(&place, "run", &["--device", device, "--precision", precision, "--steps", steps])
    };
    let refused = on("cpu", "f16", "2");
    assert!(refused.code == 1 && refused.err.contains("use f32, or a GPU"), "{refused:?}");
    let unknown = on("gpu", "bf16", "2");
    assert!(unknown.code == 2 && unknown.err.contains("use f32 or f16"), "{unknown:?}");
    let begun = on("gpu", "f16", "2");
    assert_eq!(begun.code, 0, "{begun:?}");
    let read = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    assert!(read("run/config.toml").contains("precision = \"f16\""));
    assert!(read("run/index.html").contains("precision = "));
    let further = on("gpu", "f32", "3");
    assert!(
        further.code == 0 && further.err.contains("with `precision` f16, and now with f32"),
        "{further:?}"
    );
    let log = read("run/log.txt");
    assert!(log.contains(", f16: begins at iteration 0 of 2") && log.contains(", f32: goes on"), "{log}");
}

#[test]
fn a_run_that_cannot_fit_is_refused_at_its_start() {
    let place = place();
    // A checkpoint would have terabytes.
    let large = ["--full", "--ch", "1024", "--img-size", "1024", "--load-size", "0", "--iteration", "1"];
    for start in [&["--dry-run"][..], &["-o", "run"]] {
        let done = Done::of(&mut command(&place, &[start, &large].concat()));
        assert!(done.code == 1 && done.err.contains("make room there, choose another disk"), "{done:?}");
    }
    assert!(!place.path("run/config.toml").exists(), "the folder is not bound to these settings");
}

#[test]
fn another_dataset_is_taken_where_asked_only() {
    let place = place();
    assert_eq!(train(&place, "run", &["--iteration", "3"]).code, 0);
    let image = RgbImage::from_fn(24, 20, |x, y| Rgb([(x * y) as u8, 7, (y * 3) as u8]));
    for name in ["trainA/horse.png", "trainB/zebra.png"] {
        image.save(place.file(&format!("horse2zebra/{name}"))).unwrap();
    }
    let other = |more: &[&str]| {
        let data = ["train", "horse2zebra", "-o", "run", "--iteration", "6"];
        Done::of(&mut place.command(&[&data, &SMALL[..], more].concat()))
    };
    let refused = other(&[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    for part in ["data (3 and 4 pictures)", "horse2zebra (1 and 1 pictures)", "--force", "new folder"] {
        assert!(refused.err.contains(part), "{part}: {refused:?}");
    }
    assert_eq!(checkpoints(&place.path("run")), [3]);
    let taken = other(&["--force"]);
    assert!(taken.code == 0 && taken.err.contains("goes on with"), "{taken:?}");
    assert!(fs::read_to_string(place.path("run/log.txt")).unwrap().contains("before, it was trained on"));
    // From now on it is the run's own; and a dataset may be moved.
    fs::rename(place.path("horse2zebra"), place.path("moved")).unwrap();
    let data = ["train", "moved", "-o", "run", "--iteration", "7"];
    let moved = Done::of(&mut place.command(&[&data, &SMALL[..]].concat()));
    assert!(moved.code == 0 && moved.out.contains("going on from iteration 6"), "{moved:?}");
}

#[test]
fn options_of_the_official_program_are_taken_or_named() {
    let place = place();
    let official = ["--light", "True", "--phase", "train", "--resume", "True", "--benchmark_flag", "True"];
    let done = train(&place, "run", &[&official[..], &["--iteration", "1"]].concat());
    assert!(done.code == 0 && done.err.contains("not needed here"), "{done:?}");
    let refused =
        train(&place, "r", &[&official[..], &["--result_dir", "results", "--dataset", "late"]].concat());
    assert_eq!(refused.code, 2, "{refused:?}");
    for part in ["--result-dir: here it is -o RUN", "--dataset: here it is the folder", "--benchmark-flag"] {
        assert!(refused.err.contains(part), "{part}: {refused:?}");
    }
    assert!(!place.path("r").exists());
    // The name of its device. Here there may be none.
    let cuda = place.run(&["doctor", "--device", "cuda", "--json"]);
    assert!(cuda.code != 2, "{cuda:?}");
}

#[test]
fn data_that_cannot_be_trained_on_is_refused() {
    let place = place();
    fs::remove_dir_all(place.path("data/trainB")).unwrap();
    let done = train(&place, "run", &[]);
    assert!(done.code == 1 && done.err.contains("trainB"), "{done:?}");
    assert!(!place.path("run").exists());
    fs::create_dir_all(place.path("data/trainB")).unwrap();
    fs::write(place.path("data/trainB/a.png"), b"no picture").unwrap();
    let done = train(&place, "run", &[]);
    assert!(done.code == 1 && done.err.contains("a.png"), "{done:?}");
}

#[test]
fn the_models_of_a_run_are_made_smaller() {
    let place = place();
    assert_eq!(train(&place, "run", &["--iteration", "1"]).code, 0);
    let run = |arguments: &[&str]| {
        let done = place.run(arguments);
        assert_eq!(done.code, 0, "{done:?}");
        done.out
    };
    run(&["import", "run", "-o", "small", "--f16", "--domain-b", "light", "--license", "CC0-1.0"]);
    let size = |path: &str| fs::metadata(place.path(path)).unwrap().len();
    assert!(size("small/B2A.safetensors") < size("run/models/B2A.safetensors") * 6 / 10);
    let text = run(&["info", "small"]);
    for part in ["B: light", "CC0-1.0", "1 of 1 iterations", "trained at 16x16"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
