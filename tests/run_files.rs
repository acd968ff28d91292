//! What a training run leaves for people, read back as others would read it.
#![cfg(all(feature = "pictures", feature = "pytorch"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod files;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use ugatit::io::{
    ImportOptions, Picture, PictureFormat, encode_picture, heatmap, read_checkpoint, read_picture,
};
use ugatit::model::Direction;
use ugatit::run::{
    EventWriter, MetricsLog, RunLog, RunPage, RunPhase, RunStatus, SheetRow, compose, official_rows,
    row_names, scalars, sheet, translated_rows, write_sheet,
};
use ugatit::train::StepReport;
use ugatit::translate::{Device, Translator};
use ugatit::{Error, Tensor};

/// A report such as `Trainer` gives, of losses that fall and are noisy.
fn report(step: u64, total: u64) -> StepReport {
    let noise = |salt: u64| {
        let mut x = (step * 0x9e37_79b9_7f4a_7c15) ^ (salt * 0xd1b5_4a32_d192_ed03);
        x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((x ^ (x >> 29)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let part = step as f64 / total as f64;
    let fall = |from: f64, to: f64, speed: f64| to + (from - to) * (-speed * part).exp();
    let mut losses = vec![];
    for (i, scale) in ["GA", "GB", "LA", "LB"].into_iter().enumerate() {
        for (j, leaf) in ["ad_real", "ad_fake", "cam_real", "cam_fake"].into_iter().enumerate() {
            let salt = (i * 4 + j) as u64;
            losses.push((format!("D/{scale}/{leaf}"), fall(1.0, 0.22, 9.0) * (0.4 + 1.2 * noise(salt))));
        }
    }
    losses.push(("D/total".into(), losses.iter().map(|(_, v)| v).sum()));
    let before = losses.len();
    for (i, scale) in ["GA", "GB", "LA", "LB"].into_iter().enumerate() {
        let salt = 40 + i as u64;
        losses.push((format!("G/{scale}/ad"), 0.3 + 0.3 * part + 0.4 * noise(salt)));
        losses.push((format!("G/{scale}/ad_cam"), 0.5 + 0.6 * noise(salt + 10)));
    }
    for (i, domain) in ["A", "B"].into_iter().enumerate() {
        let salt = 80 + i as u64 * 10;
        losses.push((format!("G/{domain}/cycle"), fall(0.62, 0.14, 5.0) * (0.7 + 0.6 * noise(salt))));
        losses.push((format!("G/{domain}/identity"), fall(0.6, 0.1, 6.0) * (0.7 + 0.6 * noise(salt + 1))));
        for (j, leaf) in ["cam_translated1", "cam_identity0"].into_iter().enumerate() {
            let value = fall(0.7, 0.0004, 12.0) * (0.2 + 1.6 * noise(salt + 2 + j as u64).powi(3));
            losses.push((format!("G/{domain}/{leaf}"), value));
        }
    }
    let weight = |name: &str| match name.rsplit('/').next() {
        Some("cycle" | "identity") => 10.0,
        Some("cam_translated1" | "cam_identity0") => 1000.0,
        _ => 1.0,
    };
    let sum = losses[before..].iter().map(|(n, v)| weight(n) * v).sum();
    losses.push(("G/total".into(), sum));
    let norms = ["disGA", "disGB", "disLA", "disLB", "genA2B", "genB2A"];
    let norm = |(i, network): (usize, &&'static str)| {
        (*network, fall(30.0, 1.5, 8.0) * (0.3 + 1.6 * noise(120 + i as u64).powi(2)))
    };
    let gradient_norms = norms.iter().enumerate().map(norm).collect();
    let lr = 1e-4 * (2.0 * (1.0 - part)).min(1.0);
    StepReport { step, lr, losses, gradient_norms }
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The records of an event file, both checksums of each checked.
fn records(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let masked = |part: &[u8]| {
        let crc = crc32c::crc32c(part);
        crc.rotate_right(15).wrapping_add(0xa282_ead8)
    };
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut at, mut records) = (0, vec![]);
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        assert_eq!(word(at + 8), masked(&bytes[at..at + 8]));
        let body = &bytes[at + 12..][..length];
        assert_eq!(word(at + 12 + length), masked(body));
        records.push(body.to_vec());
        at += 16 + length;
    }
    records
}

/// The fields of a protobuf message: number, wire type, and the value as bytes or number.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>, u64)> {
    fn varint(message: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = message[0];
            *message = &message[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
        }
        panic!("a varint without end")
    }
    let mut all = vec![];
    while !message.is_empty() {
        let key = varint(&mut message);
        let (size, number) = match key & 7 {
            0 => (0, varint(&mut message)),
            1 => (8, 0),
            2 => (varint(&mut message) as usize, 0),
            5 => (4, 0),
            other => panic!("wire type {other}"),
        };
        let (value, rest) = message.split_at(size);
        message = rest;
        all.push((key >> 3, value.to_vec(), number));
    }
    all
}

#[test]
fn event_files_are_what_tensorboard_reads() {
    let folder = tempfile::tempdir().unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
    let mut events = EventWriter::create(folder.path().join("run"), 6).unwrap();
    events.scalars(7, time, &[("D/total", 0.5), ("lr", 1e-4)]).unwrap();
    events.image(8, time, "A2B", 300, 200, b"\x89PNG").unwrap();
    let path = events.path().to_path_buf();
    assert_eq!(records(&path).len(), 2, "the version and the beginning are there at once");
    events.flush().unwrap();

    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let parts: Vec<&str> = name.split('.').collect();
    assert_eq!((&parts[..3], parts[3].len()), (&["events", "out", "tfevents"][..], 10));
    let records = records(&path);
    let [version, start, scalars, image] = &records[..] else { panic!("{} records", records.len()) };
    assert!(fields(version).iter().any(|f| f.0 == 3 && f.1 == b"brain.Event:2"));
    // SessionLog, status START, before the first step that follows.
    let start = fields(start);
    assert!(start.iter().any(|f| (f.0, f.2) == (2, 7)));
    assert_eq!(fields(&start.iter().find(|f| f.0 == 7).unwrap().1), [(1, vec![], 1)]);

    let event = fields(scalars);
    assert_eq!(event[0], (1, 1_700_000_000.25_f64.to_le_bytes().to_vec(), 0));
    assert_eq!(event[1], (2, vec![], 7));
    let values: Vec<_> = fields(&event[2].1).into_iter().map(|v| fields(&v.1)).collect();
    assert_eq!(values.len(), 2);
    assert_eq!(values[0], [(1, b"D/total".to_vec(), 0), (2, 0.5_f32.to_le_bytes().to_vec(), 0)]);

    let value = fields(&fields(&fields(image)[2].1)[0].1);
    let picture = fields(&value[1].1);
    let expected = [(1, vec![], 200), (2, vec![], 300), (3, vec![], 3), (4, b"\x89PNG".to_vec(), 0)];
    assert_eq!((value[0].1.as_slice(), picture.as_slice()), (&b"A2B"[..], &expected[..]));
}

#[test]
fn metrics_are_a_flat_object_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/metrics.jsonl");
    let mut log = MetricsLog::open(&path, 0).unwrap();
    let mut first = report(1, 10);
    first.losses[0].1 = f64::NAN;
    log.write(&first, 0.123_456).unwrap();
    log.write(&report(2, 10), 0.25).unwrap();
    log.flush().unwrap();
    let lines = lines(&path);
    assert_eq!((lines[0]["step"].as_u64(), lines[0]["time"].as_f64()), (Some(1), Some(0.123)));
    assert!(lines[0]["D/GA/ad_real"].is_null());
    let expected = report(2, 10);
    assert_eq!(lines[1]["lr"].as_f64(), Some(expected.lr));
    assert_eq!(lines[1].as_object().unwrap().len(), 3 + expected.losses.len() + 6);
    for (name, value) in &expected.losses {
        assert_eq!(lines[1][name].as_f64().unwrap() as f32, *value as f32);
    }
    assert!(lines[1]["grad_norm/genB2A"].as_f64().unwrap() > 0.0);
    let names: Vec<String> = scalars(&expected).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, log.curves().names().collect::<Vec<_>>());
}

#[test]
fn a_resumed_run_forgets_what_came_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut log = MetricsLog::open(&path, 0).unwrap();
    for step in 1..=50 {
        log.write(&report(step, 100), step as f64 * 0.5).unwrap();
    }
    drop(log);
    let whole = fs::read(&path).unwrap();
    // Killed at any byte of the last lines, then resumed at any checkpoint.
    for cut in (whole.len() - 3000..=whole.len()).step_by(331) {
        for done in [0, 1, 30, 49, 50, 99] {
            fs::write(&path, &whole[..cut]).unwrap();
            let there = whole[..cut].iter().filter(|&&b| b == b'\n').count() as u64;
            let mut log = MetricsLog::open(&path, done).unwrap();
            let kept = there.min(done);
            assert_eq!((log.seconds(), log.curves().last_step()), (kept as f64 * 0.5, kept));
            log.write(&report(done + 1, 100), 77.0).unwrap();
            drop(log);
            let lines = lines(&path);
            assert_eq!(lines.len() as u64, kept + 1);
            assert!(lines[..kept as usize].iter().zip(1..).all(|(l, step)| l["step"] == step));
            assert_eq!(lines[kept as usize]["step"], done + 1);
        }
    }
    // A damaged line is passed over, whatever it holds.
    let mut damaged = b"{\"step\":1,\"time\":1,\"x\":2}\nnull\n{\"step\":\"\n\0\0\xff\n".to_vec();
    damaged.extend(vec![b'x'; 3 << 20]);
    damaged.extend(b"\n{\"step\":2,\"time\":4,\"x\":3}\n{\"step\":3");
    fs::write(&path, &damaged).unwrap();
    let log = MetricsLog::open(&path, 9).unwrap();
    assert_eq!((log.seconds(), log.curves().latest("x")), (4.0, Some(3.0)));
    assert_eq!(fs::metadata(&path).unwrap().len() as usize, damaged.len() - 9);
}

#[test]
fn the_log_is_only_added_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/log.txt");
    RunLog::open(&path).unwrap().line("begun").unwrap();
    fs::write(&path, fs::read_to_string(&path).unwrap() + "half a li").unwrap();
    let mut log = RunLog::open(&path).unwrap();
    log.line("resumed\nat step\t7 \u{1b}[2J").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("Z  begun") && lines[0].len() == "2026-11-24T22:53:40Z  begun".len());
    assert_eq!(lines[1], "half a li");
    assert!(lines[2].ends_with("Z  resumed"));
    assert_eq!((lines[3], lines.len()), ("    at step 7 [2J", 4));
    assert!(text.ends_with('\n'));
}

#[test]
fn what_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(EventWriter::create(&file, 0), Err(Error::Io { .. })));
    assert!(matches!(MetricsLog::open(file.join("m"), 0), Err(Error::Io { .. })));
    assert!(matches!(RunLog::open(file.join("l")), Err(Error::Io { .. })));
    assert!(matches!(write_sheet(&file, Direction::A2B, 1, b""), Err(Error::Output { .. })));
    let written = RunPage::new(&file, Duration::ZERO).write(&status(1, 2), &ugatit::run::Curves::default());
    assert!(matches!(written, Err(Error::Io { .. } | Error::Output { .. })));
}

/// The generators of the official checkpoint that is committed.
fn translators() -> [Translator; 2] {
    let models = read_checkpoint(files::tiny_checkpoint(), None, &ImportOptions::default()).unwrap();
    let new = |model| pollster::block_on(Translator::new(Device::Cpu, model)).unwrap();
    let [a2b, b2a] = models.try_into().unwrap();
    [new(a2b), new(b2a)]
}

fn pictures(count: usize, size: usize) -> Vec<Tensor> {
    let value = |n: usize, c: usize, y: usize, x: usize| {
        let (x, y) = (x as f32 / size as f32 - 0.5, y as f32 / size as f32 - 0.5);
        let round = (x * x + y * y).sqrt() * (6.0 + n as f32);
        (round + c as f32 * 0.7 + n as f32).sin() * 0.8
    };
    let picture = |n| {
        let pixels = (0..3).flat_map(|c| (0..size * size).map(move |i| value(n, c, i / size, i % size)));
        Tensor::new([1, 3, size, size], pixels.collect()).unwrap()
    };
    (0..count).map(picture).collect()
}

#[test]
fn a_sheet_is_the_official_one() {
    let [mut a2b, mut b2a] = translators();
    let pictures = pictures(3, 32);
    let run = |translator: &mut Translator, x: &Tensor| pollster::block_on(translator.run(x)).unwrap();
    for direction in Direction::BOTH {
        let (there, back) =
            if direction == Direction::A2B { (&mut a2b, &mut b2a) } else { (&mut b2a, &mut a2b) };
        let whole = pollster::block_on(sheet(there, back, &pictures)).unwrap();
        assert_eq!((whole.width, whole.height, whole.channels), (3 * 32, 7 * 32, 3));
        for (column, real) in pictures.iter().enumerate() {
            let same = run(back, real);
            let translated = run(there, real);
            let cycled = run(back, &translated.image);
            let jet = |map: &Option<Tensor>| {
                let colored = heatmap::colored(map.as_ref().unwrap().data(), 8, 8, 32, 32);
                Picture::new(32, 32, 3, colored).unwrap()
            };
            let image = |tensor: &Tensor| Picture::from_tensor(tensor, 0).unwrap();
            let expected = [
                image(real),
                jet(&same.heatmap),
                image(&same.image),
                jet(&translated.heatmap),
                image(&translated.image),
                jet(&cycled.heatmap),
                image(&cycled.image),
            ];
            for (row, expected) in expected.iter().enumerate() {
                let cell = whole.window(column as isize * 32, row as isize * 32, 32, 32);
                assert!(cell == *expected, "{direction} row {row} column {column}");
            }
        }
        let names = row_names(direction);
        let last = if direction == Direction::A2B { "A2B2A" } else { "B2A2B" };
        assert_eq!((names[0].starts_with("real"), names[6].as_str()), (true, last));
    }
    let mut rows = pollster::block_on(official_rows(&mut a2b, &mut b2a, &pictures)).unwrap();
    rows.extend(pollster::block_on(translated_rows(&mut a2b, "EMA", &pictures)).unwrap());
    assert_eq!((rows[7].name.as_str(), rows[8].name.as_str()), ("EMA attention A2B", "EMA A2B"));
    assert_eq!(rows[8].pictures, rows[4].pictures);
    assert_eq!(compose(&rows).unwrap().height, 9 * 32);
    rows[1].pictures.pop();
    assert!(compose(&rows).unwrap_err().to_string().contains("attention A2A"));
    assert!(compose(&[]).is_err() && compose(&[SheetRow { name: String::new(), pictures: vec![] }]).is_err());
    assert!(pollster::block_on(sheet(&mut a2b, &mut b2a, &[])).is_err());
}

fn status(step: u64, total: u64) -> RunStatus {
    RunStatus {
        title: "selfie2anime <light>".into(),
        phase: RunPhase::Running,
        step,
        total,
        rate: Some(5.2),
        elapsed: Duration::from_secs(step / 5),
        device: "NVIDIA GeForce RTX 4070 (Vulkan)".into(),
        config: "img_size = 64\nch = 4\nlight = true\n\n[weights]\ncam = 1000.0\nnote = \"<b>&\"\n".into(),
        columns: "5 pictures of the training set, then 5 of the test set".into(),
        rows: [vec![], vec![]],
    }
}

/// A whole run's folder. `UGATIT_RUN_FOLDER` keeps it for a person to look at.
#[test]
fn a_run_explains_itself() {
    const STEPS: u64 = 3000;
    let temporary = tempfile::tempdir().unwrap();
    let run =
        std::env::var_os("UGATIT_RUN_FOLDER").map_or_else(|| temporary.path().join("run"), PathBuf::from);
    let mut events = EventWriter::create(&run, 0).unwrap();
    let mut metrics = MetricsLog::open(run.join("metrics.jsonl"), 0).unwrap();
    let mut log = RunLog::open(run.join("log.txt")).unwrap();
    log.line("begun").unwrap();
    let mut page = RunPage::new(&run, Duration::from_secs(30));
    assert!(page.due());
    page.write(&status(0, STEPS), metrics.curves()).unwrap();
    assert!(!page.due());
    assert!(fs::read_to_string(run.join("index.html")).unwrap().contains("no values yet") || STEPS > 0);

    // The cost of a step.
    let reports: Vec<StepReport> = (1..=STEPS).map(|step| report(step, 2 * STEPS)).collect();
    let begun = Instant::now();
    for report in &reports {
        metrics.write(report, report.step as f64 / 5.2).unwrap();
        events.scalars(report.step, SystemTime::now(), &scalars(report)).unwrap();
    }
    let each = begun.elapsed() / STEPS as u32;
    println!("{each:?} a step");
    assert!(each < Duration::from_millis(1), "{each:?}");
    metrics.flush().unwrap();

    let [mut a2b, mut b2a] = translators();
    let pictures = pictures(10, 64);
    for step in [1, 10, 100, 1000, 2000, 3000, 9000] {
        for direction in Direction::BOTH {
            let (there, back) =
                if direction == Direction::A2B { (&mut a2b, &mut b2a) } else { (&mut b2a, &mut a2b) };
            let mut sheet = pollster::block_on(sheet(there, back, &pictures)).unwrap();
            // Other pictures at other steps.
            sheet.pixels.iter_mut().for_each(|v| *v = v.wrapping_add((3000 - step.min(3000)) as u8));
            let png = encode_picture("sheet.png", &sheet, PictureFormat::Png).unwrap();
            let path = write_sheet(&run, direction, step, &png).unwrap();
            assert_eq!(read_picture(&path).unwrap(), sheet);
            if step <= STEPS {
                let tag = format!("samples/{direction}");
                events.image(step, SystemTime::now(), &tag, sheet.width, sheet.height, &png).unwrap();
            }
        }
    }
    events.flush().unwrap();
    fs::write(run.join("samples/A2B_<script>.png"), "").unwrap();

    let begun = Instant::now();
    page.write(&status(STEPS, 2 * STEPS), metrics.curves()).unwrap();
    println!("{:?} for the page", begun.elapsed());
    let html = fs::read_to_string(run.join("index.html")).unwrap();
    println!("{} bytes", html.len());
    assert!(html.len() < 1 << 20);
    for text in [
        "3,000 of 6,000",
        "selfie2anime &lt;light&gt;",
        "note = &quot;&lt;b&gt;&amp;&quot;",
        "samples/A2B_0003000.png\" width=\"640\" height=\"448\"",
        "samples/B2A_0000010.png",
        "data-refresh=\"30\"",
        "9 min 36 s",
    ] {
        assert!(html.contains(text), "{text}");
    }
    // Nothing from outside, nothing of a later step, no foreign file.
    for text in ["http:", "https:", "//", "<b>&", "0009000", "A2B_<"] {
        let found = html.split("<script>").next().unwrap().contains(text);
        assert!(!found, "{text}");
    }
    assert_eq!(html.matches("<svg").count(), reports[0].losses.len() + 6 + 1);

    let failed = RunStatus { phase: RunPhase::Failed("disGA <NaN>".into()), ..status(STEPS, 2 * STEPS) };
    page.write(&failed, metrics.curves()).unwrap();
    let html = fs::read_to_string(run.join("index.html")).unwrap();
    assert!(
        html.contains("disGA &lt;NaN&gt;") && !html.contains("data-refresh") && !html.contains("http-equiv")
    );
    page.write(&status(STEPS, 2 * STEPS), metrics.curves()).unwrap();

    if std::env::var_os("UGATIT_RUN_FOLDER").is_some() {
        let mut resumed = EventWriter::create(&run, 2000).unwrap();
        for report in &reports[2000..2100] {
            resumed.scalars(report.step, SystemTime::now(), &scalars(report)).unwrap();
        }
        resumed.flush().unwrap();
    }
}
