//! Sheets of sample pictures, as the official program makes them.
//!
//! A column is a picture; the official columns are five of the training set, then five of the
//! test set. A row is what becomes of all of them. For A2B, from the top: the pictures, A2A
//! (the generator into A on a picture of A) below its attention, A2B below its attention, A2B2A
//! below its attention.

use std::path::{Path, PathBuf};

use crate::Tensor;
use crate::error::{Error, Result};
use crate::io::{Picture, write_atomically};
use crate::model::Direction;
use crate::translate::{Translation, Translator};

/// How the names of rows that show attention begin.
const ATTENTION: &str = "attention";

/// A row of a sheet.
#[derive(Clone, Debug)]
pub struct SheetRow {
    /// What it shows, for the page's legend.
    pub name: String,
    /// A picture of each column, all of one size.
    pub pictures: Vec<Picture>,
}

impl SheetRow {
    fn named(name: String) -> Self {
        Self { name, pictures: vec![] }
    }
}

/// The names of the official rows. Those of attention are left out where the models have none.
pub fn row_names(direction: Direction) -> [String; 7] {
    let [from, to] = match direction {
        Direction::A2B => ["A", "B"],
        Direction::B2A => ["B", "A"],
    };
    let attention = |name: &str| format!("{ATTENTION} {name}");
    let same = format!("{from}2{from}");
    let there = format!("{from}2{to}");
    let back = format!("{from}2{to}2{from}");
    [format!("real {from}"), attention(&same), same, attention(&there), there, attention(&back), back]
}

/// How many rows a sheet has: the official ones, and with a moving average its two.
pub(super) fn row_count(average: bool, attention: bool) -> usize {
    let shown = row_names(Direction::A2B).len() + if average { 2 } else { 0 };
    if attention { shown } else { shown / 2 + 1 }
}

/// The seven rows of the official sheet for `pictures` `[1, C, H, W]` in -1..1 (of a larger
/// batch the first is shown). `there` translates into the other domain, and its direction names
/// the rows; `back` is the other generator. One picture is translated at a time.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Config`] where the models cannot take the pictures; what the
/// device reports.
pub async fn official_rows(
    there: &mut Translator,
    back: &mut Translator,
    pictures: &[Tensor],
) -> Result<Vec<SheetRow>> {
    let names = row_names(there.direction());
    let mut rows: Vec<SheetRow> = shown(names, there).map(SheetRow::named).collect();
    for real in pictures {
        let same = back.run(real).await?;
        let translated = there.run(real).await?;
        let cycled = back.run(&translated.image).await?;
        let mut cells = vec![rgb(real)?];
        for translation in [&same, &translated, &cycled] {
            cells.extend(attention(translation)?);
            cells.push(rgb(&translation.image)?);
        }
        for (row, cell) in rows.iter_mut().zip(cells) {
            row.pictures.push(cell);
        }
    }
    Ok(rows)
}

/// Of the names of rows those that a model has pictures for.
fn shown<const N: usize>(names: [String; N], of: &Translator) -> impl Iterator<Item = String> {
    let attention = of.config().cam;
    names.into_iter().filter(move |name| attention || !name.starts_with(ATTENTION))
}

/// Two more rows, the attention and the result of another generator of the same direction, such
/// as the moving average (EMA) of the weights. `prefix` goes before their names.
///
/// # Errors
/// As [`official_rows`].
pub async fn translated_rows(
    there: &mut Translator,
    prefix: &str,
    pictures: &[Tensor],
) -> Result<Vec<SheetRow>> {
    let [.., attention_name, name, _, _] = row_names(there.direction());
    let names = shown([attention_name, name], there).map(|name| format!("{prefix} {name}"));
    let mut rows: Vec<SheetRow> = names.map(SheetRow::named).collect();
    for real in pictures {
        let translation = there.run(real).await?;
        let cells = attention(&translation)?.into_iter().chain([rgb(&translation.image)?]);
        for (row, cell) in rows.iter_mut().zip(cells) {
            row.pictures.push(cell);
        }
    }
    Ok(rows)
}

/// The official sheet: seven rows of [`official_rows`].
///
/// # Errors
/// As [`official_rows`] and [`compose`].
pub async fn sheet(there: &mut Translator, back: &mut Translator, pictures: &[Tensor]) -> Result<Picture> {
    compose(&official_rows(there, back, pictures).await?)
}

/// One picture of all rows, edge to edge.
///
/// # Errors
/// [`Error::Shape`] where there is nothing to show, or sizes differ.
pub fn compose(rows: &[SheetRow]) -> Result<Picture> {
    let (mut width, mut height, mut pixels) = (0, 0, vec![]);
    for row in rows {
        let strip = Picture::side_by_side(&row.pictures.iter().collect::<Vec<_>>())?;
        if height > 0 && strip.width != width {
            return Err(Error::Shape(format!(
                "the row `{}` of a sheet is {} pixels wide, those above it {width}",
                row.name, strip.width
            )));
        }
        width = strip.width;
        height += strip.height;
        pixels.extend(strip.pixels);
    }
    Picture::new(width, height, 3, pixels)
}

/// Where a sheet is kept: `samples/A2B_0001000.png` in the run's folder.
pub fn sheet_path(run: impl AsRef<Path>, direction: Direction, step: u64) -> PathBuf {
    run.as_ref().join("samples").join(format!("{direction}_{step:07}.png"))
}

/// Writes a sheet, encoded as PNG, whole or not at all; gives its path.
///
/// # Errors
/// [`Error::Output`] where it cannot be written.
pub fn write_sheet(run: impl AsRef<Path>, direction: Direction, step: u64, png: &[u8]) -> Result<PathBuf> {
    let path = sheet_path(run, direction, step);
    write_atomically(&path, true, |out| out.write_all(png))?;
    Ok(path)
}

/// The first picture of a batch.
fn rgb(tensor: &Tensor) -> Result<Picture> {
    Picture::from_tensor(tensor, 0)?.with_channels(3)
}

/// The heat-map of the first picture in the official colours, at the picture's size, where there is one.
fn attention(translation: &Translation) -> Result<Option<Picture>> {
    let image = translation.image.shape();
    match (&translation.heatmap, image.nchw()) {
        (None, _) => Ok(None),
        (Some(_), Some([_, _, height, width])) => translation.colored_heatmap(width, height).map(Some),
        (Some(_), None) => Err(Error::Shape(format!("pictures are [N, C, H, W], not {image}"))),
    }
}
