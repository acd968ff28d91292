//! Resampling as Pillow does it, which is what torchvision's `Resize` does to
//! pictures: bilinear, widened when shrinking so that nothing is skipped (antialiased), rows
//! first and then columns, each rounded to bytes (Pillow's `Resample.c`; Pillow 13 goes by
//! columns first where a picture shrinks much more in height, which may differ by one).

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
            let mut between = None;
            if let Some(columns) = &columns {
                between = Some(resize_rows(pixels, self.width * channels, channels, columns));
            }
            match &rows {
                Some(rows) => resize_columns(between.as_deref().unwrap_or(pixels), width * channels, rows),
                None => between.unwrap_or_else(|| pixels.to_vec()),
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

/// Every row of `stride` bytes to one of `columns.len()` pixels.
fn resize_rows(pixels: &[u8], stride: usize, channels: usize, columns: &[Taps]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len() / stride * columns.len() * channels);
    for row in pixels.chunks_exact(stride) {
        for taps in columns {
            let source = &row[taps.first * channels..][..taps.weights.len() * channels];
            for channel in 0..channels {
                let samples = source[channel..].iter().step_by(channels);
                let sum = samples.zip(&taps.weights).map(|(&v, w)| i32::from(v) * w).sum::<i32>();
                out.push(rounded(sum + (1 << (PRECISION - 1))));
            }
        }
    }
    out
}

/// Rows of `stride` bytes to `rows.len()` ones.
fn resize_columns(pixels: &[u8], stride: usize, rows: &[Taps]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.len() * stride);
    let mut sums = vec![0_i32; stride];
    for taps in rows {
        sums.fill(1 << (PRECISION - 1));
        let source = pixels[taps.first * stride..].chunks_exact(stride);
        for (row, weight) in source.zip(&taps.weights) {
            sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum += i32::from(v) * weight);
        }
        out.extend(sums.iter().map(|&sum| rounded(sum)));
    }
    out
}
