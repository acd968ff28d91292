//! What the library tells of its decisions, on standard error: for a report of what went wrong.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::time::Uptime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Shows events from now on: of `ugatit` more the more often `-v` was given, and what wgpu warns of.
pub(crate) fn show(verbose: u8) {
    let (ours, others) = match verbose {
        0 => return,
        1 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::INFO),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_timer(Uptime::default());
    let wanted = Targets::new().with_default(others).with_target("ugatit", ours);
    // Nobody else in this program shows them.
    let _ = tracing_subscriber::registry().with(lines).with(wanted).try_init();
}
