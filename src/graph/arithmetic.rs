//! How much may be traded for speed.

use serde::{Deserialize, Serialize};

/// Which algorithms an executor may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    /// Sums of products as the formulas state them: what all comparisons with the official programs use.
    Exact,
    /// Also Winograd's F(4x4, 3x3) for 3x3 convolutions and their gradients, where that is faster: a quarter of the
    /// multiplications. In `f32` with 256 channels one convolution is then off by about 2e-6 of its
    /// largest output, where the direct one is off by 4e-7.
    #[default]
    Fast,
    /// The algorithms of [`Self::Fast`] wherever they are possible, even where they are slower: what shows, on networks
    /// that are small enough for a test, how far off they are.
    Fewest,
}
