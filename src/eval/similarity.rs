//! How near two pictures of one size are.

use crate::Tensor;
use crate::error::{Error, Result};
use crate::io::Picture;

/// What an [`l1`] distance in -1..1 is multiplied by to be one in 0..255.
pub const L1_TO_BYTES: f64 = 127.5;

/// The largest value of a channel: scikit-image's `data_range`.
const RANGE: f64 = 255.0;
/// The deviation of SSIM's window, in pixels.
const SIGMA: f64 = 1.5;
/// How far the window reaches: scikit-image's `int(truncate * sigma + 0.5)`, `truncate` 3.5.
const RADIUS: usize = 5;
const WINDOW: usize = 2 * RADIUS + 1;

/// The mean absolute difference of two tensors: `L1Loss`, as cycle and identity are trained.
///
/// # Errors
/// [`Error::Shape`] where the shapes differ or are empty.
pub fn l1(a: &Tensor, b: &Tensor) -> Result<f64> {
    if a.shape() != b.shape() || a.data().is_empty() {
        return Err(Error::Shape(format!(
            "tensors of shapes {} and {} cannot be compared",
            a.shape(),
            b.shape()
        )));
    }
    let sum: f64 = a.data().iter().zip(b.data()).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs()).sum();
    Ok(sum / a.data().len() as f64)
}

/// The peak signal-to-noise ratio in decibel, over all channels, of bytes: infinite where the
/// pictures are equal. Opacity is not looked at.
///
/// # Errors
/// [`Error::Shape`] where the sizes or channels differ.
pub fn psnr(a: &Picture, b: &Picture) -> Result<f64> {
    same_size(a, b)?;
    let squares = |(&a, &b): (&u8, &u8)| u64::from(a.abs_diff(b)).pow(2);
    let sum: u64 = a.pixels.iter().zip(&b.pixels).map(squares).sum();
    let mean = sum as f64 / a.pixels.len() as f64;
    Ok(10.0 * (RANGE * RANGE / mean).log10())
}

/// The structural similarity (Wang et al. 2004), 1 where the pictures are equal: the mean over
/// the channels, each as scikit-image's `structural_similarity` with `gaussian_weights=True`,
/// `sigma=1.5`, `use_sample_covariance=False`, `data_range=255`. Opacity is not looked at.
///
/// # Errors
/// [`Error::Shape`] where the sizes or channels differ, or a side has less than the window's
/// 11 pixels.
pub fn ssim(a: &Picture, b: &Picture) -> Result<f64> {
    same_size(a, b)?;
    let (width, height) = (a.width, a.height);
    if width < WINDOW || height < WINDOW {
        return Err(Error::Shape(format!(
            "SSIM looks through a window of {WINDOW}x{WINDOW} pixels, which a {width}x{height} picture does not have; use a larger size"
        )));
    }
    let weights = gaussian();
    let plane = |p: &Picture, channel: usize| -> Vec<f64> {
        p.pixels.iter().skip(channel).step_by(p.channels).map(|&v| f64::from(v)).collect()
    };
    let mut sum = 0.0;
    for channel in 0..a.channels {
        let (x, y) = (plane(a, channel), plane(b, channel));
        let mean = |f: &dyn Fn(f64, f64) -> f64| {
            let product: Vec<f64> = x.iter().zip(&y).map(|(&x, &y)| f(x, y)).collect();
            blur(&product, width, &weights)
        };
        let (ux, uy) = (mean(&|x, _| x), mean(&|_, y| y));
        let (uxx, uyy, uxy) = (mean(&|x, _| x * x), mean(&|_, y| y * y), mean(&|x, y| x * y));
        let (c1, c2) = ((0.01 * RANGE).powi(2), (0.03 * RANGE).powi(2));
        let local = |i: usize| {
            let (x, y) = (ux[i], uy[i]);
            let (vx, vy, vxy) = (uxx[i] - x * x, uyy[i] - y * y, uxy[i] - x * y);
            (2.0 * x * y + c1) * (2.0 * vxy + c2) / ((x * x + y * y + c1) * (vx + vy + c2))
        };
        sum += (0..ux.len()).map(local).sum::<f64>() / ux.len() as f64;
    }
    Ok(sum / a.channels as f64)
}

fn same_size(a: &Picture, b: &Picture) -> Result<()> {
    let size = |p: &Picture| (p.width, p.height, p.channels);
    if size(a) == size(b) {
        return Ok(());
    }
    Err(Error::Shape(format!(
        "a {}x{} picture of {} channels cannot be compared with one of {}x{} and {}; resize one of them",
        a.width, a.height, a.channels, b.width, b.height, b.channels
    )))
}

fn gaussian() -> [f64; WINDOW] {
    let weight = |i: usize| (-(i as f64 - RADIUS as f64).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let weights: [f64; WINDOW] = std::array::from_fn(weight);
    let sum: f64 = weights.iter().sum();
    weights.map(|w| w / sum)
}

/// The weighted means over all windows that lie within the plane. scikit-image leaves the
/// others out of its mean too, so what it takes for pixels outside does not matter.
fn blur(plane: &[f64], width: usize, weights: &[f64; WINDOW]) -> Vec<f64> {
    let rows: Vec<f64> = plane
        .chunks_exact(width)
        .flat_map(|row| row.windows(WINDOW).map(|w| w.iter().zip(weights).map(|(v, w)| v * w).sum()))
        .collect();
    let width = width - 2 * RADIUS;
    let mut out = vec![0.0; rows.len() - 2 * RADIUS * width];
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        for (row, weight) in rows[y * width..].chunks_exact(width).zip(weights) {
            out.iter_mut().zip(row).for_each(|(sum, v)| *sum += v * weight);
        }
    }
    out
}
