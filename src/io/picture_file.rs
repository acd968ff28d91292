//! Picture files: JPEG, PNG, WebP, BMP and GIF in, PNG, JPEG and WebP out.

use std::borrow::Cow;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Cursor, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::error::{LimitError, LimitErrorKind};
use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, Limits,
};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::error::{Error, Result};

use super::repair::{promises_too_much, repaired};
use super::unread::unread;
use super::{Picture, jpeg};

/// A picture of this many pixels or more is refused before anything of it is decoded.
pub const MAX_PIXELS: u64 = 100_000_000;
/// The endings of file names, without the dot, by which pictures are found in folders.
pub const PICTURE_ENDINGS: [&str; 7] = ["jpg", "jpeg", "jfif", "png", "webp", "bmp", "gif"];
/// What a decoder may allocate beside the pixels.
const WORKING_MEMORY: u64 = 64 << 20;

/// The formats that results are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PictureFormat {
    /// Lossless, with opacity.
    #[default]
    Png,
    /// Lossy, on a white ground where the picture is not opaque.
    Jpeg {
        /// 1 to 100.
        quality: u8,
    },
    /// WebP, lossless, with opacity.
    WebP,
}

impl PictureFormat {
    /// The usual ending of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg { .. } => "jpg",
            Self::WebP => "webp",
        }
    }

    /// The format that a file's name ends in; JPEG with quality 95.
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg { quality: 95 }),
            "webp" => Some(Self::WebP),
            _ => None,
        }
    }
}

/// Whether a file's name ends in one of [`PICTURE_ENDINGS`], in large or small letters.
pub fn has_picture_ending(path: &Path) -> bool {
    path.extension().is_some_and(|e| PICTURE_ENDINGS.iter().any(|ending| e.eq_ignore_ascii_case(ending)))
}

/// A picture with what there is to say of its file, in sentences that begin with "it".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemarkedPicture {
    /// The picture.
    pub picture: Picture,
    /// What a person may want to change in the file.
    pub remarks: Vec<String>,
}

/// Reads a picture file: upright (EXIF), in sRGB (ICC), 8 bits a channel.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Picture`] as [`decode_picture`].
#[cfg(not(target_arch = "wasm32"))]
pub fn read_picture(path: impl AsRef<Path>) -> Result<Picture> {
    read_picture_with_remarks(path).map(|read| read.picture)
}

/// [`read_picture`], with what there is to say of the file.
///
/// # Errors
/// As [`read_picture`].
#[cfg(not(target_arch = "wasm32"))]
pub fn read_picture_with_remarks(path: impl AsRef<Path>) -> Result<RemarkedPicture> {
    let path = path.as_ref();
    decode_picture_with_remarks(path, &std::fs::read(path).map_err(Error::io(path))?)
}

/// Width and height of a picture file as its header gives them, before it is turned upright.
/// Nothing else of it is read.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Picture`] where it is no picture.
#[cfg(not(target_arch = "wasm32"))]
pub fn read_picture_size(path: impl AsRef<Path>) -> Result<(usize, usize)> {
    let path = path.as_ref();
    let reader =
        ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(Error::io(path))?;
    let refuse = |e: ImageError| Error::Picture { path: path.into(), problem: e.to_string() };
    let (width, height) = reader.into_dimensions().map_err(refuse)?;
    Ok((width as usize, height as usize))
}

/// Decodes a picture by its content, whatever its name; `path` is for messages. What viewers show is read, also
/// where its container is damaged; a picture that lacks lines is not.
///
/// # Errors
/// [`Error::Picture`] where the bytes are empty, cut off, of no known format, or make a
/// picture of [`MAX_PIXELS`] or more.
pub fn decode_picture(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Picture> {
    decode_picture_with_remarks(path, bytes).map(|read| read.picture)
}

/// [`decode_picture`], with what there is to say of the file.
///
/// # Errors
/// As [`decode_picture`].
pub fn decode_picture_with_remarks(path: impl AsRef<Path>, bytes: &[u8]) -> Result<RemarkedPicture> {
    let path = path.as_ref();
    // A decoder's bug on one file must not end the work on all others.
    catch_unwind(AssertUnwindSafe(|| whole_picture(path, bytes))).unwrap_or_else(|_| {
        Err(Error::Picture {
            path: path.into(),
            problem: "it made the decoder fail, which is a bug; please report it with the picture".into(),
        })
    })
}

fn whole_picture(path: &Path, bytes: &[u8]) -> Result<RemarkedPicture> {
    let refuse = |problem: String| Error::Picture { path: path.into(), problem };
    let damaged = |e: &dyn fmt::Display| refuse(format!("the picture is damaged or cut off ({e})"));
    if bytes.is_empty() {
        return Err(refuse("the file is empty".into()));
    }
    let kinds = "JPEG, PNG, WebP, BMP and GIF pictures are read";
    let format = match image::guess_format(bytes) {
        Ok(
            format @ (ImageFormat::Jpeg
            | ImageFormat::Png
            | ImageFormat::WebP
            | ImageFormat::Bmp
            | ImageFormat::Gif),
        ) => format,
        _ => return Err(refuse(unread(path, bytes).unwrap_or_else(|| format!("it is no picture; {kinds}")))),
    };
    let bytes = match format {
        ImageFormat::Jpeg => jpeg::complete(bytes, fingerprint)
            .ok_or_else(|| damaged(&"the JPEG ends before its last line"))?,
        _ if promises_too_much(format, bytes) => {
            repaired(format, bytes).map_or(Cow::Borrowed(bytes), Cow::Owned)
        }
        _ => Cow::Borrowed(bytes),
    };
    let decoded = decode(format, &bytes).or_else(|first| {
        let again = repaired(format, &bytes).and_then(|mended| decode(format, &mended).ok());
        again.ok_or(first)
    });
    let Decoded { image: decoded, profile } = match decoded {
        Ok(decoded) => decoded,
        Err(Refusal::TooLarge(width, height)) => {
            return Err(refuse(format!(
                "it has {width}x{height} pixels; pictures of less than {} megapixels are read, make it smaller",
                MAX_PIXELS / 1_000_000
            )));
        }
        Err(Refusal::Damaged(e)) => return Err(damaged(&e)),
    };

    let remarks = unused_range(&decoded).into_iter().collect();
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let grey = !decoded.color().has_color();
    let mut alpha = None;
    if decoded.color().has_alpha() {
        alpha = opacity(&decoded);
        // Programs that write BMP leave the fourth byte at zero, and viewers then show the picture.
        if format == ImageFormat::Bmp && alpha.iter().flatten().all(|&a| a == 0) {
            alpha = None;
        }
    }
    let mut pixels = if grey { decoded.into_luma8().into_raw() } else { decoded.into_rgb8().into_raw() };
    let mut channels = if grey { 1 } else { 3 };
    if let Some(profile) = profile
        && let Some(converted) = to_srgb(&profile, &pixels, grey)
    {
        pixels = converted;
        channels = 3;
    }
    let picture = Picture::new(width, height, channels, pixels).map_err(|e| damaged(&e))?;
    Ok(RemarkedPicture { picture: Picture { alpha, ..picture }, remarks })
}

/// What to say of a picture of 16 bits that holds fewer: cameras and microscopes give 10 to 14, and programs store
/// them in the lower ones, where nothing can be seen of them.
fn unused_range(decoded: &DynamicImage) -> Option<String> {
    /// So many parts of the range and more are said.
    const SAID: u32 = 4;
    let highest = match decoded {
        DynamicImage::ImageLuma16(p) => p.iter().copied().max(),
        DynamicImage::ImageRgb16(p) => p.iter().copied().max(),
        DynamicImage::ImageLumaA16(p) => p.pixels().map(|p| p.0[0]).max(),
        DynamicImage::ImageRgba16(p) => p.pixels().flat_map(|p| [p.0[0], p.0[1], p.0[2]]).max(),
        _ => None,
    };
    let highest = highest.filter(|&value| value > 0)?;
    let parts = 1_u32 << highest.leading_zeros();
    (parts >= SAID).then(|| {
        format!(
            "it has 16 bits a channel, and its values end at {highest}, a part in {parts} of their range, so that it is nearly black; multiply its values by {parts} first"
        )
    })
}

/// Why a picture is not decoded.
enum Refusal {
    TooLarge(u32, u32),
    Damaged(ImageError),
}

impl From<ImageError> for Refusal {
    fn from(error: ImageError) -> Self {
        Self::Damaged(error)
    }
}

/// A picture in the file's own depth and colours, upright.
struct Decoded {
    image: DynamicImage,
    profile: Option<Vec<u8>>,
}

fn decode(format: ImageFormat, bytes: &[u8]) -> std::result::Result<Decoded, Refusal> {
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) >= MAX_PIXELS {
        return Err(Refusal::TooLarge(width, height));
    }
    if width == 0 || height == 0 {
        let empty = LimitErrorKind::DimensionError;
        return Err(Refusal::Damaged(ImageError::Limits(LimitError::from_kind(empty))));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(decoder.total_bytes() + WORKING_MEMORY);
    decoder.set_limits(limits)?;
    // A damaged orientation or profile is no reason to lose the picture.
    let orientation = decoder.exif_metadata().ok().flatten().and_then(|exif| orientation(&exif));
    let profile = decoder.icc_profile().ok().flatten();
    let mut image = DynamicImage::from_decoder(decoder)?;
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    Ok(Decoded { image, profile })
}

/// The orientation in EXIF data, with or without the prefix (`Exif` and two zeros) that belongs to JPEG only and
/// that programs write into other formats too.
fn orientation(exif: &[u8]) -> Option<Orientation> {
    const PREFIX: usize = 16;
    let start = exif.windows(4).take(PREFIX).position(|four| matches!(four, b"II*\0" | b"MM\0*"))?;
    Orientation::from_exif_chunk(exif.get(start..)?)
}

/// One number of all pixels but those of the last block, for [`jpeg::complete`].
fn fingerprint(jpeg: &[u8]) -> Option<u64> {
    /// A block of a picture with halved colours, and a pixel that the colours' smoothing reaches.
    const BLOCK: u32 = 17;
    let image = decode(ImageFormat::Jpeg, jpeg).ok()?.image;
    let (width, height) = (image.width(), image.height());
    // Of a small picture the last block would be much.
    let kept = if width.min(height) >= 4 * BLOCK { width - BLOCK } else { width };
    let stride = image.as_bytes().len() / height.max(1) as usize;
    let mut hasher = DefaultHasher::new();
    for (y, row) in image.as_bytes().chunks(stride.max(1)).enumerate() {
        let end =
            if y as u32 + BLOCK >= height { stride / width.max(1) as usize * kept as usize } else { stride };
        row.get(..end)?.hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// The opacity of each pixel, where any is not full, read from the decoded picture in place: a
/// copy of a large one in another format would take as much memory as the picture itself.
fn opacity(decoded: &DynamicImage) -> Option<Vec<u8>> {
    fn of<T: Copy + PartialEq>(
        values: impl Iterator<Item = T> + Clone,
        full: T,
        byte: impl Fn(T) -> u8,
    ) -> Option<Vec<u8>> {
        values.clone().any(|a| a != full).then(|| values.map(byte).collect())
    }
    // Rounded as the decoder's crate does it.
    let from_16 = |a: u16| ((u32::from(a) + 128) / 257) as u8;
    match decoded {
        DynamicImage::ImageLumaA8(p) => of(p.pixels().map(|p| p.0[1]), u8::MAX, |a| a),
        DynamicImage::ImageRgba8(p) => of(p.pixels().map(|p| p.0[3]), u8::MAX, |a| a),
        DynamicImage::ImageLumaA16(p) => of(p.pixels().map(|p| p.0[1]), u16::MAX, from_16),
        DynamicImage::ImageRgba16(p) => of(p.pixels().map(|p| p.0[3]), u16::MAX, from_16),
        other => {
            let rgba = other.to_rgba8();
            of(rgba.pixels().map(|p| p.0[3]), u8::MAX, |a| a)
        }
    }
    .filter(|values| values.iter().any(|&a| a != u8::MAX))
}

/// Converts pixels from a colour profile to sRGB, RGB. `None` where there is nothing to do:
/// the profile is sRGB's (within rounding), is damaged, or is of another kind of pixels (a
/// CMYK profile, whose pixels the decoder has made RGB without it).
fn to_srgb(profile: &[u8], pixels: &[u8], grey: bool) -> Option<Vec<u8>> {
    let profile = ColorProfile::new_from_slice(profile).ok()?;
    let (space, layout) =
        if grey { (DataColorSpace::Gray, Layout::Gray) } else { (DataColorSpace::Rgb, Layout::Rgb) };
    if profile.color_space != space {
        return None;
    }
    let srgb = ColorProfile::new_srgb();
    let transform =
        profile.create_transform_8bit(layout, &srgb, Layout::Rgb, TransformOptions::default()).ok()?;
    // A profile that changes nothing is left out, so that pixels stay exactly as they are.
    let levels = || (0..=255_u8).step_by(17);
    let probe: Vec<u8> = if grey {
        (0..=255).collect()
    } else {
        levels().flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b]))).collect()
    };
    let expected: Vec<u8> = if grey { probe.iter().flat_map(|&v| [v; 3]).collect() } else { probe.clone() };
    let mut out = vec![0; expected.len()];
    transform.transform(&probe, &mut out).ok()?;
    if out.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1) {
        return None;
    }
    let mut converted = vec![0; if grey { pixels.len() * 3 } else { pixels.len() }];
    transform.transform(pixels, &mut converted).ok()?;
    Some(converted)
}

/// Encodes a picture.
///
/// # Errors
/// [`Error::Output`] where the encoder refuses it, as JPEG and WebP do with pictures of more
/// than 65535 and 16383 pixels a side; `path` is for messages.
pub fn encode_picture(path: impl AsRef<Path>, picture: &Picture, format: PictureFormat) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let refuse = |problem: String| Error::Output { path: path.into(), problem };
    let side = |n: usize| u32::try_from(n).map_err(|e| refuse(e.to_string()));
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    let opaque = matches!(format, PictureFormat::Jpeg { .. });
    let (pixels, kind) = match (&picture.alpha, picture.channels) {
        (Some(_), 1) if opaque => (Cow::Owned(picture.clone().on_white().pixels), ExtendedColorType::L8),
        (Some(_), _) if opaque => (Cow::Owned(picture.clone().on_white().pixels), ExtendedColorType::Rgb8),
        (Some(alpha), channels) => {
            let pixels = picture.pixels.chunks(channels).zip(alpha);
            let pixels = pixels.flat_map(|(p, &a)| p.iter().copied().chain([a])).collect();
            (
                Cow::Owned(pixels),
                if channels == 1 { ExtendedColorType::La8 } else { ExtendedColorType::Rgba8 },
            )
        }
        (None, 1) => (Cow::Borrowed(&picture.pixels), ExtendedColorType::L8),
        (None, _) => (Cow::Borrowed(&picture.pixels), ExtendedColorType::Rgb8),
    };
    let mut bytes = vec![];
    match format {
        PictureFormat::Png => PngEncoder::new(&mut bytes).write_image(&pixels, width, height, kind),
        PictureFormat::Jpeg { quality } => JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
            .write_image(&pixels, width, height, kind),
        PictureFormat::WebP => {
            WebPEncoder::new_lossless(&mut bytes).write_image(&pixels, width, height, kind)
        }
    }
    .map_err(|e| refuse(e.to_string()))?;
    Ok(bytes)
}

/// Encodes a picture and writes it: whole or not at all.
///
/// # Errors
/// [`Error::Output`] where it cannot be encoded or written, or is there already and
/// `overwrite` is false.
#[cfg(not(target_arch = "wasm32"))]
pub fn write_picture(
    path: impl AsRef<Path>,
    picture: &Picture,
    format: PictureFormat,
    overwrite: bool,
) -> Result<()> {
    let path = path.as_ref();
    let bytes = encode_picture(path, picture, format)?;
    super::write_atomically(path, overwrite, |out: &mut dyn Write| out.write_all(&bytes))
}
