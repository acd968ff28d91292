//! Ctrl-C and SIGTERM.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::console;

/// Set at the first Ctrl-C (or SIGTERM), after which the work in hand is finished; the second
/// one ends at once. Files are renamed into place when complete, so that either way none is left
/// half-written. `finishing` says what is still done.
pub(crate) fn stop_on_interrupt(finishing: &'static str) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let set = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        console::error(format_args!("stopping {finishing}; press Ctrl-C again to stop at once"));
    });
    if let Err(error) = set {
        console::error(format_args!("note: Ctrl-C will end this at once ({error})"));
    }
    stop
}
