//! Ctrl-C, and what else asks a program to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::console;

/// Set when somebody asks this program to end, after which the work in hand is finished. `finishing` says
/// what is still done.
///
/// Ctrl-C for a second time ends it at once, and so does any other signal for a second time. A different one
/// does not: a scheduler that ends a job sends several, one after the other. A signal that was ignored when the
/// program started stays ignored, as `nohup` and shells want it for jobs in the background.
///
/// Files are renamed into place when complete, so that none is left half-written either way.
pub(crate) fn stop_on_interrupt(finishing: &'static str) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    if let Err(error) = watch(stop.clone(), finishing) {
        console::error(format_args!("note: Ctrl-C will end this at once ({error})"));
    }
    stop
}

/// The exit status of a program that somebody stopped.
const INTERRUPTED: i32 = 130;

#[cfg(unix)]
fn watch(stop: Arc<AtomicBool>, finishing: &'static str) -> anyhow::Result<()> {
    use std::time::{Duration, Instant};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    use signal_hook::iterator::Signals;

    /// One press of Ctrl-C may arrive twice: from the terminal, and passed on by a program that started this.
    const SAME_PRESS: Duration = Duration::from_millis(500);

    let mut ending = vec![SIGINT, SIGTERM, SIGHUP];
    // `mpirun` passes this one on, and SLURM is asked for it (`--signal=USR1@120`).
    if ugatit_mpi::Started::now().is_some() {
        ending.push(SIGUSR1);
    }
    let listened: Vec<i32> = ending.into_iter().filter(|&s| !is_ignored(s)).collect();
    let mut signals = Signals::new(listened)?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut seen: Vec<(i32, Instant)> = vec![];
        for signal in signals.forever() {
            match seen.iter().find(|(before, _)| *before == signal) {
                Some((_, at)) if at.elapsed() > SAME_PRESS => std::process::exit(INTERRUPTED),
                Some(_) => {}
                None => seen.push((signal, Instant::now())),
            }
            if !stop.swap(true, Ordering::Relaxed) && crate::ranks::tells() {
                console::error(format_args!("stopping {finishing}; press Ctrl-C again to stop at once"));
            }
        }
    })?;
    Ok(())
}

/// Whether a signal is ignored: whoever started this program wanted it so.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    #[expect(unsafe_code, reason = "the standard library cannot ask for a signal's handler")]
    // SAFETY: without a new action `sigaction` only writes the present one into a structure of the right type,
    // for which all zeros are a valid value.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(not(unix))]
fn watch(stop: Arc<AtomicBool>, finishing: &'static str) -> anyhow::Result<()> {
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
        console::error(format_args!("stopping {finishing}; press Ctrl-C again to stop at once"));
    })?;
    Ok(())
}
