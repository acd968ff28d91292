//! A model's parameters on a GPU.

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::plan::ParameterMap;
use crate::tensor::Tensor;

use super::{buffer, flush};

/// A model's parameters in GPU memory, shared by the executors of all picture sizes.
#[derive(Debug)]
pub struct Parameters {
    pub(super) map: ParameterMap,
    pub(super) buffers: Vec<wgpu::Buffer>,
}

/// The most that is in flight to the GPU while parameters are uploaded, bytes.
const UPLOAD_CHUNK: usize = 16 << 20;

impl Parameters {
    /// Uploads every parameter of `map`; `read` gives each tensor by its name.
    ///
    /// # Errors
    /// [`Error::Shape`] where a tensor is missing or of another shape, [`Error::OutOfMemory`].
    pub fn upload<'a>(
        gpu: &Gpu,
        map: ParameterMap,
        read: impl Fn(&str) -> Option<&'a Tensor>,
    ) -> Result<Self> {
        let buffers: Vec<wgpu::Buffer> = map
            .buffers
            .iter()
            .map(|&bytes| {
                buffer(gpu, "parameters", bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST)
            })
            .collect();
        gpu.check()?;
        let mut in_flight = 0;
        for piece in &map.pieces {
            let tensor = read(&piece.name).filter(|t| t.shape() == &piece.shape).ok_or_else(|| {
                Error::Shape(format!("parameter `{}` {} was not given", piece.name, piece.shape))
            })?;
            let packed = piece.layout.pack(&tensor.data()[piece.elements()]);
            for (i, chunk) in bytemuck::cast_slice::<f32, u8>(&packed).chunks(UPLOAD_CHUNK).enumerate() {
                let offset = piece.offset + (i * UPLOAD_CHUNK) as u64;
                gpu.queue().write_buffer(&buffers[piece.buffer], offset, chunk);
                in_flight += chunk.len();
                if in_flight >= UPLOAD_CHUNK {
                    flush(gpu)?;
                    in_flight = 0;
                }
            }
        }
        flush(gpu)?;
        Ok(Self { map, buffers })
    }

    /// Where the parameters lie.
    pub fn map(&self) -> &ParameterMap {
        &self.map
    }
}
