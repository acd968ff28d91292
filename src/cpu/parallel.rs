//! Loops over threads where there are threads; the same loops in order in a WebAssembly module without
//! shared memory.

use super::Real;
use super::vector::dot;

/// Elements below which a piece of work is not worth handing to another thread.
const GRAIN: usize = 32768;

/// How many threads share the work.
pub(super) fn threads() -> usize {
    #[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
    return rayon::current_num_threads();
    #[cfg(not(any(not(target_arch = "wasm32"), target_feature = "atomics")))]
    return 1;
}

/// Calls `f(i, chunk)` for the `i`-th chunk of `size` elements of `data`; `cost` is the number
/// of elements that one call reads or writes.
pub(crate) fn chunks<T: Send>(
    data: &mut [T],
    size: usize,
    cost: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    #[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
    {
        use rayon::prelude::*;
        let calls = GRAIN.div_ceil(cost.max(1));
        if data.len() > size * calls {
            data.par_chunks_mut(size).enumerate().with_min_len(calls).for_each(|(i, chunk)| f(i, chunk));
            return;
        }
    }
    let _ = cost;
    for (i, chunk) in data.chunks_mut(size).enumerate() {
        f(i, chunk);
    }
}

/// Calls `run(scratch, i)` for every `i` below `tasks`; each thread makes its `scratch` once.
pub(super) fn tasks<S>(tasks: usize, scratch: impl Fn() -> S + Sync, run: impl Fn(&mut S, usize) + Sync) {
    #[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
    {
        use std::sync::atomic::{AtomicUsize, Ordering};

        let workers = threads().min(tasks);
        if workers > 1 {
            let next = AtomicUsize::new(0);
            let work = || {
                let mut scratch = scratch();
                loop {
                    let task = next.fetch_add(1, Ordering::Relaxed);
                    if task >= tasks {
                        return;
                    }
                    run(&mut scratch, task);
                }
            };
            rayon::scope(|scope| {
                for _ in 1..workers {
                    scope.spawn(|_| work());
                }
                work();
            });
            return;
        }
    }
    let mut scratch = scratch();
    for task in 0..tasks {
        run(&mut scratch, task);
    }
}

/// The sum of squares in `f64`, the same with any number of threads.
pub(crate) fn sum_of_squares<T: Real>(x: &[T]) -> f64 {
    let mut sums = vec![0.0; x.len().div_ceil(GRAIN)];
    chunks(&mut sums, 1, GRAIN, |i, sum| {
        let x = &x[i * GRAIN..];
        let x = &x[..x.len().min(GRAIN)];
        sum[0] = dot(x, x);
    });
    sums.iter().sum()
}
