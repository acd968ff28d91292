//! Plans of whole networks, without a GPU.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use ugatit::Error;
use ugatit::graph::{Activation, Conv2d, Graph, NodeId, Op, fuse};
use ugatit::model::{Generator, GeneratorConfig};
use ugatit::plan::{AdapterClass, Memory, ParameterMap, Plan, Target, select};

const MIB: u64 = 1 << 20;

fn network(config: &GeneratorConfig, [n, h, w]: [usize; 3]) -> (Graph, Vec<NodeId>) {
    let mut graph = Graph::new();
    let x = graph.input("x", [n, config.img_ch, h, w]);
    let net = Generator::build(&mut graph, config, "", x).unwrap();
    fuse(&graph, &[net.image, net.cam_logit.unwrap(), net.heatmap.unwrap()])
}

fn plan(config: &GeneratorConfig, size: [usize; 3], class: AdapterClass) -> (Plan, ParameterMap) {
    let (graph, outputs) = network(config, size);
    let target = Target::browser(class);
    let map = ParameterMap::new(&graph, &target).unwrap();
    (Plan::compile(&graph, &outputs, &map, &target).unwrap(), map)
}

#[test]
fn a_light_translation_at_256_needs_at_most_64_mib_beside_the_weights() {
    for class in [AdapterClass::Gpu, AdapterClass::Software] {
        let (plan, map) = plan(&GeneratorConfig::default(), [1, 256, 256], class);
        // With what goes up and down.
        let transfers: u64 = plan.inputs().iter().chain(plan.outputs()).map(|t| t.layout.bytes()).sum();
        let memory = plan.memory() + transfers;
        assert!(memory <= 64 * MIB, "{} MiB", memory / MIB);
        assert_eq!(map.bytes() / MIB, 40, "10.6 M parameters");
        // 52.5 G multiply-adds, less the half of the 1x1 that `Op::CamWeight` saves.
        assert!((plan.flops() as f64 / 2.0 - 52.24e9).abs() < 0.05e9, "{}", plan.flops());
    }
}

/// A multiple of 4 GiB, or of 4 G operations, is no small number where `usize` has 32 bits, as in a
/// browser: neither the budget of a submit nor the memory that is stated wraps round.
#[test]
fn operations_and_bytes_are_counted_in_full_at_every_published_size() {
    let any = Target { max_binding: u64::MAX, max_buffer: u64::MAX, ..Target::browser(AdapterClass::Gpu) };
    let config = GeneratorConfig::default();
    for side in [256, 512, 1024, 2048, 4096] {
        let (graph, outputs) = network(&config, [1, side, side]);
        let extents = |id: NodeId| graph.shape(id).dims().iter().map(|&n| n as f64).collect::<Vec<_>>();
        let mut operations = 0.0;
        for (id, node) in graph.iter() {
            if let Op::Conv2d(_) | Op::Linear { .. } = node.op {
                // Each element of the result is a dot product with one row of the weight.
                let row: f64 = extents(node.inputs[1])[1..].iter().product();
                operations += 2.0 * row * extents(id).iter().product::<f64>();
            }
        }
        let map = ParameterMap::new(&graph, &any).unwrap();
        let plan = Plan::compile(&graph, &outputs, &map, &any).unwrap();
        let counted = plan.flops() as f64;
        assert!((counted / operations - 1.0).abs() < 1e-3, "{side}: {counted} of {operations}");
        // The first layer's result and what is made of it live at the same time.
        let widest = 4 * 64 * (side as u64).pow(2);
        assert!(plan.memory() >= 2 * widest, "{side}: {} bytes", plan.memory());
    }
}

/// What a step writes must not be what it reads, and what it reads must have been written by
/// an earlier step (or be an input or a parameter). That it has not been overwritten since, a test
/// beside the lowering shows.
#[test]
fn no_step_reads_what_it_writes_or_what_was_never_written() {
    for config in [
        GeneratorConfig { ch: 6, ..Default::default() },
        GeneratorConfig { ch: 4, light: false, img_size: 32, ..Default::default() },
    ] {
        let (plan, _) = plan(&config, [2, 32, 32], AdapterClass::Gpu);
        let mut written: Vec<bool> = vec![false; plan.buffers().len()];
        for input in plan.inputs() {
            written[input.buffer] = true;
        }
        for step in plan.launches() {
            let (output, inputs) = step.bindings().split_last().unwrap();
            let Memory::Buffer(output) = output.memory else { panic!("{} writes a parameter", step.label()) };
            for input in inputs {
                if let Memory::Buffer(b) = input.memory {
                    assert_ne!(b, output, "{}", step.label());
                    assert!(written[b], "{}", step.label());
                }
                if let Memory::Buffer(b) = input.memory {
                    assert!(input.bytes <= plan.buffers()[b]);
                }
            }
            written[output] = true;
        }
        for output in plan.outputs() {
            assert!(written[output.buffer]);
        }
    }
}

#[test]
fn the_full_model_fits_the_limits_of_every_browser() {
    let config = GeneratorConfig { light: false, ..Default::default() };
    let (plan, map) = plan(&config, [1, 256, 256], AdapterClass::Gpu);
    // FC.0 has 2^28 weights, 1 GiB: eight bindings of 128 MiB.
    assert_eq!(map.get("FC.0.weight").unwrap().len(), 8);
    assert!(map.buffers().iter().all(|&b| b <= 256 * MIB));
    assert_eq!(plan.launches().iter().filter(|s| s.label().starts_with("linear 1048576")).count(), 8);
}

#[test]
fn a_picture_too_large_for_the_adapter_is_refused_with_advice() {
    let (graph, outputs) = network(&GeneratorConfig::default(), [1, 2048, 2048]);
    let target = Target::browser(AdapterClass::Gpu);
    let map = ParameterMap::new(&graph, &target).unwrap();
    let error = Plan::compile(&graph, &outputs, &map, &target).unwrap_err();
    assert!(matches!(error, Error::GpuLimit { .. }));
    let text = error.to_string();
    assert!(
        text.contains("1024 MiB") && text.contains("128 MiB") && text.contains("smaller picture"),
        "{text}"
    );
}

/// Kernels check no bounds: what a plan binds must be what its kernels go over.
#[test]
fn parameters_of_another_graph_are_refused() {
    let config = GeneratorConfig { ch: 4, img_size: 32, ..Default::default() };
    let target = Target::browser(AdapterClass::Gpu);
    let (graph, outputs) = network(&config, [1, 32, 32]);
    let (_, smaller) = plan(&GeneratorConfig { ch: 2, ..config }, [1, 32, 32], AdapterClass::Gpu);
    let error = Plan::compile(&graph, &outputs, &smaller, &target).unwrap_err().to_string();
    assert!(error.contains("`UpBlock") || error.contains("`DownBlock") || error.contains("`conv"), "{error}");
    let error = Plan::compile(&graph, &outputs, &ParameterMap::default(), &target).unwrap_err();
    assert!(error.to_string().contains("not in the parameter map"), "{error}");

    // The same shape, which a linear layer wants one way and after a flattening another.
    let linear = |flattened: bool| {
        let mut graph = Graph::new();
        let x = if flattened {
            let x = graph.input("x", [1, 6, 2, 2]);
            graph.add(Op::Flatten, &[x]).unwrap()
        } else {
            graph.input("x", [1, 24])
        };
        let w = graph.parameter("w", [8, 24]);
        let y = graph.add(Op::Linear { bias: false, activation: Activation::Identity }, &[x, w]).unwrap();
        (graph, y)
    };
    let map = ParameterMap::new(&linear(false).0, &target).unwrap();
    let (graph, y) = linear(true);
    let error = Plan::compile(&graph, &[y], &map, &target).unwrap_err().to_string();
    assert!(error.contains("FlattenedWeight") && error.contains("LinearWeight"), "{error}");
}

/// Kernels check no bounds, so one that does not compute this convolution is passed over.
#[test]
fn only_a_kernel_that_fits_can_be_asked_for() {
    let mut graph = Graph::new();
    let (x, w) = (graph.input("x", [1, 5, 8, 8]), graph.input("w", [5, 5, 3, 3]));
    let conv = Conv2d { stride: 1, pad: 1, upsample: false, bias: false, activation: Activation::Identity };
    let y = graph.add(Op::Conv2d(conv), &[x, w]).unwrap();
    let chosen = |asked| {
        let target = Target { conv2d: asked, ..Target::browser(AdapterClass::Gpu) };
        let plan = Plan::compile(&graph, &[y], &ParameterMap::default(), &target).unwrap();
        plan.kernels()[0].shader.name
    };
    let in_sixteens = select::CONV2D_KERNELS.into_iter().find(|kernel| kernel.is_aligned()).unwrap();
    assert_eq!(chosen(Some(in_sixteens)), chosen(None));
    static OTHER: select::Conv2dKernel = select::Conv2dKernel {
        forward: &ugatit::catalogue::adam::ADAM,
        transposed: &ugatit::catalogue::adam::ADAM,
    };
    assert_eq!(chosen(Some(&OTHER)), chosen(None));
    assert_eq!(chosen(Some(select::CONV2D_KERNELS[0])), "conv2d_8x4");
}

#[test]
fn all_sizes_share_one_parameter_map() {
    let config = GeneratorConfig::default();
    let maps = [[1, 64, 64], [1, 128, 96]].map(|size| plan(&config, size, AdapterClass::Gpu).1);
    assert_eq!(maps[0], maps[1]);
}
