//! Finding the model that a person did not name.

use std::path::PathBuf;

use ugatit::io::{ImportOptions, Model, checkpoint_directions, read_checkpoint};
use ugatit::model::Direction;

use crate::console::Usage;

/// The model of a direction, or the first that there is. `smoothing` is what a TensorFlow checkpoint does
/// not say of itself.
///
/// # Errors
/// As [`find`] and [`Model::open`].
pub(crate) fn open(
    named: Option<&PathBuf>,
    direction: Option<Direction>,
    smoothing: Option<bool>,
) -> anyhow::Result<Model> {
    let path = find(named)?;
    if smoothing.is_none() {
        return Ok(Model::open(path, direction)?);
    }
    let options = ImportOptions { smoothing, ..ImportOptions::default() };
    let first = || Ok::<_, ugatit::Error>(checkpoint_directions(&path)?.first().copied());
    let direction = direction.map_or_else(first, |direction| Ok(Some(direction)))?;
    let model = read_checkpoint(&path, direction, &options)?.into_iter().next();
    Ok(model.ok_or_else(|| Usage(format!("{} holds no generator", path.display())))?)
}

/// The model to use: the one named, or the `models` folder of the working folder, of the
/// program's folder, or of the project that the program was built in.
///
/// # Errors
/// [`Usage`] where there is none.
pub(crate) fn find(named: Option<&PathBuf>) -> Result<PathBuf, Usage> {
    if let Some(path) = named {
        return Ok(path.clone());
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
        let is_model =
            |path: &PathBuf| path.extension().is_some_and(|e| e == "safetensors" || e == "pt" || e == "pth");
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        if entries.map(|entry| entry.path()).any(|path| is_model(&path)) {
            return Ok(folder);
        }
    }
    Err(Usage(
        "no model: name one with --model FILE or the variable UGATIT_MODEL, or put A2B.safetensors into a folder `models`. An official PyTorch checkpoint (.pt) can be used as it is".into(),
    ))
}
