//! Official PyTorch checkpoints (`.pt`): `torch.save({"genA2B": state_dict, …})`, as
//! znxlwm/UGATIT-pytorch and photo2cartoon write them, in every container that `torch.save` has had.
//!
//! A pickle is a program. It is parsed here and never run: what it would call is kept as a name only.
//! Objects beside the tensors (a run's options, numbers of NumPy) are passed over, and named in the
//! provenance. A file that would start programs or evaluate text in Python is refused, although nothing
//! of it would run here, since its weights come from somebody who means harm.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader};

use crate::error::{Error, Result};

use super::architecture::Source;
use super::foreign::what_it_is;
use super::safetensors::Element;

/// How much of a file tells what it is.
const KIND_BYTES: u64 = 1024;

/// The tensors of a checkpoint, by network and key as the file names them, and what beside them was passed over,
/// in words that follow a provenance.
///
/// # Errors
/// [`Error::UnsafeCheckpoint`] where the pickle would run a program or code in Python; [`Error::ModelFile`]
/// where it is damaged, [`Error::Io`] where it cannot be read.
pub(super) fn sources(path: &Path) -> Result<(Vec<(String, Source<'static>)>, String)> {
    let length = fs::metadata(path).map_err(Error::io(path))?.len();
    let passed_over = passed_over(path)?;
    let tensors = PytorchReader::new(path).map_err(|e| damaged(path, &e))?.into_tensors();
    let sources = tensors.into_iter().map(|(name, tensor)| {
        let path = path.to_path_buf();
        let shape = tensor.shape().to_vec();
        let read = move || {
            let refuse = |problem: String| Error::ModelFile { path: path.clone(), problem };
            let element = match tensor.dtype() {
                DType::F64 => Element::F64,
                DType::F32 => Element::F32,
                DType::F16 => Element::F16,
                DType::BF16 => Element::Bf16,
                other => {
                    return Err(refuse(format!(
                        "tensor `{}` is of type {other:?}; F32, F16, BF16 and F64 are read",
                        tensor.name
                    )));
                }
            };
            // A view may repeat its elements, so that a small file asks for gigabytes.
            if tensor.byte_len() as u64 > length {
                return Err(refuse(format!("tensor `{}` is larger than the file", tensor.name)));
            }
            let mut bytes =
                tensor.read().map_err(|e| refuse(format!("it is damaged ({e}); fetch it again")))?;
            if cfg!(target_endian = "big") {
                bytes.chunks_mut(element.size()).for_each(<[u8]>::reverse);
            }
            Ok(element.decode(&bytes))
        };
        let read: Box<dyn Fn() -> Result<Vec<f32>>> = Box::new(read);
        (name, Source { shape, read })
    });
    Ok((sources.collect(), passed_over))
}

/// Whether the bytes that a file begins with are those of a `torch.save` container: a zip
/// archive, a pickle, or (at byte 257) a tar archive.
pub(super) fn is_checkpoint(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04")
        || matches!(start, [0x80, 1..=5, ..])
        || start.get(257..262).is_some_and(|magic| magic == b"ustar")
}

/// Modules of Python whose functions run programs or code, reach the network, or change files. The list need
/// not be complete: nothing is called here, whatever it is.
const RUN_CODE: [&str; 36] = [
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "shutil",
    "socket",
    "importlib",
    "runpy",
    "pty",
    "ctypes",
    "code",
    "codeop",
    "webbrowser",
    "urllib",
    "http",
    "requests",
    "httpx",
    "aiohttp",
    "multiprocessing",
    "asyncio",
    "threading",
    "pickle",
    "marshal",
    "types",
    "functools",
    "operator",
    "_operator",
    "pdb",
    "bdb",
    "timeit",
    "profile",
    "cProfile",
    "commands",
    "pip",
    "platform",
];
/// The same within torch.
const RUN_CODE_IN_TORCH: [&str; 5] =
    ["torch.hub.", "torch.serialization.", "torch.package.", "torch.utils.cpp_extension.", "torch.jit."];
/// Python's built-in functions that only make a value.
const VALUES: [&str; 15] = [
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
];

/// Whether calling `object` (module first) in Python could run something.
fn runs_code(object: &str) -> bool {
    let (module, name) = object.rsplit_once('.').unwrap_or(("", object));
    match module {
        "builtins" | "__builtin__" => !VALUES.contains(&name),
        _ => {
            let root = module.split('.').next().unwrap_or_default();
            RUN_CODE.contains(&root) || RUN_CODE_IN_TORCH.iter().any(|inner| object.starts_with(inner))
        }
    }
}

/// The Python objects beside the tensors, in words that follow a provenance; nothing where there are none.
///
/// # Errors
/// [`Error::UnsafeCheckpoint`] where calling one of them in Python could run something.
fn passed_over(path: &Path) -> Result<String> {
    const SHOWN: usize = 5;
    fn collect(value: PickleValue, names: &mut BTreeSet<String>) {
        match value {
            PickleValue::Unsupported(name) => drop(names.insert(name)),
            PickleValue::List(items) => items.into_iter().for_each(|item| collect(item, names)),
            PickleValue::Dict(items) => items.into_values().for_each(|item| collect(item, names)),
            _ => {}
        }
    }
    // The reader gives either the tensors or everything else, so the pickle is parsed twice. Neither reads the tensors' bytes.
    let value = PytorchReader::read_pickle_data(path, None).map_err(|e| damaged(path, &e))?;
    let mut names = BTreeSet::new();
    collect(value, &mut names);
    if let Some(object) = names.iter().find(|name| runs_code(name)) {
        return Err(Error::UnsafeCheckpoint { path: path.into(), object: object.clone() });
    }
    // Tensors, and what belongs to them.
    names.retain(|name| !name.starts_with("torch."));
    if names.is_empty() {
        return Ok(String::new());
    }
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok(format!("; passed over, and not run: the Python objects {}{more}", shown.join(", ")))
}

/// The error of a file that `error` says is no checkpoint, in terms of what it is where that is known.
fn damaged(path: &Path, error: &PytorchError) -> Error {
    let refuse = |problem: String| Error::ModelFile { path: path.into(), problem };
    let mut start = vec![];
    if let Ok(file) = fs::File::open(path) {
        // What cannot be read says nothing of itself.
        let _ = file.take(KIND_BYTES).read_to_end(&mut start);
    }
    // A safetensors file: the header's length in eight bytes, then JSON.
    if start.get(8) == Some(&b'{') {
        return refuse(
            "it is a safetensors file, not a PyTorch checkpoint; it needs no import: it is a model as it is"
                .into(),
        );
    }
    // A container of torch.save that is damaged says so; everything else is of another kind.
    let own = is_checkpoint(&start) && !matches!(error, PytorchError::InvalidFormat(_));
    match what_it_is(path, &start).filter(|_| !own) {
        Some(what) => refuse(what),
        None => refuse(format!(
            "it cannot be read as a PyTorch checkpoint ({error}); it is damaged, cut off or of another kind"
        )),
    }
}
