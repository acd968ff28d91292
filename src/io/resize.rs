//! Resampling as Pillow does it, which is what torchvision's `Resize` does to pictures.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::error::{Error, Result};

use super::Picture;

impl Picture {
    /// The part `crop` (left, top, width, height, in pixels) resized to `width` x `height`:
    /// bilinear, widened when shrinking so that nothing is skipped (antialiased).
    ///
    /// Without resampling, where the part has that size already.
    ///
    /// # Errors
    /// [`Error::Config`] where a size is zero, larger than 2^32, or the part is not within
    /// the picture.
    pub fn resized(&self, crop: [f64; 4], width: usize, height: usize) -> Result<Self> {
        let [left, top, across, down] = crop;
        if (across, down) == (width as f64, height as f64) && left.fract() == 0.0 && top.fract() == 0.0 {
            return Ok(self.window(left as isize, top as isize, width, height));
        }
        let refuse = |e: &dyn std::fmt::Display| {
            Error::Config(format!(
                "a {}x{} picture cannot be resized to {width}x{height}: {e}",
                self.width, self.height
            ))
        };
        let side = |n: usize| u32::try_from(n).map_err(|e| refuse(&e));
        let mut resizer = Resizer::new();
        let mut pass = |pixels: &[u8], kind, from: [usize; 2], crop: [f64; 4], to: [usize; 2]| {
            let source =
                ImageRef::new(side(from[0])?, side(from[1])?, pixels, kind).map_err(|e| refuse(&e))?;
            let mut target = Image::new(side(to[0])?, side(to[1])?, kind);
            let options = ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
                .crop(crop[0], crop[1], crop[2], crop[3])
                .use_alpha(false);
            resizer.resize(&source, &mut target, &options).map_err(|e| refuse(&e))?;
            Ok::<_, Error>(target.into_vec())
        };
        // Rows first, rounded to bytes, then columns: Pillow's order, and so its bytes.
        let mut plane = |pixels: &[u8], kind: PixelType| -> Result<Vec<u8>> {
            let (from, between) = ([self.width, self.height], [width, self.height]);
            let rows = pass(pixels, kind, from, [left, 0.0, across, self.height as f64], between)?;
            pass(&rows, kind, between, [0.0, top, width as f64, down], [width, height])
        };
        let kind = if self.channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
        let pixels = plane(&self.pixels, kind)?;
        let alpha = self.alpha.as_ref().map(|alpha| plane(alpha, PixelType::U8)).transpose()?;
        Ok(Self { alpha, ..Self::new(width, height, self.channels, pixels)? })
    }
}
