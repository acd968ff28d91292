//! Compiled kernels, kept between runs (Vulkan).
//!
//! The file lies in the user's cache folder under a name made of vendor, device and, inside,
//! a header that the driver checks. It is replaced as a whole, never written half.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use wgpu::{AdapterInfo, Device, Features, PipelineCache};

#[derive(Debug)]
pub(super) struct PipelineCacheFile {
    cache: PipelineCache,
    path: PathBuf,
    loaded: Vec<u8>,
}

impl PipelineCacheFile {
    /// The cache for this adapter, where the device has one and there is a place for it.
    pub(super) fn open(device: &Device, info: &AdapterInfo) -> Option<Self> {
        if !device.features().contains(Features::PIPELINE_CACHE) {
            return None;
        }
        let name = wgpu::util::pipeline_cache_key(info)?;
        let path = dirs::cache_dir()?.join("ugatit").join(name);
        let loaded = fs::read(&path).unwrap_or_default();
        let descriptor = wgpu::PipelineCacheDescriptor {
            label: Some("ugatit"),
            data: (!loaded.is_empty()).then_some(&loaded[..]),
            fallback: true,
        };
        // SAFETY: the bytes are what `get_data` gave for an adapter of the same key; wgpu and the
        // driver check their header and `fallback` makes an unsuitable file an empty cache.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(Self { cache, path, loaded })
    }

    pub(super) fn cache(&self) -> &PipelineCache {
        &self.cache
    }
}

impl Drop for PipelineCacheFile {
    /// Keeps what this run compiled. A cache that can't be written is only a slower start.
    fn drop(&mut self) {
        if let Some(data) = self.cache.get_data()
            && data != self.loaded
        {
            let _ = write(&self.path, &data);
        }
    }
}

fn write(path: &Path, data: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(data)?;
    file.persist(path)?;
    Ok(())
}
