//! How pictures are brought to the training size, by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How pictures are brought to the training size: see [`crate::train::Preprocess`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreprocessKind {
    /// Scaled to a larger square, and a part of the training size cut out of it (official).
    ScaleCrop,
    /// Scaled to the training size.
    Resize,
    /// Not scaled; a part of the training size is cut out of larger pictures.
    None,
    /// As the authors' TensorFlow program does it.
    Tensorflow,
}

impl FromStr for PreprocessKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "scale-crop" | "resize-and-crop" => Ok(Self::ScaleCrop),
            "resize" => Ok(Self::Resize),
            "none" => Ok(Self::None),
            "tensorflow" => Ok(Self::Tensorflow),
            _ => Err(Error::Config(format!(
                "{text:?} is no way to preprocess; use scale-crop, resize, none or tensorflow"
            ))),
        }
    }
}

impl fmt::Display for PreprocessKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ScaleCrop => "scale-crop",
            Self::Resize => "resize",
            Self::None => "none",
            Self::Tensorflow => "tensorflow",
        })
    }
}
