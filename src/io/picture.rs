//! A picture in memory, and its way to a tensor and back.

use crate::Tensor;
use crate::error::{Error, Result};

/// A picture: 8 bits a channel, sRGB, upright.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Row-major, channels of a pixel side by side.
    pub pixels: Vec<u8>,
    /// Opacity, row-major, where the picture has any that is not full.
    pub alpha: Option<Vec<u8>>,
}

/// A value of a translated tensor as a byte of a picture, as the official program writes it:
/// `(x * 0.5 + 0.5) * 255`, rounded half to even, held within 0 and 255.
pub fn quantize(x: f32) -> u8 {
    ((x * 0.5 + 0.5) * 255.0).round_ties_even() as u8
}

/// How a value between two bytes becomes one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// The nearest, half to even: [`quantize`].
    #[default]
    Nearest,
    /// What is behind the point is cut off, as the authors' TensorFlow program does:
    /// `((x + 1) / 2) * 255`.
    Down,
}

impl Rounding {
    /// A value of a translated tensor as a byte of a picture.
    pub fn byte(self, x: f32) -> u8 {
        match self {
            Self::Nearest => quantize(x),
            Self::Down => ((x + 1.0) / 2.0 * 255.0) as u8,
        }
    }
}

/// A byte of a picture as the networks see it: `(v / 255 - 0.5) / 0.5`.
pub(crate) const NORMALIZED: [f32; 256] = {
    let mut table = [0.0; 256];
    let mut v = 0;
    while v < 256 {
        table[v] = (v as f32 / 255.0 - 0.5) / 0.5;
        v += 1;
    }
    table
};

impl Picture {
    /// A picture over `pixels`, opaque.
    ///
    /// # Errors
    /// [`Error::Shape`] where the sizes do not fit.
    pub fn new(width: usize, height: usize, channels: usize, pixels: Vec<u8>) -> Result<Self> {
        let elements = width.checked_mul(height).and_then(|n| n.checked_mul(channels));
        if !matches!(channels, 1 | 3) || elements != Some(pixels.len()) || pixels.is_empty() {
            return Err(Error::Shape(format!(
                "a {width}x{height} picture of {channels} channels (1 or 3) cannot have {} bytes",
                pixels.len()
            )));
        }
        Ok(Self { width, height, channels, pixels, alpha: None })
    }

    /// The picture with `channels` channels: grey repeated, or colours weighed by ITU-R 601
    /// as Pillow's `convert("L")` does.
    ///
    /// # Errors
    /// [`Error::Config`] where `channels` is neither 1 nor 3.
    pub fn with_channels(mut self, channels: usize) -> Result<Self> {
        match (self.channels, channels) {
            (1, 3) => self.pixels = self.pixels.iter().flat_map(|&v| [v; 3]).collect(),
            (3, 1) => {
                let luma = |&[r, g, b]: &[u8; 3]| {
                    let sum = u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471;
                    ((sum + 0x8000) >> 16) as u8
                };
                self.pixels = self.pixels.as_chunks::<3>().0.iter().map(luma).collect();
            }
            (a, b) if a == b => {}
            _ => {
                return Err(Error::Config(format!(
                    "the model takes pictures of {channels} channels; picture files have 1 or 3"
                )));
            }
        }
        self.channels = channels;
        Ok(self)
    }

    /// `[1, channels, height, width]` in -1..1: `(v / 255 - 0.5) / 0.5`, as the official
    /// program normalises.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let planes = (0..self.channels).flat_map(|c| {
            let plane = self.pixels.iter().skip(c).step_by(self.channels);
            plane.map(|&v| NORMALIZED[usize::from(v)])
        });
        Tensor::new([1, self.channels, self.height, self.width], planes.collect())
    }

    /// One picture of a tensor `[N, 1 or 3, H, W]` in -1..1.
    ///
    /// # Errors
    /// [`Error::Shape`] where the tensor is no such batch or has no picture `index`.
    pub fn from_tensor(tensor: &Tensor, index: usize) -> Result<Self> {
        Self::from_tensor_rounded(tensor, index, Rounding::Nearest)
    }

    /// [`Self::from_tensor`] with another rounding.
    ///
    /// # Errors
    /// Those of [`Self::from_tensor`].
    pub fn from_tensor_rounded(tensor: &Tensor, index: usize, rounding: Rounding) -> Result<Self> {
        let shape = tensor.shape();
        let Some([n, channels, height, width]) = shape.nchw().filter(|s| index < s[0]) else {
            return Err(Error::Shape(format!("a tensor of shape {shape} has no picture {index}")));
        };
        let area = height * width;
        let planes = &tensor.data()[index * (tensor.data().len() / n)..][..channels * area];
        let pixel = |i: usize| (0..channels).map(move |c| rounding.byte(planes[c * area + i]));
        Self::new(width, height, channels, (0..area).flat_map(pixel).collect())
    }

    /// The pixels `left..left + width`, `top..top + height`. A coordinate outside the
    /// picture is reflected at its edges (the edge pixel is not repeated), again and again,
    /// so that any picture can be padded by any amount.
    #[must_use]
    pub fn window(&self, left: isize, top: isize, width: usize, height: usize) -> Self {
        let columns: Vec<usize> = (0..width).map(|x| reflect(left + x as isize, self.width)).collect();
        let rows: Vec<usize> = (0..height).map(|y| reflect(top + y as isize, self.height)).collect();
        let gather = |plane: &[u8], channels: usize| {
            let mut out = Vec::with_capacity(width * height * channels);
            for &y in &rows {
                let row = &plane[y * self.width * channels..][..self.width * channels];
                for &x in &columns {
                    out.extend_from_slice(&row[x * channels..][..channels]);
                }
            }
            out
        };
        let alpha = self.alpha.as_ref().map(|alpha| gather(alpha, 1));
        Self { width, height, channels: self.channels, pixels: gather(&self.pixels, self.channels), alpha }
    }

    /// Left and right exchanged.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let mut mirrored = self.clone();
        for row in mirrored.pixels.chunks_exact_mut(self.width * self.channels) {
            row.reverse();
            if self.channels == 3 {
                row.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.reverse());
            }
        }
        for row in mirrored.alpha.iter_mut().flat_map(|alpha| alpha.chunks_exact_mut(self.width)) {
            row.reverse();
        }
        mirrored
    }

    /// The picture on a white ground, opaque.
    #[must_use]
    pub fn on_white(mut self) -> Self {
        if let Some(alpha) = self.alpha.take() {
            for (pixel, &a) in self.pixels.chunks_mut(self.channels).zip(&alpha) {
                for v in pixel {
                    let (v_, a) = (u32::from(*v), u32::from(a));
                    *v = ((v_ * a + 255 * (255 - a) + 127) / 255) as u8;
                }
            }
        }
        self
    }

    /// The mean of two pictures of one size, as RGB; the opacity of `self`.
    ///
    /// # Errors
    /// [`Error::Shape`] where the sizes differ.
    pub fn blend(&self, other: &Self) -> Result<Self> {
        if (self.width, self.height) != (other.width, other.height) {
            return Err(Error::Shape(format!(
                "a {}x{} picture cannot be laid over one of {}x{}",
                other.width, other.height, self.width, self.height
            )));
        }
        let mut mean = self.clone().with_channels(3)?;
        let other = other.clone().with_channels(3)?;
        for (a, b) in mean.pixels.iter_mut().zip(&other.pixels) {
            *a = u16::midpoint(u16::from(*a), u16::from(*b)) as u8;
        }
        Ok(mean)
    }

    /// Lays a picture over this one by its opacity, its upper left corner at `x`, `y`.
    ///
    /// # Errors
    /// [`Error::Shape`] where it does not lie within this one, or has other channels.
    pub fn lay(&mut self, over: &Self, x: usize, y: usize) -> Result<()> {
        if x + over.width > self.width || y + over.height > self.height || over.channels != self.channels {
            return Err(Error::Shape(format!(
                "a {}x{} picture of {} channels cannot be laid at {x}, {y} over one of {}x{} and {}",
                over.width, over.height, over.channels, self.width, self.height, self.channels
            )));
        }
        for row in 0..over.height {
            let from = &over.pixels[row * over.width * self.channels..][..over.width * self.channels];
            let to = &mut self.pixels[((y + row) * self.width + x) * self.channels..][..from.len()];
            let Some(alpha) = &over.alpha else {
                to.copy_from_slice(from);
                continue;
            };
            let alpha = &alpha[row * over.width..];
            let pixels = from.chunks(self.channels).zip(to.chunks_mut(self.channels)).zip(alpha);
            for ((from, to), &a) in pixels {
                let a = u32::from(a);
                for (&from, to) in from.iter().zip(to) {
                    *to = ((u32::from(from) * a + u32::from(*to) * (255 - a) + 127) / 255) as u8;
                }
            }
        }
        Ok(())
    }

    /// Pictures of one height side by side, as opaque RGB.
    ///
    /// # Errors
    /// [`Error::Shape`] where the heights differ or there is none.
    pub fn side_by_side(pictures: &[&Self]) -> Result<Self> {
        let height = pictures.first().map_or(0, |p| p.height);
        if pictures.iter().any(|p| p.height != height) {
            return Err(Error::Shape("pictures side by side must have one height".into()));
        }
        let parts = pictures.iter().map(|&p| p.clone().on_white().with_channels(3));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let width = parts.iter().map(|p| p.width).sum();
        let row = |y: usize| parts.iter().flat_map(move |p| &p.pixels[y * p.width * 3..][..p.width * 3]);
        Self::new(width, height, 3, (0..height).flat_map(row).copied().collect())
    }
}

/// The index in `0..size` that `i` is reflected to: `-1` is 1, `size` is `size - 2`.
fn reflect(i: isize, size: usize) -> usize {
    if size <= 1 {
        return 0;
    }
    let last = size as isize - 1;
    let phase = i.rem_euclid(2 * last);
    phase.min(2 * last - phase) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_goes_back_and_forth() {
        let indices: Vec<usize> = (-4..8).map(|i| reflect(i, 3)).collect();
        assert_eq!(indices, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(reflect(-7, 1), 0);
    }

    #[test]
    fn bytes_survive_the_way_to_a_tensor_and_back() {
        let picture = Picture::new(16, 16, 3, (0..768).map(|i| (i / 3) as u8).collect()).unwrap();
        assert_eq!(Picture::from_tensor(&picture.to_tensor().unwrap(), 0).unwrap(), picture);
    }

    #[test]
    fn values_out_of_range_are_held() {
        assert_eq!([-2.0, -1.0, 1.0, 1.5, f32::NAN].map(quantize), [0, 0, 255, 255, 0]);
        let down = [-2.0, -1.0, 0.999, 1.0, 1.5, f32::NAN].map(|x| Rounding::Down.byte(x));
        assert_eq!(down, [0, 0, 254, 255, 255, 0]);
    }

    /// The largest published size: every product of sizes holds.
    #[test]
    fn pictures_of_4096_x_4096_go_there_and_back() {
        const SIDE: usize = 4096;
        let pixels = (0..3 * SIDE * SIDE).map(|i| (i / 3 / SIDE) as u8 ^ (i % 3) as u8).collect();
        let picture = Picture::new(SIDE, SIDE, 3, pixels).unwrap();
        assert_eq!(Picture::from_tensor(&picture.to_tensor().unwrap(), 0).unwrap(), picture);
        let corner = picture.window(SIDE as isize - 2, SIDE as isize - 2, 2, 2);
        assert_eq!(corner.pixels, [254, 255, 252, 254, 255, 252, 255, 254, 253, 255, 254, 253]);
        let small = picture.resized([0.0, 0.0, SIDE as f64, SIDE as f64], 2, SIDE / 256).unwrap();
        assert!(small.pixels.iter().all(|v| (100..=155).contains(v)), "{:?}", small.pixels);
    }

    #[test]
    fn white_shows_through() {
        let mut picture = Picture::new(2, 1, 1, vec![0, 100]).unwrap();
        picture.alpha = Some(vec![0, 255]);
        assert_eq!(picture.on_white().pixels, [255, 100]);
    }
}
