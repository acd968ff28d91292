//! The gradients of instance, layer-instance and group normalisation (formulas at [`crate::graph::Op`]).
//!
//! Everything is worked out in `f64` from four sums of each plane, the element's own gradient
//! too: what is left there is often a small difference of large terms.

use crate::graph::{Norm, NormInput, NormKind};

use super::norm::{Statistics, layer_channels, statistics};
use super::vector::vectorized;
use super::{Real, parallel};

/// What the gradients need of one plane, `mean` being that of the plane.
#[derive(Clone, Copy, Default)]
struct Sums {
    statistics: Statistics,
    /// Sum of `g`.
    g: f64,
    /// Sum of `g * (x - mean)`.
    gx: f64,
}

/// What one plane's gradients are made of.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    sums: Sums,
    /// What the plane's own statistics count: 0 with groups.
    rho: f64,
    gamma: f64,
    /// `1 / sqrt(variance + eps)` over the plane and over the sample, or the group.
    instance: f64,
    layer: f64,
    /// The plane's mean less the sample's, or the group's.
    offset: f64,
}

impl Plane {
    /// Sum of `g * i`.
    fn g_instance(&self) -> f64 {
        self.instance * self.sums.gx
    }

    /// Sum of `g * l`.
    fn g_layer(&self) -> f64 {
        self.layer * (self.sums.gx + self.offset * self.sums.g)
    }
}

/// The tensors: g and x in planes of `pixels` elements, `channels` in each sample; the kind's `rho`
/// and `gamma`, `gamma` with one value for each channel, or one for each channel of each sample.
pub(super) struct Operands<'a, T> {
    pub(super) g: &'a [T],
    pub(super) x: &'a [T],
    pub(super) affine: Option<(Option<&'a [T]>, &'a [T])>,
    pub(super) channels: usize,
    pub(super) pixels: usize,
}

/// Writes the gradient of the input `wrt` to `y`; `planes` are those of the operands ([`planes`]).
pub(super) fn norm_grad<T: Real>(
    operands: &Operands<'_, T>,
    planes: &[Plane],
    norm: Norm,
    wrt: NormInput,
    y: &mut [T],
) {
    let of_plane = |p: &Plane| match wrt {
        NormInput::X => 0.0,
        NormInput::Rho => p.gamma * (p.g_instance() - p.g_layer()),
        NormInput::Gamma => p.rho * p.g_instance() + (1.0 - p.rho) * p.g_layer(),
        NormInput::Beta => p.sums.g,
    };
    if wrt == NormInput::X {
        return input(operands, norm, planes, y);
    }
    let len = y.len();
    for (i, y) in y.iter_mut().enumerate() {
        *y = T::from_f64(planes.iter().skip(i).step_by(len).map(of_plane).sum());
    }
}

/// What a sum of squared deviations over `count` elements is divided by.
fn divisor(norm: Norm, count: usize) -> f64 {
    let unbiased = norm.kind == NormKind::LayerInstance && norm.unbiased;
    if unbiased { count as f64 - 1.0 } else { count as f64 }
}

/// What all gradients of one normalisation share.
pub(super) fn planes<T: Real>(o: &Operands<'_, T>, norm: Norm) -> Vec<Plane> {
    let (pixels, channels) = (o.pixels, o.channels);
    let mut sums = vec![Sums::default(); o.x.len() / pixels];
    parallel::chunks(&mut sums, 1, 2 * pixels, |i, sums| {
        let (x, g) = (&o.x[i * pixels..][..pixels], &o.g[i * pixels..][..pixels]);
        sums[0] = gather(x, g);
    });
    let inverse = |squares: f64, count| 1.0 / (squares / divisor(norm, count) + f64::from(norm.eps)).sqrt();
    let mut planes = Vec::with_capacity(sums.len());
    let together = layer_channels(norm.kind, channels);
    for layer_sums in sums.chunks(together) {
        let mean = layer_sums.iter().map(|s| s.statistics.mean).sum::<f64>() / together as f64;
        let squares = |s: &Sums| s.statistics.squares + pixels as f64 * (s.statistics.mean - mean).powi(2);
        let layer = inverse(layer_sums.iter().map(squares).sum(), pixels * together);
        for &sums in layer_sums {
            let at = |values: &[T]| values[planes.len() % values.len()].to_f64();
            let (rho, gamma) = match o.affine {
                Some((rho, gamma)) => (rho.map_or(0.0, at), at(gamma)),
                None => (1.0, 1.0),
            };
            let instance = inverse(sums.statistics.squares, pixels);
            planes.push(Plane { sums, rho, gamma, instance, layer, offset: sums.statistics.mean - mean });
        }
    }
    planes
}

fn gather<T: Real>(x: &[T], g: &[T]) -> Sums {
    const LANES: usize = 8;
    let statistics = statistics(x);
    let (g_sum, product) = vectorized(
        #[inline(always)]
        || {
            let (mut sums, mut products) = ([0.0; LANES], [0.0; LANES]);
            let (x_chunks, g_chunks) = (x.chunks_exact(LANES), g.chunks_exact(LANES));
            for (i, (x, g)) in x_chunks.remainder().iter().zip(g_chunks.remainder()).enumerate() {
                let g = g.to_f64();
                sums[i] += g;
                products[i] += g * (x.to_f64() - statistics.mean);
            }
            for (x, g) in x_chunks.zip(g_chunks) {
                for i in 0..LANES {
                    let g = g[i].to_f64();
                    sums[i] += g;
                    products[i] += g * (x[i].to_f64() - statistics.mean);
                }
            }
            (sums.iter().sum(), products.iter().sum())
        },
    );
    Sums { statistics, g: g_sum, gx: product }
}

/// The gradient of x: `a * g + b * (x - mean) + c` with `a`, `b`, `c` for each plane.
fn input<T: Real>(o: &Operands<'_, T>, norm: Norm, planes: &[Plane], y: &mut [T]) {
    let (pixels, channels) = (o.pixels, o.channels);
    let together = layer_channels(norm.kind, channels);
    let count = (pixels * together) as f64;
    let layers: Vec<[f64; 2]> = planes
        .chunks(together)
        .map(|layer| {
            let weight = |p: &Plane| (1.0 - p.rho) * p.gamma;
            let mean: f64 = layer.iter().map(|p| weight(p) * p.sums.g).sum::<f64>() / count;
            let product: f64 = layer.iter().map(|p| weight(p) * p.g_layer()).sum();
            [mean, product / divisor(norm, pixels * together)]
        })
        .collect();
    parallel::chunks(y, pixels, 3 * pixels, |i, y| {
        let p = &planes[i];
        let own = p.rho * p.gamma;
        // Without the layer's share, not with 0 of it: that of another channel's NaN would be NaN.
        let a = match norm.kind {
            NormKind::Instance => own * p.instance,
            NormKind::LayerInstance => p.gamma * (p.rho * p.instance + (1.0 - p.rho) * p.layer),
            NormKind::Group { .. } => p.gamma * p.layer,
        };
        let along = own * p.g_instance() / divisor(norm, pixels) * p.instance.powi(2);
        let mut b = -along;
        let mut c = -p.instance * own * p.sums.g / pixels as f64;
        if norm.kind != NormKind::Instance {
            let [mean, product] = layers[i / together];
            let along = product * p.layer.powi(2);
            b -= along;
            c -= p.layer * mean + along * p.offset;
        }
        let (x, g) = (&o.x[i * pixels..][..pixels], &o.g[i * pixels..][..pixels]);
        let mean = p.sums.statistics.mean;
        vectorized(
            #[inline(always)]
            || {
                for ((y, x), g) in y.iter_mut().zip(x).zip(g) {
                    *y = T::from_f64(a * g.to_f64() + b * (x.to_f64() - mean) + c);
                }
            },
        );
    });
}
