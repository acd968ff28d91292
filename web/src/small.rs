//! A model for nobody's pictures: whoever opens it and translates with it, while the real one is on
//! its way, has the browser compile what that will need.

use std::fmt::Write as _;

use ugatit::Result;
use ugatit::io::Model;
use ugatit::model::{DecoderNorm, Dialect, GeneratorConfig};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::thrown;

/// The smallest that takes every way that the usual ones take: its convolutions are large enough for
/// Winograd's algorithm, and translating takes a fiftieth of what it takes with 16 channels.
const CONFIG: GeneratorConfig = GeneratorConfig {
    ch: 8,
    n_res: 1,
    n_res_decoder: 1,
    img_size: 32,
    img_ch: 3,
    light: true,
    dialect: Dialect::Pytorch,
    decoder_norm: DecoderNorm::AdaLin,
    cam: true,
    smoothing: false,
};

/// The file of a model that is all zeros, for pictures of 32x32.
#[wasm_bindgen(js_name = smallModel)]
pub fn small_model() -> std::result::Result<Vec<u8>, JsValue> {
    file().map_err(|error| thrown(&error))
}

fn file() -> Result<Vec<u8>> {
    let GeneratorConfig { ch, n_res, n_res_decoder, img_size, img_ch, .. } = CONFIG;
    let mut header = format!(
        r#"{{"__metadata__":{{"format":"ugatit","format_version":"1","architecture":"{}","ch":"{ch}","n_res":"{n_res}","n_res_decoder":"{n_res_decoder}","img_size":"{img_size}","img_ch":"{img_ch}","direction":"A2B"}}"#,
        CONFIG.architecture()
    );
    let mut end = 0;
    for (name, shape) in Model::expected(&CONFIG)? {
        let start = end;
        end += 2 * shape.elements();
        // A string takes all that is written to it.
        let _ = write!(
            header,
            r#","{name}":{{"dtype":"F16","shape":{:?},"data_offsets":[{start},{end}]}}"#,
            shape.dims()
        );
    }
    header.push('}');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + end, 0);
    Ok(bytes)
}
