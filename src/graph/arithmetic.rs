//! How much may be traded for speed.

/// Which algorithms an executor may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// Sums of products as the formulas state them: what training and all comparisons with the
    /// official programs use.
    Exact,
    /// Also Winograd's F(4x4, 3x3) for 3x3 convolutions, where that is faster: a quarter of the
    /// multiplications. In `f32` with 256 channels one convolution is then off by about 1e-5 of its
    /// largest output, where the direct one is off by 4e-7.
    #[default]
    Fast,
}
