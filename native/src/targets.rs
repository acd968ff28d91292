//! Where a command puts the models that it writes: one file, or a folder with one for each
//! direction.

use std::path::{Path, PathBuf};

use anyhow::bail;
use ugatit::io::Model;
use ugatit::model::{Dialect, Direction};
use ugatit::text::grouped;

use crate::console::Usage;

/// One direction, or all that there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directions(pub(crate) Option<Direction>);

impl Directions {
    /// The generators of these directions in a model.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub(crate) fn open(self, path: &Path) -> ugatit::Result<Vec<Model>> {
        match self.0 {
            Some(direction) => Ok(vec![Model::open(path, Some(direction))?]),
            None => Model::open_all(path),
        }
    }
}

pub(crate) fn parse_directions(text: &str) -> Result<Directions, String> {
    if text.eq_ignore_ascii_case("both") {
        return Ok(Directions(None));
    }
    match text.parse() {
        Ok(direction) => Ok(Directions(Some(direction))),
        Err(_) => Err("use A2B, B2A or both".into()),
    }
}

/// The directions of models.
pub(crate) fn directions(models: &[Model]) -> Vec<Direction> {
    models.iter().map(|model| model.direction).collect()
}

/// The file of the model of each direction: `output` where that is a file's name (`extension`), else
/// `A2B.extension` and `B2A.extension` in the folder `output`.
///
/// # Errors
/// [`Usage`] where there are two models for one file; an error where a file is there already
/// and is not to be replaced. All or nothing: this is found before the first is written.
pub(crate) fn targets(
    directions: &[Direction],
    output: &Path,
    extension: &str,
    overwrite: bool,
) -> anyhow::Result<Vec<PathBuf>> {
    let named = output.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension));
    let one_file = named && !output.is_dir();
    if one_file && directions.len() > 1 {
        return Err(Usage(format!(
            "the model holds both generators and {} is one file; choose with --direction, or name a folder",
            output.display()
        ))
        .into());
    }
    let target = |direction: &Direction| {
        if one_file { output.to_owned() } else { output.join(format!("{direction}.{extension}")) }
    };
    let targets: Vec<PathBuf> = directions.iter().map(target).collect();
    if let Some(there) = targets.iter().find(|path| path.exists() && !overwrite) {
        bail!("{} exists already; use --force to replace it", there.display());
    }
    Ok(targets)
}

/// What a dialect is called behind an architecture; nothing where it is the usual one.
fn dialect(dialect: Dialect) -> String {
    if dialect == Dialect::default() { String::new() } else { format!(" ({dialect})") }
}

/// What a model that was written is, for people.
pub(crate) fn description(path: &Path, model: &Model, f16: bool) -> String {
    format!(
        "{}: {}{}, ch {}, {} parameters, {}",
        path.display(),
        model.config.architecture(),
        dialect(model.config.dialect),
        model.config.ch,
        grouped(model.parameter_count() as u64),
        if f16 { "f16" } else { "f32" }
    ) + &quantized(model)
}

/// What there is to say of a matrix that is quantised.
pub(crate) fn quantized(model: &Model) -> String {
    model.bits().map_or_else(String::new, |bits| format!(", FC.0.weight of {bits} bits"))
}
