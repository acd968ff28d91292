//! Loops compiled for the vector registers that the processor has.

/// Calls `f`, compiled for the widest vector registers of this processor: what the compiler can
/// inline into it, loops over slices above all, is compiled for each kind of processor, and the
/// kind is looked up at run time. The numbers do not depend on it: nothing is contracted to
/// multiply-adds, no sum is reordered.
#[inline(always)]
pub(super) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(not(target_arch = "wasm32"))]
    return pulp::Arch::new().dispatch(f);
    // The module is compiled for the vector registers that every browser has.
    #[cfg(target_arch = "wasm32")]
    return f();
}
