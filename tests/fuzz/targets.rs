//! What is fuzzed: everything that reads bytes from outside. `cargo-fuzz` (the folder `fuzz`) and `cargo test`
//! (`tests/fuzz.rs`) run the same functions. None may panic, hang, or take more memory than it is allowed;
//! whether the bytes are accepted does not matter.

#[allow(dead_code, reason = "what tests write, and only they")]
#[path = "../files/tensorflow.rs"]
mod checkpoints;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use ugatit::io::{ImportOptions, Model, decode_features, decode_picture, read_checkpoint};
use ugatit::run::{Checkpoint, RunConfig};
use ugatit::shader::{Constants, expand};

use checkpoints::table_of;

/// Something that reads bytes.
pub struct Target {
    /// The name of the target and of the folder of its seeds.
    pub name: &'static str,
    /// Reads bytes.
    pub read: fn(&[u8]),
    /// Bytes that it may have allocated at a time, beside `per_byte` for each byte that it is given.
    pub memory: usize,
    /// See `memory`.
    pub per_byte: usize,
    /// Inputs in a test run.
    pub inputs: usize,
}

/// All that read bytes from outside.
pub const TARGETS: [Target; 8] = [
    Target { name: "safetensors", read: safetensors, memory: 8 << 20, per_byte: 64, inputs: 5000 },
    Target { name: "checkpoint", read: checkpoint, memory: 16 << 20, per_byte: 64, inputs: 2500 },
    Target { name: "pytorch", read: pytorch, memory: 16 << 20, per_byte: 256, inputs: 2500 },
    Target { name: "tensorflow", read: tensorflow, memory: 16 << 20, per_byte: 256, inputs: 2500 },
    Target { name: "npy", read: npy, memory: 1 << 20, per_byte: 64, inputs: 4000 },
    Target { name: "config", read: config, memory: 8 << 20, per_byte: 1024, inputs: 3000 },
    // A header of a few bytes may promise a picture of just under 100 megapixels, of 16 bits and four channels,
    // and it is turned into one of 8 bits.
    Target { name: "picture", read: picture, memory: 2 << 30, per_byte: 64, inputs: 5000 },
    Target { name: "wgsl", read: wgsl, memory: 64 << 20, per_byte: 4096, inputs: 4000 },
];

/// A model in safetensors, ours or anybody's.
pub fn safetensors(data: &[u8]) {
    drop(Model::from_bytes("fuzz.safetensors", data, None));
}

/// A checkpoint of a training run.
pub fn checkpoint(data: &[u8]) {
    with_file("checkpoint.safetensors", data, |path| drop(Checkpoint::load(path)));
}

/// A checkpoint of PyTorch.
pub fn pytorch(data: &[u8]) {
    with_file("fuzz.pt", data, |path| drop(read_checkpoint(path, None, &ImportOptions::default())));
}

/// A checkpoint of TensorFlow: how the index is made, its length, what it is made of, and the data. It is given as
/// it is, or as the entries of an index whose checksums are right, so that what is behind them is read.
pub fn tensorflow(data: &[u8]) {
    let Some((&[kind, l0, l1, l2], rest)) = data.split_first_chunk() else { return };
    let length = u32::from_le_bytes([l0, l1, l2, 0]) as usize;
    let (index, data) = rest.split_at(length.min(rest.len()));
    let index = if kind.is_multiple_of(2) { index.to_vec() } else { table_of(&[index.to_vec()]) };
    with_file("m.model-1.index", &index, |path| {
        let written = fs::write(path.with_extension("data-00000-of-00001"), data);
        assert!(written.is_ok(), "{written:?}");
        drop(read_checkpoint(path, None, &ImportOptions::default()));
    });
}

/// Features as NumPy writes them, or in safetensors.
pub fn npy(data: &[u8]) {
    drop(decode_features("fuzz.npy", data));
    drop(decode_features("fuzz.safetensors", data));
}

/// The settings of a run.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(table) = RunConfig::read(text) else { return };
    if let Ok(config) = RunConfig::layered(None, &[table]) {
        drop(config.validate());
        drop(config.to_toml());
    }
}

/// A picture file. A panic of a decoder is made an error there, which is found here.
pub fn picture(data: &[u8]) {
    if let Err(error) = decode_picture("fuzz.png", data) {
        let text = error.to_string();
        assert!(!text.contains("which is a bug"), "{text}");
    }
}

/// The template language of the shaders.
pub fn wgsl(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let files: HashMap<&str, &str> = [("main.wgsl", text), ("shared/a.wgsl", "a ${N}\n")].into();
    let constants: Constants = [("N".to_owned(), 3), ("M".to_owned(), 0)].into();
    drop(expand("main.wgsl", &constants, &mut |file| files.get(file).map(ToString::to_string)));
}

/// Calls `read` with a file of the given content.
fn with_file(name: &str, data: &[u8], read: impl FnOnce(&Path)) {
    // One for each thread, since each of them writes its own.
    let folder = std::env::temp_dir().join(format!("ugatit-fuzz-{}", std::process::id()));
    let path: PathBuf = folder.join(name);
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, data));
    assert!(written.is_ok(), "{} cannot be written: {written:?}", path.display());
    read(&path);
    drop(fs::remove_dir_all(&folder));
}
