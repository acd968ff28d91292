//! Loops compiled for the vector registers that the processor has.

use super::Real;

/// Calls `f`, compiled for the widest vector registers of this processor: what the compiler can
/// inline into it, loops over slices above all, is compiled for each kind of processor, and the
/// kind is looked up at run time. The numbers do not depend on it: nothing is contracted to
/// multiply-adds, no sum is reordered.
#[inline(always)]
pub(crate) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(not(target_arch = "wasm32"))]
    return pulp::Arch::new().dispatch(f);
    #[cfg(target_arch = "wasm32")]
    return alone(f);
}

/// The module is compiled for the vector registers that every browser has. A function for each loop:
/// the browser compiles what is called often a second time, from then on; a function that has
/// everything inside is called too seldom, and takes long to compile.
#[cfg(target_arch = "wasm32")]
#[inline(never)]
fn alone<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// The product of two vectors, summed in `f64`.
pub(super) fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    const LANES: usize = 16;
    vectorized(
        #[inline(always)]
        || {
            let mut lanes = [0.0; LANES];
            let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
            let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
            let rest: f64 = rest.map(|(a, b)| a.to_f64() * b.to_f64()).sum();
            for (a, b) in a_chunks.zip(b_chunks) {
                for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
                    *lane += a.to_f64() * b.to_f64();
                }
            }
            lanes.iter().sum::<f64>() + rest
        },
    )
}
