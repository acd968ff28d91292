//! How much is in work at once: counted in pixels, because a large picture takes as much memory as
//! a hundred small ones.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The pixels that are decoded, wait, are translated and encoded at the same time. Each takes
/// about 20 bytes on its way, so that this is about a gigabyte; a picture that is larger is alone.
pub(super) const MOST_PIXELS: u64 = 48_000_000;

/// The pixels that may be in work.
#[derive(Debug)]
pub(super) struct Flight {
    most: u64,
    free: Mutex<u64>,
    landed: Condvar,
    /// Held by the one who waits, so that small pictures do not pass by a large one for ever.
    gate: Mutex<()>,
}

impl Flight {
    pub(super) fn new(most: u64) -> Self {
        Self { most, free: Mutex::new(most), landed: Condvar::new(), gate: Mutex::new(()) }
    }

    /// Waits until so many pixels more may be in work. More than may ever be count as all.
    pub(super) fn board(&self, pixels: u64) -> Seat<'_> {
        let pixels = pixels.min(self.most);
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.landed.wait_while(self.free(), |free| *free < pixels);
        *free.unwrap_or_else(PoisonError::into_inner) -= pixels;
        Seat { flight: self, pixels }
    }

    fn free(&self) -> MutexGuard<'_, u64> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pixels that are in work until this is dropped.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    flight: &'a Flight,
    pixels: u64,
}

impl Seat<'_> {
    /// Gives back all but `pixels`, where there are more.
    pub(super) fn shrink(&mut self, pixels: u64) {
        let freed = self.pixels.saturating_sub(pixels);
        self.pixels -= freed;
        *self.flight.free() += freed;
        self.flight.landed.notify_one();
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_more_is_in_work_than_may_be_and_all_get_through() {
        let flight = Flight::new(100);
        let (now, highest, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for i in 0..8 {
                let (flight, now, highest, done) = (&flight, &now, &highest, &done);
                scope.spawn(move || {
                    for k in 0..40 {
                        // One of eight is larger than all that may be in work.
                        let pixels = if i == 0 { 1000 } else { 10 + (i * 7 + k) % 50 };
                        let mut seat = flight.board(pixels);
                        let held = pixels.min(100);
                        highest.fetch_max(now.fetch_add(held, Ordering::SeqCst) + held, Ordering::SeqCst);
                        thread::sleep(Duration::from_micros(50));
                        now.fetch_sub(held - 5, Ordering::SeqCst);
                        seat.shrink(5);
                        // Growing is not possible.
                        seat.shrink(50);
                        now.fetch_sub(5, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 8 * 40);
        assert!((50..=100).contains(&highest.into_inner()));
        assert_eq!(*flight.free(), 100);
    }
}
