//! `--tile`: which pictures are translated in tiles.

use std::str::FromStr;

use ugatit::io::Picture;
use ugatit::model::GeneratorConfig;
use ugatit::translate::{PictureOptions, PictureSize, TileGrid, TileOptions, wants_tiles};

use crate::console::Usage;

#[derive(Clone, Copy, Debug)]
pub(super) enum Tiling {
    /// Where the picture is too large to be translated as a whole.
    Auto,
    Off,
    /// Wherever the picture is larger than such a tile.
    Side(usize),
}

impl FromStr for Tiling {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            text => {
                let side = text
                    .parse()
                    .map_err(|_| "use auto, off, or the pixels of a tile a side, such as 512".to_owned())?;
                let options = TileOptions { side, ..TileOptions::default() };
                TileGrid::new(1, 1, &options).map_err(|e| e.to_string())?;
                Ok(Self::Side(side))
            }
        }
    }
}

impl Tiling {
    /// Refuses tiles that were asked for and that the model cannot give.
    pub(super) fn check(self, config: &GeneratorConfig) -> Result<(), Usage> {
        match self {
            Self::Side(_) if !config.light => Err(Usage(format!(
                "--tile: this full model translates {0}x{0} pictures only, so it cannot translate tiles; leave --tile out, or use a light model",
                config.img_size
            ))),
            Self::Side(_) if !config.takes_tiles() => Err(Usage(
                "--tile: a model of photo2cartoon looks at all of a picture at once, so it cannot translate tiles; leave --tile out".into(),
            )),
            _ => Ok(()),
        }
    }

    /// The tiles for a picture, where it is to be cut.
    pub(super) fn of(
        self,
        config: &GeneratorConfig,
        picture: &Picture,
        options: &PictureOptions,
    ) -> Option<TileOptions> {
        let (width, height) = match options.size {
            PictureSize::Exact { width, height } => (width, height),
            PictureSize::Native => match config.native_side() {
                None => (picture.width, picture.height),
                Some(side) => (side, side),
            },
        };
        match self {
            Self::Auto => wants_tiles(config, width, height).then(TileOptions::default),
            Self::Off => None,
            Self::Side(side) => {
                (width > side || height > side).then(|| TileOptions { side, ..TileOptions::default() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_are_cut_by_themselves_and_those_of_a_full_model_never() {
        let picture = |width, height| Picture { width, height, channels: 3, pixels: vec![], alpha: None };
        let native = PictureOptions::default();
        let light = GeneratorConfig { ch: 16, ..GeneratorConfig::default() };
        assert_eq!(Tiling::Auto.of(&light, &picture(1400, 1400), &native), None);
        assert_eq!(Tiling::Auto.of(&light, &picture(6000, 4000), &native), Some(TileOptions::default()));
        let small = PictureOptions { size: "512".parse().unwrap(), ..native };
        assert_eq!(Tiling::Auto.of(&light, &picture(6000, 4000), &small), None);
        assert_eq!(Tiling::Off.of(&light, &picture(6000, 4000), &native), None);
        assert!(Tiling::Side(512).check(&light).is_ok());

        let full = GeneratorConfig { light: false, ..light };
        assert!(Tiling::Auto.check(&full).is_ok() && Tiling::Off.check(&full).is_ok());
        assert_eq!(Tiling::Auto.of(&full, &picture(6000, 4000), &native), None);
        let refused = Tiling::Side(512).check(&full).unwrap_err().to_string();
        assert!(refused.contains("use a light model"), "{refused}");
    }
}
