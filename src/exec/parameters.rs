//! A model's parameters on a GPU.

use std::borrow::Cow;

use half::f16;
use wgpu::BufferUsages as Usage;

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu};
use crate::plan::{ParameterMap, Piece, Storage, scales_of};
use crate::quantized::QuantizedMatrix;
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
        Self::upload_quantized(gpu, map, read, None)
    }

    /// [`Self::upload`] of a map one of whose parameters is quantised, of that name.
    ///
    /// # Errors
    /// As [`Self::upload`].
    pub fn upload_quantized<'a>(
        gpu: &Gpu,
        map: ParameterMap,
        read: impl Fn(&str) -> Option<&'a Tensor>,
        quantized: Option<(&str, &QuantizedMatrix)>,
    ) -> Result<Self> {
        let allocate = |&bytes| gpu.buffer("parameters", bytes, STORED);
        let buffers = map.buffers.iter().map(allocate).collect::<Result<Vec<Buffer>>>()?;
        let parameters = Self { map, buffers };
        parameters.write(gpu, &parameters.buffers, 0, |name| read(name).map(Cow::Borrowed))?;
        if let Some((name, matrix)) = quantized {
            parameters.write_quantized(gpu, name, matrix)?;
        }
        let missing = parameters.map.pieces.iter().find(|piece| match piece.storage {
            Storage::Levels(_) => quantized.is_none_or(|(name, _)| name != piece.name),
            _ => false,
        });
        match missing.map(not_given) {
            Some(error) => Err(error),
            None => Ok(parameters),
        }
    }

    /// Writes a quantised matrix, as it is in memory: its rows are ordered as a GPU reads them.
    fn write_quantized(&self, gpu: &Gpu, name: &str, matrix: &QuantizedMatrix) -> Result<()> {
        let pieces = |name: &str| &self.map.pieces[self.map.get(name).unwrap_or_default()];
        let scales = scales_of(name);
        let row_bytes = matrix.columns() * matrix.bits().number() / 8;
        let mut in_flight = InFlight::default();
        for piece in pieces(name).iter().chain(pieces(&scales)) {
            let bytes = match piece.storage {
                Storage::Levels(bits) if bits == matrix.bits() && piece.shape == matrix.shape() => {
                    let first = piece.first_element / matrix.columns() * row_bytes;
                    let count = piece.elements().len() / matrix.columns() * row_bytes;
                    &matrix.levels()[first..first + count]
                }
                Storage::Scales if piece.shape.elements() * 2 == matrix.scales().len() => matrix.scales(),
                _ => return Err(not_given(piece)),
            };
            in_flight.write(gpu, &self.buffers[piece.buffer], piece.offset, bytes)?;
        }
        flush(gpu)
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
        let mut in_flight = InFlight::default();
        let range = first..first + buffers.len();
        for piece in self.map.pieces.iter().filter(|piece| range.contains(&piece.buffer)) {
            let half = match piece.storage {
                Storage::F32 => false,
                Storage::F16 => true,
                Storage::Levels(_) | Storage::Scales => continue,
            };
            let tensor = read(&piece.name).filter(|t| t.shape() == &piece.shape);
            let tensor = tensor.ok_or_else(|| not_given(piece))?;
            let packed = piece.layout.pack(&tensor.data()[piece.elements()]);
            let halves: Option<Vec<f16>> =
                half.then(|| packed.iter().map(|value| f16::from_f32(*value)).collect());
            let packed: &[u8] =
                halves.as_ref().map_or(bytemuck::cast_slice(&packed), |h| bytemuck::cast_slice(h));
            in_flight.write(gpu, &buffers[piece.buffer - first], piece.offset, packed)?;
        }
        flush(gpu)
    }

    /// Reads back what [`Self::write`] wrote, or kernels since then: hands each tensor to `keep`, but for those that
    /// are quantised.
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
            let quantized = matches!(pieces[0].storage, Storage::Levels(_) | Storage::Scales);
            if quantized || !range.contains(&pieces[0].buffer) {
                continue;
            }
            let mut data = Vec::with_capacity(shape.elements());
            for piece in pieces {
                let from = &buffers[piece.buffer - first];
                let packed = download(gpu, &staging, from, piece.offset, piece.bytes()).await?;
                let packed: Cow<'_, [f32]> = match piece.storage == Storage::F16 {
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

/// What is on its way to a GPU.
#[derive(Default)]
struct InFlight(usize);

impl InFlight {
    /// Writes `bytes`, waiting in between, so that no more than [`CHUNK`] are in flight.
    fn write(&mut self, gpu: &Gpu, buffer: &wgpu::Buffer, mut offset: u64, bytes: &[u8]) -> Result<()> {
        for chunk in bytes.chunks(CHUNK) {
            gpu.queue().write_buffer(buffer, offset, chunk);
            offset += chunk.len() as u64;
            self.0 += chunk.len();
            if self.0 >= CHUNK {
                flush(gpu)?;
                self.0 = 0;
            }
        }
        Ok(())
    }
}

fn not_given(piece: &Piece) -> Error {
    Error::Shape(format!("parameter `{}` {} was not given", piece.name, piece.shape))
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
