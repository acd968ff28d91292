//! `ugatit import --quantize` and what the program says of such models.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use common::Place;
use ugatit::Tensor;
use ugatit::io::{Model, ModelMetadata, Precision};
use ugatit::model::{Direction, GeneratorConfig};

/// A model whose weights are a wave.
fn write(place: &Place, name: &str, light: bool) {
    let config = GeneratorConfig {
        ch: 8,
        n_res: 1,
        n_res_decoder: 1,
        img_size: 32,
        light,
        ..GeneratorConfig::default()
    };
    let wave = |shape: &ugatit::graph::Shape| (0..shape.elements()).map(|i| (i as f32).sin() * 0.1).collect();
    let each = Model::expected(&config).unwrap().into_iter();
    let tensors = each.map(|(key, shape)| (key, Tensor::new(shape.clone(), wave(&shape)).unwrap())).collect();
    let model = Model::new(config, Direction::A2B, ModelMetadata::default(), tensors).unwrap();
    model.save(place.path(name), Precision::F32, false).unwrap();
}

#[test]
fn a_full_model_is_stored_in_8_or_4_bits() {
    let place = Place::new();
    write(&place, "whole.safetensors", false);
    place.picture("a.png", 32, 32);
    let bytes = |name: &str| std::fs::metadata(place.path(name)).unwrap().len();
    for (bits, share) in [("8", 4.0), ("4", 7.0)] {
        let name = format!("{bits}.safetensors");
        let done = place.run(&["import", "whole.safetensors", "--quantize", bits, "-o", &name]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.out.contains(&format!("FC.0.weight of {bits} bits")), "{done:?}");
        // 65,536 of its numbers, 4 bytes each.
        let saved = bytes("whole.safetensors") as f64 - bytes(&name) as f64;
        assert!(saved > 262_144.0 * (1.0 - 1.15 / share), "{saved}");
        let text = place.run(&["info", &name]).out;
        assert!(text.contains(&format!("FC.0.weight of {bits} bits")), "{text}");
        assert!(text.contains(&format!("FC.0.weight quantised to {bits} bits")), "{text}");
        let json = place.run(&["info", &name, "--json"]).out;
        assert!(json.contains(&format!("\"quantization\": {bits}")), "{json}");
        for device in ["cpu", "gpu"] {
            let result = format!("{device}_{bits}.png");
            let arguments = ["translate", "a.png", "-m", &name, "--device", device, "-o", &result];
            let done = place.run(&arguments);
            assert_eq!(done.code, 0, "{done:?}");
        }
        let done = place.run(&["export", &name, "--onnx", "-o", &format!("{bits}.onnx")]);
        assert_eq!(done.code, 0, "{done:?}");
    }
    let done = place.run(&["average", "8.safetensors", "4.safetensors", "-o", "mean"]);
    assert!(done.code == 1 && done.err.contains("is quantised to 8 bits"), "{done:?}");
    write(&place, "light.safetensors", true);
    let done = place.run(&["import", "light.safetensors", "--quantize", "8", "-o", "l8.safetensors"]);
    assert!(done.code == 1 && done.err.contains("only a full model"), "{done:?}");
    let done = place.run(&["import", "whole.safetensors", "--quantize", "5", "-o", "5.safetensors"]);
    assert!(done.code == 2 && done.err.contains("8 or 4 bits"), "{done:?}");
}
