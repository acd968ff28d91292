//! What several tests need: the fixtures' place, and small writers of `torch.save` files.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod checkpoint;

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
