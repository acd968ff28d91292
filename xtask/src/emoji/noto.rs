//! Noto: the bitmaps of the font `NotoColorEmoji.ttf`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustybuzz::ttf_parser::{RasterImageFormat, name_id};
use rustybuzz::{Face, UnicodeBuffer, shape};

use super::drawing::Drawing;
use super::sequence::Sequence;
use crate::process::Package;

/// Where Debian and Ubuntu, Arch, and Fedora put the font.
const PLACES: [&str; 3] = [
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
];
const PACKAGE: Package = Package {
    missing: "the font Noto Color Emoji is not installed",
    apt: &["fonts-noto-color-emoji"],
    elsewhere: "name a NotoColorEmoji.ttf with bitmaps by --noto (Arch: `sudo pacman -S noto-fonts-emoji`)",
};

/// The font file: the named one, an installed one, or one that is installed now.
pub(super) fn find(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_path_buf());
    }
    PACKAGE.need(installed)
}

pub(super) fn installed() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// The font, ready to be asked for sequences.
pub(super) struct Noto<'a> {
    face: Face<'a>,
}

impl<'a> Noto<'a> {
    /// Reads a font file's bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self> {
        let face = Face::from_slice(bytes, 0).context("this is not a TrueType or OpenType font")?;
        if face.tables().cbdt.is_none() {
            bail!(
                "the font has no bitmaps (no CBDT table); take the one of Debian's package {}, not a COLRv1 build",
                PACKAGE.apt[0]
            );
        }
        Ok(Self { face })
    }

    /// The font's version, as its name table tells it.
    pub(super) fn version(&self) -> String {
        let names = self.face.names().into_iter();
        let version = names.filter(|name| name.name_id == name_id::VERSION).find_map(|name| name.to_string());
        version.unwrap_or_else(|| "version unknown".into())
    }

    /// The picture of a sequence, or `None` where the font has none: where shaping the sequence, with
    /// variation selectors or without, does not give exactly one glyph.
    pub(super) fn drawing(&self, sequence: &Sequence) -> Result<Option<Drawing>> {
        let glyph = [sequence.text(), sequence.plain().text()].iter().find_map(|text| self.glyph(text));
        let Some(image) = glyph.and_then(|glyph| self.face.glyph_raster_image(glyph, u16::MAX)) else {
            return Ok(None);
        };
        if image.format != RasterImageFormat::PNG {
            bail!("the font's bitmap of {} is no PNG", sequence.name());
        }
        let picture = image::load_from_memory_with_format(image.data, image::ImageFormat::Png)
            .with_context(|| format!("the font's bitmap of {} cannot be decoded", sequence.name()))?;
        Ok(Some(Drawing::from_straight(picture.into_rgba8())))
    }

    fn glyph(&self, text: &str) -> Option<rustybuzz::ttf_parser::GlyphId> {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        match shape(&self.face, &[], buffer).glyph_infos() {
            [only] if only.glyph_id != 0 => {
                u16::try_from(only.glyph_id).ok().map(rustybuzz::ttf_parser::GlyphId)
            }
            _ => None,
        }
    }
}
