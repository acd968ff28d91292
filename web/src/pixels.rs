//! RGBA bytes, as canvases have them, and pictures.

use js_sys::Uint8ClampedArray;
use ugatit::io::Picture;
use ugatit::{Error, Result};

/// A picture of a canvas' bytes.
pub(crate) fn picture(rgba: &[u8], width: u32, height: u32) -> Result<Picture> {
    let (width, height) = (width as usize, height as usize);
    let (pixels, rest) = rgba.as_chunks::<4>();
    if !rest.is_empty() || width.checked_mul(height) != Some(pixels.len()) {
        return Err(Error::Shape(format!("{} bytes are no {width}x{height} picture in RGBA", rgba.len())));
    }
    let colors = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    let mut picture = Picture::new(width, height, 3, colors)?;
    if pixels.iter().any(|p| p[3] != 255) {
        picture.alpha = Some(pixels.iter().map(|p| p[3]).collect());
    }
    Ok(picture)
}

/// A canvas' bytes of a picture.
pub(crate) fn rgba(picture: Picture) -> Result<Uint8ClampedArray> {
    let picture = picture.with_channels(3)?;
    let colors = picture.pixels.as_chunks::<3>().0;
    let bytes: Vec<u8> = match &picture.alpha {
        None => colors.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect(),
        Some(alpha) => colors.iter().zip(alpha).flat_map(|(&[r, g, b], &a)| [r, g, b, a]).collect(),
    };
    Ok(Uint8ClampedArray::from(&bytes[..]))
}
