//! Several ranks under `mpirun`: training that is one process's, and goes on after any end; translations and
//! measurements that are shared out.
#![cfg(all(feature = "mpi", unix))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::training::{arguments, models, place, train};
use common::{Done, Place, checkpoint};
use ugatit::run::Checkpoint;

/// One job at a time: ranks that wait for each other are slow where others take their cores.
static ALONE: Mutex<()> = Mutex::new(());

/// The program as so many ranks.
fn mpirun(place: &Place, ranks: usize, arguments: &[&str]) -> Command {
    let program = place.command(arguments);
    let mut command = Command::new("mpirun");
    command.args(["--allow-run-as-root", "--oversubscribe", "-n", &ranks.to_string()]);
    command.arg(program.get_program()).args(program.get_args());
    command.current_dir(place.folder()).stdin(Stdio::null());
    for variable in ["UGATIT_MODEL", "UGATIT_DEVICE", "UGATIT_ADAPTER"] {
        command.env_remove(variable);
    }
    // The tests of rounding need as many threads in each rank as there are alone.
    command.env("RAYON_NUM_THREADS", "1");
    command
}

fn train_in(place: &Place, ranks: usize, run: &str, more: &[&str]) -> Done {
    Done::of(&mut mpirun(place, ranks, &arguments(&[&["-o", run], more].concat())))
}

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn checkpoints(run: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(run.join("checkpoints"))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The curves of a run, without times.
fn losses(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().retain(|key, _| !["time", "seconds"].contains(&key.as_str()));
        line
    };
    text.lines().map(line).collect()
}

/// Trained alone with as many batches, and in ranks: the same weights, to the bit.
#[test]
fn ranks_train_the_model_of_one_process() {
    let _alone = alone();
    let place = place();
    // On the GPU with a list, whose k-th is that of the k-th rank.
    let cases: [(usize, &str, &[&str], &[&str]); 3] =
        [(2, "cpu", &[], &[]), (3, "cpu", &[], &[]), (2, "gpu", &["--adapter", "0"], &["--adapter", "0,0"])];
    for (ranks, device, own, list) in cases {
        let more = ["--iteration", "7", "--device", device];
        let one = format!("one-{ranks}-{device}");
        let batches = ranks.to_string();
        let alone = arguments(&[&["-o", &one, "--accumulation", &batches], &more[..], own].concat());
        let done = Done::of(place.command(&alone).env("RAYON_NUM_THREADS", "1"));
        assert_eq!(done.code, 0, "{done:?}");
        let many = format!("many-{ranks}-{device}");
        let done = train_in(&place, ranks, &many, &[&more[..], list].concat());
        assert_eq!(done.code, 0, "{done:?}");
        for part in [&format!("{ranks} ranks; rank 0 has waited"), "all 7 iterations are done"] {
            assert!(done.out.contains(part), "{part}: {done:?}");
        }
        assert_eq!(done.out.matches("all 7 iterations").count(), 1, "one of them tells: {done:?}");
        let [one, many] = [&one, &many].map(|run| place.path(run));
        assert!(models(&one) == models(&many), "{ranks} ranks on {device}");
        assert_eq!(losses(&one), losses(&many), "{ranks} ranks on {device}");
        assert!(checkpoints(&one).len() > 1);
        assert_eq!(checkpoints(&one), checkpoints(&many));
        for name in checkpoints(&one) {
            let [one, many] = [&one, &many].map(|run| {
                let Checkpoint { state, .. } =
                    Checkpoint::load(&run.join("checkpoints").join(&name)).unwrap();
                state.into_owned()
            });
            assert!(one == many, "{name} of {ranks} ranks on {device}");
        }
    }
}

/// Waits until the run has logged at least so many iterations.
fn wait_for_lines(place: &Place, run: &str, lines: usize) {
    let metrics = place.path(run).join("metrics.jsonl");
    let deadline = Instant::now() + Duration::from_secs(240);
    while fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < lines {
        assert!(Instant::now() < deadline, "the run does not go on");
        sleep(Duration::from_millis(20));
    }
}

fn start(place: &Place, run: &str, more: &[&str]) -> Child {
    let mut command = mpirun(place, 2, &arguments(&[&["-o", run], more].concat()));
    // After a signal, or the end of a rank, the others have so many seconds before they are killed.
    command.env("OMPI_MCA_odls_base_sigkill_timeout", "10");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kill(signal: &str, id: &str) {
    assert!(Command::new("kill").args([signal, id]).status().unwrap().success());
}

/// The processes that `mpirun` has started.
fn children(mpirun: &Child) -> Vec<String> {
    let id = mpirun.id().to_string();
    let output = Command::new("ps").args(["-o", "pid=", "--ppid", &id]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_rank_that_dies_ends_the_job_and_the_same_command_goes_on() {
    let _alone = alone();
    let place = place();
    let more = ["--iteration", "30"];
    let job = start(&place, "run", &more);
    wait_for_lines(&place, "run", 4);
    kill("-9", children(&job).last().unwrap());
    let output = job.wait_with_output().unwrap();
    assert!(!output.status.success());
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("exited on signal 9"), "{said}");

    let further = train_in(&place, 2, "run", &more);
    assert!(further.code == 0 && further.out.contains("going on from iteration"), "{further:?}");
    // As if nothing had happened.
    assert_eq!(train_in(&place, 2, "whole", &more).code, 0);
    assert!(models(&place.path("run")) == models(&place.path("whole")));

    // With another number of ranks it says what changes.
    let other = train_in(&place, 3, "run", &["--iteration", "33"]);
    assert_eq!(other.code, 0, "{other:?}");
    for part in
        ["2 ranks trained this run, and now 3 ranks do", "now has 3 pictures of each domain instead of 2"]
    {
        assert!(other.err.contains(part), "{part}: {other:?}");
    }
    let alone = train(&place, "run", &["--iteration", "34", "--accumulation", "3"]);
    assert!(alone.code == 0 && alone.err.contains("now 1 process do"), "{alone:?}");
}

#[test]
fn a_signal_and_the_time_stop_all_ranks_after_the_same_iteration() {
    let _alone = alone();
    let place = place();
    for signal in ["-USR1", "-INT"] {
        let run = format!("run{signal}");
        let job = start(&place, &run, &["--iteration", "100000", "--save-freq", "100000"]);
        wait_for_lines(&place, &run, 3);
        kill(signal, &job.id().to_string());
        let output = job.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && text.contains("interrupted after iteration"), "{output:?}");
        assert_eq!(checkpoints(&place.path(&run)).len(), 1);
    }

    let late = train_in(&place, 2, "late", &["--iteration", "100000", "--time", "2s"]);
    assert!(late.code == 0 && late.out.contains("the time is up after iteration"), "{late:?}");
    assert!(!checkpoints(&place.path("late")).is_empty());
}

#[test]
fn divergence_ends_all_with_one_message() {
    let _alone = alone();
    let place = place();
    for steps in ["1", "2"] {
        let done = train_in(&place, 2, "run", &["--iteration", "30", "--lr", "1e30", "--local-steps", steps]);
        assert_ne!(done.code, 0, "{done:?}");
        assert_eq!(done.err.matches("training has diverged").count(), 1, "{done:?}");
        fs::remove_dir_all(place.path("run")).unwrap();
    }
}

#[test]
fn ranks_may_train_by_themselves_for_a_while_and_send_fewer_bits() {
    let _alone = alone();
    let place = place();
    let more = ["--iteration", "12"];
    assert_eq!(train_in(&place, 2, "exact", &more).code, 0);
    let exact = models(&place.path("exact"));
    for (run, more) in [("local", ["--local-steps", "4"]), ("short", ["--reduce", "bf16"])] {
        let arguments = [&["--iteration", "12"], &more[..]].concat();
        let done = train_in(&place, 2, run, &arguments);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(models(&place.path(run)) != exact, "{run}");
        let again = format!("{run}-again");
        assert_eq!(train_in(&place, 2, &again, &arguments).code, 0);
        assert!(models(&place.path(run)) == models(&place.path(&again)), "{run}: the same run again");
    }
    // The run's own settings hold where the same command goes on.
    assert!(fs::read_to_string(place.path("local/config.toml")).unwrap().contains("local_steps = 4"));
}

#[test]
fn pictures_are_shared_out_and_measured_together() {
    let _alone = alone();
    let place = Place::new();
    for i in 0..9 {
        place.picture(&format!("in/{i}.png"), 8 + 4 * i, 16);
        place.picture(&format!("data/testA/{i}.png"), 32, 32);
        place.picture(&format!("data/testB/{i}.png"), 32, 32 + i);
    }
    fs::write(place.path("in/broken.png"), "no picture").unwrap();
    let model = checkpoint();
    let fixed = ["--device", "cpu", "--model", model.to_str().unwrap()];
    let translate = |ranks: usize, more: &[&str]| {
        Done::of(&mut mpirun(&place, ranks, &[&["translate", "in"], &fixed[..], more].concat()))
    };
    let done = translate(3, &["-o", "out"]);
    assert!(done.code != 0 && done.out.contains("9 translated, 1 failed in"), "{done:?}");
    assert!(done.out.contains("3 ranks") && done.out.matches(" translated").count() == 1, "{done:?}");
    assert_eq!(done.err.matches("broken.png").count(), 1, "{done:?}");
    let alone = place.run(&[&["translate", "in", "-o", "alone"], &fixed[..]].concat());
    assert_eq!(alone.code, 1);
    for name in place.files("alone") {
        let [one, many] = ["alone", "out"].map(|folder| fs::read(place.path(folder).join(&name)).unwrap());
        assert!(one == many, "{name}");
    }
    fs::remove_file(place.path("out/4.png")).unwrap();
    fs::remove_file(place.path("in/broken.png")).unwrap();
    let done = translate(2, &["-o", "out", "--missing"]);
    assert!(done.code == 0 && done.out.contains("1 translated, 8 there already"), "{done:?}");

    let eval = |command: &mut Command, folder: &str| {
        let done = Done::of(command);
        assert_eq!(done.code, 0, "{done:?}");
        let text = fs::read_to_string(place.path(folder).join("metrics.json")).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json.as_object_mut().unwrap().remove("seconds");
        json
    };
    let data = |folder: &'static str| {
        [&["eval", "data", "--pairs", "--sheet", "sheet.png", "--force", "-o", folder], &fixed[..]].concat()
    };
    let one = eval(&mut place.command(&data("one")), "one");
    let sheet = fs::read(place.path("sheet.png")).unwrap();
    let many = eval(&mut mpirun(&place, 3, &data("many")), "many");
    assert_eq!(one, many);
    assert!(sheet == fs::read(place.path("sheet.png")).unwrap());
    assert_eq!(place.files("one/pictures"), place.files("many/pictures"));
}

#[test]
fn a_wrong_command_line_is_told_once() {
    let _alone = alone();
    let place = place();
    let done = Done::of(&mut mpirun(&place, 2, &["train", "data", "--no-such-option"]));
    assert!(done.code == 2 && done.err.matches("--no-such-option").count() <= 2, "{done:?}");
    let done = train_in(&place, 2, "run", &["--batch-size", "0"]);
    assert!(done.code != 0 && done.err.matches("batch is 0").count() == 1, "{done:?}");
    let missing = Done::of(&mut mpirun(&place, 2, &["train", "nowhere", "-o", "run"]));
    assert!(missing.code != 0 && missing.err.contains("which ends the job"), "{missing:?}");
}
