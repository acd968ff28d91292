//! A checkpoint's tensors: what the index says of each, and their bytes, which lie in one or more files
//! beside it. Only what is asked for is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use prost::Message;

use crate::error::{Error, Result};
use crate::io::safetensors::Element;

use super::table::{entries, masked};

/// The largest index that is read. That of a checkpoint of U-GAT-IT has some 30 kB.
const MAX_INDEX: u64 = 64 << 20;
/// The most dimensions that a tensor may have.
const MAX_RANK: usize = 8;
/// What is read at a time.
const CHUNK: usize = 4 << 20;

/// The messages of `tensor_bundle.proto` and `tensor_shape.proto`, as far as they are read.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct BundleHeader {
        #[prost(int32, tag = "1")]
        pub(super) num_shards: i32,
        /// 0: little.
        #[prost(int32, tag = "2")]
        pub(super) endianness: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct BundleEntry {
        /// `DataType`
        #[prost(int32, tag = "1")]
        pub(super) dtype: i32,
        #[prost(message, optional, tag = "2")]
        pub(super) shape: Option<TensorShape>,
        #[prost(int32, tag = "3")]
        pub(super) shard_id: i32,
        #[prost(int64, tag = "4")]
        pub(super) offset: i64,
        #[prost(int64, tag = "5")]
        pub(super) size: i64,
        #[prost(fixed32, tag = "6")]
        pub(super) crc32c: u32,
        /// Of a variable that is stored in parts.
        #[prost(bytes = "vec", repeated, tag = "7")]
        pub(super) slices: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct TensorShape {
        #[prost(message, repeated, tag = "2")]
        pub(super) dim: Vec<Dimension>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Dimension {
        #[prost(int64, tag = "1")]
        pub(super) size: i64,
    }
}

/// A tensor, as the index notes it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// `DataType`
    dtype: i32,
    shard: usize,
    offset: u64,
    size: u64,
    crc: u32,
}

/// A checkpoint that has been opened: its index is read, its tensors are not.
#[derive(Debug)]
pub(super) struct Bundle {
    /// The index's file; those of the data bear its name with another ending.
    index: PathBuf,
    shards: usize,
}

impl Bundle {
    /// Reads the index, and of it the entries whose names `wanted` takes; with the number of all
    /// and the name of the first.
    ///
    /// # Errors
    /// [`Error::ModelFile`] where it is no index or a damaged one; [`Error::Io`].
    pub(super) fn open(index: &Path, wanted: impl Fn(&str) -> bool) -> Result<(Self, Found)> {
        let refuse = |problem: String| Error::ModelFile { path: index.into(), problem };
        let mut file = File::open(index).map_err(Error::io(index))?;
        let length = file.metadata().map_err(Error::io(index))?.len();
        if length > MAX_INDEX {
            return Err(refuse(format!(
                "an index of a TensorFlow checkpoint is not {} MiB large; is it the data?",
                length >> 20
            )));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        file.by_ref().take(MAX_INDEX).read_to_end(&mut bytes).map_err(Error::io(index))?;
        let mut header = None;
        let mut found = Found { wanted: BTreeMap::new(), all: 0, first: None };
        let read = entries(&bytes, |key, value| {
            if key.is_empty() {
                header = Some(proto::BundleHeader::decode(value).map_err(|e| format!("its header: {e}"))?);
                return Ok(());
            }
            found.all += 1;
            let Ok(name) = std::str::from_utf8(key) else { return Ok(()) };
            found.first.get_or_insert_with(|| name.to_owned());
            if wanted(name) {
                found.wanted.insert(name.to_owned(), entry(name, value)?);
            }
            Ok(())
        });
        let header = read.and_then(|()| header.ok_or_else(|| "it has no header".to_owned()));
        let header = header.map_err(|why| {
            let other = crate::io::foreign::what_it_is(Path::new(""), &bytes[..bytes.len().min(1024)]);
            refuse(other.unwrap_or_else(|| {
                format!("it cannot be read as the index of a TensorFlow checkpoint: {why}; fetch it again")
            }))
        })?;
        if header.endianness != 0 {
            return Err(refuse(
                "it is a TensorFlow checkpoint of a big-endian machine, which is not read".into(),
            ));
        }
        let shards = usize::try_from(header.num_shards).unwrap_or(0);
        if !(1..=99_999).contains(&shards) {
            return Err(refuse(format!("its TensorFlow checkpoint has {} data files?", header.num_shards)));
        }
        Ok((Self { index: index.into(), shards }, found))
    }

    /// Reads a tensor, checked: calls `each` with the place of the first of some elements, and these.
    /// Memory is that of a few megabytes.
    ///
    /// # Errors
    /// [`Error::ModelFile`] where the data's file is missing, cut off or damaged, or the elements are of a
    /// kind that is not read; [`Error::Io`].
    pub(super) fn read(&self, entry: &Entry, mut each: impl FnMut(usize, &[f32])) -> Result<()> {
        let path = self.data(entry.shard);
        let refuse = |problem: String| Error::ModelFile { path: path.clone(), problem };
        let element = self.element(entry)?;
        let elements = entry.shape.iter().try_fold(1_u64, |n, &side| n.checked_mul(side as u64));
        if elements.and_then(|n| n.checked_mul(element.size() as u64)) != Some(entry.size) {
            return Err(Error::ModelFile {
                path: self.index.clone(),
                problem: format!(
                    "it notes {} bytes for `{}` of shape {:?}; the index of this TensorFlow checkpoint is damaged",
                    entry.size, entry.name, entry.shape
                ),
            });
        }
        let mut file = File::open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => refuse(format!(
                "this file of data of the TensorFlow checkpoint is missing; it belongs beside {}",
                self.index.display()
            )),
            _ => Error::io(&path)(error),
        })?;
        let length = file.metadata().map_err(Error::io(&path))?.len();
        if entry.offset.checked_add(entry.size).is_none_or(|end| end > length) {
            return Err(refuse(format!(
                "it is cut off: it has {length} bytes, and `{}` should lie at {}, {} bytes; fetch it again",
                entry.name, entry.offset, entry.size
            )));
        }
        file.seek(SeekFrom::Start(entry.offset)).map_err(Error::io(&path))?;
        let mut bytes = vec![0; CHUNK.min(entry.size as usize)];
        let (mut crc, mut done) = (0, 0);
        while done < entry.size {
            let chunk = &mut bytes[..CHUNK.min((entry.size - done) as usize)];
            file.read_exact(chunk).map_err(Error::io(&path))?;
            crc = crc32c::crc32c_append(crc, chunk);
            each(done as usize / element.size(), &element.decode(chunk));
            done += chunk.len() as u64;
        }
        if masked(crc) != entry.crc {
            return Err(refuse(format!(
                "it is damaged: the bytes of `{}` have another checksum than the index notes; fetch it again",
                entry.name
            )));
        }
        Ok(())
    }

    /// How the elements are stored.
    fn element(&self, entry: &Entry) -> Result<Element> {
        Ok(match entry.dtype {
            1 => Element::F32,
            2 => Element::F64,
            14 => Element::Bf16,
            19 => Element::F16,
            other => {
                return Err(Error::ModelFile {
                    path: self.index.clone(),
                    problem: format!(
                        "`{}` is of TensorFlow's type {other}; float, double, half and bfloat16 are read",
                        entry.name
                    ),
                });
            }
        })
    }

    fn data(&self, shard: usize) -> PathBuf {
        self.index.with_extension(format!("data-{shard:05}-of-{:05}", self.shards))
    }
}

/// What an index lists.
#[derive(Debug)]
pub(super) struct Found {
    /// By name.
    pub(super) wanted: BTreeMap<String, Entry>,
    /// How many tensors there are.
    pub(super) all: usize,
    /// The first one's name.
    pub(super) first: Option<String>,
}

fn entry(name: &str, value: &[u8]) -> std::result::Result<Entry, String> {
    let broken = |what: &str| format!("of `{name}` {what} makes no sense");
    let entry = proto::BundleEntry::decode(value).map_err(|e| format!("of `{name}` {e}"))?;
    if !entry.slices.is_empty() {
        return Err(format!("`{name}` is stored in parts (a partitioned variable), which is not read"));
    }
    let dims = entry.shape.unwrap_or_default().dim;
    if dims.len() > MAX_RANK {
        return Err(broken("the shape"));
    }
    let shape = dims.iter().map(|dim| usize::try_from(dim.size)).collect::<std::result::Result<_, _>>();
    Ok(Entry {
        name: name.into(),
        shape: shape.map_err(|_| broken("the shape"))?,
        dtype: entry.dtype,
        shard: usize::try_from(entry.shard_id).map_err(|_| broken("the file of data"))?,
        offset: u64::try_from(entry.offset).map_err(|_| broken("the place"))?,
        size: u64::try_from(entry.size).map_err(|_| broken("the length"))?,
        crc: entry.crc32c,
    })
}
