//! The test pictures, and which of them belong together.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use ugatit::model::Direction;

use super::super::translate::inputs;

/// A test picture.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// Its place within testA or testB, without ending: what partners have in common.
    pub(super) name: String,
    /// The picture of the other folder that belongs to it.
    pub(super) partner: Option<PathBuf>,
}

/// All test pictures; those that have a partner come first, in the same order on both sides.
#[derive(Debug)]
pub(super) struct Data {
    a: Vec<Source>,
    b: Vec<Source>,
    /// Why one of the two has none.
    pub(super) missing: Option<String>,
}

impl Data {
    /// A number of all pictures.
    pub(super) fn number(&self) -> u64 {
        let mut all = DefaultHasher::new();
        self.a.iter().chain(&self.b).for_each(|source| (&source.path, &source.partner).hash(&mut all));
        all.finish()
    }

    /// The pictures that are translated in a direction: testA for A2B.
    pub(super) fn sources(&self, direction: Direction) -> &[Source] {
        match direction {
            Direction::A2B => &self.a,
            Direction::B2A => &self.b,
        }
    }
}

/// Finds the pictures of `folder`.
///
/// # Errors
/// Where testA and testB are missing or empty, with `pairs` where one of them is, where there are no pairs or a name
/// stands for several pictures.
pub(super) fn find(folder: &Path, pairs: bool, limit: Option<usize>) -> anyhow::Result<Data> {
    let (a, b) = (pictures(folder, "testA")?, pictures(folder, "testB")?);
    let (mut a, mut b, missing) = match (a, b) {
        (Ok(a), Ok(b)) => (a, b, None),
        (Ok(a), Err(missing)) if !pairs => (a, vec![], Some(missing)),
        (Err(missing), Ok(b)) if !pairs => (vec![], b, Some(missing)),
        (Err(missing), _) | (_, Err(missing)) => {
            bail!("{missing}; the pictures to measure on belong in {0}/testA and {0}/testB", folder.display())
        }
    };
    if pairs {
        let (known_a, known_b) = (by_name(&a, "testA")?, by_name(&b, "testB")?);
        pair(&mut a, &known_b);
        pair(&mut b, &known_a);
        if a.iter().all(|source| source.partner.is_none()) {
            bail!(
                "{}: no picture of testA has the name of one of testB (without the ending), so there are no pairs; leave --pairs out, or name the partners alike",
                folder.display()
            );
        }
    }
    let limit = limit.unwrap_or(usize::MAX);
    a.truncate(limit);
    b.truncate(limit);
    Ok(Data { a, b, missing })
}

/// The pictures of a folder, or why there are none.
fn pictures(folder: &Path, name: &str) -> anyhow::Result<Result<Vec<Source>, String>> {
    let path = folder.join(name);
    if !path.is_dir() {
        return Ok(Err(format!("{}: there is no folder {name}", path.display())));
    }
    let found = inputs::collect(std::slice::from_ref(&path), true, Path::new(""));
    if let Some((path, problem)) = found.failures.first() {
        let problem = format!("{}: {problem}", path.display());
        return if found.inputs.is_empty() { Ok(Err(problem)) } else { Err(anyhow!(problem)) };
    }
    let source = |input: inputs::Input| Source {
        path: input.path,
        name: input.relative.with_extension("").to_string_lossy().replace('\\', "/"),
        partner: None,
    };
    Ok(Ok(found.inputs.into_iter().map(source).collect()))
}

fn by_name(sources: &[Source], folder: &str) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut known = BTreeMap::new();
    for source in sources {
        if let Some(other) = known.insert(source.name.clone(), source.path.clone()) {
            bail!(
                "{} and {} have one name within {folder}, so which of them is a partner is not known; rename one",
                other.display(),
                source.path.display()
            );
        }
    }
    Ok(known)
}

fn pair(sources: &mut [Source], others: &BTreeMap<String, PathBuf>) {
    for source in sources.iter_mut() {
        source.partner = others.get(&source.name).cloned();
    }
    sources.sort_by(|x, y| (x.partner.is_none(), &x.name).cmp(&(y.partner.is_none(), &y.name)));
}
