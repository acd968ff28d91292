//! Checkpoints of the authors' own program, in TensorFlow: `NAME.model-STEP.index` and the files of data
//! beside it, in a folder with a text file `checkpoint` that names the newest. TensorFlow is not needed.
//!
//! The generators' variables become the tensors of a model of the dialect [`Dialect::Tensorflow`], one at
//! a time; the discriminators' and the optimiser's are not read.
//!
//! [`Dialect::Tensorflow`]: crate::model::Dialect::Tensorflow

mod bundle;
mod names;
mod table;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::model::Direction;

use super::architecture::Source;
use super::model_file::file_name;
use bundle::{Bundle, Entry};
use names::{Kind, has_no_effect, instance_norm, tensor};

/// The file that names the newest checkpoint of a folder.
const STATE: &str = "checkpoint";
/// The most of it that is read.
const STATE_BYTES: u64 = 64 << 10;
/// What "smoothing" takes from an adaptive normalisation's rho.
const SMOOTHING: f32 = 0.1;

/// Whether a path is that of a TensorFlow checkpoint: a folder that holds one (and no model), an index, a file
/// of data, or the name without an ending that the authors' program gives it.
pub fn is_tensorflow_checkpoint(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref();
    if path.is_dir() {
        return super::model_folder::holds_no_model(path) && !indices(path).is_empty();
    }
    let name = file_name(path).to_ascii_lowercase();
    path.is_file() && (name.ends_with(".index") || name == STATE || of_data(path).is_some())
        || with_ending(path).is_file()
}

/// The tensors of both generators, by network and key, to be read when they are wanted; what "smoothing" was taken
/// to be, in words that follow a provenance.
///
/// # Errors
/// [`Error::ModelFile`] where there is no checkpoint, or more than one, or it is damaged or of another
/// program; [`Error::Io`].
pub(super) fn sources(
    path: &Path,
    smoothing: Option<bool>,
) -> Result<(Vec<(String, Source<'static>)>, String)> {
    let index = index(path)?;
    let (smoothing, remark) = smooths(&index, smoothing);
    let generator =
        |name: &str| Some(scope(name)?.1).filter(|rest| !is_of_optimiser(rest)).map(str::to_owned);
    let (bundle, found) = Bundle::open(&index, |name| generator(name).is_some())?;
    if found.wanted.is_empty() {
        let first = found.first.map_or(String::new(), |name| format!(", `{name}` first"));
        return Err(Error::ModelFile {
            path: index,
            problem: format!(
                "it is a TensorFlow checkpoint of another program: it has no variables `generator_A/...` or `generator_B/...` ({} tensors{first})",
                found.all
            ),
        });
    }
    // Of a kernel [height, width, in, out] that of the first layer tells the model's width.
    let width = |network: &str| {
        let first = found.wanted.get(&format!("{network}/conv/conv2d/kernel"))?;
        first.shape.get(3).copied()
    };
    let bundle = Rc::new(bundle);
    let mut sources = vec![];
    for (name, entry) in &found.wanted {
        let Some((direction, variable)) = scope(name) else { continue };
        let network = direction.network();
        let Some((key, kind)) = tensor(variable) else {
            // Refused under its own name, with whatever else belongs to no network.
            sources.push((format!("{network}/{variable}"), unread(entry)));
            continue;
        };
        if has_no_effect(&key) {
            continue;
        }
        if let Some(module) = instance_norm(&key) {
            let channels = entry.shape.first().copied().unwrap_or(0);
            sources.push((format!("{network}.{module}.rho"), ones(channels)));
        }
        let ch = name.split('/').next().and_then(width);
        let source = source(&bundle, entry, kind, ch, smoothing);
        sources.push((format!("{network}.{key}"), source));
    }
    Ok((sources, remark))
}

/// The network that a variable belongs to, and its name there.
fn scope(name: &str) -> Option<(Direction, &str)> {
    let (scope, variable) = name.split_once('/')?;
    match scope {
        "generator_B" => Some((Direction::A2B, variable)),
        "generator_A" => Some((Direction::B2A, variable)),
        _ => None,
    }
}

/// The moments of Adam.
fn is_of_optimiser(variable: &str) -> bool {
    variable.ends_with("/Adam") || variable.ends_with("/Adam_1")
}

/// A tensor of ones for each channel of a picture.
fn ones(channels: usize) -> Source<'static> {
    // Whether there are so many is known from the gamma beside it, whose values lie in the file.
    Source { shape: vec![1, channels, 1, 1], read: Box::new(move || Ok(vec![1.0; channels])) }
}

/// A tensor that belongs to no network.
fn unread(entry: &Entry) -> Source<'static> {
    Source { shape: entry.shape.clone(), read: Box::new(|| Ok(vec![])) }
}

/// A variable as the tensor that it becomes; `ch` is the model's width.
fn source(
    bundle: &Rc<Bundle>,
    entry: &Entry,
    kind: Kind,
    ch: Option<usize>,
    smoothing: bool,
) -> Source<'static> {
    let from = entry.shape.as_slice();
    // The shape that it gets, and how far apart neighbours along each of its own axes lie then.
    let (to, axes, steps) = match (kind, from) {
        (Kind::Kernel, &[h, w, i, o]) => {
            (vec![o, i, h, w], from.to_vec(), vec![w, 1, mul(h, w), mul(mul(h, w), i)])
        }
        (Kind::Flattened, &[inputs, o]) => {
            // Height and width as one axis; of a light model there is one pixel.
            let channels = ch.map_or(0, |ch| mul(4, ch));
            let pixels = inputs.checked_div(channels).filter(|&n| mul(n, channels) == inputs).unwrap_or(1);
            let channels = inputs.checked_div(pixels).unwrap_or(0);
            (vec![o, inputs], vec![pixels, channels, o], vec![1, pixels, inputs])
        }
        (Kind::Matrix, &[i, o]) => (vec![o, i], from.to_vec(), vec![1, i]),
        (Kind::Channels | Kind::AdaptiveRho, &[c]) => (vec![1, c, 1, 1], from.to_vec(), vec![1]),
        // Also what has another shape than it should, which is found where it is checked.
        _ => (from.to_vec(), vec![from.iter().copied().fold(1, mul)], vec![1]),
    };
    let (bundle, entry) = (bundle.clone(), entry.clone());
    let read = move || {
        let mut data = read(&bundle, &entry, &axes, &steps)?;
        if smoothing && kind == Kind::AdaptiveRho {
            data.iter_mut().for_each(|rho| *rho = (*rho - SMOOTHING).clamp(0.0, 1.0));
        }
        Ok(data)
    };
    Source { shape: to, read: Box::new(read) }
}

/// A product of what a file claims; as large as can be where it cannot be counted.
fn mul(a: usize, b: usize) -> usize {
    a.saturating_mul(b)
}

/// The elements of a variable with `axes`, brought to where `steps` say. The last axis is that whose
/// neighbours lie side by side in the file.
fn read(bundle: &Bundle, entry: &Entry, axes: &[usize], steps: &[usize]) -> Result<Vec<f32>> {
    let mut data: Vec<f32> = vec![];
    let (columns, step) = (axes[axes.len() - 1].max(1), steps[steps.len() - 1]);
    // Rows of the file that are taken together, sorted by where they go: so that neighbours are written
    // together although the file has them apart.
    let mut rows: Vec<(usize, usize)> = vec![];
    let mut pending: Vec<f32> = vec![];
    let mut first = 0;
    bundle.read(entry, |at, values| {
        if at == 0 {
            // Only now is it known that the file has them.
            data = vec![0.0; axes.iter().product()];
        }
        pending.extend_from_slice(values);
        let whole = pending.len() / columns;
        rows.clear();
        rows.extend((0..whole).map(|i| {
            let mut row = first + i;
            let mut to = 0;
            for (axis, step) in axes[..axes.len() - 1].iter().zip(steps).rev() {
                to += row % axis * step;
                row /= axis;
            }
            (to, i * columns)
        }));
        rows.sort_unstable();
        for column in 0..columns {
            let column_to = column * step;
            for &(to, from) in &rows {
                data[to + column_to] = pending[from + column];
            }
        }
        first += whole;
        pending.drain(..whole * columns);
    })?;
    Ok(data)
}

/// Whether "smoothing" was on in training: what was asked for, else what the folder's name says, else the
/// program's default. The variables do not tell.
fn smooths(index: &Path, asked: Option<bool>) -> (bool, String) {
    let folder = index.canonicalize().ok().and_then(|path| Some(file_name(path.parent()?)));
    let folder = folder.unwrap_or_default().to_ascii_lowercase();
    let word = |on: bool| if on { "with" } else { "without" };
    if let Some(on) = asked {
        return (on, format!("; {} smoothing, as was asked for", word(on)));
    }
    // Such as UGATIT_selfie2anime_lsgan_4resblock_6dis_1_1_10_10_1000_sn_smoothing.
    let official = folder.starts_with("ugatit") && folder.contains("resblock") && folder.contains("dis_");
    let on = folder.contains("_smoothing") || !official;
    let why = if official || on && folder.contains("_smoothing") {
        "as its folder's name says"
    } else {
        "the program's default, since its folder's name does not tell"
    };
    (on, format!("; {} smoothing, {why}", word(on)))
}

/// The index of the checkpoint that a path names.
fn index(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        let name = file_name(path).to_ascii_lowercase();
        if name == STATE && path.is_file() {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            return newest(folder.unwrap_or(Path::new(".")));
        }
        let index = match of_data(path) {
            Some(index) => index,
            None if name.ends_with(".index") => path.into(),
            None => with_ending(path),
        };
        return if index.is_file() {
            Ok(index)
        } else {
            Err(Error::ModelFile {
                path: path.into(),
                problem: format!("the index of this TensorFlow checkpoint is missing: {}", file_name(&index)),
            })
        };
    }
    newest(path)
}

/// The index of the newest checkpoint of a folder: the one that `checkpoint` names if it is there, else the one
/// with the highest step.
fn newest(folder: &Path) -> Result<PathBuf> {
    let state = folder.join(STATE);
    if let Ok(file) = fs::File::open(&state) {
        let mut text = vec![];
        file.take(STATE_BYTES).read_to_end(&mut text).map_err(Error::io(&state))?;
        let text = String::from_utf8_lossy(&text);
        let named = text.lines().find_map(|line| line.trim().strip_prefix("model_checkpoint_path:"));
        // It may be the whole path on the machine that it was trained on.
        let name =
            named.map(|name| name.trim().trim_matches('"')).and_then(|name| name.rsplit(['/', '\\']).next());
        let index = name.filter(|name| !name.is_empty()).map(|name| with_ending(&folder.join(name)));
        if let Some(index) = index.filter(|index| index.is_file()) {
            return Ok(index);
        }
    }
    let mut indices = indices(folder);
    indices.sort_by_key(|index| step(index));
    let last = indices.pop().ok_or_else(|| Error::ModelFile {
        path: folder.into(),
        problem: "the folder holds no TensorFlow checkpoint (a file that ends in .index)".into(),
    })?;
    match indices.last() {
        Some(other) if step(other) == step(&last) => Err(Error::ModelFile {
            path: folder.into(),
            problem: format!(
                "the folder holds several TensorFlow checkpoints, and its file `{STATE}` names none of them; name one, for example {}",
                last.display()
            ),
        }),
        _ => Ok(last),
    }
}

/// The number that an index's name ends with.
fn step(index: &Path) -> Option<u64> {
    index.file_stem()?.to_str()?.rsplit_once('-')?.1.parse().ok()
}

/// The indices in a folder.
fn indices(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| file_name(path).to_ascii_lowercase().ends_with(".index") && path.is_file()).collect()
}

/// The index that belongs to a file of data, by its name.
fn of_data(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let (stem, rest) = name.rsplit_once(".data-")?;
    rest.contains("-of-").then(|| path.with_file_name(format!("{stem}.index")))
}

/// `NAME.model-STEP` with the ending of an index.
fn with_ending(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".index");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_tells_of_smoothing() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, asked| {
            let index = folder.path().join(name).join("UGATIT.model-1.index");
            fs::create_dir_all(index.parent().unwrap()).unwrap();
            fs::write(&index, "").unwrap();
            smooths(&index, asked)
        };
        let official = "UGATIT_selfie2anime_lsgan_4resblock_6dis_1_1_10_10_1000_sn";
        assert_eq!(of(official, None), (false, "; without smoothing, as its folder's name says".into()));
        assert!(of(&format!("{official}_smoothing"), None).0);
        let (on, why) = of("renamed", None);
        assert!(on && why.contains("does not tell"), "{why}");
        assert!(!of("renamed", Some(false)).0 && of(official, Some(true)).0);
    }

    #[test]
    fn the_newest_checkpoint_of_a_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let found = || index(folder.path()).map(|path| file_name(&path));
        assert!(found().unwrap_err().to_string().contains("no TensorFlow checkpoint"));
        for step in ["9", "1000", "200"] {
            put(&format!("U.model-{step}.index"), "");
        }
        assert_eq!(found().unwrap(), "U.model-1000.index");
        put(
            "checkpoint",
            "model_checkpoint_path: \"C:\\\\runs\\\\U.model-200\"\nall_model_checkpoint_paths: \"x\"\n",
        );
        assert_eq!(found().unwrap(), "U.model-200.index");
        // Moved without its checkpoint.
        put("checkpoint", "model_checkpoint_path: \"/elsewhere/U.model-7\"\n");
        assert_eq!(found().unwrap(), "U.model-1000.index");
        put("V.model-1000.index", "");
        assert!(found().unwrap_err().to_string().contains("several"));
        let named = index(&folder.path().join("U.model-9")).unwrap();
        assert_eq!(index(&folder.path().join("U.model-9.data-00000-of-00001")).unwrap(), named);
        assert!(index(&folder.path().join("U.model-8")).unwrap_err().to_string().contains("is missing"));
    }
}
