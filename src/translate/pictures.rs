//! From a picture of any size to a tensor that the model takes, and back to a picture.

use std::str::FromStr;

use crate::Tensor;
use crate::error::{Error, Result};
use crate::io::{Picture, Rounding, heatmap};
use crate::model::{Dialect, GeneratorConfig};

use super::Translation;

/// The smallest side that the encoder's reflection padding allows.
pub(super) const SMALLEST: usize = 8;
/// The largest side that may be asked for.
const LARGEST: usize = 16_384;

/// The size that pictures are translated at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PictureSize {
    /// The picture's own with a light model; the model's with a full one and with one of photo2cartoon.
    #[default]
    Native,
    /// One size for all.
    Exact {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
    },
}

impl FromStr for PictureSize {
    type Err = Error;

    /// `native`, `256` or `320x256`.
    fn from_str(text: &str) -> Result<Self> {
        if text.eq_ignore_ascii_case("native") {
            return Ok(Self::Native);
        }
        let lower = text.to_ascii_lowercase();
        let (width, height) = lower.split_once('x').unwrap_or((&lower, &lower));
        let side = |text: &str| text.parse().ok().filter(|n| (SMALLEST..=LARGEST).contains(n));
        match (side(width), side(height)) {
            (Some(width), Some(height)) => Ok(Self::Exact { width, height }),
            _ => Err(Error::Config(format!(
                "{text:?} is no picture size; use native, 256 or 320x256, {SMALLEST} to {LARGEST} pixels a side"
            ))),
        }
    }
}

/// How a picture is brought to a size of another aspect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// The aspect is ignored, as the official program does.
    #[default]
    Stretch,
    /// The middle part of the right aspect is taken.
    Crop,
    /// The picture is scaled to fit and padded by reflection; the result is cropped back.
    Pad,
}

impl FromStr for Fit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "stretch" => Ok(Self::Stretch),
            "crop" => Ok(Self::Crop),
            "pad" => Ok(Self::Pad),
            _ => Err(Error::Config(format!("{text:?} is no way to fit; use stretch, crop or pad"))),
        }
    }
}

/// How pictures are brought to the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureOptions {
    /// The size to translate at.
    pub size: PictureSize,
    /// What to do where the aspect differs.
    pub fit: Fit,
}

/// A picture on its way to the model.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// `[1, img_ch, H, W]` in -1..1.
    pub tensor: Tensor,
    /// The picture at the size of the result.
    source: Picture,
    rounding: Rounding,
    /// Where the result lies within the tensor's picture.
    left: usize,
    top: usize,
}

/// A translated picture with what belongs to it, all of one size.
#[derive(Clone, Debug)]
pub struct Translated {
    /// What went in, at the size of the result.
    pub source: Picture,
    /// The result, as opaque as the source.
    pub picture: Picture,
    /// The heat-map in the official colours, laid over the source at one half.
    pub attention: Option<Picture>,
}

/// Brings a picture to the size that a model of `config` takes.
///
/// A picture that has that size already is not resampled, so that the result is that of the
/// official program. What is resampled by a model of the authors' TensorFlow program is resampled
/// as there; a picture for photo2cartoon's is laid on white by its opacity. A light model takes any size: the picture is padded by reflection to a
/// multiple of 4 (of 16 where the network has hourglasses), and the result cropped back.
///
/// # Errors
/// [`Error::Config`] where the model cannot take the size asked for, or takes pictures of
/// other than 1 or 3 channels.
pub fn prepare(config: &GeneratorConfig, picture: &Picture, options: &PictureOptions) -> Result<Prepared> {
    let (source, frame) = fitted(config, picture, options)?;
    let source = source.unwrap_or_else(|| picture.clone());
    let (width, height) = (config.padded_side(frame.0), config.padded_side(frame.1));
    let (left, top) = ((width - source.width) / 2, (height - source.height) / 2);
    let colors = match config.dialect {
        Dialect::Photo2cartoon => source.clone().on_white(),
        Dialect::Pytorch | Dialect::Tensorflow => Picture { alpha: None, ..source.clone() },
    };
    let framed =
        colors.with_channels(config.img_ch)?.window(-(left as isize), -(top as isize), width, height);
    Ok(Prepared { tensor: framed.to_tensor()?, source, rounding: rounding(config), left, top })
}

/// How the model's own program makes bytes of what it translates.
pub(super) fn rounding(config: &GeneratorConfig) -> Rounding {
    match config.dialect {
        Dialect::Tensorflow => Rounding::Down,
        Dialect::Pytorch | Dialect::Photo2cartoon => Rounding::Nearest,
    }
}

/// Brings a picture to the size that its result has, for [`super::Translator::translate_large`].
///
/// # Errors
/// Those of [`prepare`].
pub fn resize(config: &GeneratorConfig, picture: Picture, options: &PictureOptions) -> Result<Picture> {
    let (resized, _) = fitted(config, &picture, options)?;
    Ok(resized.unwrap_or(picture))
}

/// The size, width first, of the result of a picture that is fitted into another size.
pub fn fitted_size((w, h): (usize, usize), (width, height): (usize, usize), fit: Fit) -> (usize, usize) {
    match fit {
        Fit::Stretch | Fit::Crop => (width, height),
        Fit::Pad => {
            let scale = (width as f64 / w as f64).min(height as f64 / h as f64);
            let side = |n: usize, most: usize| ((n as f64 * scale).round() as usize).clamp(1, most.max(1));
            (side(w, width), side(h, height))
        }
    }
}

/// The part of a picture that is read where it is fitted into another size: x, y, width, height.
pub fn fitted_part((w, h): (usize, usize), (width, height): (usize, usize), fit: Fit) -> [f64; 4] {
    let (w, h, width, height) = (w as f64, h as f64, width as f64, height as f64);
    match fit {
        Fit::Stretch | Fit::Pad => [0.0, 0.0, w, h],
        Fit::Crop => {
            let scale = (width / w).max(height / h);
            let (part_w, part_h) = ((width / scale).min(w), (height / scale).min(h));
            // Whole pixels where nothing is resampled.
            let middle = |rest: f64| if scale == 1.0 { (rest / 2.0).floor() } else { rest / 2.0 };
            [middle(w - part_w), middle(h - part_h), part_w, part_h]
        }
    }
}

/// The picture at the size of its result, where it is another one than its own, and the size, width
/// first, that it is padded to.
fn fitted(
    config: &GeneratorConfig,
    picture: &Picture,
    options: &PictureOptions,
) -> Result<(Option<Picture>, (usize, usize))> {
    let (width, height) = match options.size {
        PictureSize::Exact { width, height } => (width, height),
        PictureSize::Native => match config.native_side() {
            None => return Ok((None, (picture.width, picture.height))),
            Some(side) => (side, side),
        },
    };
    if !config.light {
        config.check_size(height, width)?;
    }
    let (own, into) = ((picture.width, picture.height), (width, height));
    let resized = if options.fit == Fit::Stretch && config.dialect == Dialect::Tensorflow {
        picture.resized_plainly(width, height)?
    } else {
        let (across, down) = fitted_size(own, into, options.fit);
        picture.resized(fitted_part(own, into, options.fit), across, down)?
    };
    Ok((Some(resized), into))
}

impl Prepared {
    /// What the model made of the picture, cropped back.
    ///
    /// # Errors
    /// [`Error::Shape`] where `translation` is not of this picture.
    pub fn finish(self, translation: &Translation) -> Result<Translated> {
        let picture = self.picture(translation)?;
        let attention = match &translation.heatmap {
            Some(_) => Some(self.source.blend(&self.heatmap(translation)?)?),
            None => None,
        };
        Ok(Translated { attention, picture, source: self.source })
    }

    /// The result alone, as opaque as the source.
    ///
    /// # Errors
    /// [`Error::Shape`] where `translation` is not of this picture.
    pub fn picture(&self, translation: &Translation) -> Result<Picture> {
        let picture = self.crop(&Picture::from_tensor_rounded(&translation.image, 0, self.rounding)?);
        Ok(Picture { alpha: self.source.alpha.clone(), ..picture })
    }

    /// The heat-map alone, in the official colours, cropped back.
    ///
    /// # Errors
    /// [`Error::Shape`] where `translation` is not of this picture, [`Error::Config`] where the model has no
    /// attention.
    pub fn heatmap(&self, translation: &Translation) -> Result<Picture> {
        let Some([_, _, height, width]) = translation.image.shape().nchw() else {
            return Err(Error::Shape(format!(
                "pictures are [N, C, H, W], not {}",
                translation.image.shape()
            )));
        };
        Ok(self.crop(&translation.colored_heatmap(width, height)?))
    }

    /// The part of the tensor's picture that the result is.
    fn crop(&self, whole: &Picture) -> Picture {
        whole.window(self.left as isize, self.top as isize, self.source.width, self.source.height)
    }
}

impl Translation {
    /// The first heat-map in the official colours, at another size.
    ///
    /// # Errors
    /// [`Error::Config`] where the model has no attention.
    pub fn colored_heatmap(&self, width: usize, height: usize) -> Result<Picture> {
        let heatmap = self.heatmap.as_ref().ok_or_else(|| {
            Error::Config(
                "this model has no attention (g_cam was off in its training), so there is no map of it"
                    .into(),
            )
        })?;
        let Some([_, 1, rows, columns]) = heatmap.shape().nchw().filter(|s| s[0] > 0) else {
            return Err(Error::Shape(format!("a heat-map is [N, 1, h, w], not {}", heatmap.shape())));
        };
        let map = &heatmap.data()[..rows * columns];
        Picture::new(width, height, 3, heatmap::colored(map, columns, rows, width, height))
    }
}

impl Translated {
    /// Source, attention (where there is one) and result side by side, on white.
    ///
    /// # Errors
    /// None that its own parts could cause.
    pub fn sheet(&self) -> Result<Picture> {
        let parts: Vec<&Picture> = [Some(&self.source), self.attention.as_ref(), Some(&self.picture)]
            .into_iter()
            .flatten()
            .collect();
        Picture::side_by_side(&parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_is_padded_keeps_its_aspect_within_the_size() {
        assert_eq!(fitted_size((300, 200), (256, 256), Fit::Pad), (256, 171));
        assert_eq!(fitted_size((200, 300), (256, 256), Fit::Pad), (171, 256));
        assert_eq!(fitted_size((1, 5000), (256, 256), Fit::Pad), (1, 256));
        for fit in [Fit::Stretch, Fit::Crop] {
            assert_eq!(fitted_size((300, 200), (256, 128), fit), (256, 128));
        }
    }

    #[test]
    fn a_picture_that_is_cropped_keeps_its_middle() {
        assert_eq!(fitted_part((300, 200), (256, 256), Fit::Crop), [50.0, 0.0, 200.0, 200.0]);
        assert_eq!(fitted_part((300, 200), (600, 200), Fit::Crop), [0.0, 50.0, 300.0, 100.0]);
        // Whole pixels where nothing is resampled.
        assert_eq!(fitted_part((301, 200), (200, 200), Fit::Crop), [50.0, 0.0, 200.0, 200.0]);
        for fit in [Fit::Stretch, Fit::Pad] {
            assert_eq!(fitted_part((300, 200), (256, 256), fit), [0.0, 0.0, 300.0, 200.0]);
        }
    }
}
