//! Adam as `torch.optim.Adam` computes it, and the clipping of rho.

use serde::{Deserialize, Serialize};

use crate::cpu::{Real, parallel, vectorized};

/// Elements that one thread moves at a time.
const CHUNK: usize = 1 << 14;

/// Adam with L2 decay (official `torch.optim.Adam(lr, betas=(0.5, 0.999), weight_decay)`).
///
/// The decay is added to the gradient of every parameter (it is not AdamW); `eps` is added
/// after the bias-corrected square root. With `g' = g + weight_decay * p`, at the t-th step:
/// - `m = beta1 * m + (1 - beta1) * g'`, `v = beta2 * v + (1 - beta2) * g'²`
/// - `p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// Of the moving averages of the gradient and of its square.
    pub betas: [f64; 2],
    /// Guards the division.
    pub eps: f64,
    /// Factor of the parameter in its gradient.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { betas: [0.5, 0.999], eps: 1e-8, weight_decay: 1e-4 }
    }
}

/// The moving averages of one parameter's gradient, zero before the first step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments<T> {
    /// Of the gradient with decay.
    pub m: Vec<T>,
    /// Of its square.
    pub v: Vec<T>,
}

impl<T: Real> Moments<T> {
    /// Those of a parameter of `elements` that has not moved yet.
    pub fn zeros(elements: usize) -> Self {
        Self { m: vec![T::default(); elements], v: vec![T::default(); elements] }
    }

    /// Elements of the parameter that they belong to; the fewer, should the two differ.
    pub fn elements(&self) -> usize {
        self.m.len().min(self.v.len())
    }
}

/// A part of a parameter, for one thread.
struct Part<'a, T> {
    p: &'a mut [T],
    g: &'a [T],
    m: &'a mut [T],
    v: &'a mut [T],
}

impl Adam {
    /// Moves the parameter `p` by its gradient `g`, both of as many elements as the moments.
    /// `t` counts the optimiser's steps, this one included: 1 the first time. Each element is
    /// computed in `f64` and rounded once.
    pub fn update<T: Real>(&self, lr: f64, t: u64, p: &mut [T], g: &[T], moments: &mut Moments<T>) {
        let [beta1, beta2] = self.betas;
        let t = t.min(i32::MAX as u64) as i32;
        let rate = lr / (1.0 - beta1.powi(t));
        let correction = 1.0 / (1.0 - beta2.powi(t)).sqrt();
        let mut parts: Vec<Part<'_, T>> = p
            .chunks_mut(CHUNK)
            .zip(g.chunks(CHUNK))
            .zip(moments.m.chunks_mut(CHUNK).zip(moments.v.chunks_mut(CHUNK)))
            .map(|((p, g), (m, v))| Part { p, g, m, v })
            .collect();
        parallel::chunks(&mut parts, 1, CHUNK, |_, parts| {
            for Part { p, g, m, v } in parts {
                vectorized(
                    #[inline(always)]
                    || {
                        for (((p, g), m), v) in p.iter_mut().zip(*g).zip(m.iter_mut()).zip(v.iter_mut()) {
                            let x = p.to_f64();
                            let g = g.to_f64() + self.weight_decay * x;
                            let mean = beta1 * m.to_f64() + (1.0 - beta1) * g;
                            let square = beta2 * v.to_f64() + (1.0 - beta2) * g * g;
                            *m = T::from_f64(mean);
                            *v = T::from_f64(square);
                            *p = T::from_f64(x - rate * mean / (square.sqrt() * correction + self.eps));
                        }
                    },
                );
            }
        });
    }
}

/// Brings every element into 0..1 (official `RhoClipper(0, 1)`). The moments stay as they are.
pub fn clip_rho<T: Real>(rho: &mut [T]) {
    for x in rho {
        // Comparisons rather than a clamp in f64: NaN stays NaN, so that it is noticed.
        if *x < T::default() {
            *x = T::default();
        } else if *x > T::ONE {
            *x = T::ONE;
        }
    }
}
