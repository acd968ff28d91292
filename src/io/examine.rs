//! What a picture file is like: for those who look after a dataset.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Cursor;
use std::path::Path;

use image::{ImageDecoder, ImageFormat, ImageReader};

use crate::error::{Error, Result};

use super::{Picture, RemarkedPicture, decode_picture_with_remarks, jpeg};

/// Side of [`PictureFacts::thumbnail`].
pub(super) const THUMBNAIL: usize = 16;

/// What [`examine_picture`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureFacts {
    /// Pixels across, upright.
    pub width: usize,
    /// Pixels down, upright.
    pub height: usize,
    /// `jpeg`, `png`, `webp`, `bmp` or `gif`, by the content.
    pub format: &'static str,
    /// Whether the file has no colours, only grey.
    pub grey: bool,
    /// Whether some pixel is not opaque.
    pub transparent: bool,
    /// Whether the colours are for printing (a JPEG of four channels).
    pub cmyk: bool,
    /// Bits of a channel in the file: 8 or 16.
    pub bits: u16,
    /// What there is to say of the file ([`RemarkedPicture::remarks`]).
    pub remarks: Vec<String>,
    /// A hash of size and pixels, for comparing pictures within one run of a program: pictures
    /// that look the same to the bit have the same, whatever their format.
    pub hash: u64,
    /// Brightness of 16 x 16 equal parts.
    pub(super) thumbnail: Vec<u8>,
}

impl PictureFacts {
    /// The mean difference in brightness, of 255, of small versions of two pictures. Copies that
    /// were saved again or resized are below 1 or 2.
    pub fn difference(&self, other: &Self) -> f64 {
        f64::from(self.total_difference(other)) / (THUMBNAIL * THUMBNAIL) as f64
    }

    /// [`Self::difference`], summed over the small versions.
    pub(super) fn total_difference(&self, other: &Self) -> u32 {
        self.thumbnail.iter().zip(&other.thumbnail).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
    }
}

/// Decodes a picture file whole and says what it is like.
///
/// # Errors
/// As [`super::read_picture`].
pub fn examine_picture(path: impl AsRef<Path>) -> Result<PictureFacts> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let RemarkedPicture { picture, remarks } = decode_picture_with_remarks(path, &bytes)?;
    let format = image::guess_format(&bytes).ok();
    let color = format.and_then(|format| {
        ImageReader::with_format(Cursor::new(&bytes), format).into_decoder().ok().map(|d| d.color_type())
    });
    let Picture { width, height, .. } = picture;
    let transparent = picture.alpha.is_some();
    let as_rgb = picture.with_channels(3)?;
    let mut hasher = DefaultHasher::new();
    (width, height, &as_rgb.pixels, &as_rgb.alpha).hash(&mut hasher);
    let brightness = Picture { alpha: None, ..as_rgb }.with_channels(1)?;
    let all = [0.0, 0.0, width as f64, height as f64];
    Ok(PictureFacts {
        width,
        height,
        format: match format {
            Some(ImageFormat::Png) => "png",
            Some(ImageFormat::WebP) => "webp",
            Some(ImageFormat::Bmp) => "bmp",
            Some(ImageFormat::Gif) => "gif",
            _ => "jpeg",
        },
        grey: color.is_some_and(|color| !color.has_color()),
        transparent,
        cmyk: format == Some(ImageFormat::Jpeg) && jpeg::channels(&bytes) == Some(4),
        bits: color.map_or(8, |color| color.bits_per_pixel() / u16::from(color.channel_count())),
        remarks,
        hash: hasher.finish(),
        thumbnail: brightness.resized(all, THUMBNAIL, THUMBNAIL)?.pixels,
    })
}
