//! The numbers that the executor computes in.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Mul, Sub};

/// What is compiled for each of the two.
pub(super) mod sealed {
    #[cfg(not(target_arch = "wasm32"))]
    use gemm_common::Parallelism;

    use crate::error::Result;
    use crate::graph::{Graph, Node, NodeId};

    use super::super::compute::compute;
    use super::super::values::Values;

    /// `gemm`'s product for the machine at hand: sizes, the result with its strides, whether it is added to, the two factors with
    /// theirs (columns before rows), a factor of the old result and one of the product, three conjugations, and threads.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) type Gemm<T> = unsafe fn(
        usize,
        usize,
        usize,
        *mut T,
        isize,
        isize,
        bool,
        *const T,
        isize,
        isize,
        *const T,
        isize,
        isize,
        T,
        T,
        bool,
        bool,
        bool,
        Parallelism,
    );

    pub trait Sealed: Sized {
        /// `gemm`'s part for these numbers. The crate `gemm` itself would compile halves and complex numbers too, which
        /// nobody here multiplies.
        #[cfg(not(target_arch = "wasm32"))]
        fn gemm() -> Gemm<Self>;

        /// [`compute`], which is the whole executor. What is generic is compiled in each crate that calls it, so
        /// programs and tests would compile it again and again.
        fn compute(
            graph: &Graph,
            node: &Node,
            values: &mut Values<'_, Self>,
            dying: &dyn Fn(&NodeId) -> bool,
        ) -> Result<Vec<Self>>;
    }

    impl Sealed for f32 {
        /// Compiled once, in this library.
        #[inline(never)]
        fn compute(
            graph: &Graph,
            node: &Node,
            values: &mut Values<'_, Self>,
            dying: &dyn Fn(&NodeId) -> bool,
        ) -> Result<Vec<Self>> {
            compute(graph, node, values, dying)
        }

        #[cfg(not(target_arch = "wasm32"))]
        fn gemm() -> Gemm<Self> {
            gemm_f32::gemm::f32::get_gemm_fn()
        }
    }

    impl Sealed for f64 {
        /// Compiled where it is called: in tests, and in no program.
        #[inline]
        fn compute(
            graph: &Graph,
            node: &Node,
            values: &mut Values<'_, Self>,
            dying: &dyn Fn(&NodeId) -> bool,
        ) -> Result<Vec<Self>> {
            compute(graph, node, values, dying)
        }

        #[cfg(not(target_arch = "wasm32"))]
        fn gemm() -> Gemm<Self> {
            gemm_f64::gemm::f64::get_gemm_fn()
        }
    }
}

/// `f32` or `f64`. Sealed: the matrix product underneath knows these two.
pub trait Real:
    sealed::Sealed
    + Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Mul<Output = Self>
    + Sub<Output = Self>
    + 'static
{
    /// 1
    const ONE: Self;

    /// The nearest value.
    fn from_f64(x: f64) -> Self;

    /// Exactly this value.
    fn from_f32(x: f32) -> Self;

    /// Exactly this value.
    fn from_level(x: i8) -> Self;

    /// Exactly this value.
    fn to_f64(self) -> f64;

    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
}

impl Real for f32 {
    const ONE: Self = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as Self
    }

    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn from_level(x: i8) -> Self {
        Self::from(x)
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        super::tanh::tanh(self)
    }
}

impl Real for f64 {
    const ONE: Self = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        Self::from(x)
    }

    #[inline(always)]
    fn from_level(x: i8) -> Self {
        Self::from(x)
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        self.tanh()
    }
}
