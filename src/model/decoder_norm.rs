//! What normalises the decoder: the paper's ablation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::NormKind;

/// The usual number of groups of group normalisation (Wu & He, 2018).
const GROUPS: usize = 32;

/// The normalisation of a generator's decoder, in the residual blocks and behind the upsamplings (paper, section
/// 4.5 and the table of ablations). With another than AdaLIN there is no rho.
///
/// The paper does not say what the others are made of. Here instance, layer and group normalisation have a gamma
/// and a beta of their own for each channel of each layer, and no network computes any; with adaptive instance
/// normalisation the residual blocks have gamma and beta from that network, and the upsamplings their own, as
/// with AdaLIN. All divide by the number of values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecoderNorm {
    /// Adaptive layer-instance normalisation, and layer-instance normalisation behind the upsamplings.
    #[default]
    AdaLin,
    /// Instance normalisation.
    In,
    /// Layer normalisation.
    Ln,
    /// Adaptive instance normalisation (Huang & Belongie, 2017), and instance normalisation behind the upsamplings.
    AdaIn,
    /// Group normalisation with 32 groups, or the greatest common divisor of 32 and the channels.
    Gn,
}

impl DecoderNorm {
    /// All of them, the paper's own first.
    pub const ALL: [Self; 5] = [Self::AdaLin, Self::In, Self::Ln, Self::AdaIn, Self::Gn];

    /// The name in settings and model files.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdaLin => "adalin",
            Self::In => "in",
            Self::Ln => "ln",
            Self::AdaIn => "adain",
            Self::Gn => "gn",
        }
    }

    /// What it is, for people.
    pub fn description(self) -> &'static str {
        match self {
            Self::AdaLin => "AdaLIN, the paper's own",
            Self::In => "instance normalisation",
            Self::Ln => "layer normalisation",
            Self::AdaIn => "adaptive instance normalisation",
            Self::Gn => "group normalisation",
        }
    }

    /// Whether gamma and beta of the residual blocks are computed from the features.
    pub fn is_adaptive(self) -> bool {
        matches!(self, Self::AdaLin | Self::AdaIn)
    }

    /// Whether it is the one that needs no word.
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What a layer of so many channels is normalised over.
    pub(super) fn kind(self, channels: usize) -> NormKind {
        let groups = match self {
            Self::AdaLin => return NormKind::LayerInstance,
            Self::In | Self::AdaIn => channels,
            Self::Ln => 1,
            // The powers of two up to 32 are its divisors.
            Self::Gn => 1 << channels.trailing_zeros().min(GROUPS.trailing_zeros()),
        };
        NormKind::Group { groups }
    }
}

impl fmt::Display for DecoderNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DecoderNorm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|norm| norm.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::Config(format!("{text:?} is no normalisation of the decoder; known are {names}"))
        })
    }
}
