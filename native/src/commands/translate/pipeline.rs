//! Decoding, computing and encoding at the same time: threads decode into a bounded channel,
//! the main thread computes, threads encode from another one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ugatit::Error;
use ugatit::io::{PictureFormat, read_picture, write_picture};
use ugatit::translate::{PictureOptions, Prepared, Translation, Translator, prepare};

use super::outputs::Job;
use super::report::Reporter;

/// How many pictures may wait before and after the computing.
const WAITING: usize = 2;

struct Computed<'a> {
    job: &'a Job,
    prepared: Prepared,
    translation: Translation,
    took: Duration,
}

/// Translates every job and reports on each. `stop` ends it after the pictures in work.
pub(super) fn run(
    jobs: &[Job],
    translator: &mut Translator,
    options: &PictureOptions,
    force: bool,
    stop: &AtomicBool,
    reporter: &Reporter,
) {
    let threads = thread::available_parallelism().map_or(1, usize::from).div_ceil(2).min(4).min(jobs.len());
    let config = *translator.config();
    let next = AtomicUsize::new(0);
    let (computed, to_encode) = sync_channel::<Computed<'_>>(WAITING);
    let to_encode = Mutex::new(to_encode);
    thread::scope(|scope| {
        let (decoded, to_compute) = sync_channel(WAITING);
        for _ in 0..threads {
            let (decoded, next) = (decoded.clone(), &next);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed)
                    && let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let prepared = unless_it_panics(job, || {
                        let picture = read_picture(&job.input)?;
                        prepare(&config, &picture, options)
                    });
                    if decoded.send((job, prepared)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(decoded);
        let to_encode = &to_encode;
        for _ in 0..threads {
            scope.spawn(move || encode(to_encode, force, reporter));
        }
        for (job, prepared) in to_compute {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let started = Instant::now();
            let result = prepared.and_then(|prepared| {
                let translation = pollster::block_on(translator.run(&prepared.tensor))?;
                Ok((prepared, translation))
            });
            match result {
                Ok((prepared, translation)) => {
                    let took = started.elapsed();
                    if computed.send(Computed { job, prepared, translation, took }).is_err() {
                        break;
                    }
                }
                Err(error) => reporter.failed(&job.input, &problem(job, &error)),
            }
        }
        drop(computed);
    });
}

fn encode(to_encode: &Mutex<Receiver<Computed<'_>>>, force: bool, reporter: &Reporter) {
    loop {
        let received = to_encode.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Computed { job, prepared, translation, took }) = received else { return };
        let written = unless_it_panics(job, || {
            let done = prepared.finish(&translation)?;
            // The result last: where it is, all that was asked for is.
            if let Some(path) = &job.attention {
                write_picture(path, &done.attention, PictureFormat::Png, force)?;
            }
            if let Some(path) = &job.sheet {
                write_picture(path, &done.sheet()?, PictureFormat::Png, force)?;
            }
            write_picture(&job.output, &done.picture, job.format, force)?;
            Ok((done.picture.width, done.picture.height))
        });
        match written {
            Ok(size) => reporter.translated(job, size, took),
            Err(error) => reporter.failed(&job.input, &problem(job, &error)),
        }
    }
}

/// A picture that makes a decoder panic is one broken picture, not the end of the run.
fn unless_it_panics<T>(job: &Job, work: impl FnOnce() -> ugatit::Result<T>) -> ugatit::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Error::Picture {
            path: job.input.clone(),
            problem: "it made the program fail, which is a bug; please report it with the picture".into(),
        })
    })
}

/// An error without the picture's name, which is printed in front of it anyway.
fn problem(job: &Job, error: &Error) -> String {
    let text = error.to_string();
    let name = format!("{}: ", job.input.display());
    text.strip_prefix(&name).map(str::to_owned).unwrap_or(text)
}
