//! The adjoints of the three transforms of F(4x4, 3x3), over lines of tiles or of channels like these.

use super::transforms::{FAR, NEAR, WEIGHT_TRANSFORM, Window};
use super::{REACH, SIDE};
use crate::cpu::Real;

/// `A g`
#[inline(always)]
fn gradient_transform<T: Real>(g: [T; SIDE]) -> [T; REACH] {
    let (near, near_square, near_cube) =
        (T::from_f64(NEAR), T::from_f64(NEAR * NEAR), T::from_f64(NEAR * NEAR * NEAR));
    let (far, far_square, far_cube) =
        (T::from_f64(FAR), T::from_f64(FAR * FAR), T::from_f64(FAR * FAR * FAR));
    let (even, odd) = (g[0] + near_square * g[2], near * g[1] + near_cube * g[3]);
    let (far_even, far_odd) = (g[0] + far_square * g[2], far * g[1] + far_cube * g[3]);
    [g[0], even + odd, even - odd, far_even + far_odd, far_even - far_odd, g[3]]
}

/// `B e`
#[inline(always)]
fn spread_transform<T: Real>(e: [T; REACH]) -> [T; REACH] {
    let (near, far) = (T::from_f64(NEAR), T::from_f64(FAR));
    let (near_square, far_square) = (T::from_f64(NEAR * NEAR), T::from_f64(FAR * FAR));
    let (product, all) = (T::from_f64(NEAR * NEAR * FAR * FAR), T::from_f64(NEAR * NEAR + FAR * FAR));
    let (sum, difference) = (e[1] + e[2], near * (e[1] - e[2]));
    let (far_sum, far_difference) = (e[3] + e[4], far * (e[3] - e[4]));
    [
        product * e[0],
        product * e[5] - far_square * difference - near_square * far_difference,
        T::default() - all * e[0] - far_square * sum - near_square * far_sum,
        difference + far_difference - all * e[5],
        e[0] + sum + far_sum,
        e[5],
    ]
}

/// `Gᵀ m`
#[inline(always)]
fn weight_gradient<T: Real>(m: [T; REACH]) -> [T; 3] {
    let g = |row: usize, column: usize| T::from_f64(WEIGHT_TRANSFORM[row][column]);
    let (sum, difference) = (m[1] + m[2], m[1] - m[2]);
    let (far_sum, far_difference) = (m[3] + m[4], m[3] - m[4]);
    [
        g(0, 0) * m[0] + g(1, 0) * sum + g(3, 0) * far_sum,
        g(1, 1) * difference + g(3, 1) * far_difference,
        g(1, 2) * sum + g(3, 2) * far_sum + m[5],
    ]
}

/// Where the outputs of one phase of a plane lie: each `step`-th of a row of `width`, from `column` on, of each
/// `step`-th row from `row` on.
#[derive(Clone, Copy)]
pub(super) struct Phase {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) step: usize,
    pub(super) width: usize,
}

/// `A g Aᵀ` of `rows` rows of tiles from `first` on, of one phase of a plane `g`. `slab` holds 16 numbers for each tile,
/// `mixed` 24.
#[inline(always)]
pub(super) fn transform_gradient<'a, T: Real>(
    g: &[T],
    phase: Phase,
    (first, rows, across): (usize, usize, usize),
    slab: &mut [T],
    mixed: &mut [T],
    to: impl Fn(usize, usize) -> &'a mut [T],
) {
    let Phase { row, column, step, width } = phase;
    let wide = SIDE * across;
    for (r, slab) in slab.chunks_exact_mut(wide).take(SIDE * rows).enumerate() {
        let start = (step * (SIDE * first + r) + row) * width;
        let line = g.get(start..start + width).unwrap_or_default();
        let outputs = if line.is_empty() { 0 } else { width / step };
        let (p0, rest) = slab.split_at_mut(across);
        let (p1, rest) = rest.split_at_mut(across);
        let (p2, p3) = rest.split_at_mut(across);
        let whole = outputs / SIDE;
        let lines = p0.iter_mut().zip(p1).zip(p2).zip(p3);
        if step == 1 {
            let mut fours = line.chunks_exact(SIDE);
            let rest = fours.remainder();
            for (tile, (((a, b), c), d)) in lines.enumerate() {
                let mut last = [T::default(); SIDE];
                let four = match fours.next() {
                    Some(four) => four,
                    None => {
                        if tile == whole {
                            last[..rest.len()].copy_from_slice(rest);
                        }
                        &last
                    }
                };
                (*a, *b, *c, *d) = (four[0], four[1], four[2], four[3]);
            }
        } else {
            let at = |i: usize| if i < outputs { line[step * i + column] } else { T::default() };
            for (tile, (((a, b), c), d)) in lines.enumerate() {
                let i = SIDE * tile;
                (*a, *b, *c, *d) = (at(i), at(i + 1), at(i + 2), at(i + 3));
            }
        }
    }
    for row in 0..rows {
        let from = std::array::from_fn(|i| &slab[(SIDE * row + i) * wide..][..wide]);
        let mut lines = mixed.chunks_exact_mut(wide).skip(row).step_by(rows);
        let into = std::array::from_fn(|_| lines.next().unwrap_or_default());
        each_gradient(from, into);
    }
    for (k, mixed) in mixed.chunks_exact(rows * wide).take(REACH).enumerate() {
        for (row, mixed) in mixed.chunks_exact(wide).enumerate() {
            let from = std::array::from_fn(|i| &mixed[i * across..][..across]);
            each_gradient(from, std::array::from_fn(|i| to(REACH * k + i, row)));
        }
    }
}

/// `into[..][i] = A from[..][i]`. Written out, as [`super::transforms`] does.
#[inline(always)]
fn each_gradient<T: Real>(from: [&[T]; SIDE], into: [&mut [T]; REACH]) {
    let [y0, y1, y2, y3, y4, y5] = into;
    let n = y0.len();
    let [x0, x1, x2, x3] = from;
    let (x0, x1, x2, x3) = (&x0[..n], &x1[..n], &x2[..n], &x3[..n]);
    let (y1, y2, y3, y4, y5) = (&mut y1[..n], &mut y2[..n], &mut y3[..n], &mut y4[..n], &mut y5[..n]);
    for i in 0..n {
        [y0[i], y1[i], y2[i], y3[i], y4[i], y5[i]] = gradient_transform([x0[i], x1[i], x2[i], x3[i]]);
    }
}

/// Adds `B e Bᵀ` of `rows` rows of tiles from `first` on to the plane `x` that the tiles read: those overlap, and what
/// was padded comes from inside. `products` are the 36 of each tile, `stride` apart. `memory` holds 30 numbers for each
/// tile, 12 for each in a row, and 8.
#[inline(always)]
pub(super) fn spread<T: Real>(
    products: &[T],
    stride: usize,
    (first, rows, across): (usize, usize, usize),
    window: &Window,
    memory: &mut [T],
    x: &mut [T],
) {
    let height = SIDE * rows + 2;
    let (mixed, lines) = memory.split_at_mut(REACH * height * across);
    for (k, mixed) in mixed.chunks_exact_mut(height * across).enumerate() {
        mixed[..2 * across].fill(T::default());
        for row in 0..rows {
            let line = |i: usize| &products[(REACH * i + k) * stride + row * across..][..across];
            let from = [line(0), line(1), line(2), line(3), line(4), line(5)];
            let (added, fresh) = mixed[SIDE * row * across..].split_at_mut(2 * across);
            spread_lines(from, added, fresh);
        }
    }
    let (columns, padded) = lines.split_at_mut(REACH * across);
    let padded = &mut padded[..SIDE * across + 2];
    for r in 0..height {
        let Some(&row) = window.rows.get(SIDE * first + r) else { break };
        let line = |k: usize| &mixed[(k * height + r) * across..][..across];
        let from = [line(0), line(1), line(2), line(3), line(4), line(5)];
        let (near, rest) = columns.split_at_mut(2 * across);
        near.fill(T::default());
        spread_lines(from, near, rest);
        // The fifth and the sixth column of a tile are the first two of the next.
        let column = |k: usize| &columns[k * across..][..across];
        let inside = column(0).iter().zip(column(1)).zip(column(2)).zip(column(3));
        for (p, (((&a, &b), &c), &d)) in padded.chunks_exact_mut(SIDE).zip(inside) {
            (p[0], p[1], p[2], p[3]) = (a, b, c, d);
        }
        padded[SIDE * across..].fill(T::default());
        let beyond = column(4).iter().zip(column(5));
        for (p, (&a, &b)) in padded[SIDE..].chunks_mut(SIDE).zip(beyond) {
            p[0] += a;
            p[1] += b;
        }
        let x = &mut x[row * window.width..][..window.width];
        let (left, right) = (window.pad, window.pad + window.width);
        for (x, &p) in x.iter_mut().zip(&padded[left..]) {
            *x += p;
        }
        for column in (0..left).chain(right..window.columns.len()) {
            x[window.columns[column]] += padded[column];
        }
    }
}

/// `B from[..][i]`: the first two of six lines are added to `added`, the others written to `fresh`.
#[inline(always)]
fn spread_lines<T: Real>(from: [&[T]; REACH], added: &mut [T], fresh: &mut [T]) {
    let n = from[0].len();
    let [x0, x1, x2, x3, x4, x5] = from;
    let (x0, x1, x2, x3, x4, x5) = (&x0[..n], &x1[..n], &x2[..n], &x3[..n], &x4[..n], &x5[..n]);
    let (y0, y1) = added.split_at_mut(n);
    let (y2, rest) = fresh.split_at_mut(n);
    let (y3, rest) = rest.split_at_mut(n);
    let (y4, y5) = rest.split_at_mut(n);
    let (y1, y5) = (&mut y1[..n], &mut y5[..n]);
    for i in 0..n {
        let e = spread_transform([x0[i], x1[i], x2[i], x3[i], x4[i], x5[i]]);
        y0[i] += e[0];
        y1[i] += e[1];
        [y2[i], y3[i], y4[i], y5[i]] = [e[2], e[3], e[4], e[5]];
    }
}

/// `Gᵀ m G` of each channel, its 36 products in lines of `channels` that are `stride` apart, added to the nine lines of
/// `taps`; of the convolution itself, or of one of its four phases behind nearest doubling. `mixed` holds 27 numbers for each
/// channel.
#[inline(always)]
pub(super) fn weight_of_products<T: Real>(
    products: &[T],
    stride: usize,
    phase: Option<usize>,
    channels: usize,
    mixed: &mut [T],
    taps: &mut [T],
) {
    let (mixed, kernel) = mixed.split_at_mut(3 * REACH * channels);
    for k in 0..REACH {
        let line = |i: usize| &products[(REACH * i + k) * stride..][..channels];
        let from = [line(0), line(1), line(2), line(3), line(4), line(5)];
        let mut lines = mixed.chunks_exact_mut(channels).skip(k).step_by(REACH);
        each_weight(from, std::array::from_fn(|_| lines.next().unwrap_or_default()));
    }
    for (mixed, kernel) in mixed.chunks_exact(REACH * channels).zip(kernel.chunks_exact_mut(3 * channels)) {
        let from = std::array::from_fn(|k| &mixed[k * channels..][..channels]);
        let mut lines = kernel.chunks_exact_mut(channels);
        each_weight(from, std::array::from_fn(|_| lines.next().unwrap_or_default()));
    }
    for (p, kernel) in kernel.chunks_exact(3 * channels).enumerate() {
        for (q, kernel) in kernel.chunks_exact(channels).enumerate() {
            let (rows, columns) = match phase {
                None => (p..p + 1, q..q + 1),
                Some(phase) => (met(p, phase / 2), met(q, phase % 2)),
            };
            for tap in rows.flat_map(|row| columns.clone().map(move |column| 3 * row + column)) {
                for (tap, &x) in taps[tap * channels..][..channels].iter_mut().zip(kernel) {
                    *tap += x;
                }
            }
        }
    }
}

/// The taps whose weights are summed to tap `i` of a phase behind nearest doubling.
fn met(i: usize, phase: usize) -> std::ops::Range<usize> {
    match (phase, i) {
        (0, 0) => 0..1,
        (0, 1) => 1..3,
        (1, 1) => 0..2,
        (1, 2) => 2..3,
        _ => 0..0,
    }
}

/// `into[..][i] = Gᵀ from[..][i]`
#[inline(always)]
fn each_weight<T: Real>(from: [&[T]; REACH], into: [&mut [T]; 3]) {
    let [y0, y1, y2] = into;
    let n = y0.len();
    let [x0, x1, x2, x3, x4, x5] = from;
    let (x0, x1, x2, x3, x4, x5) = (&x0[..n], &x1[..n], &x2[..n], &x3[..n], &x4[..n], &x5[..n]);
    let (y1, y2) = (&mut y1[..n], &mut y2[..n]);
    for i in 0..n {
        [y0[i], y1[i], y2[i]] = weight_gradient([x0[i], x1[i], x2[i], x3[i], x4[i], x5[i]]);
    }
}
