//! One thread at a time submits or polls.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// Who may submit or poll.
///
/// wgpu looks at the end of both how far the GPU is. A thread whose wait has timed out knows how far it
/// was then; if another thread sees the end of everything before the first looks on, wgpu finds that
/// the queue is empty and the GPU not at its end, and panics (wgpu-core 30, `Device::maintain`).
#[derive(Debug, Default)]
pub(super) struct Turns {
    one: Mutex<()>,
    waiting: AtomicUsize,
}

impl Turns {
    /// This thread's turn, until the guard is dropped.
    pub(super) fn take(&self) -> MutexGuard<'_, ()> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let turn = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        turn
    }

    /// Lets those go before who wait. A thread that takes turn after turn would else be there first
    /// each time.
    pub(super) fn give_way(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            sleep(Duration::from_micros(100));
        }
    }
}
