//! An official run in `f64` whose beginning is disturbed by rounding: how far rounding alone leads.

use ugatit::Tensor;

use super::official::{Trajectory, log, log_errors, weight_errors};
use super::support::random::Noise;

/// Runs in `f64` from disturbed weights. Each may flip other kinks.
const DISTURBED: u64 = 24;
/// The relative disturbance of each weight and pixel: what sums of hundreds of products in `f32` are
/// off by.
const DISTURBANCE: f64 = 4.0 * f32::EPSILON as f64;

/// See [`Trajectory::spread`].
pub(crate) struct Spread {
    pub(crate) log: Vec<[f64; 2]>,
    pub(crate) weights: [f64; 2],
}

impl Trajectory {
    /// How far runs in `f64` are off whose weights and pictures are disturbed by rounding: at each
    /// iteration the worst so far of losses and of gradient norms, and at the end the worst of the
    /// weights.
    pub(crate) fn spread(&self) -> Spread {
        let mut spread = Spread { log: vec![[0.0; 2]; self.iterations], weights: [0.0; 2] };
        for seed in 1..=DISTURBED {
            let mut noise = Noise::seeded(seed);
            let mut disturb = |t: &Tensor<f64>| t.map(|x| x * (1.0 + DISTURBANCE * noise.value()));
            let mut trainer = self.trainer::<f64>();
            trainer.state.tensors.values_mut().for_each(|t| *t = disturb(t));
            let mut worst = [0.0_f64; 2];
            for (iteration, expected) in self.log.iter().enumerate() {
                let pictures = self.pictures::<f64>(iteration).map(|t| disturb(&t));
                let report = trainer.iterate(&[pictures]).unwrap();
                let errors = log_errors(&self.name, &log(&report), expected);
                for (k, worst) in worst.iter_mut().enumerate() {
                    *worst = worst.max(errors[k]);
                    spread.log[iteration][k] = spread.log[iteration][k].max(*worst);
                }
            }
            if let Some(finals) = self.finals() {
                let errors = weight_errors(&trainer.state.tensors, &finals, self.config.schedule.lr / 2.0);
                spread.weights = [0, 1].map(|k| errors[k].max(spread.weights[k]));
            }
        }
        spread
    }
}
