//! Where the tiles of a large picture lie. Pure geometry.
//!
//! All tiles have one size, so that one program translates them all, and begin at multiples of 4
//! of the padded picture, so that their features lie where those of the whole picture would.
//! Neighbours overlap: what a tile gives near its own edge, where it could not see on, is left
//! out, and in the middle of the overlap one tile fades into the next.

use std::ops::Range;

use crate::error::{Error, Result};

use super::pictures::allowed;

/// A part of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// The first column.
    pub x: usize,
    /// The first row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// How a large picture is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileOptions {
    /// The most pixels that a tile has a side, what it shares with its neighbours included;
    /// rounded down to a multiple of 4.
    pub side: usize,
    /// The pixels that neighbours share at least; rounded up to a multiple of 4.
    pub overlap: usize,
}

impl Default for TileOptions {
    fn default() -> Self {
        Self { side: 512, overlap: 64 }
    }
}

/// The pixels over which one tile fades into the next.
pub(super) const RAMP: usize = 16;

/// One direction of a [`TileGrid`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Axis {
    /// The picture's pixels.
    size: usize,
    /// Pixels of padding before the picture.
    before: usize,
    /// The pixels of every tile.
    tile: usize,
    /// Where each tile begins in the padded picture.
    starts: Vec<usize>,
}

impl Axis {
    fn new(size: usize, side: usize, overlap: usize) -> Self {
        // The frame in which the whole picture would be translated.
        let frame = allowed(size);
        let tile = side.min(frame);
        let gaps = (frame - tile).div_ceil(side - overlap);
        // Evenly, so that the last one does not repeat most of the one before.
        let start = |i: usize| (i * (frame - tile) / gaps.max(1)) / 4 * 4;
        Self { size, before: (frame - size) / 2, tile, starts: (0..=gaps).map(start).collect() }
    }

    /// The picture's pixels that a tile sees.
    fn read(&self, i: usize) -> Range<usize> {
        let start = self.starts[i];
        let end = (start + self.tile - self.before).min(self.size);
        start.saturating_sub(self.before)..end
    }

    /// The pixels of the result that a tile gives: its fade-in first, unless it is the first.
    fn write(&self, i: usize) -> Range<usize> {
        let fade = |i: usize| {
            let shared = self.starts[i - 1] + self.tile - self.starts[i];
            self.starts[i] + (shared - RAMP) / 2 - self.before
        };
        let last = i + 1 == self.starts.len();
        let start = if i == 0 { 0 } else { fade(i) };
        start..if last { self.size } else { fade(i + 1) + RAMP }
    }

    /// How many pixels of padding a tile has before the picture.
    fn padding(&self, i: usize) -> usize {
        self.before.saturating_sub(self.starts[i])
    }

    /// The opacity of each pixel that a tile gives, 0 to 1.
    fn ramp(&self, i: usize) -> Vec<f32> {
        let opacity = |k: usize| if i > 0 && k < RAMP { (k + 1) as f32 / (RAMP + 1) as f32 } else { 1.0 };
        (0..self.write(i).len()).map(opacity).collect()
    }
}

/// The tiles of a picture, row by row. Results are to be laid over each other in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileGrid {
    columns: Axis,
    rows: Axis,
}

impl TileGrid {
    /// Cuts a picture of `width` x `height`.
    ///
    /// # Errors
    /// [`Error::Config`] where the picture is empty, or tiles are not at least twice as large as
    /// their overlap, or the overlap is too small to fade in.
    pub fn new(width: usize, height: usize, options: &TileOptions) -> Result<Self> {
        let (side, overlap) = (options.side / 4 * 4, options.overlap.next_multiple_of(4));
        if overlap < RAMP || side < 2 * overlap || side < overlap + 4 * RAMP {
            return Err(Error::Config(format!(
                "tiles of {} pixels a side with an overlap of {} cannot be blended; tiles must be at least twice their overlap, and an overlap at least {RAMP}. With an overlap of {}, use {} or more",
                options.side,
                options.overlap,
                overlap.max(RAMP),
                (2 * overlap).max(overlap + 4 * RAMP).max(5 * RAMP)
            )));
        }
        if width == 0 || height == 0 {
            return Err(Error::Config("a picture without pixels has no tiles".into()));
        }
        Ok(Self { columns: Axis::new(width, side, overlap), rows: Axis::new(height, side, overlap) })
    }

    /// How many tiles there are.
    pub fn count(&self) -> usize {
        self.columns.starts.len() * self.rows.starts.len()
    }

    /// Height and width of every tile as the network sees it.
    pub(super) fn tile(&self) -> [usize; 2] {
        [self.rows.tile, self.columns.tile]
    }

    /// The part of the picture that a tile is made from. `i` is less than [`Self::count`].
    pub fn read(&self, i: usize) -> Rect {
        self.part(i, Axis::read)
    }

    /// The part of the result that a tile gives. `i` is less than [`Self::count`].
    pub fn write(&self, i: usize) -> Rect {
        self.part(i, Axis::write)
    }

    fn part(&self, i: usize, range: impl Fn(&Axis, usize) -> Range<usize>) -> Rect {
        let [row, column] = self.place(i);
        let (x, y) = (range(&self.columns, column), range(&self.rows, row));
        Rect { x: x.start, y: y.start, width: x.len(), height: y.len() }
    }

    fn place(&self, i: usize) -> [usize; 2] {
        [i / self.columns.starts.len(), i % self.columns.starts.len()]
    }

    /// Rows above and columns left of the picture that a tile is padded by.
    pub(super) fn padding(&self, i: usize) -> [usize; 2] {
        let [row, column] = self.place(i);
        [self.rows.padding(row), self.columns.padding(column)]
    }

    /// The opacity of what a tile gives, where it fades in.
    pub(super) fn opacity(&self, i: usize) -> Option<Vec<u8>> {
        let [row, column] = self.place(i);
        let (down, across) = (self.rows.ramp(row), self.columns.ramp(column));
        let of_row = |v: f32| across.iter().map(move |u| (255.0 * u * v).round() as u8);
        (i > 0).then(|| down.iter().flat_map(|&v| of_row(v)).collect())
    }
}
