//! Where every result goes: decided for all pictures before the first is translated.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use ugatit::Error;
use ugatit::io::PictureFormat;

use crate::console::Usage;

use super::inputs::{Found, Input, PassedOver, is_pattern};
use super::share::Shard;

/// What the options ask for.
pub(super) struct Wanted {
    pub(super) format: Option<PictureFormat>,
    pub(super) quality: u8,
    pub(super) attention: bool,
    pub(super) sheet: bool,
    pub(super) force: bool,
    /// Only what is not there yet.
    pub(super) missing: bool,
    /// The part of all pictures that is to be done.
    pub(super) shard: Shard,
    /// All pictures take about the same time.
    pub(super) alike: bool,
}

/// One picture with the places of its results.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) input: PathBuf,
    pub(super) output: PathBuf,
    pub(super) format: PictureFormat,
    pub(super) attention: Option<PathBuf>,
    pub(super) sheet: Option<PathBuf>,
    /// Whether files that are there are replaced.
    pub(super) replace: bool,
}

impl Job {
    /// Changes the place of the result, and of what is written beside it.
    fn rename(&mut self, output: PathBuf) {
        self.attention = self.attention.take().map(|_| beside(&output, "attention"));
        self.sheet = self.sheet.take().map(|_| beside(&output, "sheet"));
        self.output = output;
    }

    fn outputs(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.output).chain(&self.attention).chain(&self.sheet)
    }
}

/// What to do, and what cannot be done.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) jobs: Vec<Job>,
    pub(super) failures: Vec<(PathBuf, String)>,
    pub(super) passed_over: Vec<PassedOver>,
    /// Results that are there from before and are left as they are.
    pub(super) there_already: usize,
    /// A number of all pictures with their results, those of the other shards too.
    pub(super) all: u64,
}

/// Decides the names of all results, and which of them this shard makes. What cannot be done and what is passed
/// over belongs to the first shard, so that each is told of once.
///
/// # Errors
/// [`Usage`] where `output` does not fit the inputs;
/// [`Error::Output`] where the folder cannot be made.
pub(super) fn plan(
    found: Found,
    named: &[PathBuf],
    output: &Path,
    wanted: &Wanted,
) -> anyhow::Result<Assignment> {
    let mut jobs = match single_file(named, output, wanted)? {
        Some(format) => found.inputs.iter().map(|i| job(i, output.into(), format, wanted)).collect(),
        None => in_folder(&found.inputs, output, wanted),
    };
    tell_apart(&mut jobs);

    let inputs: HashSet<PathBuf> = jobs.iter().filter_map(|j| fs::canonicalize(&j.input).ok()).collect();
    let mut all = DefaultHasher::new();
    jobs.iter().for_each(|job| (&job.input, &job.output).hash(&mut all));
    let all = all.finish();
    // Shared out before it is looked what is there, which other shards change meanwhile.
    let size = |job: &Job| if wanted.alike { 1 } else { fs::metadata(&job.input).map_or(0, |m| m.len()) };
    let mut jobs = wanted.shard.of(jobs, size);
    let first = wanted.shard.is_first();
    let mut failures = if first { found.failures } else { vec![] };
    let passed_over = if first { found.passed_over } else { vec![] };
    let mut there_already = 0;
    jobs.retain(|job| {
        let over_input =
            job.outputs().find(|path| fs::canonicalize(path).is_ok_and(|path| inputs.contains(&path)));
        let exists = job.outputs().find(|path| path.exists());
        let problem = match (over_input, exists) {
            (Some(path), _) => {
                format!("its result {} would replace an input; choose another folder", path.display())
            }
            (None, Some(_)) if wanted.missing => {
                // The result itself is written last, but may be of a command that asked for less.
                let complete = job.outputs().all(|path| path.exists());
                there_already += usize::from(complete);
                return !complete;
            }
            (None, Some(path)) if !wanted.force => {
                format!(
                    "its result {} exists already; use --force to replace it, or --missing to make only those that are not there",
                    path.display()
                )
            }
            _ => return true,
        };
        failures.push((job.input.clone(), problem));
        false
    });
    // An output that cannot be written is better known now than after an hour.
    if let Some(job) = jobs.first() {
        let folder = job.output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|e| Error::Output {
            path: output.into(),
            problem: format!("the folder {} cannot be made ({e})", folder.display()),
        })?;
    }
    Ok(Assignment { jobs, failures, passed_over, there_already, all })
}

/// Whether `path` names nothing, and is no pattern either.
fn is_missing(path: &Path) -> bool {
    !path.exists() && !is_pattern(&path.to_string_lossy())
}

/// The format, where `output` is the name of a single result.
fn single_file(named: &[PathBuf], output: &Path, wanted: &Wanted) -> Result<Option<PictureFormat>, Usage> {
    // What is not there at all is told of by its own name.
    let one_file = matches!(named, [only] if only.is_file() || is_missing(only));
    if output.is_dir() {
        return Ok(None);
    }
    let shown = output.display();
    let ending = output.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let named_format = match PictureFormat::from_path(output) {
        Some(PictureFormat::Jpeg { .. }) => Some(PictureFormat::Jpeg { quality: wanted.quality }),
        other => other,
    };
    let Some(format) = named_format else {
        if matches!(ending.as_deref(), Some("gif" | "bmp" | "tif" | "tiff" | "avif" | "heic")) {
            return Err(Usage(format!("{shown}: results are written as png, jpg or webp")));
        }
        if output.is_file() {
            return Err(Usage(format!("{shown} is a file, and neither png, jpg nor webp; name a folder")));
        }
        return Ok(None);
    };
    if !one_file {
        return Err(Usage(format!(
            "{shown} is one file, but the input may be several pictures; name a folder"
        )));
    }
    match wanted.format {
        Some(asked) if asked.extension() != format.extension() => {
            Err(Usage(format!("{shown} ends in another format than --format {}", asked.extension())))
        }
        _ => Ok(Some(format)),
    }
}

fn in_folder(inputs: &[Input], output: &Path, wanted: &Wanted) -> Vec<Job> {
    let format = wanted.format.unwrap_or_default();
    // photo.jpg and photo.png become photo_jpg.png and photo_png.png.
    let stem = |input: &Input| key(&input.relative.with_extension(""));
    let mut same_stem: HashMap<Vec<u8>, usize> = HashMap::new();
    inputs.iter().for_each(|input| *same_stem.entry(stem(input)).or_default() += 1);
    let each = inputs.iter().map(|input| {
        let mut name = input.relative.file_stem().unwrap_or_default().to_owned();
        if same_stem.get(&stem(input)).is_some_and(|&n| n > 1)
            && let Some(ending) = input.relative.extension()
        {
            name.push("_");
            name.push(ending);
        }
        name.push(".");
        name.push(format.extension());
        job(input, output.join(input.relative.with_file_name(name)), format, wanted)
    });
    each.collect()
}

fn job(input: &Input, output: PathBuf, format: PictureFormat, wanted: &Wanted) -> Job {
    Job {
        input: input.path.clone(),
        attention: wanted.attention.then(|| beside(&output, "attention")),
        sheet: wanted.sheet.then(|| beside(&output, "sheet")),
        replace: wanted.force || wanted.missing,
        format,
        output,
    }
}

/// The place of a picture that belongs to a result.
fn beside(output: &Path, what: &str) -> PathBuf {
    let mut name = output.file_stem().unwrap_or_default().to_owned();
    name.push(format!("_{what}.png"));
    output.with_file_name(name)
}

/// Gives another name to every job that would write what another one writes: `IMG_1-2.png` beside `IMG_1.png`.
fn tell_apart(jobs: &mut [Job]) {
    let mut taken: HashSet<Vec<u8>> = HashSet::new();
    for job in jobs {
        let wished = job.output.clone();
        let mut number = 2_u64;
        while job.outputs().any(|path| taken.contains(&key(path))) {
            let mut name = wished.file_stem().unwrap_or_default().to_owned();
            name.push(format!("-{number}."));
            name.push(wished.extension().unwrap_or_default());
            job.rename(wished.with_file_name(name));
            number += 1;
        }
        taken.extend(job.outputs().map(|path| key(path)));
    }
}

/// What two paths of one file share: names that differ in case only are one file on Windows and macOS.
fn key(path: &Path) -> Vec<u8> {
    match path.to_str() {
        Some(text) => text.to_lowercase().into_bytes(),
        None => path.as_os_str().as_encoded_bytes().to_ascii_lowercase(),
    }
}
