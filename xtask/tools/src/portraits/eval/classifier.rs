//! A classifier that tells the two styles apart: logistic regression over features of real pictures.

/// Steps of gradient descent, all pictures in each.
const STEPS: usize = 300;
/// What large weights cost.
const DECAY: f64 = 1e-3;

/// Tells domain B from domain A.
pub(super) struct Classifier {
    weights: Vec<f64>,
    bias: f64,
}

impl Classifier {
    /// Learns from scaled features of pictures of both domains.
    pub(super) fn train([a, b]: [&[Vec<f64>]; 2]) -> Self {
        let width = a.iter().chain(b).map(Vec::len).next().unwrap_or(0);
        let mut classifier = Self { weights: vec![0.0; width], bias: 0.0 };
        let count = (a.len() + b.len()).max(1) as f64;
        // Scaled features have about the squared length `width`, and the sigmoid a slope of 1/4 at most.
        let rate = 4.0 / (width as f64 + 1.0);
        for _ in 0..STEPS {
            let mut gradient = vec![0.0; width];
            let mut slope = 0.0;
            for (rows, target) in [(a, 0.0), (b, 1.0)] {
                for row in rows {
                    let error = (sigmoid(classifier.score(row)) - target) / count;
                    slope += error;
                    gradient.iter_mut().zip(row).for_each(|(g, x)| *g += error * x);
                }
            }
            classifier.bias -= rate * slope;
            for (weight, g) in classifier.weights.iter_mut().zip(gradient) {
                *weight -= rate * (g + DECAY * *weight);
            }
        }
        classifier
    }

    /// Above 0 for B.
    fn score(&self, row: &[f64]) -> f64 {
        self.weights.iter().zip(row).map(|(w, x)| w * x).sum::<f64>() + self.bias
    }

    /// How many of 100 pictures it takes for those of domain A (0) or B (1).
    pub(super) fn percent(&self, rows: &[Vec<f64>], domain: usize) -> f64 {
        let taken = rows.iter().filter(|row| (self.score(row) > 0.0) == (domain == 1)).count();
        100.0 * taken as f64 / rows.len().max(1) as f64
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::Classifier;

    #[test]
    fn two_clouds_are_told_apart() {
        // Told apart by the first number; the second is noise.
        let cloud = |middle: f64| -> Vec<Vec<f64>> {
            (0..40).map(|i| vec![middle + f64::from(i % 7) * 0.1, f64::from(i % 5) - 2.0]).collect()
        };
        let [a, b] = [cloud(-1.3), cloud(0.7)];
        let classifier = Classifier::train([&a, &b]);
        assert_eq!([classifier.percent(&a, 0), classifier.percent(&b, 1)], [100.0; 2]);
        assert_eq!([classifier.percent(&a, 1), classifier.percent(&b, 0)], [0.0; 2]);
        assert!(classifier.percent(&cloud(-0.3), 0) < 100.0);
        assert_eq!(classifier.percent(&[], 0), 0.0);
    }
}
