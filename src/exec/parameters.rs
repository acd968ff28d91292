//! A model's parameters on a GPU.

use std::borrow::Cow;

use half::f16;
use wgpu::BufferUsages as Usage;

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu};
use crate::plan::ParameterMap;
use crate::tensor::Tensor;

use super::flush;

/// A model's parameters in GPU memory, shared by the executors of all picture sizes.
#[derive(Debug)]
pub struct Parameters {
    pub(super) map: ParameterMap,
    pub(crate) buffers: Vec<Buffer>,
}

/// The most that is in flight to the GPU while parameters are uploaded, and that is read back at
/// a time, bytes.
const CHUNK: usize = 16 << 20;

/// What is kept on a GPU.
pub(crate) const STORED: Usage = Usage::STORAGE.union(Usage::COPY_DST).union(Usage::COPY_SRC);

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
        let allocate = |&bytes| gpu.buffer("parameters", bytes, STORED);
        let buffers = map.buffers.iter().map(allocate).collect::<Result<Vec<Buffer>>>()?;
        let parameters = Self { map, buffers };
        parameters.write(gpu, &parameters.buffers, 0, |name| read(name).map(Cow::Borrowed))?;
        Ok(parameters)
    }

    /// Writes a tensor for each piece into `buffers`, which lie as those of the map do from the
    /// buffer `first` on. `read` gives each by the name of its parameter.
    pub(crate) fn write<'a>(
        &self,
        gpu: &Gpu,
        buffers: &[Buffer],
        first: usize,
        read: impl Fn(&str) -> Option<Cow<'a, Tensor>>,
    ) -> Result<()> {
        let mut in_flight = 0;
        let range = first..first + buffers.len();
        for piece in self.map.pieces.iter().filter(|piece| range.contains(&piece.buffer)) {
            let tensor = read(&piece.name).filter(|t| t.shape() == &piece.shape).ok_or_else(|| {
                Error::Shape(format!("parameter `{}` {} was not given", piece.name, piece.shape))
            })?;
            let packed = piece.layout.pack(&tensor.data()[piece.elements()]);
            let halves: Option<Vec<f16>> =
                piece.half.then(|| packed.iter().map(|value| f16::from_f32(*value)).collect());
            let packed: &[u8] =
                halves.as_ref().map_or(bytemuck::cast_slice(&packed), |h| bytemuck::cast_slice(h));
            for (i, chunk) in packed.chunks(CHUNK).enumerate() {
                let offset = piece.offset + (i * CHUNK) as u64;
                gpu.queue().write_buffer(&buffers[piece.buffer - first], offset, chunk);
                in_flight += chunk.len();
                if in_flight >= CHUNK {
                    flush(gpu)?;
                    in_flight = 0;
                }
            }
        }
        flush(gpu)
    }

    /// Reads back what [`Self::write`] wrote, or kernels since then: hands each tensor to `keep`.
    pub(crate) async fn read(
        &self,
        gpu: &Gpu,
        buffers: &[Buffer],
        first: usize,
        mut keep: impl FnMut(&str, Tensor),
    ) -> Result<()> {
        let usage = Usage::MAP_READ | Usage::COPY_DST;
        let staging = gpu.allocating(|| gpu.buffer("download", CHUNK as u64, usage)).await?;
        let range = first..first + buffers.len();
        // The blocks of one parameter stand side by side.
        for pieces in self.map.pieces.chunk_by(|a, b| a.name == b.name) {
            let shape = &pieces[0].shape;
            if !range.contains(&pieces[0].buffer) {
                continue;
            }
            let mut data = Vec::with_capacity(shape.elements());
            for piece in pieces {
                let from = &buffers[piece.buffer - first];
                let packed = download(gpu, &staging, from, piece.offset, piece.bytes()).await?;
                let packed: Cow<'_, [f32]> = match piece.half {
                    true => {
                        bytemuck::cast_slice::<u32, f16>(&packed).iter().map(|value| value.to_f32()).collect()
                    }
                    false => bytemuck::cast_slice(&packed).into(),
                };
                let count = piece.elements().len();
                data.extend(piece.layout.unpack(&packed, &[count].into())?.into_data());
            }
            keep(&pieces[0].name, Tensor::new(shape, data)?);
        }
        Ok(())
    }

    /// Where the parameters lie.
    pub fn map(&self) -> &ParameterMap {
        &self.map
    }
}

/// Reads so many bytes of a buffer, in pieces of the size of `staging`.
async fn download(
    gpu: &Gpu,
    staging: &wgpu::Buffer,
    from: &wgpu::Buffer,
    offset: u64,
    bytes: u64,
) -> Result<Vec<u32>> {
    let mut data: Vec<u32> = Vec::with_capacity(bytes as usize / 4);
    let mut at = 0;
    while at < bytes {
        let count = (bytes - at).min(staging.size());
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(from, offset + at, staging, 0, count);
        gpu.submit([encoder.finish()]);
        let mapped = gpu.map(staging, wgpu::MapMode::Read).await?;
        data.extend_from_slice(bytemuck::cast_slice(&mapped.read(..count)?));
        at += count;
    }
    Ok(data)
}
