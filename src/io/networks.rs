//! All networks that a file or folder holds, generators and discriminators, as far as they are wanted:
//! for a training run to begin with.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Result;
use crate::graph::Shape;
use crate::quantized::Bits;
use crate::tensor::Tensor;

use super::architecture::{Source, check_finite, network_and_key, without_wrappers};
use super::fold::fold;
use super::model_file::{Model, direction_in_name, is_own, sources};
use super::open::{files, not_empty};
use super::safetensors;
use super::tensorflow::{self, is_tensorflow_checkpoint};

/// What of some wanted tensors there is. Names are those of a training run: the network, then the
/// official key (`genA2B.conv1x1.bias`, `disGA.model.1.weight_orig`).
#[derive(Debug, Default)]
pub(crate) struct Networks {
    /// Of the wanted shape.
    pub(crate) tensors: BTreeMap<String, Tensor>,
    /// Of another shape.
    pub(crate) others: BTreeMap<String, Shape>,
    /// The bits of a matrix that was quantised: its numbers are those that they stand for.
    pub(crate) rounded: Option<Bits>,
}

impl Networks {
    /// Reads what is `wanted` of a model file or folder, an official `.pt` (feature `pytorch`), a checkpoint of
    /// TensorFlow, or any safetensors file with the official keys. A nameless `state_dict` is the generator that its
    /// file's name says, else A2B.
    ///
    /// # Errors
    /// As [`Model::open_all`]; of a `state_dict` that is not ours only what is wanted is checked.
    pub(crate) fn read(path: &Path, wanted: &BTreeMap<String, Shape>) -> Result<Self> {
        let mut networks = Self::default();
        if is_tensorflow_checkpoint(path) {
            networks.state_dicts(path, tensorflow::sources(path, None)?.0, wanted)?;
            return Ok(networks);
        }
        for file in files(path)? {
            networks.file(&file, wanted)?;
        }
        Ok(networks)
    }

    fn file(&mut self, path: &Path, wanted: &BTreeMap<String, Shape>) -> Result<()> {
        let bytes = not_empty(path)?;
        #[cfg(feature = "pytorch")]
        if super::checkpoint::is_checkpoint(&bytes) {
            return self.state_dicts(path, fold(path, super::checkpoint::sources(path)?.0)?, wanted);
        }
        let contents = safetensors::parse(path, &bytes)?;
        if !is_own(&contents) {
            return self.state_dicts(path, fold(path, sources(path, contents))?, wanted);
        }
        let mut model = Model::from_bytes(path, &bytes, None)?;
        self.rounded = self.rounded.or(model.bits());
        model.dequantize();
        let direction = model.direction;
        for (key, tensor) in model.tensors {
            self.add(format!("{}.{key}", direction.network()), tensor, wanted);
        }
        Ok(())
    }

    /// The networks of an official checkpoint, or the generator of a bare `state_dict`.
    fn state_dicts(
        &mut self,
        path: &Path,
        sources: Vec<(String, Source<'_>)>,
        wanted: &BTreeMap<String, Shape>,
    ) -> Result<()> {
        let bare = sources.iter().all(|(name, _)| network_and_key(name).is_none());
        let only = direction_in_name(path).network();
        for (name, source) in sources {
            let name = match network_and_key(&name) {
                Some((network, key)) => format!("{network}.{key}"),
                None if bare => format!("{only}.{}", without_wrappers(&name)),
                None => continue,
            };
            let shape = Shape::from(source.shape.as_slice());
            if wanted.get(&name) == Some(&shape) {
                let data = (source.read)()?;
                check_finite(path, &name, &data)?;
                self.tensors.insert(name, Tensor::new(shape, data)?);
            } else {
                self.others.insert(name, shape);
            }
        }
        Ok(())
    }

    /// Adds a tensor that was read already.
    pub(crate) fn add(&mut self, name: String, tensor: Tensor, wanted: &BTreeMap<String, Shape>) {
        if wanted.get(&name) == Some(tensor.shape()) {
            self.tensors.insert(name, tensor);
        } else {
            self.others.insert(name, tensor.shape().clone());
        }
    }
}
