//! The programs that generators come from, and what differs between their networks. Everything
//! else is one network ([`super::Generator`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Whose network a generator is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// UGATIT-pytorch (znxlwm), and what is trained here.
    #[default]
    Pytorch,
    /// The authors' own program, UGATIT (taki0112), in TensorFlow.
    Tensorflow,
    /// photo2cartoon (minivision-ai), which puts hourglasses around a light generator.
    Photo2cartoon,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pytorch, Self::Tensorflow, Self::Photo2cartoon];

    /// The name in model files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pytorch => "pytorch",
            Self::Tensorflow => "tensorflow",
            Self::Photo2cartoon => "photo2cartoon",
        }
    }

    /// Which program that is, for people.
    pub fn program(self) -> &'static str {
        match self {
            Self::Pytorch => "UGATIT-pytorch",
            Self::Tensorflow => "UGATIT in TensorFlow, the authors' own",
            Self::Photo2cartoon => "photo2cartoon",
        }
    }

    /// Whether it is the one that needs no word.
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What both sides of a picture must be multiples of: each halving and doubling is by 2.
    pub fn side_multiple(self) -> usize {
        if self.form().hourglasses { 16 } else { 4 }
    }

    /// The smallest side of a picture: reflection padding by 1 needs two pixels where the picture is
    /// smallest.
    pub fn smallest_side(self) -> usize {
        2 * self.side_multiple()
    }

    pub(super) fn form(self) -> &'static Form {
        match self {
            Self::Pytorch => &PYTORCH,
            Self::Tensorflow => &TENSORFLOW,
            Self::Photo2cartoon => &PHOTO2CARTOON,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::Config(format!("{text:?} is no dialect of the generator; known are {names}"))
        })
    }
}

/// What the auxiliary classifiers of the attention block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Classifiers {
    /// One for each pooling, no bias.
    Two,
    /// One for each pooling, with a bias in the logits; the features are multiplied by the weights alone.
    TwoWithBias,
    /// The same one for both poolings; the features are multiplied by its weights plus its bias.
    One,
}

/// What differs.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) names: Names,
    /// Whether the encoder's normalisations have a factor and a summand for each channel: layer-instance
    /// normalisations whose rho is 1.
    pub(super) affine_encoder: bool,
    /// Whether the variances of layer-instance normalisation are divided by one less than the number of values.
    pub(super) unbiased: bool,
    /// Whether the decoder's convolutions have biases. (Instance normalisation takes the encoder's away again.)
    pub(super) decoder_bias: bool,
    /// Whether the fully connected layers have biases.
    pub(super) linear_bias: bool,
    pub(super) classifiers: Classifiers,
    /// Two hourglasses behind the first layer, two before the last.
    pub(super) hourglasses: bool,
    /// Whether each adaptive normalisation has a gamma and beta of its own, of the attended features and of the
    /// averages behind a block of the encoder (Soft-AdaLIN); else all share one pair of the attended features.
    pub(super) soft: bool,
}

/// A convolution's place in an `nn.Sequential`: the normalisation and the activation follow.
pub(super) type Layer = (&'static str, usize);

/// The official modules' names.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) stem: Layer,
    pub(super) down: [Layer; 2],
    /// Of the k-th residual block, from 1 on.
    pub(super) encode: fn(usize) -> String,
    /// Of the k-th adaptive residual block, from 1 on.
    pub(super) decode: fn(usize) -> String,
    /// Of rho within `norm1` or `norm2`.
    pub(super) rho: &'static str,
    pub(super) up: [Layer; 2],
    pub(super) last: Layer,
}

const UGATIT: Names = Names {
    stem: ("DownBlock", 1),
    down: [("DownBlock", 5), ("DownBlock", 9)],
    encode: |k| format!("DownBlock.{}", 11 + k),
    decode: |k| format!("UpBlock1_{k}"),
    rho: "rho",
    up: [("UpBlock2", 2), ("UpBlock2", 7)],
    last: ("UpBlock2", 11),
};

const PYTORCH: Form = Form {
    names: UGATIT,
    affine_encoder: false,
    unbiased: true,
    decoder_bias: false,
    linear_bias: false,
    classifiers: Classifiers::Two,
    hourglasses: false,
    soft: false,
};

const TENSORFLOW: Form = Form {
    affine_encoder: true,
    unbiased: false,
    decoder_bias: true,
    linear_bias: true,
    classifiers: Classifiers::One,
    ..PYTORCH
};

const PHOTO2CARTOON: Form = Form {
    names: Names {
        stem: ("ConvBlock1", 1),
        down: [("DownBlock1", 1), ("DownBlock2", 1)],
        encode: |k| format!("EncodeBlock{k}"),
        decode: |k| format!("DecodeBlock{k}"),
        rho: "norm.rho",
        up: [("UpBlock1", 2), ("UpBlock2", 2)],
        last: ("ConvBlock2", 1),
    },
    linear_bias: true,
    classifiers: Classifiers::TwoWithBias,
    hourglasses: true,
    soft: true,
    ..PYTORCH
};
