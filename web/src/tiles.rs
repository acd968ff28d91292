//! Large pictures, one tile at a time.

use std::cell::RefCell;

use js_sys::{Function, Object, Promise};
use ugatit::Result;
use ugatit::translate::Tiles as LibraryTiles;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::held::Held;
use crate::hook::Hook;
use crate::page::set;
use crate::pixels;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
export interface Tile {
  /** Where it goes in the result. */
  x: number; y: number; width: number; height: number;
  /** Its opacity fades it in over the tiles before it: to be drawn "source-over". */
  rgba: Uint8ClampedArray<ArrayBuffer>;
}
"#;

/// A large picture that has been surveyed. Its tiles are to be laid over each other in their
/// order, one call at a time.
#[wasm_bindgen]
pub struct Tiles {
    tiles: Held<LibraryTiles>,
    /// Of each tile, the part of the picture that it is made from.
    parts: Vec<[u32; 4]>,
    under_way: usize,
    /// The heat-map of the whole picture, as an object for JavaScript; none of a model without attention.
    attention: RefCell<Option<Object>>,
}

impl Tiles {
    pub(crate) fn new(tiles: LibraryTiles, width: usize, height: usize) -> Result<Self> {
        let part = |i| {
            let at = tiles.read(i)?;
            Ok([at.x, at.y, at.width, at.height].map(|n| n as u32))
        };
        let parts = (0..tiles.count()).map(part).collect::<Result<_>>()?;
        let attention = match &tiles.survey().heatmap {
            None => None,
            Some(_) => {
                let attention = Object::new();
                set(&attention, "width", width as f64);
                set(&attention, "height", height as f64);
                set(&attention, "rgba", pixels::rgba(tiles.survey().colored_heatmap(width, height)?)?);
                Some(attention)
            }
        };
        let under_way = tiles.under_way();
        Ok(Self { tiles: Held::new(tiles), parts, under_way, attention: RefCell::new(attention) })
    }
}

#[wasm_bindgen]
impl Tiles {
    /// How many there are.
    #[wasm_bindgen(getter)]
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// The part of the picture that tile `i` is made from; empty where there is no such tile.
    #[wasm_bindgen(unchecked_return_type = "[x: number, y: number, width: number, height: number]")]
    pub fn read(&self, i: usize) -> Vec<u32> {
        self.parts.get(i).map(|part| part.to_vec()).unwrap_or_default()
    }

    /// The heat-map of the whole picture in the official colours, at the model's scale; once.
    #[wasm_bindgen(
        unchecked_return_type = "{ width: number; height: number; rgba: Uint8ClampedArray<ArrayBuffer> } | undefined"
    )]
    pub fn attention(&self) -> Option<Object> {
        self.attention.take()
    }

    /// How many tiles are to be begun before the first of them is finished: two on a GPU, which computes one while
    /// another is read and drawn.
    #[wasm_bindgen(getter = underWay)]
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Begins tile `i`, given the RGBA bytes of its part of the picture, and waits for nothing.
    pub fn begin(&self, i: usize, rgba: Vec<u8>) -> std::result::Result<(), JsValue> {
        let [_, _, width, height] = self.parts.get(i).copied().unwrap_or_default();
        self.tiles.now(|tiles| tiles.begin(i, &pixels::picture(&rgba, width, height)?))
    }

    /// The tile that was begun first.
    #[wasm_bindgen(unchecked_return_type = "Promise<Tile>")]
    pub fn finish(&self, #[wasm_bindgen(unchecked_param_type = "Hook")] hook: Function) -> Promise {
        self.tiles.call(async move |tiles| tile(tiles, Hook::new(hook)).await)
    }
}

async fn tile(tiles: &mut LibraryTiles, mut hook: Hook) -> Result<Object> {
    let (at, part) = tiles.finish(&mut hook).await?;
    let tile = Object::new();
    for (key, value) in [("x", at.x), ("y", at.y), ("width", at.width), ("height", at.height)] {
        set(&tile, key, value as f64);
    }
    set(&tile, "rgba", pixels::rgba(part)?);
    Ok(tile)
}
