//! Export to ONNX: opset 17, IR version 8, one generator a file.
//!
//! | | name | shape | |
//! |---|---|---|---|
//! | input | `image` | `[batch, img_ch, height, width]` | -1..1; sides are multiples of 4, at least 8 (photo2cartoon's: 16, 32) |
//! | output | `translated` | `[batch, img_ch, height, width]` | -1..1 |
//! | output | `attention` | `[batch, 1, height/4, width/4]` | the heat-map, not negative |
//! | output | `cam_logit` | `[batch, 2]` | the auxiliary classifier's logits, average pooling first |
//!
//! A model without attention has the first output only. Batch, height and width are dynamic; of a full model only
//! the batch. Initialisers have the
//! official `state_dict` keys, nodes the names of the official modules.

mod doubled;
mod lower;
mod names;
mod norm;
mod proto;
mod write;

use std::path::Path;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::model::Generator;

use super::model_file::{Model, Precision};

use lower::lower;
use proto::{
    DimensionProto, Extent, FLOAT, ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};
use write::File;

/// The ONNX operator set that is used. 17 is the newest that every runtime of note has, and
/// the last in which reductions have their axes as attributes.
const OPSET: i64 = 17;
/// The version of the format that came with [`OPSET`].
const IR_VERSION: i64 = 8;

/// Whether every operation of a graph can be written.
///
/// # Errors
/// [`Error::Config`] with the one that cannot, and why.
#[cfg(test)]
pub(crate) fn in_onnx(graph: &Graph) -> Result<()> {
    lower(graph, &[], &[], false).map(drop)
}

impl Model {
    /// The bytes of this generator as an ONNX model: input `image` `[batch, img_ch, height,
    /// width]` in -1..1, outputs `translated` of the same shape, `attention` (the heat-map)
    /// `[batch, 1, height/4, width/4]` and `cam_logit` `[batch, 2]`, these two of a model with attention. Sides are multiples of 4,
    /// at least 8 (of a model of photo2cartoon of 16, at least 32), and any such for a light model; a full
    /// one has a fixed size.
    ///
    /// With [`Precision::F16`] the weights are stored as `f16`; everything computes in `f32`. Of a quantised matrix the
    /// numbers are stored that its bits stand for.
    ///
    /// # Errors
    /// [`Error::Output`] where a weight is too large for f16; [`Error::Config`] where the file
    /// would exceed the 2 GiB that ONNX has.
    pub fn to_onnx(&self, precision: Precision) -> Result<Vec<u8>> {
        let path = Path::new("the model's ONNX bytes");
        if let Some(whole) = self.whole() {
            return whole.to_onnx(precision);
        }
        self.check_range(path, precision)?;
        let mut bytes = vec![];
        self.onnx_file(precision)?.write(&mut bytes).map_err(Error::io(path))?;
        Ok(bytes)
    }

    /// Writes this generator as an ONNX model ([`Model::to_onnx`]). The file is there whole or
    /// not at all, and the same model gives the same bytes.
    ///
    /// # Errors
    /// As [`Model::to_onnx`], and [`Error::Output`] where the file cannot be written, or
    /// exists and `overwrite` is false.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn save_onnx(&self, path: impl AsRef<Path>, precision: Precision, overwrite: bool) -> Result<()> {
        let path = path.as_ref();
        if let Some(whole) = self.whole() {
            return whole.save_onnx(path, precision, overwrite);
        }
        self.check_range(path, precision)?;
        let file = self.onnx_file(precision)?;
        super::write_atomically(path, overwrite, |out| file.write(out))
    }

    /// The model without quantised matrices, where it has one.
    fn whole(&self) -> Option<Self> {
        let mut whole = self.bits().map(|_| self.clone())?;
        whole.dequantize();
        Some(whole)
    }

    fn onnx_file(&self, precision: Precision) -> Result<File<'_>> {
        let c = &self.config;
        let half = precision == Precision::F16;
        let mut graph = Graph::new();
        let image = graph.input("image", [1, c.img_ch, c.img_size, c.img_size]);
        let net = Generator::build(&mut graph, c, "", image)?;
        let attention = [("attention", net.heatmap), ("cam_logit", net.cam_logit)];
        let attention = attention.into_iter().filter_map(|(name, id)| Some((name, id?)));
        let outputs: Vec<_> = std::iter::once(("translated", net.image)).chain(attention).collect();
        let mut lowered = lower(&graph, &net.stages, &outputs, half)?;

        // One side of a picture, or a quarter of it.
        let side = |name: &str, shrink: usize| match (c.has_one_size(), shrink) {
            (true, _) => fixed(c.img_size / shrink),
            (false, 1) => named(name),
            (false, _) => named(&format!("{name}/{shrink}")),
        };
        let picture = || vec![named("batch"), fixed(c.img_ch), side("height", 1), side("width", 1)];
        let attention = vec![named("batch"), fixed(1), side("height", 4), side("width", 4)];
        let sides = if !c.has_one_size() {
            let (multiple, smallest) = (c.dialect.side_multiple(), c.dialect.smallest_side());
            format!("sides are multiples of {multiple}, at least {smallest}")
        } else {
            "of this size only".into()
        };
        lowered.graph.name = Some(self.direction.network().into());
        lowered.graph.input = vec![value("image", picture(), &format!("the picture, RGB, -1..1; {sides}"))];
        lowered.graph.output = vec![
            value("translated", picture(), "the translated picture, -1..1"),
            value("attention", attention, "what the network attends to, not negative"),
            value("cam_logit", vec![named("batch"), fixed(2)], "logits of the auxiliary classifier"),
        ];
        lowered.graph.output.truncate(outputs.len());
        let weights = lowered.parameters.iter().map(|&id| {
            let (key, shape) = (&graph.node(id).name, graph.shape(id));
            let tensor = self.tensors.get(key).filter(|tensor| tensor.shape() == shape);
            let missing = || Error::NotFed { name: key.clone(), expected: shape.clone() };
            Ok((key.clone(), tensor.ok_or_else(missing)?))
        });
        let weights = weights.collect::<Result<_>>()?;
        let file = File { model: self.onnx_head(), graph: lowered.graph, weights, half };
        file.check_size()?;
        Ok(file)
    }

    /// Everything but the graph.
    fn onnx_head(&self) -> ModelProto {
        // What a model file says about itself, without the version of that format.
        let mut properties = self.header();
        properties.retain(|key, _| !key.starts_with("format"));
        let property = |(key, value)| StringStringEntryProto { key: Some(key), value: Some(value) };
        ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some("ugatit".into()),
            producer_version: Some(env!("CARGO_PKG_VERSION").into()),
            doc_string: Some(format!(
                "U-GAT-IT generator {} (Kim et al., ICLR 2020). Initialisers have the keys of the official PyTorch state_dict, where there is that layer.",
                self.direction.network()
            )),
            graph: None,
            opset_import: vec![OperatorSetIdProto { domain: None, version: Some(OPSET) }],
            metadata_props: properties.into_iter().map(property).collect(),
        }
    }
}

fn named(name: &str) -> DimensionProto {
    DimensionProto { value: Some(Extent::DimParam(name.into())) }
}

fn fixed(extent: usize) -> DimensionProto {
    DimensionProto { value: Some(Extent::DimValue(extent as i64)) }
}

/// An `f32` tensor that goes in or comes out.
fn value(name: &str, dim: Vec<DimensionProto>, doc: &str) -> ValueInfoProto {
    let tensor_type = TensorTypeProto { elem_type: Some(FLOAT), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { tensor_type: Some(tensor_type) }),
        doc_string: Some(doc.into()),
    }
}
