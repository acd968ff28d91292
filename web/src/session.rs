//! A model on a device.

use js_sys::{Function, Object, Promise, Reflect};
use ugatit::io::Model;
use ugatit::model::{Direction, GeneratorConfig};
use ugatit::translate::{
    Fit, PictureOptions, PictureSize, TileOptions, Translator, fitted_part, fitted_size, prepare,
    survey_size, wants_tiles,
};
use ugatit::{Error, Result};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::{not_opened, thrown};
use crate::held::Held;
use crate::hook::Hook;
use crate::page::set;
use crate::place::Place;
use crate::tiles::Tiles;
use crate::{page, pixels};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Told how far it is; anything but `true` stops the work with the code "aborted". */
export type Hook = (phase: "compile" | "run" | "tile", done: number, total: number) => boolean;
export interface SessionInfo {
  light: boolean; size: number; channels: number; ch: number; parameters: number;
  quantization?: 8 | 4;
  direction: "A2B" | "B2A"; domainA?: string; domainB?: string; license?: string; provenance?: string;
  backend: "webgpu" | "wasm"; adapter: string; software: boolean; notice?: string;
}
export interface SessionOptions {
  size: "model" | "native" | [width: number, height: number];
  fit: "pad" | "stretch" | "crop";
  attention: boolean;
}
export interface SessionResult {
  width: number; height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>;
  /** The heat-map in the official colours, opaque, of the same size. */
  attention?: Uint8ClampedArray<ArrayBuffer>;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// How a picture is translated.
    #[wasm_bindgen(typescript_type = "SessionOptions")]
    pub type Options;
    #[wasm_bindgen(method, getter, structural)]
    fn size(this: &Options) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn fit(this: &Options) -> Option<String>;
    #[wasm_bindgen(method, getter, structural)]
    fn attention(this: &Options) -> bool;
}

/// A model on a device, ready to translate. One call at a time.
#[wasm_bindgen]
pub struct Session {
    translator: Held<Translator>,
    config: GeneratorConfig,
    info: Object,
}

#[wasm_bindgen]
impl Session {
    /// Brings a model file's bytes to a place. `name` is the model's for messages; `direction` chooses
    /// where the file holds two.
    pub async fn open(
        model: Vec<u8>,
        name: String,
        place: Place,
        direction: Option<String>,
    ) -> std::result::Result<Session, JsValue> {
        let bytes = model.len();
        let opened = Self::try_open(model, &name, place, direction.as_deref()).await;
        opened.map_err(|error| not_opened(&error, &name, bytes))
    }

    /// What there is to know of the model and where it runs.
    #[wasm_bindgen(unchecked_return_type = "SessionInfo")]
    pub fn info(&self) -> Object {
        self.info.clone()
    }

    /// Whether a result of this size is better made in tiles.
    #[wasm_bindgen(js_name = wantsTiles)]
    pub fn wants_tiles(&self, width: u32, height: u32) -> bool {
        wants_tiles(&self.config, width as usize, height as usize)
    }

    /// How a picture is fitted into another size: width and height of the result, then x, y, width and height of the part
    /// that is read.
    pub fn fitted(
        &self,
        width: u32,
        height: u32,
        into_width: u32,
        into_height: u32,
        fit: &str,
    ) -> std::result::Result<Vec<f64>, JsValue> {
        let fit = fit.parse::<Fit>().map_err(|e| thrown(&e))?;
        let own = (width as usize, height as usize);
        let into = (into_width as usize, into_height as usize);
        let (width, height) = fitted_size(own, into, fit);
        let [x, y, across, down] = fitted_part(own, into, fit);
        Ok(vec![width as f64, height as f64, x, y, across, down])
    }

    /// Translates RGBA bytes.
    #[wasm_bindgen(unchecked_return_type = "Promise<SessionResult>")]
    pub fn translate(
        &self,
        rgba: Vec<u8>,
        width: u32,
        height: u32,
        options: &Options,
        #[wasm_bindgen(unchecked_param_type = "Hook")] hook: Function,
    ) -> Promise {
        let (size, fit, attention) = (options.size(), options.fit(), options.attention());
        let request = Request { rgba, width, height, size, fit, attention };
        self.translator.call(async move |translator| request.translate(translator, Hook::new(hook)).await)
    }

    /// Surveys a picture of `full_width` x `full_height` for a translation in tiles: `rgba` shows
    /// all of it, at `width` x `height`; about a megapixel is plenty. Tiles have at most `side`
    /// pixels a side.
    #[expect(clippy::too_many_arguments, reason = "two sizes, plainly, cost JavaScript no object")]
    #[wasm_bindgen(unchecked_return_type = "Promise<Tiles>")]
    pub fn survey(
        &self,
        rgba: Vec<u8>,
        width: u32,
        height: u32,
        full_width: u32,
        full_height: u32,
        side: Option<u32>,
        #[wasm_bindgen(unchecked_param_type = "Hook")] hook: Function,
    ) -> Promise {
        let full = [full_width, full_height].map(|n| n as usize);
        let mut options = TileOptions::default();
        if let Some(side) = side {
            options.side = side as usize;
        }
        self.translator.call(async move |translator| {
            survey(translator, &rgba, [width, height], full, &options, Hook::new(hook)).await
        })
    }
}

async fn survey(
    translator: &Translator,
    rgba: &[u8],
    [width, height]: [u32; 2],
    full: [usize; 2],
    options: &TileOptions,
    mut hook: Hook,
) -> Result<Tiles> {
    let picture = pixels::picture(rgba, width, height)?;
    let tiles = translator.survey(&picture, full[0], full[1], options, &mut hook).await?;
    let (across, down) = survey_size(translator.config(), full[0], full[1]);
    Tiles::new(tiles, across, down)
}

struct Request {
    rgba: Vec<u8>,
    width: u32,
    height: u32,
    size: JsValue,
    fit: Option<String>,
    attention: bool,
}

impl Request {
    async fn translate(self, translator: &mut Translator, mut hook: Hook) -> Result<Object> {
        let picture = pixels::picture(&self.rgba, self.width, self.height)?;
        drop(self.rgba);
        let fit = self.fit.as_deref().map_or(Ok(Fit::Pad), str::parse)?;
        let options = PictureOptions { size: picture_size(&self.size, translator.config().img_size)?, fit };
        let prepared = prepare(translator.config(), &picture, &options)?;
        page::pause().await;
        let translation = translator.run_watched(&prepared.tensor, &mut hook).await?;
        let attention = self.attention.then(|| prepared.heatmap(&translation)).transpose()?;
        let picture = prepared.picture(&translation)?;
        let result = Object::new();
        set(&result, "width", picture.width as f64);
        set(&result, "height", picture.height as f64);
        set(&result, "rgba", pixels::rgba(picture)?);
        if let Some(attention) = attention {
            set(&result, "attention", pixels::rgba(attention)?);
        }
        Ok(result)
    }
}

/// `"native"`, `"model"`, or `[width, height]`.
fn picture_size(size: &JsValue, img_size: usize) -> Result<PictureSize> {
    if let Some(name) = size.as_string() {
        return match name.as_str() {
            "model" => Ok(PictureSize::Exact { width: img_size, height: img_size }),
            text => text.parse(),
        };
    }
    let side = |i: u32| Reflect::get_u32(size, i).ok().and_then(|n| n.as_f64());
    match (side(0), side(1)) {
        (Some(width), Some(height)) => format!("{width}x{height}").parse(),
        _ => Err(Error::Config("a size is \"model\", \"native\" or [width, height]".into())),
    }
}

impl Session {
    async fn try_open(model: Vec<u8>, name: &str, place: Place, direction: Option<&str>) -> Result<Self> {
        let direction = direction.map(str::parse::<Direction>).transpose()?;
        let read = Model::from_vec(name, model, direction)?;
        page::pause().await;
        let (config, info) = (read.config, info(&read, &place));
        let translator = Translator::with_precision(place.device, read, place.precision).await?;
        Ok(Self { translator: Held::new(translator), config, info })
    }
}

fn info(model: &Model, place: &Place) -> Object {
    let info = Object::new();
    set(&info, "light", model.config.light);
    set(&info, "size", model.config.img_size as f64);
    set(&info, "channels", model.config.img_ch as f64);
    set(&info, "ch", model.config.ch as f64);
    set(&info, "parameters", model.parameter_count() as f64);
    if let Some(bits) = model.bits() {
        set(&info, "quantization", bits.number() as f64);
    }
    set(&info, "direction", model.direction.to_string());
    let about = &model.metadata;
    for (key, value) in [
        ("domainA", &about.domain_a),
        ("domainB", &about.domain_b),
        ("license", &about.license),
        ("provenance", &about.provenance),
    ] {
        if let Some(value) = value {
            set(&info, key, value.as_str());
        }
    }
    set(&info, "backend", place.backend);
    set(&info, "adapter", place.adapter.as_str());
    set(&info, "software", place.software);
    if let Some(notice) = place.notice {
        set(&info, "notice", notice);
    }
    info
}
