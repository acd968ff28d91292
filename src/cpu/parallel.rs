//! Loops over threads where there are threads; the same loops in order in a WebAssembly module without
//! shared memory.

use super::Real;
#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
use super::matmul::Shared;
#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
use super::team::share;
use super::vector::dot;

/// Elements below which a piece of work is not worth handing to another thread: those of a few microseconds.
#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
const GRAIN: usize = 4096;
/// Pieces that a thread takes one after the other, so that none waits long for the last.
#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
const PARTS: usize = 4;

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
        let calls = GRAIN.div_ceil(cost.max(1));
        if data.len() > size * calls {
            let len = data.len();
            let count = len.div_ceil(size);
            let calls = calls.max(count.div_ceil(PARTS * threads()));
            let data = Shared::new(data);
            let part = |(): &mut (), task: usize| {
                for i in task * calls..((task + 1) * calls).min(count) {
                    // SAFETY: each chunk is of one task.
                    f(i, unsafe { data.piece(i * size, size.min(len - i * size)) });
                }
            };
            return tasks(count.div_ceil(calls), || (), part);
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
            let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&task| task < tasks);
            let work = || {
                let Some(mut task) = take() else { return };
                let mut scratch = scratch();
                loop {
                    run(&mut scratch, task);
                    match take() {
                        Some(another) => task = another,
                        None => return,
                    }
                }
            };
            return share(workers - 1, &work);
        }
    }
    let mut scratch = scratch();
    for task in 0..tasks {
        run(&mut scratch, task);
    }
}

/// The sum of squares in `f64`, the same with any number of threads.
pub(crate) fn sum_of_squares<T: Real>(x: &[T]) -> f64 {
    /// Elements of each sum.
    const CHUNK: usize = 32768;
    let mut sums = vec![0.0; x.len().div_ceil(CHUNK)];
    chunks(&mut sums, 1, CHUNK, |i, sum| {
        let x = &x[i * CHUNK..];
        let x = &x[..x.len().min(CHUNK)];
        sum[0] = dot(x, x);
    });
    sums.iter().sum()
}
