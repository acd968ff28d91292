//! Compiled kernels, kept between runs (Vulkan).
//!
//! The file lies in the user's cache folder under a name made of vendor and device. It is a
//! checksum of ours, then what the driver gave, with a header that the driver checks. It is
//! replaced as a whole, never written half.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use wgpu::{AdapterInfo, Device, Features, PipelineCache};

use crate::events::event;
use crate::io::write_atomically;

#[derive(Debug)]
pub(super) struct PipelineCacheFile {
    cache: PipelineCache,
    path: PathBuf,
    /// The driver's bytes in the file.
    saved: Mutex<Vec<u8>>,
}

impl PipelineCacheFile {
    /// The cache for this adapter, where the device has one and there is a place for it.
    pub(super) fn open(device: &Device, info: &AdapterInfo) -> Option<Self> {
        if !device.features().contains(Features::PIPELINE_CACHE) {
            return None;
        }
        let name = wgpu::util::pipeline_cache_key(info)?;
        let path = dirs::cache_dir()?.join("ugatit").join(name);
        let saved = fs::read(&path).ok().and_then(decode).unwrap_or_default();
        event!(DEBUG, bytes = saved.len(), "compiled kernels are kept in {}", path.display());
        let descriptor = wgpu::PipelineCacheDescriptor {
            label: Some("ugatit"),
            data: (!saved.is_empty()).then_some(&saved[..]),
            fallback: true,
        };
        // SAFETY: the bytes are what `get_data` gave for an adapter of the same key: the checksum
        // finds a file that was damaged, the folder is the user's own, as this program is, and
        // wgpu and the driver check the header, where `fallback` makes an unsuitable file an empty
        // cache.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(Self { cache, path, saved: Mutex::new(saved) })
    }

    pub(super) fn cache(&self) -> &PipelineCache {
        &self.cache
    }

    /// Keeps what was compiled so far. A cache that can't be written is only a slower start.
    pub(super) fn save(&self) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(data) = self.cache.get_data()
            && data != *saved
            && write_atomically(&self.path, true, |out| out.write_all(&encode(&data))).is_ok()
        {
            event!(DEBUG, bytes = data.len(), "saved the compiled kernels");
            *saved = data;
        }
    }
}

impl Drop for PipelineCacheFile {
    fn drop(&mut self) {
        self.save();
    }
}

/// What the file begins with. A file of another version is not read.
const MAGIC: &[u8; 8] = b"ugatit\x00\x01";
const HEADER: usize = MAGIC.len() + 4;

fn encode(data: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &crc32c::crc32c(data).to_le_bytes(), data].concat()
}

/// The driver's bytes, if the file is whole.
fn decode(mut file: Vec<u8>) -> Option<Vec<u8>> {
    let (header, data) = file.split_at_checked(HEADER)?;
    let (magic, checksum) = header.split_at(MAGIC.len());
    if magic != MAGIC || checksum != crc32c::crc32c(data).to_le_bytes() {
        return None;
    }
    Some(file.split_off(HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_no_cache() {
        let file = encode(b"what a driver gave");
        assert_eq!(decode(file.clone()).unwrap(), b"what a driver gave");
        for i in 0..file.len() {
            let mut damaged = file.clone();
            damaged[i] ^= 4;
            assert!(decode(damaged).is_none(), "byte {i}");
            assert!(decode(file[..i].to_vec()).is_none(), "cut at {i}");
        }
        assert!(decode(b"what a driver gave, as it was written once".to_vec()).is_none());
    }
}
