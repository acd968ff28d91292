//! The curves of a run in bounded memory.

/// As many points as a curve keeps at most.
const LIMIT: usize = 2000;

/// Every value of a run over its steps, each curve at most 2000 points: when they are full, two
/// neighbours become one and from then on a point stands for twice as many steps. It takes
/// the same memory and the same time a step after a million steps as after a thousand.
#[derive(Clone, Debug)]
pub struct Curves {
    names: Vec<String>,
    /// By name, of the last step.
    latest: Vec<f64>,
    buckets: Vec<Bucket>,
    /// Steps that a bucket stands for, a power of two.
    width: u64,
    last_step: u64,
}

#[derive(Clone, Debug)]
struct Bucket {
    /// The last step in it.
    step: u64,
    /// By name; may be shorter where a name came later.
    cells: Vec<Cell>,
}

/// What is kept of the values of some steps.
#[derive(Clone, Copy, Debug)]
struct Cell {
    sum: f64,
    count: u32,
    not_finite: u32,
    low: f64,
    high: f64,
}

/// A point of a curve: some neighbouring steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The last of the steps.
    pub step: u64,
    /// The mean of the values that are finite; NaN where none is.
    pub mean: f64,
    /// The least of them.
    pub low: f64,
    /// The greatest of them.
    pub high: f64,
    /// How many values are NaN or infinite.
    pub not_finite: u32,
}

impl Default for Curves {
    fn default() -> Self {
        Self { names: vec![], latest: vec![], buckets: vec![], width: 1, last_step: 0 }
    }
}

impl Curves {
    /// Adds a step's values by name. Steps must come in their order.
    pub fn add<'a>(&mut self, step: u64, values: impl IntoIterator<Item = (&'a str, f64)>) {
        self.last_step = step;
        let index = self.bucket_of(step);
        if self.buckets.last().is_none_or(|b| self.bucket_of(b.step) != index) {
            if self.buckets.len() == LIMIT {
                self.halve();
            }
            if self.buckets.last().is_none_or(|b| self.bucket_of(b.step) != self.bucket_of(step)) {
                self.buckets.push(Bucket { step, cells: Vec::with_capacity(self.names.len()) });
            }
        }
        self.latest.fill(f64::NAN);
        for (place, (name, value)) in values.into_iter().enumerate() {
            let at = self.place(name, place);
            self.latest[at] = value;
            if let Some(bucket) = self.buckets.last_mut() {
                bucket.step = step;
                if bucket.cells.len() <= at {
                    bucket.cells.resize(at + 1, Cell::EMPTY);
                }
                bucket.cells[at].add(value);
            }
        }
    }

    /// The names in the order in which they came.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The last step, or 0.
    pub fn last_step(&self) -> u64 {
        self.last_step
    }

    /// A curve's value at the last step.
    pub fn latest(&self, name: &str) -> Option<f64> {
        self.latest.get(self.names.iter().position(|n| n == name)?).copied()
    }

    /// The points of a curve; none where the name is unknown.
    pub fn points(&self, name: &str) -> impl Iterator<Item = Point> {
        let at = self.names.iter().position(|n| n == name).unwrap_or(usize::MAX);
        let cells = self.buckets.iter().filter_map(move |b| Some((b.step, b.cells.get(at)?)));
        cells.filter(|(_, c)| c.count + c.not_finite > 0).map(|(step, c)| Point {
            step,
            mean: c.sum / f64::from(c.count),
            low: c.low,
            high: c.high,
            not_finite: c.not_finite,
        })
    }

    fn bucket_of(&self, step: u64) -> u64 {
        step.saturating_sub(1) / self.width
    }

    /// Where a name is, which usually is where it was before.
    fn place(&mut self, name: &str, guess: usize) -> usize {
        if self.names.get(guess).is_some_and(|n| n == name) {
            return guess;
        }
        self.names.iter().position(|n| n == name).unwrap_or_else(|| {
            self.names.push(name.into());
            self.latest.push(f64::NAN);
            self.names.len() - 1
        })
    }

    /// Doubles the steps that a point stands for, until there is room.
    fn halve(&mut self) {
        while self.buckets.len() >= LIMIT {
            self.width *= 2;
            let mut merged: Vec<Bucket> = Vec::with_capacity(LIMIT);
            for bucket in std::mem::take(&mut self.buckets) {
                match merged.last_mut() {
                    Some(last) if self.bucket_of(last.step) == self.bucket_of(bucket.step) => {
                        last.merge(&bucket);
                    }
                    _ => merged.push(bucket),
                }
            }
            self.buckets = merged;
        }
    }
}

impl Bucket {
    fn merge(&mut self, later: &Self) {
        self.step = later.step;
        if self.cells.len() < later.cells.len() {
            self.cells.resize(later.cells.len(), Cell::EMPTY);
        }
        for (cell, later) in self.cells.iter_mut().zip(&later.cells) {
            cell.sum += later.sum;
            cell.count += later.count;
            cell.not_finite += later.not_finite;
            cell.low = cell.low.min(later.low);
            cell.high = cell.high.max(later.high);
        }
    }
}

impl Cell {
    const EMPTY: Self =
        Self { sum: 0.0, count: 0, not_finite: 0, low: f64::INFINITY, high: f64::NEG_INFINITY };

    fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.sum += value;
            self.count += 1;
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        } else {
            self.not_finite += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_stays_short_and_loses_no_extreme() {
        for steps in [1, 1999, 2000, 2001, 50_000] {
            let mut curves = Curves::default();
            for step in 1..=steps {
                let spike = if step == steps / 2 { 1e6 } else { 0.0 };
                curves.add(step, [("ramp", step as f64), ("spike", spike)]);
            }
            let ramp: Vec<Point> = curves.points("ramp").collect();
            assert!(ramp.len() <= LIMIT && (steps < 2001 || ramp.len() >= LIMIT / 2), "{}", ramp.len());
            assert!(ramp.iter().all(|p| p.low <= p.mean && p.mean <= p.high && p.high == p.step as f64));
            assert_eq!((ramp[0].low, ramp[ramp.len() - 1].step), (1.0, steps));
            let highest = curves.points("spike").map(|p| p.high).fold(0.0, f64::max);
            assert_eq!(highest, if steps == 1 { 0.0 } else { 1e6 });
            assert_eq!((curves.latest("ramp"), curves.latest("none")), (Some(steps as f64), None));
        }
    }

    #[test]
    fn gaps_names_that_come_late_and_nan_are_kept_apart() {
        let mut curves = Curves::default();
        curves.add(10, [("a", 1.0)]);
        curves.add(5_000_000, [("b", 2.0), ("a", f64::NAN)]);
        assert_eq!(curves.names().collect::<Vec<_>>(), ["a", "b"]);
        let a: Vec<Point> = curves.points("a").collect();
        assert_eq!((a.len(), a[1].not_finite), (2, 1));
        assert!(a[1].mean.is_nan());
        assert_eq!(curves.points("b").count(), 1);
        assert_eq!(curves.points("c").count(), 0);
    }
}
