//! Runs on a full disk: the last checkpoint stays what it was, and the run goes on from it to the same end.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail, and report what they left out"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Done, Place};
use image::{Rgb, RgbImage};

/// What every run here has: with a rate that does not depend on where the run ends.
const SETTINGS: &str = "--img-size 16 --ch 4 --n-res 1 --n-dis-global 4 --n-dis-local 3 --load-size 18 --print-freq 100000 --decay-flag false --keep 2 --device cpu";

fn place() -> Place {
    let place = Place::new();
    for (name, seed) in [("trainA/0", 5), ("trainA/1", 7), ("trainB/0", 11), ("trainB/1", 13)] {
        let image =
            RgbImage::from_fn(20, 20, |x, y| Rgb([(x * seed) as u8, (y * seed) as u8, (x * y) as u8]));
        image.save(place.file(&format!("data/{name}.png"))).unwrap();
    }
    place
}

/// A script in which `$program` is ours.
fn script(place: &Place, text: &str) -> Command {
    let program = place.command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", text]).current_dir(place.folder()).stdin(Stdio::null());
    command.env("program", program.get_program()).env("settings", SETTINGS);
    command
}

fn train(place: &Place, run: &str, more: &str) -> Done {
    Done::of(&mut script(place, &format!("exec \"$program\" train data -o {run} $settings {more}")))
}

/// The files of a folder with their contents.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

/// A file can grow to half of a checkpoint: the system refuses the rest as a full disk does, in the middle.
#[test]
fn a_checkpoint_that_stays_half_written_damages_none() {
    let place = place();
    assert_eq!(train(&place, "whole", "--save-freq 3 --iteration 12").code, 0);
    assert_eq!(train(&place, "run", "--save-freq 3 --iteration 6").code, 0);
    let before = contents(&place.path("run/checkpoints"));
    assert_eq!(before.len(), 2);
    // In blocks of 512 bytes.
    let limit = before.values().map(Vec::len).min().unwrap() / 2 / 512;
    let limited = script(
        &place,
        &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$program\" train data -o run $settings --save-freq 3 --iteration 12"),
    )
    .output()
    .unwrap();
    let said = String::from_utf8(limited.stderr).unwrap();
    assert_eq!(limited.status.code(), Some(1), "{said}");
    assert!(said.contains("NO CHECKPOINT COULD BE WRITTEN") && said.contains("iteration 6"), "{said}");
    assert!(said.contains("what was trained could not be kept"), "{said}");
    assert!(contents(&place.path("run/checkpoints")) == before, "the checkpoints are others now");

    let done = train(&place, "run", "--save-freq 3 --iteration 12");
    assert!(done.code == 0 && done.out.contains("going on from iteration 6"), "{done:?}");
    assert!(contents(&place.path("run/models")) == contents(&place.path("whole/models")));
}

/// A small file system that is full from one moment on, with a `kill -9` on top.
#[test]
fn a_disk_that_fills_up_damages_nothing() {
    // With a mount of its own, which ends with the script; as somebody who may mount, or as root of a user
    // namespace.
    let ways = [vec!["unshare", "--mount"], vec!["unshare", "--map-root-user", "--mount"]];
    let can = |way: &&Vec<&str>| {
        let place = Place::new();
        fs::create_dir(place.path("disk")).unwrap();
        let mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", "disk"];
        let arguments = [&way[1..], &mount[..]].concat();
        let output = Command::new(way[0]).args(arguments).current_dir(place.folder()).output();
        output.is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(can) else {
        println!(
            "left out: nothing can be mounted here, not even in a namespace (unshare --mount); the test of a limit for files stands in"
        );
        return;
    };
    let place = place();
    let end = "--save-freq 20 --iteration 300";
    assert_eq!(train(&place, "whole", end).code, 0);
    let checkpoint = contents(&place.path("whole/checkpoints")).values().map(Vec::len).max().unwrap();
    // Room for what the run needs, its curves included, and a little.
    let size = checkpoint * 7;
    fs::create_dir(place.path("disk")).unwrap();
    let text = format!(
        r#"
        mount -t tmpfs -o size={size} tmpfs disk || exit 90
        run="train data -o disk/run $settings"
        "$program" $run {end} 2>said &
        wait_for() {{ n=0; until eval "$1"; do n=$((n + 1)); [ $n -lt 600 ] || exit 91; sleep 0.1; done; }}
        wait_for '[ $(ls disk/run/checkpoints 2>/dev/null | wc -l) -ge 2 ]'
        kill -STOP $!
        head -c {size} /dev/zero >disk/other 2>/dev/null
        kill -CONT $!
        wait_for 'grep -q "NO CHECKPOINT COULD BE WRITTEN" said'
        kill -9 $!
        wait $!
        cp -r disk/run full
        "$program" $run {end} >refused 2>&1
        echo $? >>refused
        rm disk/other
        "$program" $run {end} >goes-on 2>&1 || exit 92
        cp -r disk/run end
        "#
    );
    let shell = script(&place, &text);
    let mut unshared = Command::new(way[0]);
    unshared.args(&way[1..]).arg(shell.get_program()).args(shell.get_args());
    unshared
        .current_dir(place.folder())
        .stdin(Stdio::null())
        .envs(shell.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let output = unshared.output().unwrap();
    let read = |name: &str| fs::read_to_string(place.path(name)).unwrap_or_default();
    let said = format!("{output:?}\n{}\n{}\n{}", read("said"), read("refused"), read("goes-on"));
    assert!(output.status.success(), "{said}");

    // The disk was full, and is refused while it is.
    assert!(
        read("refused").contains("has 0.0 MiB free; make room there") && read("refused").ends_with("1\n"),
        "{said}"
    );
    let kept = contents(&place.path("full/checkpoints"));
    assert!((1..=3).contains(&kept.len()), "{:?}", kept.keys());
    for name in kept.keys().filter(|name| name.starts_with("step-")) {
        let checkpoint = ugatit::run::Checkpoint::load(&place.path("full/checkpoints").join(name));
        assert!(checkpoint.is_ok(), "{name}: {:?}", checkpoint.err());
    }
    let newest = kept.keys().rfind(|name| name.starts_with("step-")).unwrap();
    let step: u64 = newest["step-".len()..][..7].parse().unwrap();
    assert!(read("goes-on").contains(&format!("going on from iteration {step} of 300")), "{said}");
    assert!(
        contents(&place.path("end/models")) == contents(&place.path("whole/models")),
        "another end: {said}"
    );
}
