//! The adversarial losses (`gan_type` of the authors' TensorFlow program, `ops.py` and `gradient_panalty`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::Op;

/// What a discriminator's judgements cost both players. They are the judgements of patches and the logits of its
/// attention's classifiers, each by itself; means are over all elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GanType {
    /// The logistic loss: `BCE(D(x), 1) + BCE(D(G(y)), 0)`, and `BCE(D(G(y)), 1)` for the generator.
    Gan,
    /// Least squares: `mean((D(x) - 1)²) + mean(D(G(y))²)`, and `mean((D(G(y)) - 1)²)`; the official PyTorch
    /// program's only one.
    #[default]
    Lsgan,
    /// Hinge: `mean(max(0, 1 - D(x))) + mean(max(0, 1 + D(G(y))))`, and `-mean(D(G(y)))`.
    Hinge,
    /// Wasserstein's: `mean(D(G(y))) - mean(D(x))` and `-mean(D(G(y)))`, with the gradient penalty
    /// `ld mean((|∇ sum D(z)| - 1)²)` at `z = x + alpha (G(y) - x)`, alpha uniform in 0..1 for each sample.
    WganGp,
    /// The same with the one-sided penalty `ld mean(max(0, |∇ sum D(z)| - 1)²)`.
    WganLp,
    /// The losses of [`Self::Gan`] with the penalty of [`Self::WganGp`] at `z = x + alpha std(x) / 2 eps`, eps uniform
    /// in 0..1 for each value, std over the batch.
    Dragan,
}

/// Where the gradient of a discriminator is held to the length 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Penalized {
    /// Between real pictures and translated ones.
    Between,
    /// Near real pictures.
    Near,
}

/// An operation on judgements, and the factor of its result in the loss.
pub(super) type Cost = (Op, f32);

impl GanType {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Gan, Self::Lsgan, Self::Hinge, Self::WganGp, Self::WganLp, Self::Dragan];

    /// The name in settings, that of the authors' program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gan => "gan",
            Self::Lsgan => "lsgan",
            Self::Hinge => "hinge",
            Self::WganGp => "wgan-gp",
            Self::WganLp => "wgan-lp",
            Self::Dragan => "dragan",
        }
    }

    /// What real and translated pictures cost a discriminator.
    pub(super) fn judged(self) -> [Cost; 2] {
        match self {
            Self::Gan | Self::Dragan => [1.0, 0.0].map(|target| (Op::BceWithLogits { target }, 1.0)),
            Self::Lsgan => [1.0, 0.0].map(|target| (Op::Mse { target }, 1.0)),
            Self::Hinge => [1.0, -1.0].map(|target| (Op::Hinge { target }, 1.0)),
            Self::WganGp | Self::WganLp => [(Op::Mean, -1.0), (Op::Mean, 1.0)],
        }
    }

    /// What the judgement of its translation costs a generator.
    pub(super) fn convincing(self) -> Cost {
        match self {
            Self::Gan | Self::Dragan => (Op::BceWithLogits { target: 1.0 }, 1.0),
            Self::Lsgan => (Op::Mse { target: 1.0 }, 1.0),
            Self::Hinge | Self::WganGp | Self::WganLp => (Op::Mean, -1.0),
        }
    }

    /// Where there is a gradient penalty.
    pub(super) fn penalized(self) -> Option<Penalized> {
        match self {
            Self::Gan | Self::Lsgan | Self::Hinge => None,
            Self::WganGp | Self::WganLp => Some(Penalized::Between),
            Self::Dragan => Some(Penalized::Near),
        }
    }

    /// What the gradient costs there.
    pub(super) fn penalty(self) -> Op {
        Op::GradientPenalty { one_sided: self == Self::WganLp }
    }
}

impl fmt::Display for GanType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for GanType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.to_ascii_lowercase().replace('_', "-");
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::Config(format!("{text:?} is no adversarial loss; known are {names}"))
        })
    }
}
