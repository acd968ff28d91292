//! How near pictures are to each other, which tells how good a model is: one by one ([`psnr`], [`ssim`],
//! [`l1`]) and as sets ([`kid`]).
//!
//! Knows pictures and tensors, but neither models nor devices: what is measured may come from
//! anywhere.

mod kid;
mod sheet;
mod similarity;
mod summary;

pub use kid::{Kid, KidOptions, kid};
pub use sheet::{SheetLayout, contact_sheet};
pub use similarity::{L1_TO_BYTES, l1, psnr, ssim};
pub use summary::{Histogram, Summary};
