//! What several tests need: the fixtures' place, and small writers of `torch.save` files.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod checkpoint;
pub(crate) mod tensorflow;

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The folder of the committed fixtures, or that of `UGATIT_GOLDEN_DIR`.
pub(crate) fn golden_dir() -> PathBuf {
    std::env::var_os("UGATIT_GOLDEN_DIR").map_or_else(committed_dir, PathBuf::from)
}

/// The folder of the committed fixtures.
pub(crate) fn committed_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The official checkpoint that is committed.
pub(crate) fn tiny_checkpoint() -> PathBuf {
    committed_dir().join("tiny_params_0000005.pt")
}

/// The tensors of a committed fixture of whatever type, by name: shape and bytes.
pub(crate) fn fixtures(file: &str) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let file = std::fs::read(committed_dir().join(file)).unwrap();
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let data = &file[8 + length..];
    let entry = |(name, entry): (String, serde_json::Value)| {
        let numbers = |key: &str| -> Option<Vec<usize>> {
            entry[key].as_array()?.iter().map(|v| v.as_u64().map(|v| v as usize)).collect()
        };
        let range = numbers("data_offsets")?;
        Some((name, (numbers("shape")?, data[range[0]..range[1]].to_vec())))
    };
    header.into_iter().filter_map(entry).collect()
}
