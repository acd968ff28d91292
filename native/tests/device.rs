//! The choice of the device, as a person meets it. The GPU tests need an adapter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::path::Path;

use assert_cmd::Command;
use image::RgbImage;
use tempfile::TempDir;

/// A folder with one picture, and what the program says of translating it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let picture =
            RgbImage::from_fn(60, 44, |x, y| image::Rgb([(x * 4) as u8, (y * 5) as u8, (x + y) as u8]));
        picture.save(folder.path().join("in.png")).unwrap();
        Self(folder)
    }

    fn translate(&self, output: &str, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tiny_params_0000005.pt");
        let mut command = Command::cargo_bin("ugatit").unwrap();
        for variable in ["UGATIT_MODEL", "UGATIT_DEVICE", "UGATIT_ADAPTER"] {
            command.env_remove(variable);
        }
        command.current_dir(self.0.path()).args(["translate", "in.png", "-o", output, "--model"]).arg(model);
        let output = command.args(arguments).envs(environment.iter().copied()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn picture(&self, name: &str) -> RgbImage {
        image::open(self.0.path().join(name)).unwrap().to_rgb8()
    }
}

#[test]
fn the_gpu_and_the_processor_write_the_same_picture() {
    let place = Place::new();
    for device in ["gpu", "cpu"] {
        let (code, messages) = place.translate(&format!("{device}.png"), &["--device", device], &[]);
        assert_eq!(code, 0, "{messages}");
    }
    let (gpu, cpu) = (place.picture("gpu.png"), place.picture("cpu.png"));
    assert_eq!(gpu.dimensions(), (60, 44));
    let off = gpu.as_raw().iter().zip(cpu.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(off <= Some(1), "{off:?} of 255 off");
    assert!(gpu.as_raw().iter().max() != gpu.as_raw().iter().min(), "an empty picture");
}

#[test]
fn an_unknown_adapter_is_refused_with_the_names_of_those_there_are() {
    let place = Place::new();
    let (code, messages) = place.translate("out.png", &["--adapter", "no such adapter"], &[]);
    assert_eq!(code, 1);
    assert!(messages.contains("no such adapter") && messages.contains("there are: "), "{messages}");
    assert!(!place.0.path().join("out.png").exists());
}

/// The Vulkan loader can be told to find nothing; on other systems there is always an adapter.
#[cfg(target_os = "linux")]
#[test]
fn without_any_adapter_the_processor_translates_unless_a_gpu_is_demanded() {
    let nothing = [("VK_DRIVER_FILES", "/nonexistent.json"), ("VK_ICD_FILENAMES", "/nonexistent.json")];
    let place = Place::new();
    let (code, messages) = place.translate("gpu.png", &["--device", "gpu"], &nothing);
    assert_eq!(code, 1);
    assert!(
        messages.contains("no GPU adapter found") && messages.contains("mesa-vulkan-drivers"),
        "{messages}"
    );
    assert!(!place.0.path().join("gpu.png").exists());

    let (code, messages) = place.translate("auto.png", &[], &nothing);
    assert_eq!(code, 0, "{messages}");
    assert!(messages.contains("computing on the processor"), "{messages}");
    place.picture("auto.png");
}
