//! DirectXShaderCompiler, which Direct3D 12 takes where it is installed, on naga's HLSL.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow};

use super::tint::FOLDER;
use super::{Variant, writers};
use xtask::process::{pipe, root, say, target, venv};

/// What DXC refuses. It takes half a second for a large kernel, so what it has accepted once is
/// remembered by its content, in the build folder.
pub(super) fn check(variants: &[Variant]) -> Result<Vec<String>> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        say("DXC is tried on Linux on x86-64 only, where PyPI has it as a library");
        return Ok(vec![]);
    }
    let folder = target().join("compilers");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let script = root().join(FOLDER).join("dxc.py");
    let requirements = root().join(FOLDER).join("requirements.txt");
    let tool = [&script, &requirements].map(fs::read);
    let [script_text, requirements_text] = tool;
    let tool = (script_text?, requirements_text?);

    let known = folder.join("dxc-accepted.json");
    let accepted: BTreeSet<u64> =
        fs::read(&known).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut all = BTreeSet::new();
    let mut new: Vec<(&Variant, String)> = vec![];
    for variant in variants {
        let Some(hlsl) = writers::hlsl_of(variant) else { continue };
        let mut hasher = DefaultHasher::new();
        (&tool, &hlsl).hash(&mut hasher);
        all.insert(hasher.finish());
        if !accepted.contains(&hasher.finish()) {
            new.push((variant, hlsl));
        }
    }
    if new.is_empty() {
        return Ok(vec![]);
    }
    let python = venv("dxc", &format!("{FOLDER}/requirements.txt"))?.join("python");
    let mistakes = compile(&python, &script, &new)?;
    if mistakes.is_empty() {
        fs::write(&known, serde_json::to_vec(&all)?).with_context(|| known.display().to_string())?;
    }
    mistakes.iter().map(|(name, message)| explain(&new, name, message, &folder)).collect()
}

/// On all processors. The largest come first, so that none is left with the last of them.
fn compile(python: &Path, script: &Path, new: &[(&Variant, String)]) -> Result<Vec<(String, String)>> {
    let mut sorted: Vec<&(&Variant, String)> = new.iter().collect();
    sorted.sort_by_key(|(_, hlsl)| std::cmp::Reverse(hlsl.len()));
    let workers = thread::available_parallelism().map_or(1, usize::from).min(sorted.len());
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers)
            .map(|worker| {
                let part: Vec<[&str; 2]> = sorted
                    .iter()
                    .skip(worker)
                    .step_by(workers)
                    .map(|(v, hlsl)| [v.name.as_str(), hlsl.as_str()])
                    .collect();
                scope.spawn(move || -> Result<Vec<(String, String)>> {
                    let answer = pipe(Command::new(python).arg(script), &serde_json::to_vec(&part)?)?;
                    serde_json::from_slice(&answer).context("dxc.py printed something else than its errors")
                })
            })
            .collect();
        let mut mistakes = vec![];
        for worker in running {
            mistakes.extend(worker.join().map_err(|_| anyhow!("a thread that ran DXC panicked"))??);
        }
        Ok(mistakes)
    })
}

/// A mistake with its place. DXC knows the lines of the HLSL, which is left for who wants to look.
fn explain(new: &[(&Variant, String)], name: &str, message: &str, folder: &Path) -> Result<String> {
    let (variant, hlsl) =
        new.iter().find(|(v, _)| v.name == name).context("dxc.py named a shader it was not given")?;
    let left = folder.join(format!("{name}.hlsl"));
    fs::write(&left, hlsl).with_context(|| left.display().to_string())?;
    Ok(format!("{}: {message}\n(HLSL in {})", variant.place(1), left.display()))
}
