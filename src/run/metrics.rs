//! `metrics.jsonl`: the numbers of every iteration for scripts.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serializer};

use crate::error::{Error, Result};
use crate::train::StepReport;

use super::curves::Curves;

/// A line longer than this is not one of ours.
const LONGEST_LINE: u64 = 1 << 20;
/// How long a line waits in memory at most, as long as lines are written.
const PATIENCE: Duration = Duration::from_secs(1);

/// `metrics.jsonl`, and the same as [`Curves`].
///
/// A line is one iteration, a flat JSON object: `step`, `time` (seconds that the run has taken,
/// over all its parts), `lr`, each term of the losses by its name, `grad_norm/{network}`. A value
/// that is NaN or infinite is `null`.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    out: BufWriter<File>,
    line: Vec<u8>,
    flushed: Instant,
    seconds: f64,
    curves: Curves,
}

impl MetricsLog {
    /// Opens `path` to add to it; it and its folder are made where they are missing. `done` is
    /// the number of iterations that are done: lines of later ones are cut off, with half a line
    /// that a killed process has left. (The file is made shorter, which happens whole or not at
    /// all.) The rest is read once, in little memory.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read or written.
    pub fn open(path: impl AsRef<Path>, done: u64) -> Result<Self> {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        let mut curves = Curves::default();
        let (kept, seconds) = read(&file, done, &mut curves).map_err(Error::io(path))?;
        if kept < length {
            file.set_len(kept).map_err(Error::io(path))?;
        }
        file.seek(SeekFrom::Start(kept)).map_err(Error::io(path))?;
        let out = BufWriter::with_capacity(1 << 16, file);
        Ok(Self { path: path.into(), out, line: vec![], flushed: Instant::now(), seconds, curves })
    }

    /// The `time` of the last line, from which a resumed run counts on.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Everything that was written and that was there.
    pub fn curves(&self) -> &Curves {
        &self.curves
    }

    /// Adds an iteration, `seconds` after the run's beginning. The line reaches the disk within
    /// a second if more lines follow; call [`Self::flush`] with each checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write(&mut self, report: &StepReport, seconds: f64) -> Result<()> {
        self.line.clear();
        encode(&mut self.line, report, seconds)
            .map_err(|e| Error::io(&self.path)(std::io::Error::other(e)))?;
        self.line.push(b'\n');
        self.out.write_all(&self.line).map_err(Error::io(&self.path))?;
        self.seconds = seconds;
        let norms: Vec<(String, f64)> =
            report.gradient_norms.iter().map(|(network, norm)| (norm_name(network), *norm)).collect();
        let values = [("lr", report.lr)].into_iter();
        let values = values.chain(report.losses.iter().chain(&norms).map(|(n, v)| (n.as_str(), *v)));
        self.curves.add(report.step, values);
        if self.flushed.elapsed() >= PATIENCE { self.flush() } else { Ok(()) }
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.flushed = Instant::now();
        self.out.flush().map_err(Error::io(&self.path))
    }
}

/// The values of an iteration by the names that they have in `metrics.jsonl`, for
/// [`EventWriter::scalars`](super::EventWriter::scalars).
pub fn scalars(report: &StepReport) -> Vec<(String, f32)> {
    let losses = report.losses.iter().map(|(name, value)| (name.clone(), *value as f32));
    let norms = report.gradient_norms.iter().map(|(network, norm)| (norm_name(network), *norm as f32));
    [("lr".to_owned(), report.lr as f32)].into_iter().chain(losses).chain(norms).collect()
}

fn norm_name(network: &str) -> String {
    format!("grad_norm/{network}")
}

/// A line without its end. Losses are written as `f32`, which they are computed in.
fn encode(line: &mut Vec<u8>, report: &StepReport, seconds: f64) -> serde_json::Result<()> {
    let mut serializer = serde_json::Serializer::new(line);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("step", &report.step)?;
    map.serialize_entry("time", &((seconds * 1000.0).round() / 1000.0))?;
    map.serialize_entry("lr", &report.lr)?;
    for (name, value) in &report.losses {
        map.serialize_entry(name, &(*value as f32))?;
    }
    for (network, norm) in &report.gradient_norms {
        map.serialize_entry(&norm_name(network), &(*norm as f32))?;
    }
    map.end()
}

/// Reads the lines up to step `done`. Gives where they end, and the last one's time.
/// A line that cannot be read is passed over.
fn read(file: &File, done: u64, curves: &mut Curves) -> std::io::Result<(u64, f64)> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut at, mut kept, mut seconds) = (0, 0, 0.0);
    let mut line = vec![];
    loop {
        line.clear();
        let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok((kept, seconds));
        }
        at += read as u64;
        let Some(values) = line.strip_suffix(b"\n").and_then(parse) else { continue };
        let Some(step) = values.iter().find(|(name, _)| *name == "step").map(|(_, v)| *v as u64) else {
            continue;
        };
        if step > done {
            return Ok((kept, seconds));
        }
        kept = at;
        seconds = values.iter().find(|(name, _)| *name == "time").map_or(seconds, |(_, v)| *v);
        curves.add(step, values.into_iter().filter(|(name, _)| !matches!(*name, "step" | "time")));
    }
}

/// The values of a line in their order; `null` is NaN.
fn parse(line: &[u8]) -> Option<Vec<(&str, f64)>> {
    serde_json::from_slice::<Values<'_>>(line).ok().map(|values| values.0)
}

struct Values<'a>(Vec<(&'a str, f64)>);

impl<'de: 'a, 'a> Deserialize<'de> for Values<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Line;
        impl<'de> Visitor<'de> for Line {
            type Value = Values<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Values<'de>, A::Error> {
                let mut values = Vec::with_capacity(64);
                while let Some((name, value)) = map.next_entry::<&str, Option<f64>>()? {
                    values.push((name, value.unwrap_or(f64::NAN)));
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_map(Line)
    }
}
