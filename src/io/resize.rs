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
