//! From a graph to ONNX nodes: one function for each operation.
//!
//! The graph is walked as the model states it, so that the file cannot drift from the model.
//! Of its static shapes only what the weights fix is used (channels, ranks): batch, height
//! and width of a run are whatever the runtime is given.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::graph::{Activation, Conv2d, Graph, Node, NodeId, Norm, NormKind, Op, of_training};

use super::doubled::doubled;
use super::names::names;
use super::proto::{AttributeProto, FLOAT, GraphProto, INT64, NodeProto, TensorProto};

/// A graph as ONNX nodes and constants. Its parameters are initialisers that are still to be
/// written, under their official keys.
#[derive(Debug)]
pub(super) struct Lowered {
    /// Nodes and constants; no inputs and outputs.
    pub(super) graph: GraphProto,
    /// The official keys, in the order of the network.
    pub(super) parameters: Vec<NodeId>,
}

/// Writes `graph` in the operations of opset 17. The values of `outputs` get the names given
/// with them. With `half` the parameters are initialisers of `f16`, cast to `f32` before use.
///
/// # Errors
/// [`Error::Config`] where the graph has an operation that is none of a generator's, or a
/// fused one.
pub(super) fn lower(
    graph: &Graph,
    stages: &[(String, NodeId)],
    outputs: &[(&str, NodeId)],
    half: bool,
) -> Result<Lowered> {
    let doubled = graph.iter().filter_map(|(id, _)| Some((id, doubled(graph, id)?))).collect();
    let mut lowering = Lowering {
        graph,
        doubled,
        names: names(graph, stages),
        values: vec![],
        parameters: vec![],
        taken: HashSet::new(),
        onnx: GraphProto::default(),
    };
    for (id, node) in graph.iter() {
        let value = lowering.node(id, node, half)?;
        lowering.values.push(value);
    }
    for &(name, id) in outputs {
        let inner = lowering.values[id.index()].clone();
        let nodes = &mut lowering.onnx.node;
        for value in nodes.iter_mut().flat_map(|n| n.input.iter_mut().chain(&mut n.output)) {
            if *value == inner {
                name.clone_into(value);
            }
        }
    }
    Ok(Lowered { graph: lowering.onnx, parameters: lowering.parameters })
}

/// What has been written so far.
pub(super) struct Lowering<'a> {
    graph: &'a Graph,
    /// Convolutions behind nearest doubling, with what is doubled.
    doubled: HashMap<NodeId, NodeId>,
    names: Vec<String>,
    /// The names of the results, by node.
    values: Vec<String>,
    parameters: Vec<NodeId>,
    taken: HashSet<String>,
    onnx: GraphProto,
}

impl Lowering<'_> {
    fn node(&mut self, id: NodeId, node: &Node, half: bool) -> Result<String> {
        let name = self.names[id.index()].clone();
        let inputs: Vec<String> =
            node.inputs.iter().map(|input| self.values[input.index()].clone()).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        if let Some(&x) = self.doubled.get(&id) {
            let x = self.values[x.index()].clone();
            return Ok(self.doubled_conv(&name, &x, &inputs[1..]));
        }
        if self.is_behind_doubling(id) {
            return Ok(String::new());
        }
        let plain = |op_type| (op_type, vec![]);
        let (op_type, attributes) = match &node.op {
            Op::Input => return Ok(name),
            Op::Parameter => return Ok(self.parameter(id, name, half)),
            Op::ReflectionPad2d(p) => return Ok(self.pad(&name, inputs[0], *p as i64)),
            Op::UpsampleNearest2x => return Ok(self.upsample(&name, inputs[0])),
            Op::Norm(Norm { kind, eps, unbiased, activation: Activation::Identity, residual: false }) => {
                let channels = self.channels(node.inputs[0]);
                return Ok(match kind {
                    NormKind::Instance => self.instance_norm(&name, inputs[0], channels, *eps),
                    NormKind::Group { groups } => {
                        let [gamma, beta] = [1, 2].map(|i| self.per_channel(node.inputs[i], inputs[i]));
                        self.group_norm(&name, inputs[0], [&gamma, &beta], [*groups, channels], *eps)
                    }
                    NormKind::LayerInstance => {
                        let [gamma, beta] = [2, 3].map(|i| self.per_channel(node.inputs[i], inputs[i]));
                        let affine = [inputs[1], &gamma, &beta];
                        self.layer_instance_norm(&name, inputs[0], affine, channels, *eps, *unbiased)
                    }
                });
            }
            Op::GlobalAvgPool => return Ok(self.pool(&name, "GlobalAveragePool", inputs[0])),
            Op::GlobalMaxPool => return Ok(self.pool(&name, "GlobalMaxPool", inputs[0])),
            Op::SumChannels => {
                let axes = self.integers("axes_1", &[1]);
                return Ok(self.emit("ReduceSum", &name, &[inputs[0], &axes], vec![]));
            }
            Op::CamWeight => return Ok(self.cam_weight(&name, [inputs[0], inputs[1], inputs[2]])),
            Op::Conv2d(Conv2d {
                stride, pad: 0, upsample: false, activation: Activation::Identity, ..
            }) => {
                let stride = *stride as i64;
                ("Conv", vec![AttributeProto::ints("strides", &[stride, stride])])
            }
            Op::Linear { activation: Activation::Identity, .. } => {
                ("Gemm", vec![AttributeProto::int("transB", 1)])
            }
            Op::Activation(Activation::Identity) => plain("Identity"),
            Op::Activation(Activation::Relu) => plain("Relu"),
            Op::Activation(Activation::LeakyRelu(slope)) => {
                ("LeakyRelu", vec![AttributeProto::float("alpha", *slope)])
            }
            Op::Activation(Activation::Tanh) => plain("Tanh"),
            Op::Above(threshold) => {
                let threshold = self.floats(&format!("{threshold:e}"), &[], &[*threshold]);
                let above = self.emit("Sub", &format!("{name}/above"), &[inputs[0], &threshold], vec![]);
                return Ok(self.emit("Relu", &name, &[&above], vec![]));
            }
            Op::Add | Op::AddScalar => plain("Add"),
            Op::Scale(factor) => {
                let factor = self.floats(&format!("{factor:e}"), &[], &[*factor]);
                return Ok(self.emit("Mul", &name, &[inputs[0], &factor], vec![]));
            }
            // The sum of each 2x2.
            Op::UpsampleNearest2xGrad => return Ok(self.sum_pool(&name, inputs[0])),
            Op::Concat => ("Concat", vec![AttributeProto::int("axis", 1)]),
            Op::Flatten => ("Flatten", vec![AttributeProto::int("axis", 1)]),
            Op::Conv2d(_) | Op::Linear { .. } | Op::Norm(_) => {
                return Err(Error::Config(format!(
                    "{:?} is fused, which ONNX has no operation for; write the network before it is fused",
                    node.op
                )));
            }
            Op::NormCoefficients(_) => {
                return Err(Error::Config(format!(
                    "{:?} is made for tiles, and has no operation in ONNX",
                    node.op
                )));
            }
            of_training!() => {
                return Err(Error::Config(format!(
                    "{:?} is made for training, and has no operation in ONNX; only a network that translates can be written",
                    node.op
                )));
            }
        };
        Ok(self.emit(op_type, &name, &inputs, attributes))
    }

    /// Whether a convolution of [`Self::doubled`] doubles or pads instead.
    fn is_behind_doubling(&self, id: NodeId) -> bool {
        self.doubled.keys().any(|conv| {
            let padded = self.graph.node(*conv).inputs[0];
            id == padded || id == self.graph.node(padded).inputs[0]
        })
    }

    fn parameter(&mut self, id: NodeId, key: String, half: bool) -> String {
        self.parameters.push(id);
        self.taken.insert(key.clone());
        if !half {
            return key;
        }
        let to = AttributeProto::int("to", FLOAT.into());
        self.emit("Cast", &format!("{key}/f32"), &[&key], vec![to])
    }

    fn pad(&mut self, name: &str, x: &str, p: i64) -> String {
        let pads = self.integers(&format!("pads_{p}"), &[0, 0, p, p, 0, 0, p, p]);
        self.emit("Pad", name, &[x, &pads], vec![AttributeProto::string("mode", "reflect")])
    }

    fn upsample(&mut self, name: &str, x: &str) -> String {
        let scales = self.floats("scales_2", &[4], &[1.0, 1.0, 2.0, 2.0]);
        let attributes = [
            ("coordinate_transformation_mode", "asymmetric"),
            ("mode", "nearest"),
            ("nearest_mode", "floor"),
        ];
        let attributes = attributes.map(|(name, value)| AttributeProto::string(name, value)).into();
        self.emit("Resize", name, &[x, "", &scales], attributes)
    }

    fn pool(&mut self, name: &str, op_type: &str, x: &str) -> String {
        let pooled = self.emit(op_type, &format!("{name}/pool"), &[x], vec![]);
        self.emit("Flatten", name, &[&pooled], vec![AttributeProto::int("axis", 1)])
    }

    /// Four times the mean of each 2x2.
    fn sum_pool(&mut self, name: &str, x: &str) -> String {
        let attributes = ["kernel_shape", "strides"].map(|name| AttributeProto::ints(name, &[2, 2]));
        let mean = self.emit("AveragePool", &format!("{name}/mean"), &[x], attributes.into());
        let four = self.floats("4e0", &[], &[4.0]);
        self.emit("Mul", name, &[&mean, &four], vec![])
    }

    /// `w[o,c] * gap[c] + w[o,C+c] * gmp[c]`. All of it constant: a runtime computes it once.
    fn cam_weight(&mut self, name: &str, [mix, gap, gmp]: [&str; 3]) -> String {
        let part = |what: &str| format!("{name}/{what}");
        let halves = [part("average_half"), part("maximum_half")];
        self.push(
            "Split",
            &part("split"),
            &[mix],
            halves.clone().into(),
            vec![AttributeProto::int("axis", 1)],
        );
        let axes = self.integers("axes_2_3", &[2, 3]);
        let products =
            [("average", gap, &halves[0]), ("maximum", gmp, &halves[1])].map(|(what, factor, half)| {
                let factor =
                    self.emit("Unsqueeze", &part(&format!("{what}_factor")), &[factor, &axes], vec![]);
                self.emit("Mul", &part(what), &[half, &factor], vec![])
            });
        self.emit("Add", name, &[&products[0], &products[1]], vec![])
    }

    /// A gamma or beta in a shape that spreads over the pixels: `[N, C]` becomes `[N, C, 1, 1]`.
    fn per_channel(&mut self, id: NodeId, value: &str) -> String {
        if self.graph.shape(id).rank() != 2 {
            return value.into();
        }
        // All adaptive layers share one gamma and one beta.
        let name = format!("{value}/per_channel");
        if self.taken.contains(&name) {
            return name;
        }
        let axes = self.integers("axes_2_3", &[2, 3]);
        self.emit("Unsqueeze", &name, &[value, &axes], vec![])
    }

    fn channels(&self, id: NodeId) -> usize {
        self.graph.shape(id).dims().get(1).copied().unwrap_or_default()
    }

    /// Appends a node with one result, which gets the node's name.
    pub(super) fn emit(
        &mut self,
        op_type: &str,
        name: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let mut unique = name.to_owned();
        let mut count = 1;
        while self.taken.contains(&unique) {
            count += 1;
            unique = format!("{name}_{count}");
        }
        self.push(op_type, &unique, inputs, vec![unique.clone()], attributes);
        unique
    }

    fn push(
        &mut self,
        op_type: &str,
        name: &str,
        inputs: &[&str],
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        self.taken.extend(output.iter().cloned());
        self.onnx.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output,
            name: Some(name.into()),
            op_type: Some(op_type.into()),
            attribute,
        });
    }

    /// The vector of integers of this name, written once.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, &[values.len()], INT64, bytes)
    }

    /// The tensor of this name, written once.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, dims, FLOAT, bytes)
    }

    fn constant(&mut self, name: &str, dims: &[usize], data_type: i32, bytes: Vec<u8>) -> String {
        let name = format!("constant/{name}");
        if self.taken.insert(name.clone()) {
            self.onnx.initializer.push(TensorProto {
                dims: dims.iter().map(|&d| d as i64).collect(),
                data_type: Some(data_type),
                name: Some(name.clone()),
                raw_data: Some(bytes),
            });
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::fuse;
    use crate::model::{Generator, GeneratorConfig};

    fn generator() -> (Graph, Generator) {
        let config = GeneratorConfig { ch: 2, ..GeneratorConfig::default() };
        let mut graph = Graph::new();
        let x = graph.input("image", [1, 3, 32, 32]);
        let net = Generator::build(&mut graph, &config, "", x).unwrap();
        (graph, net)
    }

    #[test]
    fn nodes_bear_the_official_names() {
        let (graph, net) = generator();
        let lowered = lower(&graph, &net.stages, &[("translated", net.image)], false).unwrap();
        let nodes = &lowered.graph.node;
        let find = |name: &str| {
            let mut found = nodes.iter().filter(|n| n.name() == name);
            let node = found.next().unwrap_or_else(|| panic!("no node {name}"));
            assert!(found.next().is_none(), "{name} twice");
            node
        };
        for (name, op_type, inputs) in [
            ("DownBlock.1/pad", "Pad", &["image", "constant/pads_3"][..]),
            ("DownBlock.1", "Conv", &["DownBlock.1/pad", "DownBlock.1.weight"]),
            ("DownBlock.3", "Relu", &["DownBlock.1/instance_norm"]),
            ("DownBlock.12", "Add", &["DownBlock.11", "DownBlock.12.conv_block.5/instance_norm"]),
            ("gap_fc", "Gemm", &["DownBlock.15/average", "gap_fc.weight"]),
            ("conv1x1", "Conv", &["DownBlock.15", "conv1x1/weighted", "conv1x1.bias"]),
            ("gamma", "Gemm", &["FC", "gamma.weight"]),
            ("UpBlock1_2.conv1", "Conv", &["UpBlock1_2.conv1/pad", "UpBlock1_2.conv1.weight"]),
            ("UpBlock1_2.norm1/relu", "Relu", &["UpBlock1_2.norm1"]),
            ("UpBlock2.2/pad", "Pad", &["UpBlock1_4", "constant/pads_1"]),
            ("UpBlock2.2/weight_1", "MatMul", &["constant/rows_1", "UpBlock2.2.weight"]),
            ("UpBlock2.2/conv_01", "Conv", &["UpBlock2.2/part_01", "UpBlock2.2/weight_01"]),
            ("UpBlock2.2", "DepthToSpace", &["UpBlock2.2/phases"]),
        ] {
            let node = find(name);
            assert_eq!((node.op_type(), node.output[0].as_str()), (op_type, name));
            assert_eq!(node.input, inputs, "{name}");
        }
        assert_eq!(find("UpBlock2.11/tanh").output, ["translated"]);
    }

    /// Each value is written once, and before it is read.
    #[test]
    fn the_nodes_are_in_order() {
        let (graph, net) = generator();
        for half in [false, true] {
            let lowered = lower(&graph, &net.stages, &[("translated", net.image)], half).unwrap();
            let mut there: HashSet<String> = ["image".to_owned(), String::new()].into();
            there.extend(lowered.parameters.iter().map(|&id| graph.node(id).name.clone()));
            there.extend(lowered.graph.initializer.iter().map(|t| t.name().to_owned()));
            for node in &lowered.graph.node {
                for input in &node.input {
                    assert!(there.contains(input), "{} reads {input}", node.name());
                }
                for output in &node.output {
                    assert!(there.insert(output.clone()), "{output} twice");
                }
            }
        }
    }

    #[test]
    fn what_a_generator_does_not_do_is_refused() {
        let (graph, net) = generator();
        let (fused, _) = fuse(&graph, &[net.image]);
        let error = lower(&fused, &[], &[], false).unwrap_err();
        assert!(matches!(&error, Error::Config(text) if text.contains("Conv2d")), "{error}");
    }
}
