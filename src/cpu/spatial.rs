//! Reflection padding and nearest upsampling, as index tables.

use crate::graph::Shape;

use super::{Real, parallel};

/// `[N, C, H, W]` of a shape that the graph has checked to be one.
pub(super) fn image(shape: &Shape) -> [usize; 4] {
    shape.nchw().unwrap_or_default()
}

/// Where each element of a padded (and before that doubled) axis of `len` elements is read
/// from.
pub(super) fn axis(len: usize, upsample: bool, pad: usize) -> Vec<usize> {
    let doubled = if upsample { 2 * len } else { len };
    (0..doubled + 2 * pad)
        .map(|i| {
            let i = i.abs_diff(pad);
            let i = if i < doubled { i } else { 2 * (doubled - 1) - i };
            if upsample { i / 2 } else { i }
        })
        .collect()
}

/// `y[n, c, i, j] = x[n, c, rows[i], columns[j]]` for planes of `pixels` elements of `x`,
/// `width` in a row.
pub(super) fn gather<T: Real>(
    x: &[T],
    pixels: usize,
    width: usize,
    rows: &[usize],
    columns: &[usize],
    y: &mut [T],
) {
    let size = rows.len() * columns.len();
    parallel::chunks(y, size, size, |plane, y| {
        let x = &x[plane * pixels..][..pixels];
        for (y, &row) in y.chunks_mut(columns.len()).zip(rows) {
            let x = &x[row * width..][..width];
            for (y, &column) in y.iter_mut().zip(columns) {
                *y = x[column];
            }
        }
    });
}

/// The adjoint of [`gather`]: adds each element of `g` to the one that it was read from.
pub(super) fn scatter<T: Real>(
    g: &[T],
    pixels: usize,
    width: usize,
    rows: &[usize],
    columns: &[usize],
    x: &mut [T],
) {
    let size = rows.len() * columns.len();
    parallel::chunks(x, pixels, size, |plane, x| {
        x.fill(T::default());
        let g = &g[plane * size..][..size];
        for (g, &row) in g.chunks(columns.len()).zip(rows) {
            let x = &mut x[row * width..][..width];
            for (&g, &column) in g.iter().zip(columns) {
                x[column] += g;
            }
        }
    });
}
