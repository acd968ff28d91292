//! The commonest wish in one call: a picture in, a picture out, whole or in tiles.

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::io::Picture;
use crate::model::GeneratorConfig;

use super::{
    Fit, PictureOptions, PictureSize, Prepared, TileGrid, TileOptions, Translated, Translator, Watcher,
    prepare, resize, wants_tiles,
};

/// Which pictures are translated in tiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiling {
    /// Those that are too large to be translated as a whole ([`wants_tiles`]).
    #[default]
    Auto,
    /// None.
    Never,
    /// Those that are larger than a tile of so many pixels a side.
    Side(usize),
}

impl FromStr for Tiling {
    type Err = Error;

    /// `auto`, `off`, or the side of a tile, such as `512`.
    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Never),
            text => {
                let side = text.parse().map_err(|_| {
                    Error::Config("use auto, off, or the pixels of a tile a side, such as 512".into())
                })?;
                TileGrid::new(1, 1, &TileOptions { side, ..TileOptions::default() })?;
                Ok(Self::Side(side))
            }
        }
    }
}

/// How a picture is translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The size to translate at.
    pub size: PictureSize,
    /// What to do where the aspect differs.
    pub fit: Fit,
    /// Which pictures are translated in tiles.
    pub tiles: Tiling,
}

impl Options {
    /// The tiles for a picture of that size, where a model of `config` is to translate it in tiles.
    pub fn tiles(&self, config: &GeneratorConfig, width: usize, height: usize) -> Option<TileOptions> {
        let (width, height) = match self.size {
            PictureSize::Exact { width, height } => (width, height),
            PictureSize::Native => match config.native_side() {
                None => (width, height),
                Some(side) => (side, side),
            },
        };
        match self.tiles {
            Tiling::Auto => wants_tiles(config, width, height).then(TileOptions::default),
            Tiling::Never => None,
            Tiling::Side(side) => {
                (width > side || height > side).then(|| TileOptions { side, ..TileOptions::default() })
            }
        }
    }
}

/// A picture that has been brought to the size that it is translated at. No device is needed for that, so other threads
/// may do it while one translates.
#[derive(Clone, Debug)]
pub enum Arranged {
    /// To be translated by [`Translator::run`].
    Whole(Prepared),
    /// To be translated by [`Translator::translate_large`].
    InTiles(Picture, TileOptions),
}

impl Arranged {
    /// Brings `picture` to the size that a model of `config` translates it at.
    ///
    /// # Errors
    /// Those of [`prepare`].
    pub fn new(config: &GeneratorConfig, picture: Picture, options: &Options) -> Result<Self> {
        let tiles = options.tiles(config, picture.width, picture.height);
        let options = PictureOptions { size: options.size, fit: options.fit };
        Ok(match tiles {
            Some(tiles) => Self::InTiles(resize(config, picture, &options)?, tiles),
            None => Self::Whole(prepare(config, &picture, &options)?),
        })
    }
}

impl Translator {
    /// Translates a picture of any size, a large one in tiles.
    ///
    /// # Errors
    /// [`Error::Config`] where the model cannot take the size asked for; what the device reports.
    pub async fn translate(&mut self, picture: &Picture, options: &Options) -> Result<Translated> {
        self.translate_watched(picture, options, &mut ()).await
    }

    /// [`Self::translate`], followed by `watcher`.
    ///
    /// # Errors
    /// Those of [`Self::translate`], and what `watcher` returns.
    pub async fn translate_watched(
        &mut self,
        picture: &Picture,
        options: &Options,
        watcher: &mut impl Watcher,
    ) -> Result<Translated> {
        match Arranged::new(&self.config, picture.clone(), options)? {
            Arranged::Whole(prepared) => {
                let translation = self.run_watched(&prepared.tensor, watcher).await?;
                prepared.finish(&translation)
            }
            Arranged::InTiles(picture, tiles) => self.translate_large(picture, &tiles, watcher).await,
        }
    }

    /// [`Self::translate`] for callers that are not async: it waits on this thread.
    ///
    /// # Errors
    /// Those of [`Self::translate`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn translate_blocking(&mut self, picture: &Picture, options: &Options) -> Result<Translated> {
        pollster::block_on(self.translate(picture, options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the crate's documentation promises.
    #[test]
    fn what_computes_may_be_made_on_one_thread_and_used_on_another() {
        fn is_send<T: Send>() {}
        is_send::<Translator>();
        is_send::<crate::device::Device>();
        is_send::<crate::io::Model>();
        is_send::<Error>();
        #[cfg(feature = "training")]
        is_send::<crate::train::Session>();
    }

    #[test]
    fn large_pictures_are_cut_by_themselves_and_those_of_a_full_model_never() {
        let native = Options::default();
        let light = GeneratorConfig { ch: 16, ..GeneratorConfig::default() };
        assert_eq!(native.tiles(&light, 1400, 1400), None);
        assert_eq!(native.tiles(&light, 6000, 4000), Some(TileOptions::default()));
        let small = Options { size: "512".parse().unwrap(), ..native };
        assert_eq!(small.tiles(&light, 6000, 4000), None);
        let never = Options { tiles: "off".parse().unwrap(), ..native };
        assert_eq!(never.tiles(&light, 6000, 4000), None);
        let side = Options { tiles: "512".parse().unwrap(), ..native };
        assert_eq!(side.tiles(&light, 513, 100).map(|tiles| tiles.side), Some(512));
        assert_eq!(side.tiles(&light, 512, 512), None);
        let full = GeneratorConfig { light: false, ..light };
        assert_eq!(native.tiles(&full, 6000, 4000), None);
        for wrong in ["", "0", "1", "large", "-512"] {
            assert!(wrong.parse::<Tiling>().is_err(), "{wrong}");
        }
    }
}
