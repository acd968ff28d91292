//! Features of pictures, which another program has computed: matrices `[pictures, D]`.

use std::path::Path;

use crate::Tensor;
use crate::error::{Error, Result};

use super::npy;
use super::safetensors::{self, Element};

/// Reads a file of features: `.npy`, or a `.safetensors` that holds a matrix.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Features`] as [`decode_features`].
#[cfg(not(target_arch = "wasm32"))]
pub fn read_features(path: impl AsRef<Path>) -> Result<Tensor<f64>> {
    let path = path.as_ref();
    decode_features(path, &std::fs::read(path).map_err(Error::io(path))?)
}

/// Decodes features `[pictures, D]` by their content: NumPy's `.npy` of `f32` or `f64` in C
/// order, or the first tensor by name of two dimensions in a `.safetensors`. `path` is for
/// messages.
///
/// # Errors
/// [`Error::Features`] where there is no such matrix, it has no elements, or some of them are
/// NaN or infinite.
pub fn decode_features(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Tensor<f64>> {
    let path = path.as_ref();
    let refuse = |problem: String| Error::Features { path: path.into(), problem };
    let matrix = if bytes.starts_with(npy::MAGIC) { npy::parse(path, bytes)? } else { first(path, bytes)? };
    if matrix.data().is_empty() {
        return Err(refuse(format!("it has shape {}, which holds nothing", matrix.shape())));
    }
    let wrong = matrix.data().iter().filter(|v| !v.is_finite()).count();
    if wrong > 0 {
        return Err(refuse(format!("{wrong} of its numbers are NaN or infinite; compute it again")));
    }
    Ok(matrix)
}

fn first(path: &Path, bytes: &[u8]) -> Result<Tensor<f64>> {
    let refuse = |problem: String| Error::Features { path: path.into(), problem };
    let contents = safetensors::parse(path, bytes).map_err(|error| match error {
        Error::ModelFile { problem, .. } => refuse(format!("neither .npy nor .safetensors: {problem}")),
        other => other,
    })?;
    let Some((name, view)) = contents.tensors.iter().find(|(_, view)| view.shape.len() == 2) else {
        return Err(refuse("it holds no tensor of two dimensions; features are [pictures, D]".into()));
    };
    let values = match view.element {
        Some(Element::F64) => view.bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        Some(element) => element.decode(view.bytes).into_iter().map(f64::from).collect(),
        None => {
            return Err(refuse(format!(
                "its tensor `{name}` is of type {}; save it as F32 or F64",
                view.dtype
            )));
        }
    };
    Tensor::new(view.shape.clone(), values)
}
