//! Many measurements in few numbers.

use serde::Serialize;

/// What measurements are like. Those that are not finite (the PSNR of a picture and itself)
/// are counted, not averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many are finite. Where none is, all else is 0.
    pub count: usize,
    /// How many are not.
    pub infinite: usize,
    /// The mean.
    pub mean: f64,
    /// The deviation (of the population, as NumPy's).
    pub std: f64,
    /// The smallest.
    pub min: f64,
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Summarises `values`.
    pub fn of(values: &[f64]) -> Self {
        let finite = sorted(values);
        let infinite = values.len() - finite.len();
        let (Some(&min), Some(&max)) = (finite.first(), finite.last()) else {
            return Self { infinite, ..Self::default() };
        };
        let count = finite.len();
        let mean = finite.iter().sum::<f64>() / count as f64;
        let variance = finite.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
        let median = f64::midpoint(finite[(count - 1) / 2], finite[count / 2]);
        Self { count, infinite, mean, std: variance.sqrt(), min, median, max }
    }
}

/// How measurements are distributed: counts in bins of one width.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// Where the first bin begins.
    pub from: f64,
    /// Where the last bin ends; its end belongs to it.
    pub to: f64,
    /// How many there are in each bin.
    pub counts: Vec<usize>,
}

impl Histogram {
    /// Counts the finite ones of `values` within `from..=to` in `bins` bins.
    pub fn new(values: &[f64], from: f64, to: f64, bins: usize) -> Self {
        let mut counts = vec![0; bins.max(1)];
        let last = counts.len() - 1;
        for &value in values.iter().filter(|v| v.is_finite() && (from..=to).contains(v)) {
            let place = if to > from { (value - from) / (to - from) } else { 0.0 };
            counts[((place * (last + 1) as f64) as usize).min(last)] += 1;
        }
        Self { from, to, counts }
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    finite.sort_by(f64::total_cmp);
    finite
}
