//! naga's own output for the graphics interfaces: SPIR-V (Vulkan), MSL (Metal), HLSL (Direct3D 12).

use anyhow::Result;
use naga::back::hlsl::{self, ShaderModel};
use naga::back::{msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, front};

use super::Variant;

/// The mistakes that naga finds in the text, and what its writers refuse.
pub(super) fn check(variants: &[Variant]) -> Result<Vec<String>> {
    let mut mistakes = vec![];
    for variant in variants {
        let (module, info) = match parsed(variant) {
            Ok(parsed) => parsed,
            Err(mistake) => {
                mistakes.push(mistake);
                continue;
            }
        };
        let written = [
            ("SPIR-V", spirv(&module, &info)),
            ("MSL", metal(&module, &info)),
            ("HLSL 5.1", hlsl(&module, &info, ShaderModel::V5_1).map(|_| ())),
            ("HLSL 6.0", hlsl(&module, &info, ShaderModel::V6_0).map(|_| ())),
        ];
        for (what, result) in written {
            if let Err(e) = result {
                // The writers know no lines.
                mistakes.push(format!("{}: {what}: {e}", variant.place(1)));
            }
        }
    }
    Ok(mistakes)
}

fn parsed(variant: &Variant) -> Result<(Module, ModuleInfo), String> {
    let text = &variant.text;
    let module = front::wgsl::parse_str(text).map_err(|e| {
        let line = e.location(text).map_or(1, |at| at.line_number as usize);
        format!("{}: {}", variant.place(line), e.message())
    })?;
    let validated =
        Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32).validate(&module);
    let info = validated.map_err(|e| {
        let line = e.location(text).map_or(1, |at| at.line_number as usize);
        format!("{}: {:?}", variant.place(line), e.as_inner())
    })?;
    Ok((module, info))
}

fn spirv(module: &Module, info: &ModuleInfo) -> Result<(), String> {
    let options = spv::Options {
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    spv::write_vec(module, info, &options, None).map(|_| ()).map_err(|e| e.to_string())
}

fn metal(module: &Module, info: &ModuleInfo) -> Result<(), String> {
    let options = msl::Options { zero_initialize_workgroup_memory: false, ..Default::default() };
    let written = msl::write_string(module, info, &options, &msl::PipelineOptions::default());
    written.map(|_| ()).map_err(|e| e.to_string())
}

/// The HLSL that wgpu would hand to Direct3D's compilers: without checks, as `gpu::Gpu` asks for it.
fn hlsl(module: &Module, info: &ModuleInfo, shader_model: ShaderModel) -> Result<String, String> {
    let options = hlsl::Options {
        shader_model,
        fake_missing_bindings: true,
        restrict_indexing: false,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let mut text = String::new();
    let pipeline = hlsl::PipelineOptions::default();
    let written = hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None);
    written.map(|_| text).map_err(|e| e.to_string())
}

/// A variant's HLSL for DXC; none where [`check`] refuses the variant.
pub(super) fn hlsl_of(variant: &Variant) -> Option<String> {
    let (module, info) = parsed(variant).ok()?;
    hlsl(&module, &info, ShaderModel::V6_0).ok()
}
