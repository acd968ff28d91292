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
    /// As the authors' TensorFlow program: resized to S x S, whatever its shape; half of the pictures then to a larger
    /// square, S + 30 (S + 15 where S is not 256), of which a random part is taken. Only those are mirrored, half of
    /// them. That program draws once for each domain whether to do so, in all of a run; here each picture is drawn for,
    /// as was surely meant. Both times `tf.image.resize_images` resizes, which takes no means; its results are rounded
    /// to bytes here.
    Tensorflow,
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
    /// Of [`Preprocess::Tensorflow`] whether a part of the enlarged picture is taken; without it the picture is as it
    /// is, neither mirrored nor cut.
    pub enlarged: bool,
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
            Self::Resize | Self::Tensorflow => Some(size),
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

    /// Of [`Self::Tensorflow`] what a part is cut from of a picture that is not taken as it is: the picture of the
    /// training size mirrored or not, and enlarged.
    pub(super) fn enlarged(whole: &Picture, size: usize, flip: bool) -> Result<Picture> {
        let side = size + if size == 256 { 30 } else { 15 };
        let mirrored = if flip { Cow::Owned(whole.mirrored()) } else { Cow::Borrowed(whole) };
        mirrored.resized_from_corner(side, side)
    }

    /// What a part is cut from: the picture mirrored or not, resized or not.
    pub(super) fn whole(self, picture: &Picture, size: usize, flip: bool) -> Result<Cow<'_, Picture>> {
        let mut whole = Cow::Borrowed(picture);
        if flip {
            whole = Cow::Owned(picture.mirrored());
        }
        if self == Self::Tensorflow {
            whole = Cow::Owned(whole.resized_from_corner(size, size)?);
        } else if let Some(side) = self.side(size) {
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
    let draw = match preprocess {
        Preprocess::Tensorflow if !draw.enlarged => Draw::default(),
        _ => draw,
    };
    let mut whole = preprocess.whole(picture, size, draw.flip && preprocess != Preprocess::Tensorflow)?;
    if draw.enlarged && preprocess == Preprocess::Tensorflow {
        whole = Cow::Owned(Preprocess::enlarged(&whole, size, draw.flip)?);
    }
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
