//! The safetensors container: eight bytes of header length (little-endian), a JSON header
//! that names every tensor with its type, shape and byte range, then the bytes.
//!
//! Read here rather than by the `safetensors` crate because a file may come from anywhere:
//! the header is bounded before it is parsed, a name given twice is an error, and what is
//! written is the same bytes for the same tensors (the crate keeps metadata in hash order).

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;

use half::{bf16, f16};
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::Shape;

use super::foreign::what_it_is;

/// The longest header that is parsed. A generator's has some 15 kB.
const MAX_HEADER: usize = 8 << 20;
/// The most tensors that a header may name. A generator has some 50 to 500.
const MAX_TENSORS: usize = 20_000;
/// The most dimensions that a tensor may have.
const MAX_RANK: usize = 8;

/// How a tensor's elements are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F64,
    F32,
    F16,
    Bf16,
}

impl Element {
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Little-endian bytes to `f32`. Trailing bytes of an incomplete element are left out.
    pub(crate) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        fn each<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks::<N>().0.iter().map(|&b| f(b)).collect()
        }
        match self {
            Self::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Self::F32 => plain(bytes),
            Self::F16 => each(bytes, |b| widened(u16::from_le_bytes(b))),
            Self::Bf16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        }
    }
}

/// `f32` from little-endian bytes, without a loop where the machine has them so: a browser has not
/// compiled one well yet when the first model arrives.
fn plain(bytes: &[u8]) -> Vec<f32> {
    let mut values = vec![0.0_f32; bytes.len() / size_of::<f32>()];
    let whole = size_of_val(&values[..]);
    bytemuck::cast_slice_mut(&mut values).copy_from_slice(&bytes[..whole]);
    if cfg!(target_endian = "big") {
        values.iter_mut().for_each(|v| *v = f32::from_bits(u32::from_le(v.to_bits())));
    }
    values
}

/// The number that the bits of an `f16` stand for. Without branches, so that it is done for several
/// at a time.
fn widened(bits: u16) -> f32 {
    /// What makes up for the exponents' different bias: 2 to the power of 127 - 15.
    const SCALE: f32 = f32::from_bits((127 + 127 - 15) << 23);
    /// The bits of infinity, in their new places.
    const INFINITE: u32 = 0x7c00 << 13;
    let (sign, rest) = (u32::from(bits & 0x8000) << 16, u32::from(bits & 0x7fff) << 13);
    // Exact, since the result is a normal number whatever the first factor is.
    let finite = (f32::from_bits(rest) * SCALE).to_bits();
    f32::from_bits(sign | if rest < INFINITE { finite } else { rest | f32::INFINITY.to_bits() })
}

/// One tensor of a file, its bytes not yet converted.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    /// The name of the type as the file gives it, and what it is where we can read it.
    pub(crate) dtype: String,
    pub(crate) element: Option<Element>,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: &'a [u8],
}

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tensors: BTreeMap<String, View<'a>>,
}

/// Parses `bytes`; `path` is for messages.
///
/// # Errors
/// [`Error::ModelFile`] where the file is no safetensors file, is cut off, or its header does
/// not describe the bytes that follow it exactly.
pub(crate) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<Contents<'a>> {
    let refuse = |problem: String| Error::ModelFile { path: path.into(), problem };
    // What begins with a header's length and no header may be something else that people know by name.
    let refuse_kind = |problem: String| refuse(what_it_is(path, bytes).unwrap_or(problem));
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(refuse_kind(format!(
            "it has {} bytes, which is too short for a model; it may be an interrupted download",
            bytes.len()
        )));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER as u64 {
        return Err(refuse_kind(format!(
            "it is no safetensors file, or damaged: its header would be {length} bytes long, at most {MAX_HEADER} are read"
        )));
    }
    let Some((header, data)) = rest.split_at_checked(length as usize) else {
        return Err(refuse_kind(format!(
            "it is cut off in the header ({length} bytes announced, {} there); fetch it again",
            rest.len()
        )));
    };
    let header: Header = serde_json::from_slice(header).map_err(|e| {
        refuse_kind(format!("its header cannot be read ({e}); it is no safetensors file, or damaged"))
    })?;

    let mut ranges: Vec<(usize, usize, &str)> = vec![];
    let mut tensors = BTreeMap::new();
    for (name, entry) in &header.tensors {
        let offsets = entry.data_offsets;
        let lies = |what: String| refuse(format!("its header lies about tensor `{name}`: {what}"));
        if entry.shape.len() > MAX_RANK {
            return Err(lies(format!("{} dimensions", entry.shape.len())));
        }
        if offsets[0] > offsets[1] {
            return Err(lies(format!("its bytes end ({}) before they begin ({})", offsets[1], offsets[0])));
        }
        let [Some(begin), Some(end)] = offsets.map(|n| usize::try_from(n).ok().filter(|&n| n <= data.len()))
        else {
            return Err(refuse(format!(
                "it is cut off: tensor `{name}` needs {} bytes of data, the file has {}; fetch it again",
                offsets[1],
                data.len()
            )));
        };
        let element = match entry.dtype.as_str() {
            "F64" => Some(Element::F64),
            "F32" => Some(Element::F32),
            "F16" => Some(Element::F16),
            "BF16" => Some(Element::Bf16),
            _ => None,
        };
        let extents = entry.shape.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<_>>>();
        let elements =
            extents.as_ref().and_then(|shape| shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)));
        let needed = elements.and_then(|n| n.checked_mul(element.map_or(0, Element::size)));
        let Some(shape) =
            extents.filter(|_| elements.is_some() && (element.is_none() || needed == Some(end - begin)))
        else {
            return Err(lies(format!(
                "shape {:?} of {} does not have {} bytes",
                entry.shape,
                entry.dtype,
                end - begin
            )));
        };
        ranges.push((begin, end, name));
        let view = View { dtype: entry.dtype.clone(), element, shape, bytes: &data[begin..end] };
        tensors.insert(name.clone(), view);
    }
    // As the format demands: the tensors lie side by side, without overlap or gap.
    ranges.sort_unstable();
    let mut previous = (0, "the header");
    for (begin, end, name) in ranges {
        if begin != previous.0 {
            let what = if begin < previous.0 { "overlap" } else { "leave a gap between them" };
            return Err(refuse(format!("its header lies: {} and tensor `{name}` {what}", previous.1)));
        }
        previous = (end, name);
    }
    if previous.0 != data.len() {
        return Err(refuse(format!(
            "{} bytes follow the last tensor that no tensor claims; the file is damaged",
            data.len() - previous.0
        )));
    }
    Ok(Contents { metadata: header.metadata, tensors })
}

/// Writes a file. The same arguments give the same bytes.
///
/// # Errors
/// What `out` reports.
pub(crate) fn write(
    out: &mut dyn Write,
    metadata: &BTreeMap<String, String>,
    entries: &[Entry<'_>],
) -> std::io::Result<()> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), serde_json::to_value(metadata)?);
    let mut begin = 0_u64;
    for entry in entries {
        let (dtype, bytes) = match entry.data {
            Data::Floats { values, half: false } => ("F32", 4 * values.len()),
            Data::Floats { values, half: true } => ("F16", 2 * values.len()),
            Data::Bytes { dtype, bytes } => (dtype, bytes.len()),
        };
        let end = begin + bytes as u64;
        let shape = entry.shape.iter().map(|&d| d as u64).collect();
        let listed = Listed { dtype: dtype.into(), shape, data_offsets: [begin, end] };
        header.insert(entry.name.clone(), serde_json::to_value(listed)?);
        begin = end;
    }
    let mut header = serde_json::to_vec(&header)?;
    // The data begins on a multiple of eight, so that a mapped file can be read in place.
    header.resize(header.len().next_multiple_of(8), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for entry in entries {
        match entry.data {
            Data::Floats { values, half } => write_elements(out, values, half)?,
            Data::Bytes { bytes, .. } => out.write_all(bytes)?,
        }
    }
    Ok(())
}

/// Writes `values` little-endian, as `f16` or `f32`.
///
/// # Errors
/// What `out` reports.
pub(crate) fn write_elements(out: &mut dyn Write, values: &[f32], half: bool) -> std::io::Result<()> {
    let mut chunk = Vec::with_capacity(1 << 16);
    for values in values.chunks(1 << 14) {
        chunk.clear();
        if half {
            chunk.extend(values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()));
        } else {
            chunk.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        }
        out.write_all(&chunk)?;
    }
    Ok(())
}

/// A tensor to write.
#[derive(Clone)]
pub(crate) struct Entry<'a> {
    pub(crate) name: String,
    shape: Vec<usize>,
    data: Data<'a>,
}

#[derive(Clone, Copy)]
enum Data<'a> {
    /// Written as `f16` or `f32`.
    Floats { values: &'a [f32], half: bool },
    /// Written as they are.
    Bytes { dtype: &'static str, bytes: &'a [u8] },
}

impl<'a> Entry<'a> {
    /// Numbers that are written as `f16`, or as `f32`.
    pub(crate) fn floats(name: String, shape: &Shape, values: &'a [f32], half: bool) -> Self {
        Self { name, shape: shape.dims().to_vec(), data: Data::Floats { values, half } }
    }

    /// Bytes of that type.
    pub(crate) fn bytes(name: String, shape: &[usize], dtype: &'static str, bytes: &'a [u8]) -> Self {
        Self { name, shape: shape.to_vec(), data: Data::Bytes { dtype, bytes } }
    }
}

/// Numbers have 64 bits in the file, whatever this machine counts in.
#[derive(Serialize, Deserialize)]
struct Listed {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

struct Header {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Listed>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Header, A::Error> {
        let mut header = Header { metadata: BTreeMap::new(), tensors: BTreeMap::new() };
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                header.metadata = map.next_value()?;
                continue;
            }
            if header.tensors.len() == MAX_TENSORS {
                return Err(A::Error::custom(format_args!("it names more than {MAX_TENSORS} tensors")));
            }
            let entry = map.next_value()?;
            if header.tensors.insert(name.clone(), entry).is_some() {
                return Err(A::Error::custom(format_args!("it names tensor `{name}` twice")));
            }
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn problem(bytes: &[u8]) -> String {
        parse(Path::new("m.safetensors"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn every_f16_is_read_as_what_it_is() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (widened(bits), f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:#x}");
        }
    }

    #[test]
    fn a_lying_header_is_refused() {
        let one = |begin: u64, end: u64, shape: &str| {
            format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}}}"#)
        };
        assert!(parse(Path::new("m"), &file(&one(0, 8, "[2]"), 8)).is_ok());
        assert!(problem(b"abc").contains("too short"));
        assert!(problem(&file(&one(0, 8, "[2]"), 4)).contains("cut off: tensor `a`"));
        assert!(problem(&file(&one(0, 8, "[2]"), 12)).contains("no tensor claims"));
        assert!(problem(&file(&one(4, 12, "[2]"), 12)).contains("gap"));
        assert!(problem(&file(&one(8, 0, "[2]"), 8)).contains("end (0) before"));
        assert!(problem(&file(&one(0, 8, "[3]"), 8)).contains("does not have 8 bytes"));
        let huge = "[4294967296,4294967296,4294967296]";
        assert!(problem(&file(&one(0, 8, huge), 8)).contains("lies about tensor `a`"));
        assert!(problem(&file(&one(0, u64::MAX, "[2]"), 8)).contains("cut off"));
        assert!(problem(&file(&one(0, 0, "[1,1,1,1,1,1,1,1,0]"), 0)).contains("dimensions"));
        let mut long = file("{}", 0);
        long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(problem(&long).contains("header would be"));
        long[..8].copy_from_slice(&1000_u64.to_le_bytes());
        assert!(problem(&long).contains("cut off in the header"));
        assert!(problem(&file("not json", 0)).contains("cannot be read"));
    }

    #[test]
    fn overlaps_and_duplicates_are_refused() {
        let entry = |name: &str, b: u32, e: u32| {
            format!(r#""{name}":{{"dtype":"F32","shape":[2],"data_offsets":[{b},{e}]}}"#)
        };
        let overlap = format!("{{{},{}}}", entry("a", 0, 8), entry("b", 4, 12));
        assert!(problem(&file(&overlap, 12)).contains("overlap"));
        let twice = format!("{{{},{}}}", entry("a", 0, 8), entry("a", 8, 16));
        assert!(problem(&file(&twice, 16)).contains("twice"));
    }

    #[test]
    fn a_hundred_thousand_tensors_are_refused() {
        let many: Vec<String> = (0..100_000)
            .map(|i| format!(r#""t{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#))
            .collect();
        assert!(problem(&file(&format!("{{{}}}", many.join(",")), 0)).contains("more than 20000"));
    }
}
