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
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .crop(left, top, across, down)
            .use_alpha(false);
        let refuse = |e: &dyn std::fmt::Display| {
            Error::Config(format!(
                "a {}x{} picture cannot be resized to {width}x{height}: {e}",
                self.width, self.height
            ))
        };
        let side = |n: usize| u32::try_from(n).map_err(|e| refuse(&e));
        let mut resizer = Resizer::new();
        let mut plane = |pixels: &[u8], kind: PixelType| -> Result<Vec<u8>> {
            let source =
                ImageRef::new(side(self.width)?, side(self.height)?, pixels, kind).map_err(|e| refuse(&e))?;
            let mut target = Image::new(side(width)?, side(height)?, kind);
            resizer.resize(&source, &mut target, &options).map_err(|e| refuse(&e))?;
            Ok(target.into_vec())
        };
        let kind = if self.channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
        let pixels = plane(&self.pixels, kind)?;
        let alpha = self.alpha.as_ref().map(|alpha| plane(alpha, PixelType::U8)).transpose()?;
        Ok(Self { alpha, ..Self::new(width, height, self.channels, pixels)? })
    }
}
