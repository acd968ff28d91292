//! Where the tiles of a large picture lie. Pure geometry.
//!
//! All tiles have one size, so that one program translates them all, and begin at multiples of 4
//! of the padded picture, so that their features lie where those of the whole picture would.
//! Neighbours overlap: what a tile gives near its own edge, where it could not see on, is left
//! out, and in the middle of the overlap one tile fades into the next.

use std::ops::Range;

use crate::error::{Error, Result};

use super::pictures::SMALLEST;

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
    /// The pixels that neighbours share at least; rounded up to a multiple of 4. What a pixel of
    /// the result depends on lies within about 80 pixels on every side with 4 and 4 residual
    /// blocks, but what matters of it is nearer: see [`TileOptions::default`].
    pub overlap: usize,
}

impl Default for TileOptions {
    /// Tiles of 512 pixels that share 96: no tile gives anything within 40 pixels of its edge.
    ///
    /// Measured with 4 and 4 residual blocks, tiles against the same network on the whole picture,
    /// the largest difference of any byte with the model that comes with the project, and with
    /// random weights: sharing 32 pixels 28 and 62 of 255, 48 4 and 23, 64 2 and 6, 80 1 and 4,
    /// 96 1 and 1.
    fn default() -> Self {
        Self { side: 512, overlap: 96 }
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
        if overlap < RAMP {
            return Err(Error::Config(format!(
                "tiles that share {overlap} pixels cannot fade into each other; let them share {RAMP} or more"
            )));
        }
        let least = (2 * overlap).max(overlap + 4 * RAMP);
        if side < least {
            return Err(Error::Config(format!(
                "tiles of {} pixels a side are too small when neighbours share {overlap}; use {least} or more",
                options.side
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

/// The side of what the network is given for a picture of `n` pixels.
fn allowed(n: usize) -> usize {
    n.next_multiple_of(4).max(SMALLEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::Picture;

    /// Sizes of a picture and options that go together.
    fn cases() -> impl Strategy<Value = (usize, usize, TileOptions)> {
        (1..1500_usize, 1..1500_usize, 16..100_usize, 0..400_usize).prop_map(
            |(width, height, overlap, more)| {
                let shared = overlap.next_multiple_of(4);
                let side = (2 * shared).max(shared + 4 * RAMP) + more;
                (width, height, TileOptions { side, overlap })
            },
        )
    }

    proptest! {
        #[test]
        fn tiles_are_aligned_and_within_the_picture((width, height, options) in cases()) {
            let grid = TileGrid::new(width, height, &options).unwrap();
            let [tall, wide] = grid.tile();
            prop_assert!(wide <= options.side.max(SMALLEST) && tall <= options.side.max(SMALLEST));
            prop_assert!(wide % 4 == 0 && tall % 4 == 0);
            for i in 0..grid.count() {
                let (read, write) = (grid.read(i), grid.write(i));
                prop_assert!(read.x + read.width <= width && read.y + read.height <= height);
                prop_assert!(write.x >= read.x && write.x + write.width <= read.x + read.width);
                prop_assert!(write.y >= read.y && write.y + write.height <= read.y + read.height);
                // Where the network sees them, they begin at multiples of 4 of the padded picture.
                let [above, left] = grid.padding(i);
                prop_assert!(read.width + left <= wide && read.height + above <= tall);
                let before = (allowed(width) - width) / 2;
                prop_assert_eq!((read.x + before - left) % 4, 0);
                // What a tile cannot see on from is given by another.
                let margin = (options.overlap - RAMP) / 2;
                prop_assert!(write.x == 0 || write.x - read.x >= margin);
                let right = read.x + read.width - (write.x + write.width);
                prop_assert!(write.x + write.width == width || right >= margin);
            }
        }

        /// A white tile over a black picture leaves it white only where it is opaque, or where
        /// another lay before.
        #[test]
        fn tiles_cover_the_picture((width, height, options) in cases()) {
            let grid = TileGrid::new(width, height, &options).unwrap();
            let mut picture = Picture::new(width, height, 1, vec![0; width * height]).unwrap();
            for i in 0..grid.count() {
                let at = grid.write(i);
                let white = vec![255; at.width * at.height];
                let mut tile = Picture::new(at.width, at.height, 1, white).unwrap();
                tile.alpha = grid.opacity(i);
                picture.lay(&tile, at.x, at.y).unwrap();
            }
            prop_assert!(picture.pixels.iter().all(|&v| v == 255));
        }
    }

    #[test]
    fn a_row_of_tiles_is_spread_evenly() {
        let grid = TileGrid::new(1000, 100, &TileOptions::default()).unwrap();
        let reads: Vec<Rect> = (0..grid.count()).map(|i| grid.read(i)).collect();
        let [y, width, height] = [0, 512, 100];
        assert_eq!(reads, [0, 244, 488].map(|x| Rect { x, y, width, height }));
        let starts: Vec<usize> = (0..3).map(|i| grid.write(i).x).collect();
        assert_eq!(starts, [0, 370, 614]);
        assert_eq!((grid.write(0).width, grid.write(2).width), (386, 386));
    }

    #[test]
    fn what_cannot_be_blended_is_refused() {
        for (side, overlap) in [(0, 0), (512, 8), (100, 80), (48, 16)] {
            assert!(TileGrid::new(99, 99, &TileOptions { side, overlap }).is_err());
        }
        assert!(TileGrid::new(0, 9, &TileOptions::default()).is_err());
    }
}
