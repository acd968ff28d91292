//! Many small pictures in one: what a model card shows.

use crate::error::{Error, Result};
use crate::io::Picture;

/// How groups of pictures are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SheetLayout {
    /// Groups in a row.
    pub columns: usize,
    /// Every pixel becomes this many, squared.
    pub scale: usize,
    /// White pixels between groups; a quarter of it within a group.
    pub gap: usize,
}

/// Groups of pictures (a source, its translation, its partner) on white, row by row. Each of
/// `sections` begins on a new row, with twice the gap above.
///
/// # Errors
/// [`Error::Shape`] where the pictures are not all of one size, there is none, or the sheet
/// would be too large; [`Error::Config`] where `columns` or `scale` is 0.
pub fn contact_sheet(sections: &[Vec<Vec<Picture>>], layout: &SheetLayout) -> Result<Picture> {
    let SheetLayout { columns, scale, gap } = *layout;
    if columns == 0 || scale == 0 {
        return Err(Error::Config("a sheet has one or more columns and a scale of 1 or more".into()));
    }
    let groups = || sections.iter().flatten();
    let Some(first) = groups().flatten().next() else {
        return Err(Error::Shape("there are no pictures for a sheet".into()));
    };
    if groups().flatten().any(|p| (p.width, p.height) != (first.width, first.height)) {
        return Err(Error::Shape("the pictures of a sheet must be of one size".into()));
    }
    let (cell_width, cell_height) = (first.width * scale, first.height * scale);
    let inner = gap / 4;
    let longest = groups().map(Vec::len).max().unwrap_or(1);
    let group_width = longest * cell_width + (longest - 1) * inner;
    let across = columns.min(sections.iter().map(Vec::len).max().unwrap_or(1));
    let width = gap + across * (group_width + gap);
    let filled = || sections.iter().filter(|section| !section.is_empty());
    let rows: usize = filled().map(|section| section.len().div_ceil(columns)).sum();
    let height = gap + rows * (cell_height + gap) + (filled().count() - 1) * gap;

    let size = width.checked_mul(height).and_then(|n| n.checked_mul(3)).filter(|&n| n < 1 << 30);
    let Some(size) = size else {
        return Err(Error::Shape(format!(
            "a sheet of {width}x{height} pixels would be too large; show fewer or smaller pictures"
        )));
    };
    let mut pixels = vec![255; size];
    let mut top = gap;
    for section in filled() {
        for row in section.chunks(columns) {
            for (i, group) in row.iter().enumerate() {
                for (j, picture) in group.iter().enumerate() {
                    let left = gap + i * (group_width + gap) + j * (cell_width + inner);
                    let picture = picture.clone().on_white().with_channels(3)?;
                    paste(&mut pixels, width, left, top, &picture, scale);
                }
            }
            top += cell_height + gap;
        }
        top += gap;
    }
    Picture::new(width, height, 3, pixels)
}

/// Writes an RGB picture into a wider one, every pixel repeated.
fn paste(pixels: &mut [u8], width: usize, left: usize, top: usize, picture: &Picture, scale: usize) {
    for y in 0..picture.height * scale {
        let source = picture.pixels[y / scale * picture.width * 3..][..picture.width * 3].chunks(3);
        let target =
            pixels[((top + y) * width + left) * 3..][..picture.width * scale * 3].chunks_mut(3 * scale);
        for (target, pixel) in target.zip(source) {
            target.chunks_mut(3).for_each(|t| t.copy_from_slice(pixel));
        }
    }
}
