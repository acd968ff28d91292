//! From a picture to what the networks see of it in training.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::io::{NORMALIZED, Picture};
use crate::random::Random;
use crate::tensor::Tensor;

/// How a picture of any size becomes one of the training size S.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preprocess {
    /// Resized to `load` x `load`, whatever its shape, then a random part of S x S: the
    /// official way.
    ScaleCrop {
        /// S + 30 (official, at every S) where not given.
        load: Option<usize>,
    },
    /// Resized to S x S, whatever its shape: the whole picture every time.
    Resize,
    /// A random part of S x S of the picture as it is. One that is smaller is an error.
    Crop,
}

impl Default for Preprocess {
    fn default() -> Self {
        Self::ScaleCrop { load: None }
    }
}

/// What is random in one augmentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    /// Left and right exchanged, before anything else.
    pub flip: bool,
    /// Rows above the part.
    pub top: usize,
    /// Columns left of the part.
    pub left: usize,
}

impl Preprocess {
    /// The side that pictures are resized to, or `None` where they stay.
    pub(super) fn side(self, size: usize) -> Option<usize> {
        match self {
            Self::ScaleCrop { load } => Some(load.unwrap_or(size + 30)),
            Self::Resize => Some(size),
            Self::Crop => None,
        }
    }

    /// Checks that pictures can be made `size` x `size`.
    ///
    /// # Errors
    /// [`Error::Config`] where they would be resized to less.
    pub fn validate(self, size: usize) -> Result<()> {
        match self.side(size) {
            Some(side) if side < size => Err(Error::Config(format!(
                "pictures are resized to {side}x{side}, which has no part of {size}x{size}; load at {size} or more"
            ))),
            _ if size == 0 => Err(Error::Config("the size of pictures is 0; it must be 1 or more".into())),
            _ => Ok(()),
        }
    }

    /// What a part is cut from: the picture mirrored or not, resized or not.
    pub(super) fn whole(self, picture: &Picture, size: usize, flip: bool) -> Result<Cow<'_, Picture>> {
        let mut whole = Cow::Borrowed(picture);
        if flip {
            whole = Cow::Owned(picture.mirrored());
        }
        if let Some(side) = self.side(size) {
            let all = [0.0, 0.0, whole.width as f64, whole.height as f64];
            whole = Cow::Owned(whole.resized(all, side, side)?);
        }
        Ok(whole)
    }
}

/// A part of `size` x `size`, each as likely as any other: rows above, columns left. `None` where
/// the picture is smaller.
pub(super) fn draw_part(whole: &Picture, size: usize, random: &mut Random) -> Option<[usize; 2]> {
    let [rows, columns] = [whole.height.checked_sub(size)?, whole.width.checked_sub(size)?];
    Some([random.below(rows + 1), random.below(columns + 1)])
}

/// Appends the part of `size` x `size` in -1..1, one channel after another.
pub(super) fn push_part(whole: &Picture, size: usize, [top, left]: [usize; 2], out: &mut Vec<f32>) {
    let channels = whole.channels;
    for channel in 0..channels {
        for y in top..top + size {
            let row = &whole.pixels[(y * whole.width + left) * channels..][..size * channels];
            let plane = row.iter().skip(channel).step_by(channels);
            out.extend(plane.map(|&v| NORMALIZED[usize::from(v)]));
        }
    }
}

/// The official augmentation (`transforms.Compose` of `UGATIT.build_model`) of a picture with
/// the random numbers given: mirrored, resized as Pillow does it, cropped, normalised to -1..1.
/// `[1, channels, size, size]`. Opacity is ignored, as the official `convert('RGB')` does.
///
/// # Errors
/// [`Error::Config`] where the part is not within the resized picture.
pub fn augment(picture: &Picture, size: usize, preprocess: Preprocess, draw: Draw) -> Result<Tensor> {
    preprocess.validate(size)?;
    let whole = preprocess.whole(picture, size, draw.flip)?;
    if draw.top + size > whole.height || draw.left + size > whole.width {
        return Err(Error::Config(format!(
            "a {}x{} picture has no part of {size}x{size} at {}, {}",
            whole.width, whole.height, draw.left, draw.top
        )));
    }
    let mut values = Vec::with_capacity(picture.channels * size * size);
    push_part(&whole, size, [draw.top, draw.left], &mut values);
    Tensor::new([1, picture.channels, size, size], values)
}
