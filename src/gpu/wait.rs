//! Waiting for the GPU, natively: a browser goes on by itself.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

use wgpu::{PollError, PollStatus, PollType};

use crate::error::{Error, Result};

use super::Gpu;
use super::fault::Fault;
use super::injection::InjectedFault;

/// How often a wait looks whether anything has been done, and lets other threads look.
const LOOK: Duration = Duration::from_millis(20);

/// How long a GPU may work on one submit. None is meant to take longer than a fraction of a second,
/// and systems reset a GPU that works on one for some seconds; so this one hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same for an adapter that computes on the processor: it does not hang, it is slow, and a
/// single launch for a large picture takes it minutes.
const PATIENCE_WITH_SOFTWARE: Duration = Duration::from_secs(600);

impl Gpu {
    /// Waits for all work submitted so far.
    ///
    /// # Errors
    /// What the device reported, [`Error::DeviceLost`] if it does not answer.
    pub(crate) fn wait(&self) -> Result<()> {
        self.wait_for(None)
    }

    /// Waits for `submission` or, without one, for all work submitted so far.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub(super) fn wait_for(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let patience = if self.is_software() { PATIENCE_WITH_SOFTWARE } else { PATIENCE };
        let mut progress = (self.submits_done(), Instant::now());
        // One chance a wait, however often a busy machine has to look.
        if self.injection().comes(InjectedFault::OutOfMemoryInWait) {
            self.fault().set(Fault::OutOfMemory("an injected fault".into()));
        }
        let lost = self.injection().comes(InjectedFault::LossInWait);
        loop {
            let wait = PollType::Wait { submission_index: submission.clone(), timeout: Some(LOOK) };
            let polled = self.poll(wait, lost);
            self.check()?;
            match polled? {
                Ok(_) => return Ok(()),
                Err(PollError::Timeout) => {
                    self.turns().give_way();
                    let done = self.submits_done();
                    if done != progress.0 {
                        progress = (done, Instant::now());
                    } else if progress.1.elapsed() > patience {
                        let seconds = patience.as_secs();
                        let problem = format!("it has not come to the end of anything for {seconds} seconds");
                        return Err(Error::DeviceLost { adapter: self.name().into(), problem });
                    }
                }
                Err(error) => return Err(self.error(&error)),
            }
        }
    }

    /// `wgpu::Device::poll`, which panics where the device was lost while it waited (wgpu 30,
    /// `backend/wgpu_core.rs`: what is no timeout goes to `handle_error_fatal`). It tells the
    /// device's callback before, so that the cause is known here. `lost`: as if it were so now.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; [`Error::Gpu`] where it panicked for another reason.
    fn poll(&self, wait: PollType, lost: bool) -> Result<std::result::Result<PollStatus, PollError>> {
        quietly(|| {
            if lost {
                self.fault().set(Fault::Lost("an injected fault".into()));
                panic_as_wgpu();
            }
            let _turn = self.turns().take();
            self.device().poll(wait)
        })
        .or_else(|panic| {
            self.check()?;
            Err(self.error(&text(&*panic)))
        })
    }
}

#[expect(clippy::panic, reason = "an injected fault is to be as the real one")]
fn panic_as_wgpu() -> ! {
    panic!("Error in Device::poll: Parent device is lost")
}

thread_local! {
    /// Whether panics of this thread are caught and told as errors.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `call` returns, or what it panicked with. The panic is not printed: it becomes an error.
fn quietly<T>(call: impl FnOnce() -> T) -> std::result::Result<T, Box<dyn Any + Send>> {
    static HOOK: Once = Once::new();
    // Where this thread unwinds already, its hook cannot be changed, and must not be.
    if !std::thread::panicking() {
        HOOK.call_once(silence);
    }
    let before = QUIET.replace(true);
    // What is shared with `call` is wgpu's own, and it has given up its locks when it panics.
    let result = catch_unwind(AssertUnwindSafe(call));
    QUIET.set(before);
    result
}

/// Has quiet panics not printed.
fn silence() {
    let printing = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !QUIET.get() {
            printing(panic);
        }
    }));
}

/// What a panic says.
fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked without a word").to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn only_the_panic_that_is_caught_is_quiet() {
        static PRINTED: AtomicUsize = AtomicUsize::new(0);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match panic.payload().downcast_ref::<&str>() {
            Some(&"loud") => _ = PRINTED.fetch_add(1, Ordering::Relaxed),
            Some(&"quiet") => _ = PRINTED.fetch_add(100, Ordering::Relaxed),
            _ => before(panic),
        }));
        // Another test may have waited before.
        silence();
        let result = quietly(|| -> usize { panic!("quiet") });
        assert_eq!(text(&*result.unwrap_err()), "quiet");
        assert_eq!(PRINTED.load(Ordering::Relaxed), 0);
        assert!(catch_unwind(|| panic!("loud")).is_err());
        assert_eq!(PRINTED.load(Ordering::Relaxed), 1);
        assert_eq!(quietly(|| 3).unwrap(), 3);
    }
}
