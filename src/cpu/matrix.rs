//! What a matrix product reads.

/// A matrix to read: element `(i, j)` is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    pub(super) data: &'a [T],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<T> Matrix<'_, T> {
    /// Whether every element lies inside `data`.
    pub(super) fn fits(&self) -> bool {
        fits(self.data.len(), self.rows, self.columns, self.row_stride, self.column_stride)
    }
}

/// Whether every element of such a matrix lies inside `len`.
pub(super) fn fits(len: usize, rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> bool {
    rows == 0 || columns == 0 || (rows - 1) * row_stride + (columns - 1) * column_stride < len
}
