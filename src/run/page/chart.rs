//! A curve as an SVG picture: where it ranged as a band, its moving mean as a line.

use std::fmt::Write;

use crate::text::escape;

use super::super::curves::Point;
use super::text::{brief, number};

/// Of the picture, in units of about a pixel.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 132.0;
/// The frame within it.
const LEFT: f64 = 40.0;
const RIGHT: f64 = WIDTH - 6.0;
const TOP: f64 = 7.0;
const BOTTOM: f64 = HEIGHT - 19.0;
/// As many places as the band and the line have points at most.
const COLUMNS: usize = 180;
/// The mean is taken over this part of the curve to each side.
const SMOOTHING: f64 = 0.015;
/// A line that spans more than this factor is drawn to a logarithmic scale.
pub(super) const LOG_FROM: f64 = 30.0;

/// How a curve is shown.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    /// The heading.
    pub(super) name: &'a str,
    /// Chooses the colour.
    pub(super) class: &'a str,
    /// From which span on the scale is logarithmic.
    pub(super) log_from: f64,
    /// The right end.
    pub(super) last_step: u64,
}

/// A curve for the page, with its latest value.
pub(super) fn chart(look: Look<'_>, points: &[Point], latest: Option<f64>) -> String {
    let Look { name, class, log_from, last_step } = look;
    let lost: u32 = points.iter().map(|p| p.not_finite).sum();
    let points: Vec<Point> = points.iter().copied().filter(|p| p.mean.is_finite()).collect();
    let line = smooth(&points);
    let value = latest.map_or_else(|| "–".into(), number);
    let mut out = String::with_capacity(8192);
    let _ = write!(
        out,
        "<figure class=\"chart {class}\"><figcaption><span>{}</span><b>{value}</b></figcaption>",
        escape(name)
    );
    if let Some(scale) = Scale::of(&points, &line, log_from) {
        draw(&mut out, name, &points, &line, &scale, last_step.max(1));
    } else {
        out.push_str("<p class=\"none\">no values yet</p>");
    }
    if lost > 0 {
        let _ = write!(out, "<p class=\"lost\">{lost} values were NaN or infinite</p>");
    }
    out.push_str("</figure>");
    out
}

fn draw(out: &mut String, name: &str, points: &[Point], line: &[f64], scale: &Scale, last_step: u64) {
    let x = |step: f64| LEFT + (RIGHT - LEFT) * step / last_step as f64;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * scale.part(value);
    let (first, last) = (line.first().copied().unwrap_or(0.0), line.last().copied().unwrap_or(0.0));
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}: from {} to {}{}\">",
        escape(name),
        number(first),
        number(last),
        if scale.log { ", logarithmic scale" } else { "" }
    );
    for value in scale.ticks() {
        let y = y(value);
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text x=\"{}\" y=\"{:.1}\" class=\"y\">{}</text>",
            LEFT - 5.0,
            y + 3.4,
            number(value)
        );
    }
    let steps = nice_step(last_step as f64, 4);
    for i in 0..=4 {
        let step = steps * f64::from(i);
        if step <= last_step as f64 {
            let at = x(step);
            // The text of a tick near the right edge ends there.
            let class = if i == 0 {
                "first"
            } else if at > RIGHT - 14.0 {
                "last"
            } else {
                "x"
            };
            let at = if class == "last" { RIGHT } else { at };
            let y = HEIGHT - 5.0;
            let _ = write!(out, "<text x=\"{at:.1}\" y=\"{y}\" class=\"{class}\">{}</text>", brief(step));
        }
    }
    let columns = columns(points, line, last_step);
    let mut band = String::new();
    let edges = columns.iter().map(|c| (c.step, c.high));
    for (i, (step, value)) in edges.chain(columns.iter().rev().map(|c| (c.step, c.low))).enumerate() {
        let _ = write!(band, "{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, x(step), y(value));
    }
    let mut mean = String::new();
    for (i, column) in columns.iter().enumerate() {
        let letter = if i == 0 { 'M' } else { 'L' };
        let _ = write!(mean, "{letter}{:.1} {:.1}", x(column.step), y(column.line));
    }
    if columns.len() == 1 {
        // A round cap of a line without length is a dot.
        mean.push_str("h0");
    }
    let _ = write!(out, "<path class=\"band\" d=\"{band}Z\"/><path class=\"line\" d=\"{mean}\"/></svg>");
}

/// What is drawn at one place.
struct Column {
    step: f64,
    low: f64,
    high: f64,
    line: f64,
}

/// The points that fall on one place, as one.
fn columns(points: &[Point], line: &[f64], last_step: u64) -> Vec<Column> {
    let place = |p: &Point| (p.step.saturating_sub(1) as f64 / last_step as f64 * COLUMNS as f64) as usize;
    let mut columns: Vec<Column> = vec![];
    let mut last = None;
    for (point, &line) in points.iter().zip(line) {
        match columns.last_mut() {
            Some(column) if last == Some(place(point)) => {
                column.step = point.step as f64;
                column.low = column.low.min(point.low);
                column.high = column.high.max(point.high);
                column.line = line;
            }
            _ => columns.push(Column { step: point.step as f64, low: point.low, high: point.high, line }),
        }
        last = Some(place(point));
    }
    columns
}

/// The mean of each point and its neighbours on both sides.
fn smooth(points: &[Point]) -> Vec<f64> {
    let reach = (points.len() as f64 * SMOOTHING).round() as usize;
    let mut sums = Vec::with_capacity(points.len() + 1);
    sums.push(0.0);
    for point in points {
        sums.push(sums.last().copied().unwrap_or(0.0) + point.mean);
    }
    let around = |i: usize| {
        let (from, to) = (i.saturating_sub(reach), (i + reach + 1).min(points.len()));
        // One point's own mean, free of the sums' rounding.
        if reach == 0 { points[i].mean } else { (sums[to] - sums[from]) / (to - from) as f64 }
    };
    (0..points.len()).map(around).collect()
}

/// The vertical axis.
struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    /// Shows the whole line, and all of the band but its rarest values.
    fn of(points: &[Point], line: &[f64], log_from: f64) -> Option<Self> {
        let least = line.iter().copied().reduce(f64::min)?;
        let greatest = line.iter().copied().reduce(f64::max)?;
        let mut lows: Vec<f64> = points.iter().map(|p| p.low).collect();
        let mut highs: Vec<f64> = points.iter().map(|p| p.high).collect();
        lows.sort_by(f64::total_cmp);
        highs.sort_by(f64::total_cmp);
        let rare = points.len() / 100;
        let (low, high) = (lows.get(rare)?.min(least), highs.get(highs.len() - 1 - rare)?.max(greatest));
        if least > 0.0 && greatest / least > log_from {
            let low = low.max(least / 10.0);
            return Some(Self { low: low / 1.1, high: high * 1.1, log: true });
        }
        let span = high - low;
        if span <= high.abs().max(low.abs()) * 1e-9 {
            // The one value, and zero.
            let room = if high == 0.0 { 1.0 } else { high.abs() * 0.25 };
            let (low, high) = (if low < 0.0 { low - room } else { 0.0 }, high.max(0.0) + room);
            return Some(Self { low, high, log: false });
        }
        let low = if (0.0..0.5 * high).contains(&low) { 0.0 } else { low - span * 0.05 };
        Some(Self { low, high: high + span * 0.05, log: false })
    }

    /// Where between the lower end, 0, and the upper, 1; what is beyond is at the end.
    fn part(&self, value: f64) -> f64 {
        let part = if self.log {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        part.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let (from, to) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
            let decades = (self.high / self.low).log10();
            let factors: &[f64] = if decades < 2.5 { &[1.0, 3.0] } else { &[1.0] };
            let every = (decades / 4.0).ceil().max(1.0) as i32;
            let all = (from..=to).filter(|d| d.rem_euclid(every) == 0);
            let all = all.flat_map(|d| factors.iter().map(move |f| f * 10_f64.powi(d)));
            return all.filter(|v| (self.low..=self.high).contains(v)).collect();
        }
        let step = nice_step(self.high - self.low, 4);
        let first = (self.low / step).ceil() as i64;
        // Multiplied, not summed up: 0.3, not 0.30000000000000004.
        (first..first + 6).map(|i| i as f64 * step).filter(|v| *v <= self.high).collect()
    }
}

/// A round distance that fits into `span` at most `most` times.
fn nice_step(span: f64, most: u32) -> f64 {
    let rough = span / f64::from(most);
    let decade = 10_f64.powf(rough.log10().floor());
    let fits = [1.0, 2.0, 2.5, 5.0].into_iter().find(|f| f * decade >= rough);
    fits.unwrap_or(10.0) * decade
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        let point =
            |(i, v): (usize, f64)| Point { step: i as u64 + 1, mean: v, low: v, high: v, not_finite: 0 };
        values.into_iter().enumerate().map(point).collect()
    }

    #[test]
    fn every_curve_can_be_drawn() {
        let curves: [Vec<f64>; 9] = [
            vec![],
            vec![0.0],
            vec![-3.0; 5],
            vec![1e-30, 1e30],
            vec![f64::NAN, 1.0],
            vec![1e-4; 1000],
            vec![0.0, 1e-300],
            (0..3000).map(|i| f64::from(i) - 1500.0).collect(),
            (1..3000).map(|i| 1000.0 / f64::from(i)).collect(),
        ];
        let look = |steps| Look { name: "a<b", class: "d", log_from: LOG_FROM, last_step: steps as u64 };
        for values in curves {
            let svg = chart(look(values.len()), &points(values.clone()), values.last().copied());
            let clean = !svg.contains("inf") && !svg.replace("NaN or", "").contains("NaN\"");
            assert!(clean && !svg.contains("a<b") && svg.len() < 20_000, "{values:?}: {svg}");
        }
    }

    #[test]
    fn ticks_are_round() {
        let scale = Scale { low: 0.0, high: 1.05, log: false };
        assert_eq!(scale.ticks(), [0.0, 0.5, 1.0]);
        let scale = Scale { low: 0.02, high: 700.0, log: true };
        assert_eq!(scale.ticks().len(), 2);
        assert_eq!(nice_step(3000.0, 4), 1000.0);
    }
}
