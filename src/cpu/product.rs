//! The matrix product in WebAssembly, where `gemm` has no kernel that fits the registers.
//!
//! On x86-64 V8 has at most fifteen registers of four `f32` to give, and WebAssembly has no multiply-add.
//! `gemm` computes 12x4 elements at a time, so that sums lie in memory. Here it is 8x4: eight registers
//! of sums, two of `a`, one of `b`, one of a product. With ten of sums V8 takes 1.7 times as long for
//! each product already, and so it does where the four numbers of `b` are not beside each other in memory:
//! the compiler then loads them all first. Hence both matrices are packed.

use std::any::TypeId;
use std::arch::wasm32::{f32x4_add, f32x4_mul, f32x4_splat, v128, v128_load, v128_store};

use super::Real;
use super::matrix::Matrix;

/// Elements of the result that are computed at a time: two vectors by four.
const ROWS: usize = 2 * LANES;
const COLUMNS: usize = 4;
const LANES: usize = 4;
/// Columns of `a` that are packed at a time: 8 KiB, so that they stay in the first-level cache beside
/// what is read of `b`.
const DEPTH: usize = 256;

/// Writes `a · b`, or adds it where `accumulate`, to the matrix whose element `(i, j)` is
/// `y[i + j * stride]`.
pub(super) fn product<T: Real>(
    y: &mut [T],
    stride: usize,
    accumulate: bool,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
) {
    if let (Some(y), Some(a), Some(b)) = (as_f32_mut(y), as_f32(a), as_f32(b)) {
        return multiply(y, stride, accumulate, a, b);
    }
    for j in 0..b.columns {
        for i in 0..a.rows {
            let mut sum = T::default();
            for k in 0..a.columns {
                sum += a.data[i * a.row_stride + k * a.column_stride]
                    * b.data[k * b.row_stride + j * b.column_stride];
            }
            let y = &mut y[i + j * stride];
            *y = if accumulate { *y + sum } else { sum };
        }
    }
}

/// The matrix, if it is one of `f32`.
fn as_f32<T: Real>(matrix: Matrix<'_, T>) -> Option<Matrix<'_, f32>> {
    let Matrix { data, rows, columns, row_stride, column_stride } = matrix;
    let data = (TypeId::of::<T>() == TypeId::of::<f32>()).then(|| {
        // SAFETY: the elements are what they are taken for.
        unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), data.len()) }
    })?;
    Some(Matrix { data, rows, columns, row_stride, column_stride })
}

/// The slice, if it is one of `f32`.
fn as_f32_mut<T: Real>(data: &mut [T]) -> Option<&mut [f32]> {
    (TypeId::of::<T>() == TypeId::of::<f32>()).then(|| {
        // SAFETY: the elements are what they are taken for.
        unsafe { std::slice::from_raw_parts_mut(data.as_mut_ptr().cast(), data.len()) }
    })
}

/// [`product`] of `f32`.
fn multiply(y: &mut [f32], stride: usize, accumulate: bool, a: Matrix<'_, f32>, b: Matrix<'_, f32>) {
    let mut panel = [[f32x4_splat(0.0); 2]; DEPTH];
    let mut packed = Vec::with_capacity(b.columns.div_ceil(COLUMNS) * DEPTH.min(b.rows));
    if a.columns == 0 && !accumulate {
        y.chunks_mut(stride).for_each(|column| column[..a.rows].fill(0.0));
    }
    for first in (0..a.columns).step_by(DEPTH) {
        let depth = DEPTH.min(a.columns - first);
        let panel = &mut panel[..depth];
        let accumulate = accumulate || first > 0;
        packed.clear();
        for left in (0..b.columns).step_by(COLUMNS) {
            pack_columns(b, left, (first, depth), &mut packed);
        }
        for top in (0..a.rows).step_by(ROWS) {
            let height = ROWS.min(a.rows - top);
            pack_rows(a, (top, height), first, panel);
            for (i, columns) in packed.chunks_exact(depth).enumerate() {
                let width = COLUMNS.min(b.columns - i * COLUMNS);
                let y = &mut y[top + i * COLUMNS * stride..];
                write(tile(panel, columns), y, stride, (height, width), accumulate);
            }
        }
    }
}

fn load(x: &[f32; ROWS]) -> [v128; 2] {
    // SAFETY: both vectors lie in the eight elements.
    unsafe { [v128_load(x.as_ptr().cast()), v128_load(x[LANES..].as_ptr().cast())] }
}

/// `panel[k][i] = a[top + i, first + k]`, zero beyond `height`.
fn pack_rows(a: Matrix<'_, f32>, (top, height): (usize, usize), first: usize, panel: &mut [[v128; 2]]) {
    let start = top * a.row_stride + first * a.column_stride;
    for (k, row) in panel.iter_mut().enumerate() {
        let column = &a.data[start + k * a.column_stride..];
        *row = match column.first_chunk() {
            Some(column) if a.row_stride == 1 && height == ROWS => load(column),
            _ => {
                let mut padded = [0.0; ROWS];
                for (i, padded) in padded[..height].iter_mut().enumerate() {
                    *padded = column[i * a.row_stride];
                }
                load(&padded)
            }
        };
    }
}

/// Appends `b[first + k, left + j]` for `depth` rows `k`, zero beyond the last column.
fn pack_columns(
    b: Matrix<'_, f32>,
    left: usize,
    (first, depth): (usize, usize),
    packed: &mut Vec<[f32; COLUMNS]>,
) {
    let width = COLUMNS.min(b.columns - left);
    let start = left * b.column_stride + first * b.row_stride;
    if b.row_stride == 1 && width == COLUMNS {
        let [c0, c1, c2, c3] = std::array::from_fn(|j| &b.data[start + j * b.column_stride..][..depth]);
        packed.extend(c0.iter().zip(c1).zip(c2).zip(c3).map(|(((&c0, &c1), &c2), &c3)| [c0, c1, c2, c3]));
    } else {
        packed.extend((0..depth).map(|k| {
            let row = &b.data[start + k * b.row_stride..];
            std::array::from_fn(|j| if j < width { row[j * b.column_stride] } else { 0.0 })
        }));
    }
}

/// The sums of products of two vectors of rows and four columns.
#[inline(always)]
fn tile(panel: &[[v128; 2]], columns: &[[f32; COLUMNS]]) -> [[v128; 2]; COLUMNS] {
    let mut sums = [[f32x4_splat(0.0); 2]; COLUMNS];
    for (a, b) in panel.iter().zip(columns) {
        for (sums, &b) in sums.iter_mut().zip(b) {
            let b = f32x4_splat(b);
            sums[0] = f32x4_add(sums[0], f32x4_mul(a[0], b));
            sums[1] = f32x4_add(sums[1], f32x4_mul(a[1], b));
        }
    }
    sums
}

#[inline(always)]
fn write(
    sums: [[v128; 2]; COLUMNS],
    y: &mut [f32],
    stride: usize,
    (height, width): (usize, usize),
    accumulate: bool,
) {
    for (j, sums) in sums.iter().enumerate().take(width) {
        let y = &mut y[j * stride..];
        match y.first_chunk_mut() {
            Some(y) if height == ROWS => write_column(y, sums, accumulate),
            _ => {
                let mut padded = [0.0; ROWS];
                padded[..height].copy_from_slice(&y[..height]);
                write_column(&mut padded, sums, accumulate);
                y[..height].copy_from_slice(&padded[..height]);
            }
        }
    }
}

#[inline(always)]
fn write_column(y: &mut [f32; ROWS], sums: &[v128; 2], accumulate: bool) {
    let [mut near, mut far] = *sums;
    if accumulate {
        let before = load(y);
        (near, far) = (f32x4_add(before[0], near), f32x4_add(before[1], far));
    }
    // SAFETY: both vectors lie in the eight elements.
    unsafe {
        v128_store(y.as_mut_ptr().cast(), near);
        v128_store(y[LANES..].as_mut_ptr().cast(), far);
    }
}
