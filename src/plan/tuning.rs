//! What was measured on one adapter: in place of the table's guesses, where it says something.

use serde::{Deserialize, Serialize};

/// The measured times of convolution kernels on one adapter with one driver, made by
/// [`tune`](crate::tune::tune).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Direct convolutions, and the matrix products of fast ones.
    pub products: Vec<MeasuredProduct>,
    /// Whole convolutions, direct and by Winograd's algorithm.
    pub winograd: Vec<MeasuredWinograd>,
    /// Milliseconds that convolutions with few results take together if so many invocations are wanted for each
    /// ([`busy`](super::select::busy)), the fastest first.
    #[serde(default)]
    pub invocations: Vec<(usize, f64)>,
    /// Milliseconds of a whole translation with tensors of f32 and of f16; none where the latter were wrong, or the
    /// adapter has none.
    #[serde(default)]
    pub precision: Option<[f64; 2]>,
}

/// What decides which kernel is the fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Pixels of the result, of all samples and phases.
    pub pixels: usize,
    /// vec4s of input channels.
    pub in_quads: usize,
    /// vec4s of output channels.
    pub out_quads: usize,
}

impl Product {
    /// How unlike two are: the doublings between them, of all three sizes.
    fn distance(self, other: Self) -> f64 {
        let doublings = |a: usize, b: usize| (a.max(1) as f64 / b.max(1) as f64).log2().abs();
        doublings(self.pixels, other.pixels)
            + doublings(self.in_quads, other.in_quads)
            + doublings(self.out_quads, other.out_quads)
    }
}

/// One of [`Tuning::products`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredProduct {
    /// What was computed.
    pub product: Product,
    /// For people.
    pub label: String,
    /// The forward kernels whose results were right, with milliseconds, the fastest first.
    pub kernels: Vec<(String, f64)>,
}

/// One of [`Tuning::winograd`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredWinograd {
    /// Input channels, output channels, and tiles of 4x4 outputs.
    pub channels: [usize; 2],
    /// Tiles of 4x4 outputs.
    pub tiles: usize,
    /// Milliseconds of the direct convolution by its fastest kernel.
    pub direct_ms: f64,
    /// Milliseconds by Winograd's algorithm; none where its result was wrong.
    pub winograd_ms: Option<f64>,
}

/// Beyond so many doublings what was measured says nothing.
const FAR: f64 = 4.0;

impl Tuning {
    /// The kernels by speed for what is most like `product`, if anything like it was measured.
    pub fn kernels(&self, product: Product) -> impl Iterator<Item = &str> {
        let distance = |measured: &&MeasuredProduct| measured.product.distance(product);
        let nearest = self.products.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let near = nearest.filter(|measured| distance(measured) <= FAR);
        near.into_iter().flat_map(|measured| measured.kernels.iter().map(|(name, _)| name.as_str()))
    }

    /// Whether a translation was faster with tensors of f16.
    pub fn f16_is_faster(&self) -> bool {
        self.precision.is_some_and(|[f32_ms, f16_ms]| f16_ms < f32_ms)
    }

    /// Whether Winograd's algorithm was the faster one for what is most like this convolution, if
    /// anything like it was measured.
    pub fn winograd(&self, channels: [usize; 2], tiles: usize) -> Option<bool> {
        let as_product = |[c, o]: [usize; 2], tiles| Product { pixels: tiles, in_quads: c, out_quads: o };
        let distance = |measured: &&MeasuredWinograd| {
            as_product(measured.channels, measured.tiles).distance(as_product(channels, tiles))
        };
        let nearest = self.winograd.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let near = nearest.filter(|measured| distance(measured) <= FAR);
        near.map(|measured| measured.winograd_ms.is_some_and(|ms| ms < measured.direct_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_measurement_counts_and_a_far_one_does_not() {
        let measured = |pixels, name: &str| MeasuredProduct {
            product: Product { pixels, in_quads: 64, out_quads: 64 },
            label: String::new(),
            kernels: vec![(name.into(), 1.0), ("other".into(), 2.0)],
        };
        let tuning =
            Tuning { products: vec![measured(4096, "large"), measured(256, "small")], ..Tuning::default() };
        let asked = |pixels| {
            let product = Product { pixels, in_quads: 64, out_quads: 64 };
            tuning.kernels(product).next().map(str::to_owned)
        };
        assert_eq!(asked(5000).as_deref(), Some("large"));
        assert_eq!(asked(300).as_deref(), Some("small"));
        assert_eq!(asked(1 << 30), None);
        assert_eq!(Tuning::default().winograd([64, 64], 16), None);
        let one =
            |winograd_ms| MeasuredWinograd { channels: [64, 64], tiles: 64, direct_ms: 2.0, winograd_ms };
        for (ms, wins) in [(Some(1.0), true), (Some(3.0), false), (None, false)] {
            let tuning = Tuning { winograd: vec![one(ms)], ..Tuning::default() };
            assert_eq!(tuning.winograd([80, 64], 100), Some(wins));
        }
    }
}
