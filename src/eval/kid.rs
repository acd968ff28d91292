//! The kernel inception distance (Bińkowski et al. 2018): how far two sets of pictures are
//! apart, by features of theirs that another program has computed.

use crate::Tensor;
use crate::cpu::row_products;
use crate::error::{Error, Result};
use crate::random::Random;

/// How a distance is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KidOptions {
    /// How many subsets are drawn.
    pub subsets: usize,
    /// Features of each set in a subset; fewer where a set has fewer.
    pub subset_size: usize,
    /// What the drawing begins with: one seed, one result.
    pub seed: u64,
}

impl Default for KidOptions {
    fn default() -> Self {
        Self { subsets: 100, subset_size: 1000, seed: 0 }
    }
}

/// A distance of two sets. Papers give it times 100 (U-GAT-IT) or 1000.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kid {
    /// The mean over the subsets. An unbiased estimate, so it may be below zero.
    pub mean: f64,
    /// The deviation over the subsets (of the population, as NumPy's).
    pub std: f64,
    /// How many subsets there were: 1 where each would have been both sets as a whole.
    pub subsets: usize,
    /// Features of each set in a subset.
    pub subset_size: usize,
}

/// The distance of features `[N, D]` and `[M, D]`: the unbiased squared maximum mean
/// discrepancy under the kernel `(x·y / D + 1)³`, in `f64`, over random subsets of both.
///
/// # Errors
/// [`Error::Shape`] where the sets are no matrices of one width; [`Error::Config`] where a set
/// has less than two features, or there would be no subset or subsets of less than two.
pub fn kid(generated: &Tensor<f64>, real: &Tensor<f64>, options: &KidOptions) -> Result<Kid> {
    let (Some([n, width]), Some([m, other])) = (generated.shape().matrix(), real.shape().matrix()) else {
        return Err(Error::Shape(format!(
            "features are [pictures, D], not {} and {}",
            generated.shape(),
            real.shape()
        )));
    };
    if width != other || width == 0 {
        return Err(Error::Shape(format!(
            "generated features of {width} numbers cannot be compared with real ones of {other}; compute both with one network"
        )));
    }
    let size = options.subset_size.min(n).min(m);
    if size < 2 || options.subsets == 0 {
        return Err(Error::Config(format!(
            "KID needs two or more features of each set in one or more subsets; there are {n} generated and {m} real ones, and {} subsets of {} were asked for",
            options.subsets, options.subset_size
        )));
    }
    // Subsets that are all there is are all the same.
    let subsets = if size == n && size == m { 1 } else { options.subsets };
    let mut random = Random::seeded(options.seed);
    let distances: Vec<f64> = (0..subsets)
        .map(|_| {
            let x = rows(&mut random, generated.data(), width, size);
            let y = rows(&mut random, real.data(), width, size);
            squared_mmd(&x, &y, width)
        })
        .collect();
    let mean = distances.iter().sum::<f64>() / subsets as f64;
    let variance = distances.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / subsets as f64;
    Ok(Kid { mean, std: variance.sqrt(), subsets, subset_size: size })
}

/// The unbiased estimate for two sets of one size: pairs of a feature with itself are left out.
fn squared_mmd(x: &[f64], y: &[f64], width: usize) -> f64 {
    let n = x.len() / width;
    let kernel = |product: f64| (product / width as f64 + 1.0).powi(3);
    let within = |x: &[f64]| {
        let products = row_products(x, x, width);
        let all: f64 = products.iter().map(|&p| kernel(p)).sum();
        let own: f64 = products.iter().step_by(n + 1).map(|&p| kernel(p)).sum();
        (all - own) / (n * (n - 1)) as f64
    };
    let between: f64 = row_products(x, y, width).iter().map(|&p| kernel(p)).sum();
    within(x) + within(y) - 2.0 * between / (n * n) as f64
}

/// `size` different rows of a matrix: the beginning of a Fisher-Yates shuffle.
fn rows(random: &mut Random, matrix: &[f64], width: usize, size: usize) -> Vec<f64> {
    let mut order: Vec<usize> = (0..matrix.len() / width).collect();
    let mut rows = Vec::with_capacity(size * width);
    for i in 0..size {
        let rest = order.len() - i;
        order.swap(i, i + random.below(rest));
        rows.extend_from_slice(&matrix[order[i] * width..][..width]);
    }
    rows
}
