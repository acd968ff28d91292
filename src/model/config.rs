//! What defines a generator's architecture.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

use super::decoder_norm::DecoderNorm;
use super::dialect::Dialect;

/// Which way a generator translates: the official `genA2B` or `genB2A`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// From domain A (`trainA`) to domain B.
    A2B,
    /// From domain B (`trainB`) to domain A.
    B2A,
}

impl Direction {
    /// Both, A2B first.
    pub const BOTH: [Self; 2] = [Self::A2B, Self::B2A];

    /// The official name of the generator: `genA2B` or `genB2A`.
    pub fn network(self) -> &'static str {
        match self {
            Self::A2B => "genA2B",
            Self::B2A => "genB2A",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A2B => "A2B",
            Self::B2A => "B2A",
        })
    }
}

impl FromStr for Direction {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_uppercase().as_str() {
            "A2B" | "ATOB" => Ok(Self::A2B),
            "B2A" | "BTOA" => Ok(Self::B2A),
            _ => Err(Error::Config(format!("{text:?} is no direction; use A2B or B2A"))),
        }
    }
}

/// The architecture of a generator (official `ResnetGenerator(img_ch, img_ch, ngf=ch,
/// n_blocks=n_res, img_size, light)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GeneratorConfig {
    /// Channels of the first layer (official 64).
    pub ch: usize,
    /// Residual blocks of the encoder (official 4).
    pub n_res: usize,
    /// Adaptive residual blocks of the decoder (official: the same as `n_res`).
    pub n_res_decoder: usize,
    /// Height and width of the training pictures. The light model takes any size at
    /// inference, the full model this one only.
    pub img_size: usize,
    /// Channels of a picture (official 3).
    pub img_ch: usize,
    /// The light architecture: gamma and beta from the globally pooled features. The full one
    /// feeds every pixel of the features to the first fully connected layer.
    pub light: bool,
    /// Whose network it is.
    #[serde(default, skip_serializing_if = "Dialect::is_usual")]
    pub dialect: Dialect,
    /// What normalises the decoder.
    #[serde(default, skip_serializing_if = "DecoderNorm::is_usual")]
    pub decoder_norm: DecoderNorm,
    /// Whether there is the attention block, with its auxiliary classifiers (the paper's `G_CAM`). Without it the
    /// decoder gets the encoder's features as they are, and there is no heat-map.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub cam: bool,
    /// Whether the adaptive layers use rho as `max(rho - 0.1, 0)` (`smoothing` of the authors' TensorFlow program).
    /// What is imported from there has it in its weights already.
    #[serde(default, skip_serializing_if = "is_no")]
    pub smoothing: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_no(value: &bool) -> bool {
    !*value
}

impl Default for GeneratorConfig {
    fn default() -> Self {
        Self {
            ch: 64,
            n_res: 4,
            n_res_decoder: 4,
            img_size: 256,
            img_ch: 3,
            light: true,
            dialect: Dialect::Pytorch,
            decoder_norm: DecoderNorm::AdaLin,
            cam: true,
            smoothing: false,
        }
    }
}

impl GeneratorConfig {
    /// `light` or `full`, as model files and people call it.
    pub fn architecture(&self) -> &'static str {
        if self.light { "light" } else { "full" }
    }

    /// Whether it translates pictures of one size only: a full model, whose first fully connected layer has a weight
    /// for each pixel. Where nothing is adaptive there is no such layer.
    pub fn has_one_size(&self) -> bool {
        !self.light && self.decoder_norm.is_adaptive()
    }

    /// Channels of the residual blocks: `4 * ch`.
    pub fn features(&self) -> usize {
        4 * self.ch
    }

    /// Checks that a network of this configuration can be built.
    ///
    /// # Errors
    /// [`Error::Config`] with the field and what it may be.
    pub fn validate(&self) -> Result<()> {
        let in_range = |what: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(Error::Config(format!("{what} is {value}; it must be {low} to {high}")))
            }
        };
        in_range("ch", self.ch, 1, 1024)?;
        in_range("n_res", self.n_res, 0, 64)?;
        in_range("n_res_decoder", self.n_res_decoder, 0, 64)?;
        in_range("img_ch", self.img_ch, 1, 64)?;
        in_range("img_size", self.img_size, 8, 8192)?;
        if self.dialect == Dialect::Photo2cartoon {
            if !self.ch.is_multiple_of(4) {
                return Err(Error::Config(format!(
                    "ch is {}; photo2cartoon's generator splits it into a half and two quarters, so it must be a multiple of 4",
                    self.ch
                )));
            }
            if self.n_res != self.n_res_decoder {
                return Err(Error::Config(format!(
                    "photo2cartoon's generator has as many blocks in the decoder as in the encoder, not {} and {}",
                    self.n_res_decoder, self.n_res
                )));
            }
            if !self.decoder_norm.is_usual() || !self.cam || self.smoothing {
                return Err(Error::Config(
                    "photo2cartoon's generator has soft AdaLIN and attention; decoder_norm, g_cam and smoothing are for the other dialects".into(),
                ));
            }
        }
        if self.smoothing && !self.decoder_norm.is_usual() {
            return Err(Error::Config(format!(
                "smoothing is of the rho of AdaLIN, and decoder_norm {} has none; leave one of them out",
                self.decoder_norm
            )));
        }
        self.check_size(self.img_size, self.img_size)
    }

    /// The side that pictures are brought to unless they are to have another size; `None` where they keep
    /// their own: with a light model, but not photo2cartoon's, which knows portraits of one size.
    pub fn native_side(&self) -> Option<usize> {
        (self.has_one_size() || self.dialect == Dialect::Photo2cartoon).then_some(self.img_size)
    }

    /// Whether a large picture can be translated in tiles: not by a full model, which takes one size, nor by
    /// photo2cartoon's, whose hourglasses look far beyond a tile.
    pub fn takes_tiles(&self) -> bool {
        !self.has_one_size() && !self.dialect.form().hourglasses
    }

    /// The next larger side of a picture that the network takes.
    pub fn padded_side(&self, side: usize) -> usize {
        side.next_multiple_of(self.dialect.side_multiple()).max(self.dialect.smallest_side())
    }

    /// Checks that the network can translate pictures of `height` x `width`.
    ///
    /// # Errors
    /// [`Error::Config`] where a side is no multiple of [`Dialect::side_multiple`] (4, or 16 with
    /// hourglasses), is smaller than [`Dialect::smallest_side`] (the smallest that reflection padding
    /// allows), or is not the full model's own.
    pub fn check_size(&self, height: usize, width: usize) -> Result<()> {
        let (multiple, smallest) = (self.dialect.side_multiple(), self.dialect.smallest_side());
        if !height.is_multiple_of(multiple) || !width.is_multiple_of(multiple) {
            let times = if multiple == 4 { "twice" } else { "four times" };
            return Err(Error::Config(format!(
                "the picture size {width}x{height} must be a multiple of {multiple} on both sides: the network halves it {times} and doubles it {times}"
            )));
        }
        if height < smallest || width < smallest {
            return Err(Error::Config(format!(
                "the picture size {width}x{height} is too small: reflection padding needs at least {smallest} pixels on both sides"
            )));
        }
        if self.has_one_size() && (height, width) != (self.img_size, self.img_size) {
            return Err(Error::Config(format!(
                "this full model translates {0}x{0} pictures only, not {width}x{height}: its first fully connected layer has one weight per pixel. Resize the picture, or use a light model",
                self.img_size
            )));
        }
        Ok(())
    }
}
