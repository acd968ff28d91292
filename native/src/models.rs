//! Finding the model that a person did not name.

use std::path::{Path, PathBuf};

use crate::console::Usage;

/// The model to use: the one named (of a training run's folder its `models`), or the `models`
/// folder of the working folder, of the program's folder, or of the project that the program was
/// built in.
///
/// # Errors
/// [`Usage`] where there is none.
pub(crate) fn find(named: Option<&PathBuf>) -> Result<PathBuf, Usage> {
    if let Some(path) = named {
        return Ok(of_run(path));
    }
    let program = std::env::current_exe().ok();
    let beside = program.iter().filter_map(|path| path.parent());
    // target/release/ugatit lies three folders below the project.
    let project = program.iter().filter_map(|path| {
        let target = path.ancestors().nth(2)?;
        (target.file_name()? == "target").then(|| target.parent()).flatten()
    });
    let folders = beside.chain(project).map(|folder| folder.join("models"));
    let candidates = std::iter::once(PathBuf::from("models")).chain(folders);
    for folder in candidates {
        if holds_models(&folder) {
            return Ok(folder);
        }
    }
    Err(Usage(
        "no model: name one with --model FILE or the variable UGATIT_MODEL, or put A2B.safetensors into a folder `models`. An official PyTorch checkpoint (.pt) can be used as it is".into(),
    ))
}

/// The models of a training run, where `path` is the folder of one.
fn of_run(path: &Path) -> PathBuf {
    let models = path.join("models");
    if holds_models(&models) && !holds_models(path) { models } else { path.into() }
}

fn holds_models(folder: &Path) -> bool {
    let is_model =
        |path: &Path| path.extension().is_some_and(|e| e == "safetensors" || e == "pt" || e == "pth");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| is_model(&path))
}
