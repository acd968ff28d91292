//! Resampling as Pillow does it, which is what torchvision's `Resize` does to
//! pictures: bilinear, widened when shrinking so that nothing is skipped (antialiased), rows
//! first and then columns, each rounded to bytes (Pillow's `Resample.c`; Pillow 13 goes by
//! columns first where a picture shrinks much more in height, which may differ by one).

use std::collections::VecDeque;

use crate::error::{Error, Result};

use super::Picture;

/// Fractional bits of a weight: Pillow's `32 - 8 - 2`.
const PRECISION: u32 = 22;

/// The source samples that make one target sample.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

impl Picture {
    /// The part `crop` (left, top, width, height, in pixels) resized to `width` x `height`.
    /// A part that has that size already is copied.
    ///
    /// # Errors
    /// [`Error::Config`] where a size is zero or the part is not within the picture.
    pub fn resized(&self, crop: [f64; 4], width: usize, height: usize) -> Result<Self> {
        let [left, top, across, down] = crop;
        let within = |from: f64, length: f64, size: usize| {
            from >= 0.0 && length > 0.0 && from + length <= size as f64 + 1e-6
        };
        let whole = within(left, across, self.width) && within(top, down, self.height);
        if !whole || width == 0 || height == 0 {
            return Err(Error::Config(format!(
                "a part {across}x{down} at {left}, {top} of a {}x{} picture cannot be resized to {width}x{height}",
                self.width, self.height
            )));
        }
        let columns = taps(self.width, left, across, width);
        let rows = taps(self.height, top, down, height);
        let plane = |pixels: &[u8], channels: usize| {
            let stride = self.width * channels;
            match (&columns, &rows) {
                (None, None) => pixels.to_vec(),
                (Some(columns), None) => {
                    let mut out = Vec::with_capacity(width * height * channels);
                    pixels.chunks_exact(stride).for_each(|row| resize_row(row, channels, columns, &mut out));
                    out
                }
                (None, Some(rows)) => resize_columns(stride, rows, |row| &pixels[row * stride..][..stride]),
                (Some(columns), Some(rows)) => resize_both(pixels, stride, channels, columns, rows),
            }
        };
        let alpha = self.alpha.as_ref().map(|alpha| plane(alpha, 1));
        let pixels = plane(&self.pixels, self.channels);
        Ok(Self { alpha, ..Self::new(width, height, self.channels, pixels)? })
    }
}

/// The taps of every target sample; `None` where nothing changes.
fn taps(size: usize, from: f64, length: f64, to: usize) -> Option<Vec<Taps>> {
    if from == 0.0 && length == size as f64 && to == size {
        return None;
    }
    let scale = length / to as f64;
    let support = scale.max(1.0);
    let tap = |i: usize| {
        let center = from + (i as f64 + 0.5) * scale;
        let first = ((center - support + 0.5).max(0.0) as usize).min(size - 1);
        let end = ((center + support + 0.5) as usize).clamp(first + 1, size);
        let triangle = |x: usize| (1.0 - ((x as f64 - center + 0.5) / support).abs()).max(0.0);
        let weights: Vec<f64> = (first..end).map(triangle).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |w: f64| (0.5 + w / sum * f64::from(1 << PRECISION)) as i32;
        Taps { first, weights: weights.into_iter().map(fixed).collect() }
    };
    Some((0..to).map(tap).collect())
}

fn rounded(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// A row to one of `columns.len()` pixels, behind what is in `out`.
fn resize_row(row: &[u8], channels: usize, columns: &[Taps], out: &mut Vec<u8>) {
    for taps in columns {
        let source = &row[taps.first * channels..][..taps.weights.len() * channels];
        for channel in 0..channels {
            let samples = source[channel..].iter().step_by(channels);
            let sum = samples.zip(&taps.weights).map(|(&v, w)| i32::from(v) * w).sum::<i32>();
            out.push(rounded(sum + (1 << (PRECISION - 1))));
        }
    }
}

/// One row of `stride` bytes, the weighted sum of those that `row` gives.
fn sum_rows<'a>(taps: &Taps, sums: &mut [i32], row: impl Fn(usize) -> &'a [u8], out: &mut Vec<u8>) {
    sums.fill(1 << (PRECISION - 1));
    for (k, weight) in taps.weights.iter().enumerate() {
        sums.iter_mut().zip(row(taps.first + k)).for_each(|(sum, &v)| *sum += i32::from(v) * weight);
    }
    out.extend(sums.iter().map(|&sum| rounded(sum)));
}

/// Rows of `stride` bytes to `rows.len()` ones.
fn resize_columns<'a>(stride: usize, rows: &[Taps], row: impl Fn(usize) -> &'a [u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.len() * stride);
    let mut sums = vec![0_i32; stride];
    rows.iter().for_each(|taps| sum_rows(taps, &mut sums, &row, &mut out));
    out
}

/// Rows first and then columns. Of the rows in between only those are kept that the next one of
/// the result is made from: all of them together can be many times larger than either picture.
fn resize_both(pixels: &[u8], stride: usize, channels: usize, columns: &[Taps], rows: &[Taps]) -> Vec<u8> {
    let width = columns.len() * channels;
    let mut out = Vec::with_capacity(rows.len() * width);
    let mut sums = vec![0_i32; width];
    // Resized rows from `first` on, and the memory of those that are not needed any more.
    let (mut between, mut first, mut spare) = (VecDeque::<Vec<u8>>::new(), 0, vec![]);
    for taps in rows {
        while first < taps.first {
            spare.extend(between.pop_front());
            first += 1;
        }
        while between.len() < taps.weights.len() {
            let mut row = spare.pop().unwrap_or_else(|| Vec::with_capacity(width));
            row.clear();
            resize_row(&pixels[(first + between.len()) * stride..][..stride], channels, columns, &mut row);
            between.push_back(row);
        }
        sum_rows(taps, &mut sums, |row| &between[row - first], &mut out);
    }
    out
}

/// Fractional bits of a weight of [`Picture::resized_plainly`].
const PLAIN_BITS: u32 = 11;

/// For a target sample the two source samples around it, and their weights.
struct Pair {
    samples: [usize; 2],
    weights: [i32; 2],
}

/// Samples at the centres of `to` equal parts of `from`. Beyond the outermost ones both are the same, and
/// along a row that one counts alone; along a column both keep their weights, which rounds otherwise.
fn pairs(from: usize, to: usize, along_row: bool) -> Vec<Pair> {
    let (scale, last) = (from as f64 / to as f64, from as f32 - 1.0);
    let pair = |i: usize| {
        let at = ((i as f64 + 0.5) * scale - 0.5) as f32;
        let floor = at.floor();
        let outside = floor < 0.0 || floor >= last;
        let share = if along_row && outside { 0.0 } else { at - floor };
        let fixed = |w: f32| (w * (1 << PLAIN_BITS) as f32).round_ties_even() as i32;
        let samples = [floor, floor + 1.0].map(|place| place.clamp(0.0, last) as usize);
        Pair { samples, weights: [fixed(1.0 - share), fixed(share)] }
    };
    (0..to).map(pair).collect()
}

impl Picture {
    /// The picture resized to `width` x `height` bilinearly from the four pixels around each place, without
    /// antialiasing, in whole numbers as OpenCV's `resize` does it. One of that size already is copied.
    ///
    /// # Errors
    /// [`Error::Config`] where a size is zero.
    pub fn resized_plainly(&self, width: usize, height: usize) -> Result<Self> {
        if width == 0 || height == 0 {
            return Err(Error::Config(format!(
                "a {}x{} picture cannot be resized to {width}x{height}",
                self.width, self.height
            )));
        }
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let (columns, rows) = (pairs(self.width, width, true), pairs(self.height, height, false));
        let plane = |pixels: &[u8], channels: usize| {
            let stride = self.width * channels;
            let mut out = Vec::with_capacity(width * height * channels);
            for row in &rows {
                let lines = row.samples.map(|y| &pixels[y * stride..][..stride]);
                for column in &columns {
                    let places = column.samples.map(|x| x * channels);
                    out.extend((0..channels).map(|channel| {
                        // All bits along the rows, some cut off along the column.
                        let along = lines.map(|line| {
                            let [left, right] = places.map(|place| i32::from(line[place + channel]));
                            (left * column.weights[0] + right * column.weights[1]) >> 4
                        });
                        let sum = ((along[0] * row.weights[0]) >> 16) + ((along[1] * row.weights[1]) >> 16);
                        ((sum + 2) >> 2).clamp(0, 255) as u8
                    }));
                }
            }
            out
        };
        let alpha = self.alpha.as_ref().map(|alpha| plane(alpha, 1));
        let pixels = plane(&self.pixels, self.channels);
        Ok(Self { alpha, ..Self::new(width, height, self.channels, pixels)? })
    }
}

impl Picture {
    /// The picture resized to `width` x `height` bilinearly as `tf.image.resize_images` of TensorFlow 1 does it: place
    /// i of the result is place `i * from / to` of the source, so that the first ones coincide; without antialiasing.
    /// Rounded to bytes. Opacity is left out.
    ///
    /// # Errors
    /// [`Error::Config`] where a size is zero.
    #[cfg(all(feature = "training", not(target_arch = "wasm32")))]
    pub(crate) fn resized_from_corner(&self, width: usize, height: usize) -> Result<Self> {
        // For each place the two samples around it and the share of the second.
        let places = |from: usize, to: usize| {
            let scale = from as f32 / to as f32;
            let place = move |i: usize| {
                let at = i as f32 * scale;
                let floor = (at as usize).min(from.saturating_sub(1));
                (floor, (floor + 1).min(from.saturating_sub(1)), at - floor as f32)
            };
            (0..to).map(place).collect::<Vec<_>>()
        };
        let (columns, rows) = (places(self.width, width), places(self.height, height));
        let value =
            |x: usize, y: usize, c: usize| f32::from(self.pixels[(y * self.width + x) * self.channels + c]);
        let mut pixels = Vec::with_capacity(width * height * self.channels);
        for &(top, bottom, down) in &rows {
            for &(left, right, across) in &columns {
                pixels.extend((0..self.channels).map(|c| {
                    let [upper, lower] = [top, bottom].map(|y| {
                        let first = value(left, y, c);
                        first + (value(right, y, c) - first) * across
                    });
                    (upper + (lower - upper) * down).round_ties_even() as u8
                }));
            }
        }
        Self::new(width, height, self.channels, pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of all bytes, each times its place and one (modulo 8191), of what OpenCV 5.0.0 makes of a picture of a formula.
    #[test]
    fn plain_resizing_is_that_of_opencv() {
        for ([w, h], [width, height], expected) in [
            ([5, 4], [8, 7], 1_785_918),
            ([16, 12], [7, 5], 728_069),
            ([8, 6], [4, 3], 83_698),
            ([123, 77], [64, 64], 1_064_021_641),
            ([300, 200], [256, 256], 4_032_524_272),
            ([64, 48], [256, 256], 82_612_899),
            ([512, 512], [256, 256], 54_830_096),
            ([700, 512], [256, 256], 4_039_935_598),
            ([1, 1], [4, 4], 100_264),
            ([3, 900], [256, 256], 3_274_516_230),
        ] {
            let pixel = |i: usize| {
                let (x, y, c) = (i / 3 % w, i / 3 / w, i % 3);
                (x * 37 + y * 59 + c * 83 + x * y * 7) as u8
            };
            let picture = Picture::new(w, h, 3, (0..w * h * 3).map(pixel).collect()).unwrap();
            let found = picture.resized_plainly(width, height).unwrap();
            let sum = found.pixels.iter().zip(0..).map(|(&v, i)| u64::from(v) * (i % 8191 + 1)).sum::<u64>();
            assert_eq!(sum % (1 << 32), expected, "{w}x{h} to {width}x{height}: {:?}", &found.pixels[..6]);
        }
    }

    /// By hand: places 0, 2/3, 4/3 of two pixels are the first, two thirds on the way, and the second.
    #[cfg(feature = "training")]
    #[test]
    fn resizing_from_the_corner_is_that_of_tensorflow_1() {
        let picture = Picture::new(2, 1, 1, vec![30, 90]).unwrap();
        assert_eq!(picture.resized_from_corner(3, 1).unwrap().pixels, [30, 70, 90]);
        assert_eq!(picture.resized_from_corner(1, 2).unwrap().pixels, [30, 30]);
        assert_eq!(picture.resized_from_corner(2, 1).unwrap().pixels, [30, 90]);
        let square = Picture::new(2, 2, 1, vec![0, 100, 200, 40]).unwrap();
        let found = square.resized_from_corner(4, 4).unwrap().pixels;
        assert_eq!(found[..8], [0, 50, 100, 100, 100, 85, 70, 70]);
    }
}
