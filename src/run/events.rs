//! TensorBoard's event files.
//!
//! A file is a sequence of records (TensorFlow's TFRecord): the length as `u64`, its checksum,
//! a protobuf message `Event`, its checksum; numbers little-endian, checksums CRC-32C, masked.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use prost::Message;

use crate::error::{Error, Result};

use super::clock::unix_seconds;

/// The beginning of every event file's name.
const PREFIX: &str = "events.out.tfevents.";
/// What TensorBoard knows the format by.
const FILE_VERSION: &str = "brain.Event:2";

/// One event file, `events.out.tfevents.{unix seconds}.{host}.{process}` in a run's folder.
///
/// Every run of the program writes a file of its own. It begins with a `SessionLog` that says at
/// which step it starts, by which TensorBoard forgets what earlier files say of that step and
/// later ones; so does a training run that goes on from a checkpoint.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    out: BufWriter<File>,
    /// Of one record; kept to allocate once.
    record: Vec<u8>,
}

impl EventWriter {
    /// Begins a file in `folder`, which is made where it is missing. `done` is the number of
    /// iterations that are done: 0 in a new run, or the checkpoint's that it goes on from.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn create(folder: impl AsRef<Path>, done: u64) -> Result<Self> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let now = SystemTime::now();
        // TensorBoard reads the files in the order of their names. A run that is resumed within
        // a second, or after the clock was set back, must come last nevertheless.
        let seconds = (unix_seconds(now) as u64).max(newest(folder)? + 1);
        let name = format!("{PREFIX}{seconds:010}.{}.{}", host(), std::process::id());
        let path = folder.join(name);
        let file = File::create_new(&path).map_err(Error::io(&path))?;
        let mut writer = Self { path, out: BufWriter::with_capacity(1 << 16, file), record: vec![] };
        writer.event(0, now, proto::What::FileVersion(FILE_VERSION.into()))?;
        // TensorBoard takes the first such event of a folder as the run's beginning, and every
        // further one as a restart; so a new run has it, too.
        let start = proto::SessionLog { status: proto::Status::Start.into() };
        writer.event(done + 1, now, proto::What::SessionLog(start))?;
        writer.flush()?;
        Ok(writer)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The values of one step by their tags. TensorBoard groups tags by what precedes the first
    /// `/`. Nothing reaches the disk before the buffer is full or [`Self::flush`] is called.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn scalars(
        &mut self,
        step: u64,
        wall_time: SystemTime,
        values: &[(impl AsRef<str>, f32)],
    ) -> Result<()> {
        let value = values.iter().map(|(tag, value)| proto::Value {
            tag: tag.as_ref().into(),
            value: Some(proto::Content::SimpleValue(*value)),
        });
        self.event(step, wall_time, proto::What::Summary(proto::Summary { value: value.collect() }))
    }

    /// A picture, encoded as PNG.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written; [`Error::Output`] where the size is none.
    pub fn image(
        &mut self,
        step: u64,
        wall_time: SystemTime,
        tag: &str,
        width: usize,
        height: usize,
        png: &[u8],
    ) -> Result<()> {
        let side = |n: usize| {
            i32::try_from(n).map_err(|_| Error::Output {
                path: self.path.clone(),
                problem: format!("a picture of {width}x{height} pixels is too large for TensorBoard"),
            })
        };
        let (width, height) = (side(width)?, side(height)?);
        // Colorspace 3 is RGB.
        let image = proto::Image { height, width, colorspace: 3, encoded_image_string: png.into() };
        let value = proto::Value { tag: tag.into(), value: Some(proto::Content::Image(image)) };
        self.event(step, wall_time, proto::What::Summary(proto::Summary { value: vec![value] }))
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(Error::io(&self.path))
    }

    fn event(&mut self, step: u64, wall_time: SystemTime, what: proto::What) -> Result<()> {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let event = proto::Event { wall_time: unix_seconds(wall_time), step, what: Some(what) };
        self.record.clear();
        self.record.extend((event.encoded_len() as u64).to_le_bytes());
        self.record.extend(masked_crc(&self.record).to_le_bytes());
        let body = self.record.len();
        // Room in a `Vec` is what encoding could lack.
        event.encode(&mut self.record).map_err(|e| Error::io(&self.path)(std::io::Error::other(e)))?;
        self.record.extend(masked_crc(&self.record[body..]).to_le_bytes());
        self.out.write_all(&self.record).map_err(Error::io(&self.path))
    }
}

/// The checksum as TFRecord stores it: rotated, and moved by a constant, so that data which
/// holds checksums itself is checked well.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The greatest time in the names of the event files of a folder, or 0.
fn newest(folder: &Path) -> Result<u64> {
    let mut newest = 0;
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let name = entry.map_err(Error::io(folder))?.file_name();
        let seconds = name.to_str().and_then(|n| n.strip_prefix(PREFIX)?.split('.').next()?.parse().ok());
        // Ten digits sort as text; anything longer is not a time.
        newest = newest.max(seconds.filter(|&s: &u64| s < 9_999_999_999).unwrap_or(0));
    }
    Ok(newest)
}

/// The computer's name, for the file's name only.
fn host() -> String {
    let name = sysinfo::System::host_name().unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let name: String = name.trim().chars().filter(plain).take(60).collect();
    if name.is_empty() { "localhost".into() } else { name }
}

/// The messages of TensorFlow's `event.proto` and `summary.proto`, as far as they are written.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Event {
        #[prost(double, tag = "1")]
        pub(super) wall_time: f64,
        #[prost(int64, tag = "2")]
        pub(super) step: i64,
        #[prost(oneof = "What", tags = "3, 5, 7")]
        pub(super) what: Option<What>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(super) enum What {
        #[prost(string, tag = "3")]
        FileVersion(String),
        #[prost(message, tag = "5")]
        Summary(Summary),
        #[prost(message, tag = "7")]
        SessionLog(SessionLog),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Summary {
        #[prost(message, repeated, tag = "1")]
        pub(super) value: Vec<Value>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Value {
        #[prost(string, tag = "1")]
        pub(super) tag: String,
        #[prost(oneof = "Content", tags = "2, 4")]
        pub(super) value: Option<Content>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(super) enum Content {
        #[prost(float, tag = "2")]
        SimpleValue(f32),
        #[prost(message, tag = "4")]
        Image(Image),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Image {
        #[prost(int32, tag = "1")]
        pub(super) height: i32,
        #[prost(int32, tag = "2")]
        pub(super) width: i32,
        #[prost(int32, tag = "3")]
        pub(super) colorspace: i32,
        #[prost(bytes = "vec", tag = "4")]
        pub(super) encoded_image_string: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SessionLog {
        #[prost(enumeration = "Status", tag = "1")]
        pub(super) status: i32,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
    #[repr(i32)]
    pub(super) enum Status {
        Unspecified = 0,
        Start = 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 8a9136aa.
    #[test]
    fn the_checksum_is_crc32c_masked() {
        // As TensorFlow masks 8a9136aa: rotated right by 15, plus a282ead8.
        assert_eq!(masked_crc(&[0; 32]), 0x0fd7_fffa);
    }

    #[test]
    fn a_later_file_has_a_later_name() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..3)
            .map(|done| EventWriter::create(folder.path(), done).unwrap().path().to_path_buf())
            .collect();
        assert!(paths.is_sorted() && paths[0] != paths[1] && paths[1] != paths[2]);
    }
}
