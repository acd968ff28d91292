//! `cargo xtask shaders`: every variant of every shader through the compilers that users have.
//!
//! `build.rs` validates the text with naga. That does not prove that Chrome accepts it (naga takes
//! barriers in control flow that is not uniform, Chrome does not), nor that what naga makes of it
//! for Vulkan, Metal and Direct3D compiles there.

mod dxc;
mod tint;
mod writers;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use ugatit::shader::{Constants, LOOPS, expand, with_halves};

use xtask::process::{root, say};

/// For each shader file the names of its variants, each with its constants.
type Files = BTreeMap<String, BTreeMap<String, BTreeMap<String, u32>>>;

/// `variants.toml`
#[derive(Deserialize)]
struct List {
    training: Files,
    bench: Files,
    #[serde(flatten)]
    always: Files,
}

/// The folder of the shaders, as messages name it.
const FOLDER: &str = "shaders";

/// One variant's plain WGSL.
struct Variant {
    /// With `_loops` for the text that keeps its loops, `_halves` for that whose tensors are f16.
    name: String,
    /// The shader file, without its extension.
    file: String,
    text: String,
    /// For each line of `text`: the file and the line in it.
    origin: Vec<(String, usize)>,
}

impl Variant {
    /// The file and line that line `line` of the text comes from, and the variant's name.
    fn place(&self, line: usize) -> String {
        let (file, line) = match self.origin.get(line.saturating_sub(1)) {
            Some((file, line)) => (file.clone(), *line),
            None => (format!("{}.wgsl", self.file), 1),
        };
        format!("{FOLDER}/{file}:{line}: {}", self.name)
    }
}

/// Checks all shaders; the error names the variant, the file and the line of each mistake.
pub(crate) fn check() -> Result<()> {
    let variants = variants(&root().join(FOLDER))?;
    type Check = fn(&[Variant]) -> Result<Vec<String>>;
    let checks: [(&str, Check); 3] = [
        ("naga's SPIR-V, MSL and HLSL", writers::check),
        ("Chrome's Tint", tint::check),
        ("DXC on the HLSL", dxc::check),
    ];
    let mut mistakes = vec![];
    for (what, check) in checks {
        let started = Instant::now();
        let found = check(&variants).with_context(|| what.to_string())?;
        let seconds = started.elapsed().as_secs_f64();
        say(&format!("{what}: {} shaders, {} refused, {seconds:.1} s", variants.len(), found.len()));
        mistakes.extend(found.iter().map(|mistake| format!("{what}: {mistake}")));
    }
    if !mistakes.is_empty() {
        bail!("{}", mistakes.join("\n"));
    }
    Ok(())
}

/// All variants, expanded as `build.rs` does it.
fn variants(folder: &Path) -> Result<Vec<Variant>> {
    let list = folder.join("variants.toml");
    let text = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let list: List = toml::from_str(&text).with_context(|| list.display().to_string())?;
    let shared = folder.join("constants.toml");
    let text = fs::read_to_string(&shared).with_context(|| shared.display().to_string())?;
    let shared: BTreeMap<String, u32> =
        toml::from_str(&text).with_context(|| shared.display().to_string())?;
    let mut variants: Vec<Variant> = vec![];
    for (file, named) in list.always.into_iter().chain(list.training).chain(list.bench) {
        for (name, constants) in named {
            let all = shared.clone().into_iter().chain(constants);
            let mut constants: Constants = all.map(|(k, v)| (k, i64::from(v))).collect();
            for (loops, suffix) in [(0, ""), (1, "_loops")] {
                constants.insert(LOOPS.into(), loops);
                let read = &mut |f: &str| fs::read_to_string(folder.join(f)).ok();
                let expanded = expand(&format!("{file}.wgsl"), &constants, read)
                    .map_err(|e| anyhow::anyhow!("{FOLDER}/{e}"))?
                    .shortened();
                // Most shaders have but one text.
                if loops == 0 || variants.iter().all(|v| v.name != name || v.text != expanded.text) {
                    let halves = with_halves(&expanded.text, u32::MAX);
                    let has_halves = halves != expanded.text;
                    let mut keep = |text, what: &str| {
                        let (name, origin) = (format!("{name}{suffix}{what}"), expanded.origin.clone());
                        variants.push(Variant { name, file: file.clone(), text, origin });
                    };
                    keep(expanded.text, "");
                    if has_halves {
                        keep(halves, "_halves");
                    }
                }
            }
        }
    }
    Ok(variants)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]

    use super::*;

    fn broken(text: &str) -> Vec<Variant> {
        let origin = (1..=text.lines().count()).map(|line| ("shared/part.wgsl".into(), line + 10)).collect();
        vec![Variant { name: "broken_8x4".into(), file: "broken".into(), text: text.into(), origin }]
    }

    /// What naga accepts and Chrome does not, with the variant and the line of the file.
    #[test]
    fn a_barrier_in_control_flow_that_is_not_uniform_is_refused_by_tint() {
        let text = "var<private> p: u32;\nvar<workgroup> w: u32;\n@compute @workgroup_size(64)\nfn main(@builtin(local_invocation_index) i: u32) {\n    p = i;\n    if (p > 3u) {\n        workgroupBarrier();\n    }\n    w = 1u;\n}\n";
        assert_eq!(writers::check(&broken(text)).unwrap(), [""; 0]);
        let found = tint::check(&broken(text)).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("shaders/shared/part.wgsl:17: broken_8x4: "), "{}", found[0]);
        assert!(found[0].contains("uniform control flow"), "{}", found[0]);
    }

    #[test]
    fn what_naga_refuses_has_its_place() {
        let found =
            writers::check(&broken("@compute @workgroup_size(64)\nfn main() {\n    let x: u32 = 1.5;\n}\n"));
        let found = found.unwrap();
        assert!(found[0].starts_with("shaders/shared/part.wgsl:13: broken_8x4: "), "{found:?}");
    }
}
