//! Distributions as small drawings (SVG).

use std::fmt::Write;

use ugatit::eval::{Histogram, Summary};

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 70.0;
const BINS: usize = 24;

/// Draws `values` as bars with a line at their mean, and `other` values as an outline, from
/// `range.0` to `range.1`. Both are scaled by the same number of pictures.
pub(super) fn draw(values: &[f64], other: &[f64], range: (f64, f64), digits: usize) -> String {
    let counts = |values: &[f64]| Histogram::new(values, range.0, range.1, BINS).counts;
    let (bars, outline) = (counts(values), counts(other));
    let most = bars.iter().chain(&outline).copied().max().unwrap_or(1).max(1) as f64;
    let step = WIDTH / BINS as f64;
    let top = |count: usize| HEIGHT - count as f64 / most * HEIGHT;
    let mut svg = format!("<svg viewBox=\"0 -2 {WIDTH} {}\" role=\"img\">", HEIGHT + 18.0);
    for (i, &count) in bars.iter().enumerate().filter(|(_, count)| **count > 0) {
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            i as f64 * step + 0.5,
            top(count),
            step - 1.0,
            HEIGHT - top(count)
        );
    }
    if !other.is_empty() {
        let mut path = format!("M0 {HEIGHT}");
        for (i, &count) in outline.iter().enumerate() {
            let _ = write!(path, "V{:.1}H{:.1}", top(count), (i + 1) as f64 * step);
        }
        let _ = write!(svg, "<path class=\"other\" d=\"{path}V{HEIGHT}\"/>");
    }
    let mean = Summary::of(values).mean;
    let x = if range.1 > range.0 { (mean - range.0) / (range.1 - range.0) * WIDTH } else { 0.0 };
    let _ = write!(
        svg,
        "<path class=\"axis\" d=\"M0 {HEIGHT}H{WIDTH}\"/><path class=\"mean\" d=\"M{x:.1} -2V{HEIGHT}\"/>\
         <text x=\"0\" y=\"{0}\">{1:.digits$}</text><text x=\"{WIDTH}\" y=\"{0}\" text-anchor=\"end\">{2:.digits$}</text></svg>",
        HEIGHT + 13.0,
        range.0,
        range.1
    );
    svg
}

/// From the smallest to the largest of all finite `values`; a little around a single one.
pub(super) fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let all: Vec<f64> = values.collect();
    let summary = Summary::of(&all);
    if summary.max > summary.min {
        return (summary.min, summary.max);
    }
    let around = (summary.mean.abs() * 0.1).max(0.01);
    (summary.mean - around, summary.mean + around)
}
