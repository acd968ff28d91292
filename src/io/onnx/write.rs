//! A model with its weights as bytes.
//!
//! The weights go from the model to the file piece by piece: a full one has a gigabyte of
//! them, and a message in memory would be another gigabyte, encoded a third.

use std::io::Write;

use prost::Message;

use crate::Tensor;
use crate::error::{Error, Result};
use crate::io::safetensors;

use super::proto::{
    FLOAT, FLOAT16, GRAPH_INITIALIZER, GraphProto, MODEL_GRAPH, ModelProto, TENSOR_RAW_DATA, TensorProto,
};

/// The most bytes that a protobuf message may have.
const MAX_BYTES: u64 = i32::MAX as u64;

/// A file that is ready to be written.
#[derive(Debug)]
pub(super) struct File<'a> {
    /// Without its graph.
    pub(super) model: ModelProto,
    /// Without the weights.
    pub(super) graph: GraphProto,
    /// The weights by name.
    pub(super) weights: Vec<(String, &'a Tensor)>,
    /// Whether the weights are stored as `f16`.
    pub(super) half: bool,
}

impl File<'_> {
    /// # Errors
    /// What `out` reports.
    pub(super) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        out.write_all(&self.model.encode_to_vec())?;
        begin(out, MODEL_GRAPH, self.graph_len())?;
        out.write_all(&self.graph.encode_to_vec())?;
        for (name, tensor) in &self.weights {
            begin(out, GRAPH_INITIALIZER, self.weight_len(name, tensor))?;
            out.write_all(&self.head(name, tensor).encode_to_vec())?;
            begin(out, TENSOR_RAW_DATA, self.data_len(tensor))?;
            safetensors::write_elements(out, tensor.data(), self.half)?;
        }
        Ok(())
    }

    /// # Errors
    /// [`Error::Config`] where the file would be larger than a protobuf message may be.
    pub(super) fn check_size(&self) -> Result<()> {
        let bytes = self.model.encoded_len() as u64 + field_len(self.graph_len());
        if bytes <= MAX_BYTES {
            return Ok(());
        }
        let advice = if !self.half && bytes / 2 <= MAX_BYTES {
            "store the weights as f16"
        } else {
            "use a light model, or one of smaller pictures"
        };
        Err(Error::Config(format!(
            "an ONNX file can have 2 GiB and this model would have {:.1}; {advice}",
            bytes as f64 / f64::from(1 << 30)
        )))
    }

    fn graph_len(&self) -> u64 {
        let weights = self.weights.iter().map(|(name, tensor)| field_len(self.weight_len(name, tensor)));
        self.graph.encoded_len() as u64 + weights.sum::<u64>()
    }

    fn weight_len(&self, name: &str, tensor: &Tensor) -> u64 {
        self.head(name, tensor).encoded_len() as u64 + field_len(self.data_len(tensor))
    }

    fn data_len(&self, tensor: &Tensor) -> u64 {
        tensor.data().len() as u64 * if self.half { 2 } else { 4 }
    }

    /// The tensor's message without its data.
    fn head(&self, name: &str, tensor: &Tensor) -> TensorProto {
        TensorProto {
            dims: tensor.shape().dims().iter().map(|&d| d as i64).collect(),
            data_type: Some(if self.half { FLOAT16 } else { FLOAT }),
            name: Some(name.into()),
            raw_data: None,
        }
    }
}

/// The start of a field with `length` bytes: number and wire type, then the length.
fn begin(out: &mut dyn Write, field: u8, length: u64) -> std::io::Result<()> {
    const LENGTH_DELIMITED: u8 = 2;
    let mut bytes = vec![field << 3 | LENGTH_DELIMITED];
    let length = usize::try_from(length).map_err(std::io::Error::other)?;
    prost::encode_length_delimiter(length, &mut bytes).map_err(std::io::Error::other)?;
    out.write_all(&bytes)
}

/// The bytes of a field that has `length` of them itself. The field's number is below 16.
fn field_len(length: u64) -> u64 {
    let varint = (u64::BITS - (length | 1).leading_zeros()).div_ceil(7);
    1 + u64::from(varint) + length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Piece by piece gives what the whole message would.
    #[test]
    fn the_bytes_are_those_of_the_message() {
        let tensors: Vec<Tensor> =
            [1, 31, 32, 4096].map(|n| Tensor::new([n], vec![1.5; n]).unwrap()).into_iter().collect();
        for half in [false, true] {
            let file = File {
                model: ModelProto { ir_version: Some(8), ..ModelProto::default() },
                graph: GraphProto { name: Some("graph".into()), ..GraphProto::default() },
                weights: tensors.iter().map(|t| (format!("w{}", t.shape()), t)).collect(),
                half,
            };
            let mut bytes = vec![];
            file.write(&mut bytes).unwrap();
            let decoded = ModelProto::decode(bytes.as_slice()).unwrap();
            assert_eq!(decoded.ir_version, Some(8));
            let initializers = decoded.graph.clone().unwrap().initializer;
            assert_eq!(initializers.len(), tensors.len());
            for (found, tensor) in initializers.iter().zip(&tensors) {
                assert_eq!(found.dims, [tensor.data().len() as i64]);
                let expected =
                    if half { &half::f16::from_f32(1.5).to_le_bytes()[..] } else { &1.5_f32.to_le_bytes() };
                assert_eq!(found.raw_data(), expected.repeat(tensor.data().len()));
            }
            // prost puts the fields in another order, but has as many bytes of them.
            assert_eq!(decoded.encoded_len(), bytes.len());
            let length = file.model.encoded_len() as u64 + field_len(file.graph_len());
            assert_eq!(length, bytes.len() as u64);
        }
    }
}
