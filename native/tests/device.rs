//! The choice of the device, as a person meets it. The GPU tests need an adapter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod common;

use common::{Done, Place, checkpoint};
use image::RgbImage;

/// A folder with one picture.
fn place() -> Place {
    let place = Place::new();
    let picture = RgbImage::from_fn(60, 44, |x, y| image::Rgb([(x * 4) as u8, (y * 5) as u8, (x + y) as u8]));
    picture.save(place.path("in.png")).unwrap();
    place
}

/// What the program says of translating it.
fn translate(place: &Place, output: &str, more: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let model = checkpoint();
    let fixed = ["translate", "in.png", "-o", output, "--model", model.to_str().unwrap()];
    let mut command = place.command(&[&fixed, more].concat());
    let done = Done::of(command.envs(environment.iter().copied()));
    (done.code, done.err)
}

fn picture(place: &Place, name: &str) -> RgbImage {
    image::open(place.path(name)).unwrap().to_rgb8()
}

#[test]
fn the_gpu_and_the_processor_write_the_same_picture() {
    let place = place();
    for device in ["gpu", "cpu"] {
        let (code, messages) = translate(&place, &format!("{device}.png"), &["--device", device], &[]);
        assert_eq!(code, 0, "{messages}");
    }
    let (gpu, cpu) = (picture(&place, "gpu.png"), picture(&place, "cpu.png"));
    assert_eq!(gpu.dimensions(), (60, 44));
    let off = gpu.as_raw().iter().zip(cpu.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(off <= Some(1), "{off:?} of 255 off");
    assert!(gpu.as_raw().iter().max() != gpu.as_raw().iter().min(), "an empty picture");
}

#[test]
fn tensors_of_f16_give_nearly_the_same_picture() {
    let place = place();
    for precision in ["f32", "f16"] {
        let options = ["--device", "gpu", "--precision", precision];
        let (code, messages) = translate(&place, &format!("{precision}.png"), &options, &[]);
        assert_eq!(code, 0, "{messages}");
    }
    let (whole, half) = (picture(&place, "f32.png"), picture(&place, "f16.png"));
    let pairs = || whole.as_raw().iter().zip(half.as_raw());
    let off = pairs().map(|(a, b)| a.abs_diff(*b)).max();
    // The weights are those of five iterations, not of a model.
    assert!(off <= Some(3), "{off:?} of 255 off");
    assert!(pairs().any(|(a, b)| a != b), "not of f16");
}

#[test]
fn an_unknown_adapter_is_refused_with_the_names_of_those_there_are() {
    let place = place();
    let (code, messages) = translate(&place, "out.png", &["--adapter", "no such adapter"], &[]);
    assert_eq!(code, 1);
    assert!(messages.contains("no such adapter") && messages.contains("there are: "), "{messages}");
    assert!(!place.path("out.png").exists());
}

/// The Vulkan loader can be told to find nothing; on other systems there is always an adapter.
#[cfg(target_os = "linux")]
#[test]
fn without_any_adapter_the_processor_translates_unless_a_gpu_is_demanded() {
    let nothing = [("VK_DRIVER_FILES", "/nonexistent.json"), ("VK_ICD_FILENAMES", "/nonexistent.json")];
    let place = place();
    let (code, messages) = translate(&place, "gpu.png", &["--device", "gpu"], &nothing);
    assert_eq!(code, 1);
    assert!(
        messages.contains("no GPU adapter found") && messages.contains("mesa-vulkan-drivers"),
        "{messages}"
    );
    assert!(!place.path("gpu.png").exists());

    let (code, messages) = translate(&place, "auto.png", &[], &nothing);
    assert_eq!(code, 0, "{messages}");
    assert!(messages.contains("computing on the processor"), "{messages}");
    picture(&place, "auto.png");
}

/// What a report of a fault has attached.
#[test]
fn what_is_decided_is_told_where_it_is_asked_for() {
    let place = Place::new();
    place.picture("a.png", 16, 16);
    let model = checkpoint();
    let translate = |device: &str, more: &[&str]| {
        let fixed = ["translate", "a.png", "-o", "out", "--force", "--device", device, "--model"];
        let done = place.run(&[&fixed[..], &[model.to_str().unwrap()], more].concat());
        assert_eq!(done.code, 0, "{done:?}");
        done.err
    };
    assert!(!translate("gpu", &[]).contains("ugatit::"));
    let once = translate("gpu", &["-v"]);
    for part in [
        "INFO ugatit::gpu::device: the adapter is",
        "driver=",
        "a plan launches=",
        "compiled kernels are kept",
    ] {
        assert!(once.contains(part), "{part}: {once}");
    }
    assert!(!once.contains("submits"), "{once}");
    let twice = translate("gpu", &["-vv"]);
    for part in ["TRACE ugatit::exec::program: conv2d", "workgroups=[", "submits the rest"] {
        assert!(twice.contains(part), "{part}: {twice}");
    }
    assert!(translate("cpu", &["-v"]).contains("the processor computes threads="));
}
