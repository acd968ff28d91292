//! Static tensor shapes.

use std::fmt;

/// The extents of a tensor, outermost first; images are `[N, C, H, W]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The extents.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements (1 for a scalar); the largest number where there are more.
    pub fn elements(&self) -> usize {
        self.0.iter().fold(1, |product: usize, &extent| product.saturating_mul(extent))
    }

    /// Whether `usize`, which has 32 bits in a browser, holds the product of any of the extents.
    pub(crate) fn is_countable(&self) -> bool {
        self.0.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent.max(1))).is_some()
    }

    /// `[N, C, H, W]`, where the shape has four dimensions.
    pub fn nchw(&self) -> Option<[usize; 4]> {
        <[usize; 4]>::try_from(self.dims()).ok()
    }

    /// `[rows, columns]`, where the shape has two dimensions.
    pub fn matrix(&self) -> Option<[usize; 2]> {
        <[usize; 2]>::try_from(self.dims()).ok()
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self(dims.to_vec())
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self(dims.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Self(dims)
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        shape.clone()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.0.iter().enumerate() {
            write!(f, "{}{d}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
