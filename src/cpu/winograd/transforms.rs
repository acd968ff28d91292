//! The three transforms of F(4x4, 3x3), over lines of tiles or of channels, so that the compiler can
//! use vector registers.

use super::{REACH, SIDE};
use crate::cpu::Real;

/// The padded picture under the tiles.
pub(super) struct Window {
    /// Where each row and each column of the padded plane is read from.
    pub(super) rows: Vec<usize>,
    pub(super) columns: Vec<usize>,
    pub(super) pad: usize,
    pub(super) width: usize,
}

impl Window {
    /// Rows of the padded plane from `first` on into `slab`, as many as it holds, each as its columns
    /// 0, 4, 8, …, then 1, 5, 9, …, then 2, 6, …, then 3, 7, …, `line` of each. There are zeros where
    /// the plane has ended.
    #[inline(always)]
    pub(super) fn phases<T: Real>(
        &self,
        x: &[T],
        first: usize,
        padded: &mut [T],
        slab: &mut [T],
        line: usize,
    ) {
        for (r, slab) in slab.chunks_exact_mut(SIDE * line).enumerate() {
            let Some(&row) = self.rows.get(first + r) else {
                slab.fill(T::default());
                continue;
            };
            let x = &x[row * self.width..][..self.width];
            let (left, right) = (self.pad, self.pad + self.width);
            padded[left..right].copy_from_slice(x);
            for column in (0..left).chain(right..self.columns.len()) {
                padded[column] = x[self.columns[column]];
            }
            if let Some(beyond) = padded.get_mut(self.columns.len()..) {
                beyond.fill(T::default());
            }
            let (p0, rest) = slab.split_at_mut(line);
            let (p1, rest) = rest.split_at_mut(line);
            let (p2, p3) = rest.split_at_mut(line);
            for ((((p, a), b), c), d) in padded.chunks_exact(SIDE).zip(p0).zip(p1).zip(p2).zip(p3) {
                (*a, *b, *c, *d) = (p[0], p[1], p[2], p[3]);
            }
        }
    }
}

/// Where the polynomials meet beside 0 and infinity: at ± these. Their squares are exact in `f32`, and the 36 products
/// are of about one size, which the usual 1 and 2 do not give: with these the result is off by a quarter as much.
pub(super) const NEAR: f64 = 0.75;
pub(super) const FAR: f64 = 1.5;

/// `Bᵀ d`: what is left of `d` where two of the six places are divided out.
#[inline(always)]
fn pixel_transform<T: Real>(d: [T; REACH]) -> [T; REACH] {
    let (near, far) = (T::from_f64(NEAR), T::from_f64(FAR));
    let (near_square, far_square) = (T::from_f64(NEAR * NEAR), T::from_f64(FAR * FAR));
    let (product, sum) = (T::from_f64(NEAR * NEAR * FAR * FAR), T::from_f64(NEAR * NEAR + FAR * FAR));
    let (even, odd) = (d[4] - far_square * d[2], near * (d[3] - far_square * d[1]));
    let (far_even, far_odd) = (d[4] - near_square * d[2], far * (d[3] - near_square * d[1]));
    [
        product * d[0] - sum * d[2] + d[4],
        even + odd,
        even - odd,
        far_even + far_odd,
        far_even - far_odd,
        product * d[1] - sum * d[3] + d[5],
    ]
}

/// What the weights at ± [`NEAR`] and ± [`FAR`] are divided by.
const NEAR_DIVISOR: f64 = 2.0 * NEAR * NEAR * (NEAR * NEAR - FAR * FAR);
const FAR_DIVISOR: f64 = 2.0 * FAR * FAR * (FAR * FAR - NEAR * NEAR);

/// G
pub(super) const WEIGHT_TRANSFORM: [[f64; 3]; REACH] = [
    [1.0 / (NEAR * NEAR * FAR * FAR), 0.0, 0.0],
    [1.0 / NEAR_DIVISOR, NEAR / NEAR_DIVISOR, NEAR * NEAR / NEAR_DIVISOR],
    [1.0 / NEAR_DIVISOR, -NEAR / NEAR_DIVISOR, NEAR * NEAR / NEAR_DIVISOR],
    [1.0 / FAR_DIVISOR, FAR / FAR_DIVISOR, FAR * FAR / FAR_DIVISOR],
    [1.0 / FAR_DIVISOR, -FAR / FAR_DIVISOR, FAR * FAR / FAR_DIVISOR],
    [0.0, 0.0, 1.0],
];

/// `G w`
#[inline(always)]
fn weight_transform<T: Real>(w: [T; 3]) -> [T; REACH] {
    let g = |row: usize, column: usize| T::from_f64(WEIGHT_TRANSFORM[row][column]);
    let (near, middle) = (g(1, 0) * w[0] + g(1, 2) * w[2], g(1, 1) * w[1]);
    let (far, far_middle) = (g(3, 0) * w[0] + g(3, 2) * w[2], g(3, 1) * w[1]);
    [g(0, 0) * w[0], near + middle, near - middle, far + far_middle, far - far_middle, w[2]]
}

/// `Aᵀ m`
#[inline(always)]
fn product_transform<T: Real>(m: [T; REACH]) -> [T; SIDE] {
    let (near, near_square, near_cube) =
        (T::from_f64(NEAR), T::from_f64(NEAR * NEAR), T::from_f64(NEAR * NEAR * NEAR));
    let (far, far_square, far_cube) =
        (T::from_f64(FAR), T::from_f64(FAR * FAR), T::from_f64(FAR * FAR * FAR));
    let (sum, difference) = (m[1] + m[2], m[1] - m[2]);
    let (far_sum, far_difference) = (m[3] + m[4], m[3] - m[4]);
    [
        m[0] + sum + far_sum,
        near * difference + far * far_difference,
        near_square * sum + far_square * far_sum,
        near_cube * difference + far_cube * far_difference + m[5],
    ]
}

/// The transform of one plane, whose padded rows lie in `slab` as [`Window::phases`] puts them.
#[inline(always)]
pub(super) fn transform_plane<'a, T: Real>(
    slab: &[T],
    mixed: &mut [T],
    rows: usize,
    across: usize,
    to: impl Fn(usize, usize) -> &'a mut [T],
) {
    let line = across + 1;
    let width = SIDE * line;
    for row in 0..rows {
        let from = std::array::from_fn(|i| &slab[(SIDE * row + i) * width..][..width]);
        let mut lines = mixed.chunks_exact_mut(width).skip(row).step_by(rows);
        let into = std::array::from_fn(|_| lines.next().unwrap_or_default());
        each(from, into, pixel_transform);
    }
    for (k, mixed) in mixed.chunks_exact(rows * width).enumerate() {
        for (row, mixed) in mixed.chunks_exact(width).enumerate() {
            // The fifth and the sixth column of a tile are the first two of the next.
            let from = std::array::from_fn(|i| &mixed[(i % SIDE) * line + i / SIDE..][..across]);
            each(from, std::array::from_fn(|i| to(REACH * k + i, row)), pixel_transform);
        }
    }
}

/// The transform of the weights `[3, 3]` of each channel, or of one of their four phases
/// behind nearest doubling; one row of each of the 36 matrices, which are `stride` apart. `memory`
/// holds 21 numbers for each channel.
#[inline(always)]
pub(super) fn transform_weights<'w, T: Real>(
    w: impl Iterator<Item = &'w [T]>,
    phase: Option<usize>,
    memory: &mut [T],
    weights: &mut [T],
    stride: usize,
    channels: usize,
) {
    let (taps, mixed) = memory.split_at_mut(9 * channels);
    for (c, w) in w.enumerate() {
        for (tap, &w) in w.iter().enumerate() {
            taps[tap * channels + c] = w;
        }
    }
    let taps = match phase {
        None => taps,
        Some(phase) => {
            let kernel = &mut mixed[..9 * channels];
            phase_of_lines(taps, phase / 2, 3 * channels, kernel);
            for (rows, kernel) in taps.chunks_exact_mut(3 * channels).zip(kernel.chunks_exact(3 * channels)) {
                phase_of_lines(kernel, phase % 2, channels, rows);
            }
            taps
        }
    };
    let width = 3 * channels;
    let (top, middle, bottom) = (&taps[..width], &taps[width..][..width], &taps[2 * width..][..width]);
    let mixed = &mut mixed[..width];
    for (row, weights) in weights.chunks_mut(REACH * stride).enumerate() {
        let g = |tap: usize| T::from_f64(WEIGHT_TRANSFORM[row][tap]);
        let (first, second, third) = (g(0), g(1), g(2));
        for i in 0..width {
            mixed[i] = first * top[i] + second * middle[i] + third * bottom[i];
        }
        let column = |x: usize| &mixed[x * channels..][..channels];
        let mut rest = weights;
        let into: [&mut [T]; REACH] = std::array::from_fn(|_| {
            let whole = stride.min(rest.len());
            let (matrix, tail) = std::mem::take(&mut rest).split_at_mut(whole);
            rest = tail;
            &mut matrix[..channels]
        });
        // Three lines are read; `each` takes six.
        let from = [column(0), column(1), column(2), column(0), column(0), column(0)];
        each(from, into, |w| weight_transform([w[0], w[1], w[2]]));
    }
}

/// `into[..][i] = f(from[..][i])` for lines of one length. Written out, so that the compiler sees
/// that no index is out of bounds and uses vector registers.
#[inline(always)]
fn each<T: Real>(from: [&[T]; REACH], into: [&mut [T]; REACH], f: impl Fn([T; REACH]) -> [T; REACH]) {
    let [y0, y1, y2, y3, y4, y5] = into;
    let n = y0.len();
    let [x0, x1, x2, x3, x4, x5] = from;
    let (x0, x1, x2, x3, x4, x5) = (&x0[..n], &x1[..n], &x2[..n], &x3[..n], &x4[..n], &x5[..n]);
    let (y1, y2, y3, y4, y5) = (&mut y1[..n], &mut y2[..n], &mut y3[..n], &mut y4[..n], &mut y5[..n]);
    for i in 0..n {
        [y0[i], y1[i], y2[i], y3[i], y4[i], y5[i]] = f([x0[i], x1[i], x2[i], x3[i], x4[i], x5[i]]);
    }
}

/// One phase of three lines of weights behind nearest doubling: of two neighbouring outputs the first
/// reads the pixel before its own and twice its own, the second twice its own and the next.
#[inline(always)]
fn phase_of_lines<T: Real>(w: &[T], phase: usize, width: usize, into: &mut [T]) {
    let (w0, w1, w2) = (&w[..width], &w[width..][..width], &w[2 * width..][..width]);
    let (y0, rest) = into.split_at_mut(width);
    let (y1, rest) = rest.split_at_mut(width);
    let y2 = &mut rest[..width];
    let (alone, read, twice, unread) = if phase == 0 { (w0, y0, w2, y2) } else { (w2, y2, w0, y0) };
    read.copy_from_slice(alone);
    unread.fill(T::default());
    for i in 0..width {
        y1[i] = w1[i] + twice[i];
    }
}

/// The 36 products of every tile of one plane.
#[derive(Clone, Copy)]
pub(super) struct Products<'a, T> {
    pub(super) data: &'a [T],
    /// Between the products of a tile.
    pub(super) stride: usize,
    pub(super) tiles: usize,
    /// Tiles in a row.
    pub(super) across: usize,
}

impl<T: Real> Products<'_, T> {
    /// `mixed[k, r, tile] = Aᵀ` of the products, down the columns. Six lines are read at a time: 36
    /// would be more than a processor fetches ahead.
    #[inline(always)]
    fn mix(self, mixed: &mut [T]) {
        let tiles = self.tiles;
        for (k, mixed) in mixed.chunks_exact_mut(SIDE * tiles).enumerate() {
            let line = |i: usize| &self.data[(REACH * i + k) * self.stride..][..tiles];
            let (x0, x1, x2, x3, x4, x5) = (line(0), line(1), line(2), line(3), line(4), line(5));
            let (a, rest) = mixed.split_at_mut(tiles);
            let (b, rest) = rest.split_at_mut(tiles);
            let (c, d) = rest.split_at_mut(tiles);
            for i in 0..tiles {
                [a[i], b[i], c[i], d[i]] = product_transform([x0[i], x1[i], x2[i], x3[i], x4[i], x5[i]]);
            }
        }
    }

    /// Row `r` of four of the outputs of row `row` of tiles, from what [`Self::mix`] has made.
    #[inline(always)]
    fn row(self, mixed: &[T], row: usize, r: usize, outputs: &mut [T]) {
        let x = |k: usize| mixed[(SIDE * k + r) * self.tiles + row * self.across..][..self.across].iter();
        let columns = x(0).zip(x(1)).zip(x(2)).zip(x(3)).zip(x(4)).zip(x(5));
        for (y, (((((&x0, &x1), &x2), &x3), &x4), &x5)) in outputs.chunks_exact_mut(SIDE).zip(columns) {
            let [a, b, c, d] = product_transform([x0, x1, x2, x3, x4, x5]);
            (y[0], y[1], y[2], y[3]) = (a, b, c, d);
        }
    }

    /// `y = f(outputs)`, rows of `width`.
    #[inline(always)]
    pub(super) fn write(self, y: &mut [T], width: usize, memory: &mut [T], f: impl Fn(T) -> T) {
        let (mixed, line) = memory.split_at_mut(REACH * SIDE * self.tiles);
        let line = &mut line[..SIDE * self.across];
        self.mix(mixed);
        for (i, y) in y.chunks_exact_mut(width).enumerate() {
            self.row(mixed, i / SIDE, i % SIDE, line);
            for (y, &sum) in y.iter_mut().zip(&*line) {
                *y = f(sum);
            }
        }
    }
}

/// Every other row of `y`, from row `half` on: `f` of the outputs of the phases `even` and `odd`, each of
/// `width` outputs in a row, in turn.
#[inline(always)]
pub(super) fn write_doubled<T: Real>(
    [even, odd]: [Products<'_, T>; 2],
    half: usize,
    y: &mut [T],
    width: usize,
    memory: &mut [T],
    f: impl Fn(T) -> T,
) {
    let size = REACH * SIDE * even.tiles;
    let (mixed, lines) = memory.split_at_mut(2 * size);
    let (mixed_even, mixed_odd) = mixed.split_at_mut(size);
    let (evens, odds) = lines.split_at_mut(SIDE * even.across);
    even.mix(mixed_even);
    odd.mix(mixed_odd);
    for (i, y) in y.chunks_exact_mut(4 * width).enumerate() {
        even.row(mixed_even, i / SIDE, i % SIDE, evens);
        odd.row(mixed_odd, i / SIDE, i % SIDE, odds);
        let y = &mut y[2 * half * width..][..2 * width];
        for ((y, &even), &odd) in y.chunks_exact_mut(2).zip(&*evens).zip(&*odds) {
            (y[0], y[1]) = (f(even), f(odd));
        }
    }
}
