//! Faults on purpose. Real ones cannot be had when a test wants them: a GPU that the system resets,
//! memory that runs out at one certain buffer. Each is made where the real one would come up, so
//! that everything after it is the code that people run.

use std::sync::{Mutex, PoisonError};

/// A fault that a test asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectedFault {
    /// While somebody waits for the GPU, the device is lost, and wgpu panics as it does then.
    LossInWait,
    /// While somebody waits for the GPU, the device says that it is out of memory, as browsers do
    /// long after the call that it belongs to.
    OutOfMemoryInWait,
    /// There is no memory for a buffer.
    OutOfMemoryInAllocation,
    /// A kernel does not compile.
    Compilation,
}

/// The faults that are to come.
#[derive(Debug, Default)]
pub(super) struct Injection(Mutex<Vec<(InjectedFault, usize)>>);

impl Injection {
    /// Lets so many chances pass, and takes the next.
    pub(super) fn add(&self, fault: InjectedFault, passing: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((fault, passing));
    }

    /// Forgets the faults that have not come; how many there were.
    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).len()
    }

    /// A chance for `fault`: whether it comes now.
    pub(super) fn comes(&self, fault: InjectedFault) -> bool {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut comes = false;
        pending.retain_mut(|(kind, passing)| {
            let now = *kind == fault && *passing == 0;
            if *kind == fault && !now {
                *passing -= 1;
            }
            comes |= now;
            !now
        });
        comes
    }
}
