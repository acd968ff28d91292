//! The golden fixtures: what the official PyTorch code computes (see `tests/golden/README.md`).
//!
//! Cases are found by the names and the metadata in the files; nothing here lists them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use ugatit::Tensor;
use ugatit::graph::{Graph, NodeId, Seed, backward, fuse};

use super::engine::{Engine, engines};

/// The folder of the fixtures: `UGATIT_GOLDEN_DIR`, or the small set beside the tests.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("UGATIT_GOLDEN_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), PathBuf::from)
}

/// One safetensors file.
pub(crate) struct File {
    /// Without folder and extension.
    pub(crate) name: String,
    /// `f32` tensors by their full names.
    pub(crate) tensors: BTreeMap<String, Tensor>,
    /// As text, as safetensors keeps it.
    pub(crate) metadata: HashMap<String, String>,
}

impl File {
    /// Reads a file; tensors of other types than `f32` are left out.
    pub(crate) fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let (json, data) = (&bytes[8..header], &bytes[header..]);
        let entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(json).unwrap();
        let mut file = Self { name, tensors: BTreeMap::new(), metadata: HashMap::new() };
        for (key, entry) in entries {
            if key == "__metadata__" {
                file.metadata = serde_json::from_value(entry).unwrap();
            } else if entry["dtype"] == "F32" {
                let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone()).unwrap();
                let [start, end]: [usize; 2] = serde_json::from_value(entry["data_offsets"].clone()).unwrap();
                let values =
                    data[start..end].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                file.tensors.insert(key, Tensor::new(shape, values.collect()).unwrap());
            }
        }
        file
    }

    /// A metadata field that must be there.
    pub(crate) fn field<T: std::str::FromStr>(&self, key: &str) -> T {
        let text = self.metadata.get(key).unwrap_or_else(|| panic!("{}: no metadata `{key}`", self.name));
        text.parse().unwrap_or_else(|_| panic!("{}: metadata `{key}` is {text:?}", self.name))
    }

    /// A tensor that must be there.
    pub(crate) fn tensor(&self, key: &str) -> &Tensor {
        self.tensors.get(key).unwrap_or_else(|| panic!("{}: no tensor `{key}`", self.name))
    }

    /// The cases: tensors by what stands before the last `/` of their names.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases: BTreeMap<&str, BTreeMap<String, Tensor>> = BTreeMap::new();
        for (key, tensor) in &self.tensors {
            let (case, leaf) = key.rsplit_once('/').unwrap_or_else(|| panic!("{}: {key}", self.name));
            cases.entry(case).or_default().insert(leaf.into(), tensor.clone());
        }
        cases
            .into_iter()
            .map(|(name, tensors)| Case { name: format!("{}: {name}", self.name), key: name.into(), tensors })
            .collect()
    }
}

/// One case of a file of single operations.
pub(crate) struct Case {
    /// For messages.
    pub(crate) name: String,
    /// The name in the file, such as `adailn/n1_c5_6x7`.
    pub(crate) key: String,
    /// By leaf: `x`, `w`, `y`, ...
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

impl Case {
    /// What the case tests: the part before `/`.
    pub(crate) fn kind(&self) -> &str {
        self.key.split('/').next().unwrap()
    }

    /// A tensor that must be there.
    pub(crate) fn tensor(&self, leaf: &str) -> &Tensor {
        self.tensors.get(leaf).unwrap_or_else(|| panic!("{}: no tensor `{leaf}`", self.name))
    }
}

/// The fixture files whose names begin with `prefix`, sorted.
pub(crate) fn files(prefix: &str) -> Vec<PathBuf> {
    let folder = folder();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .filter(|path| path.file_stem().unwrap().to_string_lossy().starts_with(prefix))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no fixture {prefix}*.safetensors in {}", folder.display());
    paths
}

/// A graph with what goes in and what must come out.
#[derive(Default)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) graph: Graph,
    pub(crate) feed: HashMap<String, Tensor>,
    pub(crate) expected: Vec<Expected>,
    pub(crate) upstream: Vec<(NodeId, Upstream)>,
    pub(crate) gradients: Vec<Gradient>,
}

/// A node and its official value.
pub(crate) struct Expected {
    pub(crate) name: String,
    pub(crate) node: NodeId,
    pub(crate) value: Value,
    /// The largest difference allowed, as a fraction of the largest absolute value.
    pub(crate) tolerance: f64,
}

/// What backward begins with at a node.
pub(crate) enum Upstream {
    /// The weight of a loss.
    Weight(f32),
    /// The gradient at a tensor.
    Gradient(Tensor),
}

/// The official gradient at an input or parameter, by its name.
pub(crate) struct Gradient {
    pub(crate) leaf: String,
    pub(crate) value: Value,
    /// As in [`Expected`].
    pub(crate) tolerance: f64,
}

/// An official value.
#[derive(Clone)]
pub(crate) enum Value {
    Tensor(Tensor),
    /// Its Euclidean norm only.
    Norm(f64),
}

/// A graph ready to run, with the values that its outputs must have.
struct Prepared<'a> {
    which: &'static str,
    graph: Graph,
    outputs: Vec<NodeId>,
    expected: Vec<(String, &'a Value, f64)>,
}

impl Check {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// An input that holds `tensor`.
    pub(crate) fn input(&mut self, name: &str, tensor: &Tensor) -> NodeId {
        self.feed.insert(name.into(), tensor.clone());
        self.graph.input(name, tensor.shape())
    }

    /// A parameter that holds `tensor`.
    pub(crate) fn parameter(&mut self, name: &str, tensor: &Tensor) -> NodeId {
        self.feed.insert(name.into(), tensor.clone());
        self.graph.parameter(name, tensor.shape())
    }

    /// `node` must come out as `value`, whose shape may differ by extents of 1.
    pub(crate) fn expect(&mut self, name: &str, node: NodeId, value: &Tensor, tolerance: f64) {
        let value = value.clone().reshape(self.graph.shape(node)).unwrap();
        self.expected.push(Expected { name: name.into(), node, value: Value::Tensor(value), tolerance });
    }

    /// Backward begins at `node` with `value`: the weight of a loss, else the gradient.
    pub(crate) fn upstream(&mut self, node: NodeId, value: &Tensor) {
        let shape = self.graph.shape(node);
        let upstream = match shape.rank() {
            0 => Upstream::Weight(value.data()[0]),
            _ => Upstream::Gradient(value.clone().reshape(shape).unwrap()),
        };
        self.upstream.push((node, upstream));
    }

    /// The gradient at the input or parameter `leaf` must come out as `value`.
    pub(crate) fn gradient(&mut self, leaf: &str, value: &Tensor, tolerance: f64) {
        let value = value.clone().reshape(self.feed[leaf].shape()).unwrap();
        self.gradients.push(Gradient { leaf: leaf.into(), value: Value::Tensor(value), tolerance });
    }

    /// The gradient at `leaf` must have this Euclidean norm.
    pub(crate) fn gradient_norm(&mut self, leaf: &str, norm: f64, tolerance: f64) {
        self.gradients.push(Gradient { leaf: leaf.into(), value: Value::Norm(norm), tolerance });
    }

    /// Runs the graph as it is, fused before backward, and fused after it, on every engine.
    pub(crate) fn run(&self) {
        let values = || self.expected.iter().map(|e| (e.name.clone(), &e.value, e.tolerance));
        let outputs: Vec<NodeId> = self.expected.iter().map(|e| e.node).collect();
        let seeded: Vec<NodeId> = self.upstream.iter().map(|(node, _)| *node).collect();
        // What is seeded must survive the fusion, too.
        let kept: Vec<NodeId> = outputs.iter().chain(&seeded).copied().collect();
        let (fused, fused_kept) = fuse(&self.graph, &kept);
        let (fused_outputs, fused_seeded) = fused_kept.split_at(outputs.len());
        let mut feed = self.feed.clone();
        for (i, (_, upstream)) in self.upstream.iter().enumerate() {
            if let Upstream::Gradient(g) = upstream {
                feed.insert(format!("upstream {i}"), g.clone());
            }
        }
        let gradients =
            || self.gradients.iter().map(|g| (format!("gradient of {}", g.leaf), &g.value, g.tolerance));
        let expected: Vec<_> = values().chain(gradients()).collect();
        let prepare = |which, mut graph: Graph, outputs: &[NodeId], seeded: &[NodeId]| {
            let gradients = self.append_gradients(&mut graph, seeded);
            let outputs = outputs.iter().copied().chain(gradients).collect();
            Prepared { which, graph, outputs, expected: expected.clone() }
        };
        let plain = prepare("plain", self.graph.clone(), &outputs, &seeded);
        let before = prepare("fused", fused, fused_outputs, fused_seeded);
        let (graph, outputs) = fuse(&plain.graph, &plain.outputs);
        let after = Prepared { which: "later fused", graph, outputs, expected: expected.clone() };

        for engine in engines() {
            for prepared in [&plain, &before, &after] {
                self.compare(&*engine, prepared, &feed);
            }
        }
    }

    /// Appends the gradients asked for, in their order.
    fn append_gradients(&self, graph: &mut Graph, seeded: &[NodeId]) -> Vec<NodeId> {
        let wrt: Vec<NodeId> = self
            .gradients
            .iter()
            .map(|g| {
                let leaf = graph.inputs().chain(graph.parameters()).find(|(_, n)| n.name == g.leaf);
                leaf.unwrap_or_else(|| panic!("{}: no leaf {}", self.name, g.leaf)).0
            })
            .collect();
        let mut seeds = vec![];
        for (i, (&node, (_, upstream))) in seeded.iter().zip(&self.upstream).enumerate() {
            let seed = match upstream {
                Upstream::Weight(weight) => Seed::Weight(*weight),
                Upstream::Gradient(g) => Seed::Node(graph.input(format!("upstream {i}"), g.shape())),
            };
            seeds.push((node, seed));
        }
        let gradients = backward(graph, &seeds, &wrt).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let found = gradients.into_iter().zip(&self.gradients);
        found
            .map(|(g, asked)| g.unwrap_or_else(|| panic!("{}: no path to {}", self.name, asked.leaf)))
            .collect()
    }

    /// Everything must be as expected.
    fn compare(&self, engine: &dyn Engine, run: &Prepared<'_>, feed: &HashMap<String, Tensor>) {
        let results = engine.run(&run.graph, &run.outputs, feed);
        assert_eq!(results.len(), run.expected.len());
        for (result, (name, value, tolerance)) in results.iter().zip(&run.expected) {
            let place = format!("{} {name}, {} graph, {}", self.name, run.which, engine.name());
            let error = match value {
                Value::Tensor(value) => {
                    assert_eq!(result.shape(), value.shape(), "{place}");
                    relative_error(result, value)
                }
                Value::Norm(norm) => {
                    let squares: f64 = result.data().iter().map(|&x| f64::from(x).powi(2)).sum();
                    (squares.sqrt() - norm).abs() / norm
                }
            };
            if std::env::var_os("UGATIT_GOLDEN_REPORT").is_some() {
                println!("{error:.1e} of {tolerance:.1e}: {place}");
            }
            // Not `error > tolerance`: NaN must fail too.
            assert!(
                error <= *tolerance,
                "{place}: off by {error:.2e} of the largest value, allowed is {tolerance:.2e}"
            );
        }
    }
}

/// The largest absolute difference over the largest absolute value of `reference`.
pub(crate) fn relative_error(found: &Tensor, reference: &Tensor) -> f64 {
    let largest = reference.data().iter().fold(0.0, |m: f32, x| m.max(x.abs()));
    let difference = found.data().iter().zip(reference.data()).fold(0.0_f64, |m, (&a, &b)| {
        let d = (f64::from(a) - f64::from(b)).abs();
        if d.is_nan() { f64::NAN } else { m.max(d) }
    });
    if difference == 0.0 { 0.0 } else { difference / f64::from(largest) }
}
