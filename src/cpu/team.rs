//! Threads that share the work of an operation.
//!
//! A walk hands out work a hundred times in a few milliseconds, and to wake a thread takes as long as many an
//! operation. So a thread that has helped waits busily for a while, for more of it, before it goes back to rayon's
//! pool, where it came from. And who hands out work begins at once, and waits for nobody but those who came: where
//! a thread is slow to wake, the others have done its share.

use std::any::Any;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

#[cfg(target_os = "linux")]
use rustix::thread::{sched_getaffinity, sched_getcpu, sched_setaffinity};

/// How often a thread looks whether there is something to do, before it sleeps: for about a tenth of a millisecond,
/// longer than what one thread does alone between two operations of a walk.
const PATIENCE: usize = 4096;

/// A core of the processor, where the system tells which.
#[derive(Clone, Copy)]
struct Core(#[cfg(target_os = "linux")] usize);

#[cfg(target_os = "linux")]
impl Core {
    fn current() -> Self {
        Self(sched_getcpu())
    }

    /// Moves this thread to another core, if it runs on this one. Linux in a virtual machine wakes threads on a core
    /// that is in use, beside one that is idle, since it cannot tell whether the machine below has that one ready; and
    /// it may take a tenth of a second until it moves them apart.
    fn leave(self) {
        if Self::current().0 != self.0 {
            return;
        }
        let Ok(allowed) = sched_getaffinity(None) else { return };
        let mut others = allowed;
        others.unset(self.0);
        // Both fail where they must, and then the thread stays.
        if others.count() > 0 && sched_setaffinity(None, &others).is_ok() {
            let _ = sched_setaffinity(None, &allowed);
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Core {
    fn current() -> Self {
        Self()
    }

    fn leave(self) {}
}

/// Work that is being done.
struct Job {
    /// Borrowed from the caller of [`share`], who stays until nobody is inside any more.
    work: *const (dyn Fn() + Sync),
    caller: Thread,
    /// The processor's core that the caller runs on.
    core: Core,
    /// Helpers that have come and not yet gone.
    inside: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `work` may be called by any thread, and lives until `inside` is 0 and nobody can come any more.
unsafe impl Send for Job {}
// SAFETY: the same.
unsafe impl Sync for Job {}

/// What helpers look for.
struct Open {
    /// Each with the helpers that may still come.
    jobs: Vec<(Arc<Job>, usize)>,
    /// Helpers that there are, and those that were called.
    helpers: usize,
}

static OPEN: Mutex<Open> = Mutex::new(Open { jobs: vec![], helpers: 0 });
/// Jobs in [`OPEN`], for those who wait for one.
static JOBS: AtomicUsize = AtomicUsize::new(0);

impl Open {
    fn lock() -> MutexGuard<'static, Self> {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job to help with.
    fn join(&mut self) -> Option<Arc<Job>> {
        let (job, seats) = self.jobs.last_mut()?;
        job.inside.fetch_add(1, Ordering::Relaxed);
        *seats -= 1;
        let (job, full) = (job.clone(), *seats == 0);
        if full {
            self.close(&job);
        }
        Some(job)
    }

    fn close(&mut self, job: &Arc<Job>) {
        self.jobs.retain(|(open, _)| !Arc::ptr_eq(open, job));
        JOBS.store(self.jobs.len(), Ordering::Relaxed);
    }
}

/// Calls `work` on this thread and on at most so many others at once, and returns when all these calls have. The
/// others may come late or never, so one call alone must be able to do everything.
pub(super) fn share(others: usize, work: &(dyn Fn() + Sync)) {
    // SAFETY: only the lifetime is changed, which `Job` takes care of.
    let work: *const (dyn Fn() + Sync + 'static) = unsafe { std::mem::transmute(work) };
    let job = Arc::new(Job {
        work,
        caller: thread::current(),
        core: Core::current(),
        inside: AtomicUsize::new(0),
        panic: Mutex::new(None),
    });
    let missing = {
        let mut open = Open::lock();
        open.jobs.push((job.clone(), others));
        JOBS.store(open.jobs.len(), Ordering::Relaxed);
        let missing = others.saturating_sub(open.helpers);
        open.helpers += missing;
        missing
    };
    let closing = Closing(&job);
    for _ in 0..missing {
        rayon::spawn(help);
    }
    // SAFETY: borrowed for this call.
    unsafe { (*work)() };
    drop(closing);
    let panic = job.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Lets nobody come any more, and waits until all have gone.
struct Closing<'a>(&'a Arc<Job>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        Open::lock().close(self.0);
        let mut waited = 0;
        while self.0.inside.load(Ordering::Acquire) > 0 {
            if waited < PATIENCE {
                waited += 1;
                spin_loop();
            } else {
                thread::park();
            }
        }
    }
}

/// Helps until there has been nothing to do for a while.
fn help() {
    let mut waited = 0;
    loop {
        if waited < PATIENCE && JOBS.load(Ordering::Relaxed) == 0 {
            waited += 1;
            spin_loop();
            continue;
        }
        let mut open = Open::lock();
        if let Some(job) = open.join() {
            drop(open);
            job.help();
            waited = 0;
        } else if waited == PATIENCE {
            open.helpers -= 1;
            return;
        }
    }
}

impl Job {
    fn help(&self) {
        self.core.leave();
        // SAFETY: this thread is inside, so the caller of `share` waits.
        let done = catch_unwind(AssertUnwindSafe(|| unsafe { (*self.work)() }));
        if let Err(panic) = done {
            *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
        if self.inside.fetch_sub(1, Ordering::Release) == 1 {
            self.caller.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    use super::*;

    /// Takes numbers below `count`, from several threads, and gives those that each call took.
    fn numbers(count: usize, beside: &(dyn Fn() + Sync)) -> Vec<usize> {
        let (next, taken) = (AtomicUsize::new(0), Mutex::new(vec![]));
        share(3, &|| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                beside();
                taken.lock().unwrap().push(number);
            }
        });
        taken.into_inner().unwrap()
    }

    fn all(count: usize, taken: &[usize]) -> bool {
        taken.len() == count && taken.iter().collect::<BTreeSet<_>>().len() == count
    }

    #[test]
    fn many_callers_at_once_and_calls_within_calls_do_everything_once() {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for count in 0..100 {
                        let inner = || assert!(all(3, &numbers(3, &|| ())));
                        assert!(all(count, &numbers(count, &inner)));
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_of_a_helper_reaches_the_caller_and_the_next_call_finds_helpers() {
        for panics in [true, false] {
            let (caller, helped) = (thread::current().id(), AtomicBool::new(false));
            let work = || {
                if thread::current().id() != caller {
                    helped.store(true, Ordering::Relaxed);
                    assert!(!panics, "a helper's panic");
                }
                let begun = Instant::now();
                while !helped.load(Ordering::Relaxed) && begun.elapsed() < Duration::from_secs(20) {
                    thread::yield_now();
                }
            };
            let done = catch_unwind(AssertUnwindSafe(|| share(1, &work)));
            assert!(helped.load(Ordering::Relaxed));
            assert_eq!(done.is_err(), panics);
        }
    }
}
