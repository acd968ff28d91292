//! Hair and skin in a picture, as colours of the palettes that the portraits were drawn with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use ugatit::io::Picture;

use crate::portraits::data::{BACKGROUND, LABELS};

pub(super) type Color = [u8; 3];

/// A pixel counts for the nearest colour where it is no farther away, Euclid's way.
const WITHIN: i32 = 40;
/// Colours are near each other where every channel differs by less.
const NEAR: u8 = 60;

/// What a portrait was drawn with, or what of it was found; `None` where nothing is near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look<T> {
    pub(super) hair: T,
    pub(super) skin: T,
}

/// What the pictures of a data set were drawn with.
pub(in crate::portraits) struct Labels {
    /// By the picture's path in the set, such as `testA/testA-00000.png`.
    pictures: BTreeMap<String, Look<Color>>,
    palette: Palette,
}

impl Labels {
    /// Reads the labels of a folder.
    pub(in crate::portraits) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(LABELS);
        let text = fs::read_to_string(&path).with_context(|| {
            format!("{} cannot be read; `cargo xtask portrait-data` makes it", path.display())
        })?;
        Self::parse(&text).with_context(|| format!("{} is not usable", path.display()))
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let column = |name: &str| {
            columns.iter().position(|c| *c == name).with_context(|| format!("it has no column `{name}`"))
        };
        let [picture, hair, skin] = [column("picture")?, column("hair_color")?, column("skin_color")?];
        let mut pictures = BTreeMap::new();
        for line in lines {
            let fields: Vec<&str> = line.split(',').collect();
            let field = |i: usize| fields.get(i).with_context(|| format!("a line is cut off: {line:?}"));
            let look = Look { hair: color(field(hair)?)?, skin: color(field(skin)?)? };
            pictures.insert((*field(picture)?).to_owned(), look);
        }
        if pictures.is_empty() {
            bail!("it labels no picture");
        }
        let all = |of: fn(&Look<Color>) -> Color| -> Vec<Color> {
            pictures.values().map(of).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let palette = Palette { hair: all(|look| look.hair), skin: all(|look| look.skin) };
        Ok(Self { pictures, palette })
    }

    pub(super) fn of(&self, picture: &str) -> Result<Look<Color>> {
        self.pictures.get(picture).copied().with_context(|| format!("{LABELS} has no line of {picture}"))
    }

    pub(super) fn palette(&self) -> &Palette {
        &self.palette
    }
}

/// A colour in hexadecimal, `c93305`.
fn color(text: &str) -> Result<Color> {
    let number = u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 6);
    let [_, rgb @ ..] = number.with_context(|| format!("{text:?} is no colour"))?.to_be_bytes();
    Ok(rgb)
}

/// The colours that hair and skin may have.
pub(super) struct Palette {
    hair: Vec<Color>,
    skin: Vec<Color>,
}

impl Palette {
    /// The hair and the skin of a picture: of each palette the colour that most pixels are nearest to, and
    /// near enough, among all of both, the background, black and white.
    pub(super) fn find(&self, picture: &Picture) -> Look<Option<Color>> {
        let rest = [BACKGROUND, [0; 3], [255; 3]];
        let all: Vec<Color> = self.hair.iter().chain(&self.skin).chain(&rest).copied().collect();
        let mut counts = vec![0_usize; all.len()];
        for pixel in picture.pixels.as_chunks::<3>().0 {
            let squares = |c: &Color| -> i32 {
                c.iter().zip(pixel).map(|(a, b)| i32::from(a.abs_diff(*b)).pow(2)).sum()
            };
            let nearest = all.iter().map(squares).enumerate().min_by_key(|(_, square)| *square);
            if let Some((index, _)) = nearest.filter(|(_, square)| *square <= WITHIN * WITHIN) {
                counts[index] += 1;
            }
        }
        let most = |from: usize, count: usize| {
            let own = counts[from..from + count].iter().enumerate();
            // Of equal ones the first.
            let best = own.rev().max_by_key(|(_, count)| **count).filter(|(_, count)| **count > 0);
            best.map(|(index, _)| all[from + index])
        };
        let [hair, skin] = [self.hair.len(), self.skin.len()];
        Look { hair: most(0, hair), skin: most(hair, skin) }
    }
}

/// How often what was found is what was asked for, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Kept {
    /// The colour itself.
    pub(super) exact: f64,
    /// It, or one that is less than 60 away in every channel.
    pub(super) near: f64,
}

impl Kept {
    /// Of pairs of what was asked for and what was found.
    fn of(pairs: &[(Color, Option<Color>)]) -> Self {
        let percent = |holds: fn(Color, Color) -> bool| {
            let count = pairs.iter().filter(|(a, b)| b.is_some_and(|b| holds(*a, b))).count();
            100.0 * count as f64 / pairs.len().max(1) as f64
        };
        let near = |a: Color, b: Color| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < NEAR);
        Self { exact: percent(|a, b| a == b), near: percent(near) }
    }
}

/// Of hair and of skin.
pub(super) fn kept(pairs: &[(Look<Color>, Look<Option<Color>>)]) -> Look<Kept> {
    let hair: Vec<_> = pairs.iter().map(|(asked, found)| (asked.hair, found.hair)).collect();
    let skin: Vec<_> = pairs.iter().map(|(asked, found)| (asked.skin, found.skin)).collect();
    Look { hair: Kept::of(&hair), skin: Kept::of(&skin) }
}

#[cfg(test)]
mod tests {
    use ugatit::io::Picture;

    use super::{Kept, Labels, Look, kept};

    const TEXT: &str = "picture,hair_color,skin_color,hair\n\
        testA/0.png,2c1b18,f9d0b4,bun\ntestA/1.png,c93305,5c3829,bun\ntestA/2.png,4a312c,f1c3a5,bun\n";

    #[test]
    fn labels_are_read() {
        let labels = Labels::parse(TEXT).unwrap();
        let look = labels.of("testA/1.png").unwrap();
        assert_eq!(look, Look { hair: [0xc9, 0x33, 0x05], skin: [0x5c, 0x38, 0x29] });
        assert!(labels.of("testA/9.png").unwrap_err().to_string().contains("testA/9.png"));
        for (text, word) in [
            ("", "no column"),
            ("picture,hair_color\n", "skin_color"),
            ("picture,hair_color,skin_color\n", "no picture"),
            ("picture,hair_color,skin_color\na,2c1b18\n", "cut off"),
            ("picture,hair_color,skin_color\na,2c1b18,red\n", "no colour"),
        ] {
            assert!(Labels::parse(text).err().unwrap().to_string().contains(word), "{text}");
        }
    }

    #[test]
    fn the_colour_of_most_pixels_is_found() {
        let labels = Labels::parse(TEXT).unwrap();
        let red = [0xc9, 0x33, 0x05];
        let dark = [0x2c, 0x1b, 0x18];
        let skin = [0xf9, 0xd0, 0xb4];
        // Six nearly red pixels, five dark ones, more of what is neither, two of skin.
        let pixels =
            [&[[0xc0, 0x30, 0x10]; 6][..], &[dark; 5], &[[0, 128, 255]; 9], &[[255; 3]; 8], &[skin; 2]];
        let picture = Picture::new(30, 1, 3, pixels.concat().concat()).unwrap();
        assert_eq!(labels.palette().find(&picture), Look { hair: Some(red), skin: Some(skin) });
        let blue = Picture::new(1, 1, 3, vec![0, 0, 255]).unwrap();
        assert_eq!(labels.palette().find(&blue), Look { hair: None, skin: None });
    }

    #[test]
    fn kept_colours_are_counted() {
        let asked = Look { hair: [100; 3], skin: [10; 3] };
        let found = [
            Look { hair: Some([100; 3]), skin: None },
            Look { hair: Some([159, 41, 100]), skin: Some([10; 3]) },
            Look { hair: Some([160, 100, 100]), skin: Some([200; 3]) },
            Look { hair: None, skin: Some([0; 3]) },
        ];
        let pairs: Vec<_> = found.into_iter().map(|found| (asked, found)).collect();
        let expected =
            Look { hair: Kept { exact: 25.0, near: 50.0 }, skin: Kept { exact: 25.0, near: 50.0 } };
        assert_eq!(kept(&pairs), expected);
        assert_eq!(kept(&[]).hair, Kept::default());
    }
}
