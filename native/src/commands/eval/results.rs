//! What was measured, as it is written to `metrics.json`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use ugatit::eval::{L1_TO_BYTES, Summary};
use ugatit::model::Direction;

/// Everything.
#[derive(Debug, Default, Serialize)]
pub(super) struct Results {
    /// The program and its version.
    pub(super) program: String,
    #[serde(serialize_with = "crate::shown::optional")]
    pub(super) model: Option<PathBuf>,
    #[serde(serialize_with = "crate::shown::optional")]
    pub(super) data: Option<PathBuf>,
    pub(super) device: Option<String>,
    /// Pixels a side.
    pub(super) size: Option<usize>,
    pub(super) seconds: f64,
    pub(super) directions: Vec<Side>,
    pub(super) kid: Vec<Distance>,
    /// What could not be measured, in words.
    pub(super) left_out: Vec<String>,
    pub(super) failures: Vec<Failure>,
}

/// What was measured on the pictures of one domain: of testA for A2B.
#[derive(Debug, Serialize)]
pub(super) struct Side {
    #[serde(serialize_with = "as_text")]
    pub(super) direction: Direction,
    /// There and back, against the picture; in -1..1 and in 0..255.
    pub(super) cycle_l1: Option<Summary>,
    pub(super) cycle_l1_255: Option<Summary>,
    /// Translated to the domain that the picture is of, against the picture.
    pub(super) identity_l1: Option<Summary>,
    pub(super) identity_l1_255: Option<Summary>,
    pub(super) pairs: Option<Pairs>,
    pub(super) pictures: Vec<Measures>,
}

/// Translations, and the untouched pictures, against their partners.
#[derive(Debug, Serialize)]
pub(super) struct Pairs {
    pub(super) psnr: Summary,
    pub(super) psnr_untouched: Summary,
    /// The mean over the pictures whose values are both finite of how much the translation is
    /// nearer to the partner.
    pub(super) psnr_gain: f64,
    pub(super) ssim: Summary,
    pub(super) ssim_untouched: Summary,
    pub(super) ssim_gain: f64,
}

/// One picture.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Measures {
    pub(super) name: String,
    pub(super) cycle_l1: Option<f64>,
    pub(super) identity_l1: Option<f64>,
    pub(super) pair: Option<Pair>,
    /// Files of the page, within its folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<Shown>,
}

/// A picture's likeness to its partner. JSON has no infinity: there, PSNR is null where the two
/// are equal.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Pair {
    pub(super) psnr: f64,
    pub(super) psnr_untouched: f64,
    pub(super) ssim: f64,
    pub(super) ssim_untouched: f64,
}

/// A file of the page.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shown {
    /// `source`, `attention`, `translation`, `cycle` or `partner`.
    pub(super) what: &'static str,
    pub(super) file: String,
}

/// A distance of two sets of features.
#[derive(Debug, Serialize)]
pub(super) struct Distance {
    #[serde(serialize_with = "crate::shown::path")]
    pub(super) fake: PathBuf,
    #[serde(serialize_with = "crate::shown::path")]
    pub(super) real: PathBuf,
    pub(super) fake_features: usize,
    pub(super) real_features: usize,
    /// Not multiplied by 100.
    pub(super) mean: f64,
    pub(super) std: f64,
    pub(super) subsets: usize,
    pub(super) subset_size: usize,
    pub(super) seed: u64,
}

/// A picture that was not measured.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    #[serde(serialize_with = "crate::shown::path")]
    pub(super) input: PathBuf,
    pub(super) error: String,
}

impl Shown {
    /// What [`Self::what`] may be.
    pub(super) const KINDS: [&str; 5] = ["source", "attention", "translation", "cycle", "partner"];
}

impl Results {
    /// Without measurements yet.
    pub(super) fn new(
        model: &Path,
        data: &Path,
        size: usize,
        device: String,
        directions: impl Iterator<Item = Direction>,
    ) -> Self {
        let there: Vec<Direction> = directions.collect();
        let missing = Direction::BOTH.into_iter().find(|direction| !there.contains(direction));
        let left_out = missing.map(|direction| {
            let (from, to) = domains(direction);
            format!(
                "the model has no {direction}: translations of test{from}, both cycles and the identity of test{to} are left out"
            )
        });
        Self {
            program: format!("ugatit {}", env!("CARGO_PKG_VERSION")),
            model: Some(model.into()),
            data: Some(data.into()),
            device: Some(device),
            size: Some(size),
            left_out: left_out.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Adds a direction.
    pub(super) fn add(&mut self, side: Side) {
        self.directions.push(side);
    }
}

impl Side {
    /// Summarises what was measured on each picture.
    pub(super) fn new(direction: Direction, pictures: Vec<Measures>) -> Self {
        let l1 = |value: fn(&Measures) -> Option<f64>, scale: f64| {
            let values: Vec<f64> = pictures.iter().filter_map(value).map(|v| v * scale).collect();
            (!values.is_empty()).then(|| Summary::of(&values))
        };
        let pairs: Vec<Pair> = pictures.iter().filter_map(|p| p.pair).collect();
        Self {
            direction,
            cycle_l1: l1(|p| p.cycle_l1, 1.0),
            cycle_l1_255: l1(|p| p.cycle_l1, L1_TO_BYTES),
            identity_l1: l1(|p| p.identity_l1, 1.0),
            identity_l1_255: l1(|p| p.identity_l1, L1_TO_BYTES),
            pairs: (!pairs.is_empty()).then(|| Pairs::new(&pairs)),
            pictures,
        }
    }

    /// The domains: where pictures come from, and where they go.
    pub(super) fn domains(&self) -> (char, char) {
        domains(self.direction)
    }
}

impl Pairs {
    fn new(pairs: &[Pair]) -> Self {
        let of = |value: fn(&Pair) -> f64| Summary::of(&pairs.iter().map(value).collect::<Vec<_>>());
        Self {
            psnr: of(|p| p.psnr),
            psnr_untouched: of(|p| p.psnr_untouched),
            psnr_gain: of(|p| p.psnr - p.psnr_untouched).mean,
            ssim: of(|p| p.ssim),
            ssim_untouched: of(|p| p.ssim_untouched),
            ssim_gain: of(|p| p.ssim - p.ssim_untouched).mean,
        }
    }
}

fn domains(direction: Direction) -> (char, char) {
    match direction {
        Direction::A2B => ('A', 'B'),
        Direction::B2A => ('B', 'A'),
    }
}

fn as_text<S: serde::Serializer>(direction: &Direction, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(direction)
}
