//! The matrix product: the one place that calls `gemm`, which WebAssembly goes without.

use std::marker::PhantomData;

pub(super) use super::matrix::Matrix;
use super::matrix::fits;
use super::{Real, parallel};

/// A slice that several threads write to at once, each its own elements.
pub(super) struct Shared<'a, T> {
    data: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: it stands for a `&mut [T]`; the callers of `product` and `piece`, its only accesses,
// promise that no two threads touch the same element.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(super) fn new(data: &'a mut [T]) -> Self {
        Self { data: data.as_mut_ptr(), len: data.len(), lifetime: PhantomData }
    }

    /// The elements from `start` on.
    ///
    /// # Safety
    /// Nobody else may read or write these elements while the piece lives.
    #[expect(clippy::mut_from_ref, reason = "that is what this type is for")]
    pub(super) unsafe fn piece(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start);
        // SAFETY: the assertion bounds the piece; the caller keeps others away from it.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), len) }
    }
}

impl<T: Real> Shared<'_, T> {
    /// Writes `a · b`, or adds it where `accumulate`, to the matrix whose element `(i, j)` is
    /// `self[start + i + j * column_stride]`.
    ///
    /// # Safety
    /// No other thread may read or write these elements meanwhile.
    pub(super) unsafe fn product(
        &self,
        start: usize,
        column_stride: usize,
        accumulate: bool,
        a: Matrix<'_, T>,
        b: Matrix<'_, T>,
    ) {
        let (m, n, k) = (a.rows, b.columns, a.columns);
        assert!(
            a.fits()
                && b.fits()
                && b.rows == k
                && start <= self.len
                && fits(self.len - start, m, n, 1, column_stride)
        );
        if m == 0 || n == 0 {
            return;
        }
        #[cfg(target_arch = "wasm32")]
        {
            // SAFETY: the assertion above bounds the result; the caller keeps others away from it.
            let y = unsafe { self.piece(start, (n - 1) * column_stride + m) };
            super::product::product(y, column_stride, accumulate, a, b);
        }
        #[cfg(not(target_arch = "wasm32"))]
        // SAFETY: the assertion above bounds every element that gemm reads and writes; `a` and
        // `b` are borrowed for the call, and the caller keeps others away from the result.
        unsafe {
            T::gemm()(
                m,
                n,
                k,
                self.data.add(start),
                column_stride as isize,
                1,
                accumulate,
                a.data.as_ptr(),
                a.column_stride as isize,
                a.row_stride as isize,
                b.data.as_ptr(),
                b.column_stride as isize,
                b.row_stride as isize,
                T::ONE,
                T::ONE,
                false,
                false,
                false,
                gemm_common::Parallelism::None,
            );
        }
    }
}

/// `a · bᵀ` of matrices with rows of `width`: element `(i, j)` is `[i + j * rows of a]`.
pub(crate) fn row_products<T: Real>(a: &[T], b: &[T], width: usize) -> Vec<T> {
    /// Rows of `b` that one thread takes at a time.
    const CHUNK: usize = 64;
    let (m, n) = (a.len() / width, b.len() / width);
    let mut products = vec![T::default(); m * n];
    let shared = Shared::new(&mut products);
    let left = Matrix { data: a, rows: m, columns: width, row_stride: width, column_stride: 1 };
    parallel::tasks(
        n.div_ceil(CHUNK),
        || (),
        |(), task| {
            let first = task * CHUNK;
            let columns = CHUNK.min(n - first);
            let data = &b[first * width..][..columns * width];
            let right = Matrix { data, rows: width, columns, row_stride: 1, column_stride: width };
            // SAFETY: each task writes columns of its own.
            unsafe { shared.product(first * m, m, false, left, right) };
        },
    );
    products
}
