//! Loops compiled for the vector registers that the processor has.

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
