//! Files: pictures, models, datasets, checkpoints of other programs.
//!
//! [`Model::open`] reads a model, whichever program wrote it, and [`Model::save`] writes it; its architecture is a
//! [`GeneratorConfig`]. [`read_picture`] and [`write_picture`] are for picture files, [`Picture`] for pixels that the caller
//! has in memory. [`Dataset`] lists the pictures that a training takes.

mod architecture;
#[cfg(not(target_arch = "wasm32"))]
mod atomic;
mod average;
#[cfg(all(feature = "pytorch", not(target_arch = "wasm32")))]
mod checkpoint;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
mod copies;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
mod dataset;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
mod examine;
mod features;
mod fold;
mod foreign;
pub mod heatmap;
#[cfg(not(target_arch = "wasm32"))]
mod import;
#[cfg(feature = "pictures")]
mod jpeg;
mod model_file;
#[cfg(not(target_arch = "wasm32"))]
mod model_folder;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
mod networks;
mod npy;
#[cfg(not(target_arch = "wasm32"))]
mod onnx;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod open;
mod picture;
#[cfg(feature = "pictures")]
mod picture_file;
mod quantize;
#[cfg(feature = "pictures")]
mod repair;
mod resize;
pub(crate) mod safetensors;
#[cfg(not(target_arch = "wasm32"))]
mod tensorflow;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod training_state;
#[cfg(feature = "pictures")]
mod unread;

pub use crate::model::{DecoderNorm, Dialect, Direction, GeneratorConfig};
pub(crate) use architecture::ADAPTIVE_KEY as QUANTIZED_KEY;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
pub(crate) use atomic::remove_temporaries;
#[cfg(not(target_arch = "wasm32"))]
pub use atomic::write_atomically;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
pub use copies::look_alikes;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
pub use dataset::{Dataset, Folder};
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
pub use examine::{PictureFacts, examine_picture};
pub use features::decode_features;
#[cfg(not(target_arch = "wasm32"))]
pub use features::read_features;
#[cfg(not(target_arch = "wasm32"))]
pub use import::{ImportOptions, checkpoint_directions, read_checkpoint};
pub use model_file::{FORMAT_VERSION, Model, ModelMetadata, Precision};
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
pub(crate) use networks::Networks;
#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) use onnx::in_onnx;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
pub(crate) use picture::NORMALIZED;
pub use picture::{Picture, Rounding, quantize};
#[cfg(feature = "pictures")]
pub use picture_file::{
    MAX_PIXELS, PICTURE_ENDINGS, PictureFormat, RemarkedPicture, decode_picture, decode_picture_with_remarks,
    encode_picture, has_picture_ending,
};
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
pub use picture_file::{read_picture, read_picture_size, read_picture_with_remarks, write_picture};
#[cfg(not(target_arch = "wasm32"))]
pub use tensorflow::is_tensorflow_checkpoint;
#[cfg(feature = "pictures")]
pub use unread::unread_picture;
