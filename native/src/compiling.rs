//! Kernels that are being compiled, on a terminal: Direct3D without DXC takes seconds for each.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ugatit::device::Device;

/// What takes less is not worth a word.
const PATIENCE: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(200);

/// `done` kernels of `total` are compiled.
pub(crate) fn compiling(done: usize, total: usize) -> String {
    format!("compiling kernels for this GPU: {done}/{total}")
}

/// A line that comes where compiling takes long, and goes when it is done.
pub(crate) struct Spinner {
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Spinner {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), bar: None }
    }

    /// So many kernels of so many, or none any more.
    pub(crate) fn show(&mut self, progress: Option<(usize, usize)>) {
        match progress {
            Some((done, total)) if self.started.elapsed() >= PATIENCE => {
                let bar = self.bar.get_or_insert_with(|| {
                    let bar = ProgressBar::new_spinner();
                    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
                        bar.set_style(style);
                    }
                    bar.enable_steady_tick(EVERY);
                    bar
                });
                bar.set_message(compiling(done, total));
            }
            Some(_) => {}
            None => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                self.started = Instant::now();
            }
        }
    }
}

/// Does `work`, and on a terminal shows meanwhile how many kernels `device` has compiled.
pub(crate) fn watched<T>(device: &Device, work: impl FnOnce() -> T) -> T {
    let Device::Gpu(gpu) = device else { return work() };
    if !std::io::stderr().is_terminal() {
        return work();
    }
    let (done, ended) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut spinner = Spinner::new();
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                spinner.show(gpu.compiling());
            }
            spinner.show(None);
        });
        let result = work();
        drop(done);
        result
    })
}
