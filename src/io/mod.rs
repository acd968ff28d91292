//! Files: pictures, models, official checkpoints.

mod architecture;
#[cfg(not(target_arch = "wasm32"))]
mod atomic;
#[cfg(feature = "pytorch")]
mod checkpoint;
pub mod heatmap;
mod model_file;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(not(target_arch = "wasm32"))]
mod open;
mod picture;
#[cfg(feature = "pictures")]
mod picture_file;
mod resize;
mod safetensors;

#[cfg(not(target_arch = "wasm32"))]
pub use atomic::write_atomically;
#[cfg(feature = "pytorch")]
pub use checkpoint::{ImportOptions, read_checkpoint};
pub use model_file::{FORMAT_VERSION, Model, ModelMetadata, Precision};
pub use picture::{Picture, quantize};
#[cfg(feature = "pictures")]
pub use picture_file::{
    MAX_PIXELS, PictureFormat, decode_picture, encode_picture, read_picture, write_picture,
};
