//! The full generator's largest matrix in 8 or 4 bits: how a file has it, and how a model gets it.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::GeneratorConfig;
use crate::quantized::{Bits, Bytes, QuantizedMatrix};

use super::architecture::{ADAPTIVE_KEY, parameters};
use super::model_file::Model;
use super::safetensors::{Contents, Entry};

/// The field of a file's metadata that says how many bits the matrix has.
pub(super) const QUANTIZATION: &str = "quantization";
/// The tensors of the matrix: its levels and its scales.
pub(super) const KEYS: [&str; 2] = [ADAPTIVE_KEY, SCALE_KEY];
const SCALE_KEY: &str = "FC.0.weight.scale";

impl Model {
    /// How many bits the largest matrix has, where it is quantised.
    pub fn bits(&self) -> Option<Bits> {
        self.quantized.as_ref().map(QuantizedMatrix::bits)
    }

    /// Quantises the full architecture's largest matrix, `FC.0.weight`, which is nearly all of it. The provenance says
    /// so. One that is quantised already is quantised anew from what its bits stand for.
    ///
    /// # Errors
    /// [`Error::Config`] where the model is a light one, which has no such matrix; [`Error::Shape`] where its rows are
    /// no whole blocks, which those of 32 channels and more always are.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn quantize(&mut self, bits: Bits) -> Result<()> {
        if self.bits() == Some(bits) {
            return Ok(());
        }
        if !self.config.has_one_size() {
            return Err(Error::Config(
                "only a full model has the large matrix that can be quantised; this one is light, or without adaptive normalisation: f16 halves its file".into(),
            ));
        }
        let channels = self.config.features();
        let old = self.quantized.as_ref().map(QuantizedMatrix::dequantize);
        let matrix = old.as_ref().or_else(|| self.tensors.get(ADAPTIVE_KEY)).ok_or_else(|| {
            Error::Shape(format!("the model has no `{ADAPTIVE_KEY}`, so it cannot be quantised"))
        })?;
        let quantized = QuantizedMatrix::quantize(matrix, channels, bits)?;
        self.tensors.remove(ADAPTIVE_KEY);
        self.quantized = Some(quantized);
        let origin = self.metadata.provenance.get_or_insert_default();
        let parting = if origin.is_empty() { "" } else { "; " };
        *origin += &format!("{parting}{ADAPTIVE_KEY} quantised to {bits} bits");
        Ok(())
    }

    /// The model with numbers of `f32` in place of a quantised matrix: those that its bits stand for. Of the published
    /// size that matrix takes 1 GiB.
    pub fn dequantize(&mut self) {
        if let Some(matrix) = self.quantized.take() {
            self.tensors.insert(ADAPTIVE_KEY.into(), matrix.dequantize());
        }
    }

    /// What a file has of quantised matrices.
    pub(super) fn quantized_entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.quantized.iter().flat_map(|matrix| {
            let stored = Stored::new(matrix.bits(), matrix.shape().dims()[0], matrix.columns());
            [
                Entry::bytes(ADAPTIVE_KEY.into(), &stored.levels, stored.dtype, matrix.levels()),
                Entry::bytes(SCALE_KEY.into(), &stored.scales, SCALE_TYPE, matrix.scales()),
            ]
        })
    }
}

/// The type of the scales.
const SCALE_TYPE: &str = "BF16";

/// How a file has a matrix: its levels and its scales.
struct Stored {
    /// The type of the levels: `I8`, or `U8` with two of them each.
    dtype: &'static str,
    /// `[M, blocks, bytes of a block]`
    levels: [usize; 3],
    /// `[M, blocks]`
    scales: [usize; 2],
}

impl Stored {
    fn new(bits: Bits, rows: usize, columns: usize) -> Self {
        let blocks = columns / bits.block();
        let dtype = match bits {
            Bits::Eight => "I8",
            Bits::Four => "U8",
        };
        Self { dtype, levels: [rows, blocks, bits.block_bytes()], scales: [rows, blocks] }
    }
}

/// The quantised matrix of a file, where its metadata says that there is one. It stays where it
/// is in `file`, if that is given.
///
/// # Errors
/// [`Error::ModelFile`] where the metadata name no bits that there are, the architecture has no such matrix, or a
/// tensor is of another type or its scales are not numbers; [`Error::MissingTensor`], [`Error::TensorShape`].
pub(super) fn read(
    path: &Path,
    config: &GeneratorConfig,
    contents: &Contents<'_>,
    file: Option<&Arc<Vec<u8>>>,
) -> Result<Option<QuantizedMatrix>> {
    let refuse = |problem: String| Error::ModelFile { path: path.into(), problem };
    let Some(text) = contents.metadata.get(QUANTIZATION) else { return Ok(None) };
    let bits: Bits = text
        .parse()
        .map_err(|_| refuse(format!("its metadata `{QUANTIZATION}` is {text:?}; 8 and 4 bits are read")))?;
    if !config.has_one_size() {
        return Err(refuse(format!(
            "its metadata say that it is quantised to {bits} bits, and its architecture has no matrix that can be"
        )));
    }
    let matrix = parameters(config)?.into_iter().find(|(key, _)| key == ADAPTIVE_KEY);
    let [rows, columns] = matrix.and_then(|(_, shape)| shape.matrix()).unwrap_or_default();
    let stored = Stored::new(bits, rows, columns);
    let take = |key: &str, shape: &[usize], dtype: &str| {
        let Some(view) = contents.tensors.get(key) else {
            return Err(Error::MissingTensor { path: path.into(), key: key.into(), expected: shape.into() });
        };
        if view.shape != shape {
            let found = view.shape.as_slice().into();
            return Err(Error::TensorShape {
                path: path.into(),
                key: key.into(),
                expected: shape.into(),
                found,
            });
        }
        if view.dtype != dtype {
            return Err(refuse(format!(
                "tensor `{key}` of a model of {bits} bits is of type {dtype}, not {}",
                view.dtype
            )));
        }
        Ok(match file {
            Some(file) => Bytes::part(file, view.bytes),
            None => Bytes::new(view.bytes.to_vec()),
        })
    };
    let levels = take(ADAPTIVE_KEY, &stored.levels, stored.dtype)?;
    let scales = take(SCALE_KEY, &stored.scales, SCALE_TYPE)?;
    let channels = config.features();
    let shape = [rows, channels, columns / channels.max(1)];
    let matrix = QuantizedMatrix::new(bits, shape, levels, scales)
        .map_err(|error| refuse(format!("tensor `{ADAPTIVE_KEY}` of {bits} bits: {error}")))?;
    Ok(Some(matrix))
}
