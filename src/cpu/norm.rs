//! Instance, layer-instance and group normalisation, in place.
//!
//! Statistics are sums in `f64` of differences from the plane's first element, so that a mean
//! that is large against the deviation costs no digits. The result is
//! `(x - mean) * scale + shift` with `scale` and `shift` worked out in `f64`, and with `shift`
//! making up for the rounding of `mean`.

use crate::graph::{Norm, NormKind};

use super::pointwise::with_activation;
use super::vector::vectorized;
use super::{Real, parallel};

const LANES: usize = 8;

/// Mean and sum of squared deviations of one plane.
#[derive(Clone, Copy, Default)]
pub(super) struct Statistics {
    pub(super) mean: f64,
    pub(super) squares: f64,
}

/// The parameters of a [`NormKind`] that has any; `gamma` and `beta` hold one value for each channel, or
/// one for each channel of each sample.
pub(super) struct Affine<'a, T> {
    /// Of [`NormKind::LayerInstance`]; without it only the layer's statistics, or the group's, count.
    pub(super) rho: Option<&'a [T]>,
    pub(super) gamma: &'a [T],
    pub(super) beta: &'a [T],
}

/// What becomes of the elements of one plane.
#[derive(Clone, Copy)]
struct Map<T> {
    mean: T,
    scale: T,
    shift: T,
}

impl<T: Real> Map<T> {
    fn new(mean: f64, scale: f64, shift: f64) -> Self {
        let rounded = T::from_f64(mean);
        let shift = shift + (rounded.to_f64() - mean) * scale;
        Self { mean: rounded, scale: T::from_f64(scale), shift: T::from_f64(shift) }
    }

    /// Instance normalisation.
    fn instance(m: Statistics, pixels: usize, eps: f64) -> Self {
        Self::new(m.mean, 1.0 / (m.squares / pixels as f64 + eps).sqrt(), 0.0)
    }

    fn apply(self, y: &mut [T], residual: Option<&[T]>, f: impl Fn(T) -> T) {
        vectorized(
            #[inline(always)]
            || self.apply_to(y, residual, f),
        );
    }

    #[inline(always)]
    fn apply_to(self, y: &mut [T], residual: Option<&[T]>, f: impl Fn(T) -> T) {
        let map = |x: T| f((x - self.mean) * self.scale + self.shift);
        match residual {
            None => {
                for y in y {
                    *y = map(*y);
                }
            }
            Some(residual) => {
                for (y, &r) in y.iter_mut().zip(residual) {
                    *y = map(*y) + r;
                }
            }
        }
    }
}

/// Normalises `y`, planes of `pixels` elements, `channels` in each sample; then the activation,
/// then the sum with `residual`. `affine` is given where the kind has parameters.
#[cfg_attr(target_arch = "wasm32", inline(never))]
pub(super) fn norm<T: Real>(
    y: &mut [T],
    channels: usize,
    pixels: usize,
    norm: Norm,
    affine: Option<Affine<'_, T>>,
    residual: Option<&[T]>,
) {
    let eps = f64::from(norm.eps);
    let residual = |plane: usize| residual.map(|r| &r[plane * pixels..][..pixels]);
    match affine {
        None => with_activation!(norm.activation, f => parallel::chunks(y, pixels, pixels, |plane, y| {
            Map::instance(statistics(y), pixels, eps).apply(y, residual(plane), f);
        })),
        Some(affine) => {
            let maps = affine_maps(y, channels, pixels, norm, &affine);
            with_activation!(norm.activation, f => parallel::chunks(y, pixels, pixels, |plane, y| {
                maps[plane].apply(y, residual(plane), f);
            }));
        }
    }
}

/// What [`norm`] would do to each channel of each sample: into `y` `[N, 3, C]` the mean, the factor
/// and the summand.
pub(super) fn coefficients<T: Real>(
    x: &[T],
    channels: usize,
    pixels: usize,
    norm: Norm,
    affine: Option<Affine<'_, T>>,
    y: &mut [T],
) {
    let eps = f64::from(norm.eps);
    let maps = match affine {
        Some(affine) => affine_maps(x, channels, pixels, norm, &affine),
        None => x.chunks(pixels).map(|plane| Map::instance(statistics(plane), pixels, eps)).collect(),
    };
    for (y, maps) in y.chunks_mut(3 * channels).zip(maps.chunks(channels)) {
        for (c, map) in maps.iter().enumerate() {
            (y[c], y[channels + c], y[2 * channels + c]) = (map.mean, map.scale, map.shift);
        }
    }
}

/// The channels of a layer or, of group normalisation, of a group.
pub(super) fn layer_channels(kind: NormKind, channels: usize) -> usize {
    match kind {
        NormKind::Group { groups } => channels / groups,
        NormKind::Instance | NormKind::LayerInstance => channels,
    }
}

/// `rho * IN(x) + (1 - rho) * LN(x)`, or the normalisation of groups, then `* gamma + beta`, as one map for each
/// plane.
fn affine_maps<T: Real>(
    x: &[T],
    channels: usize,
    pixels: usize,
    norm: Norm,
    affine: &Affine<'_, T>,
) -> Vec<Map<T>> {
    let mut planes = vec![Statistics::default(); x.len() / pixels];
    parallel::chunks(&mut planes, 1, pixels, |plane, m| m[0] = statistics(&x[plane * pixels..][..pixels]));

    let (count, eps) = (pixels as f64, f64::from(norm.eps));
    let fewer = if norm.kind == NormKind::LayerInstance && norm.unbiased { 1.0 } else { 0.0 };
    let together = layer_channels(norm.kind, channels);
    let inverse_deviation = |squares: f64, count: f64| 1.0 / (squares / (count - fewer) + eps).sqrt();
    let mut maps = Vec::with_capacity(planes.len());
    for layer_planes in planes.chunks(together) {
        let layer_mean = layer_planes.iter().map(|m| m.mean).sum::<f64>() / together as f64;
        let layer_squares =
            layer_planes.iter().map(|m| m.squares + count * (m.mean - layer_mean).powi(2)).sum::<f64>();
        let layer = inverse_deviation(layer_squares, count * together as f64);
        for m in layer_planes {
            let at = |values: &[T]| values[maps.len() % values.len()].to_f64();
            let (gamma, beta) = (at(affine.gamma), at(affine.beta));
            let mut scale = layer;
            let mut offset = (m.mean - layer_mean) * layer;
            if let Some(rho) = affine.rho {
                let rho = at(rho);
                scale = rho * inverse_deviation(m.squares, count) + (1.0 - rho) * layer;
                offset = (1.0 - rho) * (m.mean - layer_mean) * layer;
            }
            maps.push(Map::new(m.mean, scale * gamma, offset * gamma + beta));
        }
    }
    maps
}

pub(super) fn statistics<T: Real>(x: &[T]) -> Statistics {
    vectorized(
        #[inline(always)]
        || statistics_of(x),
    )
}

#[inline(always)]
fn statistics_of<T: Real>(x: &[T]) -> Statistics {
    let origin = x[0];
    let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
    let chunks = x.chunks_exact(LANES);
    for (i, &x) in chunks.remainder().iter().enumerate() {
        let d = (x - origin).to_f64();
        sums[i] += d;
        squares[i] += d * d;
    }
    for chunk in chunks {
        for i in 0..LANES {
            let d = (chunk[i] - origin).to_f64();
            sums[i] += d;
            squares[i] += d * d;
        }
    }
    let count = x.len() as f64;
    let (sum, squares) = (sums.iter().sum::<f64>(), squares.iter().sum::<f64>());
    let deviations = squares - sum * sum / count;
    // Not `f64::max`, which makes 0 of NaN.
    let squares = if deviations < 0.0 { 0.0 } else { deviations };
    Statistics { mean: origin.to_f64() + sum / count, squares }
}
