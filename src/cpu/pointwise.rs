//! Activations and sums, in place.

use crate::graph::Activation;

use super::vector::vectorized;
use super::{Real, parallel};

/// Elements that one thread takes at a time.
const CHUNK: usize = 8192;

/// Calls `$body` with `$f` bound to the function of `$activation`, so that the loop inside is
/// compiled once for each.
macro_rules! with_activation {
    ($activation:expr, $f:ident => $body:expr) => {
        match $activation {
            $crate::graph::Activation::Identity => {
                let $f = |x| x;
                $body
            }
            $crate::graph::Activation::Relu => {
                let $f = $crate::cpu::pointwise::relu;
                $body
            }
            $crate::graph::Activation::LeakyRelu(slope) => {
                let $f = $crate::cpu::pointwise::leaky_relu(slope);
                $body
            }
            $crate::graph::Activation::Tanh => {
                let $f = Real::tanh;
                $body
            }
        }
    };
}
pub(super) use with_activation;

/// `max(x, 0)`; NaN stays NaN, as in PyTorch.
#[inline(always)]
pub(super) fn relu<T: Real>(x: T) -> T {
    if x < T::default() { T::default() } else { x }
}

/// `x` where positive, else `slope * x`.
#[inline(always)]
pub(super) fn leaky_relu<T: Real>(slope: f32) -> impl Fn(T) -> T + Copy + Send + Sync {
    let slope = T::from_f64(f64::from(slope));
    move |x| if x > T::default() { x } else { slope * x }
}

/// `y = activation(y)`
pub(super) fn activate<T: Real>(y: &mut [T], activation: Activation) {
    if activation == Activation::Identity {
        return;
    }
    with_activation!(activation, f => parallel::chunks(y, CHUNK, CHUNK, |_, y| vectorized(
        #[inline(always)]
        || {
            for y in y {
                *y = f(*y);
            }
        },
    )));
}

/// `y[n, c, ..] = activation(y[n, c, ..] + bias[c])` for planes of `pixels` elements.
pub(super) fn add_bias<T: Real>(y: &mut [T], pixels: usize, bias: &[T], activation: Activation) {
    with_activation!(activation, f => parallel::chunks(y, pixels, pixels, |plane, y| {
        let bias = bias[plane % bias.len()];
        vectorized(
            #[inline(always)]
            || {
                for y in y {
                    *y = f(*y + bias);
                }
            },
        );
    }));
}

/// `y += x`
pub(super) fn add<T: Real>(y: &mut [T], x: &[T]) {
    parallel::chunks(y, CHUNK, CHUNK, |i, y| {
        for (y, &x) in y.iter_mut().zip(&x[i * CHUNK..]) {
            *y += x;
        }
    });
}

/// `g = g * activation'`, from the activation's result `y`.
pub(super) fn activation_grad<T: Real>(g: &mut [T], y: &[T], activation: Activation) {
    let zero = T::default();
    match activation {
        Activation::Identity => {}
        // Not `y > 0`: where y is NaN, PyTorch lets the gradient through.
        Activation::Relu => combine(g, y, |g, y| if y <= zero { zero } else { g }),
        Activation::LeakyRelu(slope) => {
            let slope = T::from_f64(f64::from(slope));
            combine(g, y, |g, y| if y > zero { g } else { slope * g });
        }
        Activation::Tanh => combine(g, y, |g, y| g * (T::ONE - y * y)),
    }
}

fn combine<T: Real>(a: &mut [T], b: &[T], f: impl Fn(T, T) -> T + Sync + Send) {
    parallel::chunks(a, CHUNK, 2 * CHUNK, |i, a| {
        for (a, &b) in a.iter_mut().zip(&b[i * CHUNK..]) {
            *a = f(*a, b);
        }
    });
}

/// `y = max(y - threshold, 0)`
pub(super) fn above<T: Real>(y: &mut [T], threshold: f32) {
    let threshold = T::from_f64(f64::from(threshold));
    for y in y {
        *y = relu(*y - threshold);
    }
}

/// `y *= factor`
pub(super) fn scale<T: Real>(y: &mut [T], factor: f32) {
    let factor = T::from_f64(f64::from(factor));
    parallel::chunks(y, CHUNK, CHUNK, |_, y| {
        for y in y {
            *y = factor * *y;
        }
    });
}
