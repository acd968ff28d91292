//! Decoding, computing and encoding at the same time: threads decode into a bounded channel,
//! the main thread computes, threads encode from another one. How many pictures are on their way
//! depends on how large they are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ugatit::Error;
use ugatit::io::{Picture, PictureFormat, read_picture, read_picture_size, write_picture};
use ugatit::model::GeneratorConfig;
use ugatit::translate::{
    Phase, PictureOptions, PictureSize, Prepared, TileOptions, Translated, Translation, Translator, Watcher,
    prepare, resize,
};

use super::flight::{Flight, MOST_PIXELS, Seat};
use super::outputs::Job;
use super::report::{Reporter, Size};
use super::tiling::Tiling;

/// How many pictures may wait before and after the computing.
const WAITING: usize = 2;

/// How every picture is translated.
pub(super) struct How {
    pub(super) options: PictureOptions,
    pub(super) tiling: Tiling,
    pub(super) force: bool,
}

/// A picture before it is translated.
enum Work {
    Whole(Prepared),
    InTiles(Picture, TileOptions),
}

impl Work {
    fn read(job: &Job, config: &GeneratorConfig, how: &How) -> ugatit::Result<Self> {
        let picture = read_picture(&job.input)?;
        Ok(match how.tiling.of(config, &picture, &how.options) {
            Some(tiles) => Self::InTiles(resize(config, picture, &how.options)?, tiles),
            None => Self::Whole(prepare(config, &picture, &how.options)?),
        })
    }

    async fn translate(self, translator: &mut Translator, reporter: &Reporter) -> ugatit::Result<Done> {
        let mut watcher = Follower { reporter, tiles: 0 };
        Ok(match self {
            Self::Whole(prepared) => {
                let translation = translator.run_watched(&prepared.tensor, &mut watcher).await?;
                Done::Whole(prepared, translation)
            }
            Self::InTiles(picture, tiles) => {
                let done = translator.translate_large(picture, &tiles, &mut watcher).await?;
                Done::InTiles(done, watcher.tiles)
            }
        })
    }
}

/// A picture after it.
enum Done {
    Whole(Prepared, Translation),
    InTiles(Translated, usize),
}

struct Computed<'a> {
    job: &'a Job,
    done: Done,
    took: Duration,
    /// Given back when the results are written.
    seat: Seat<'a>,
}

/// Shows the progress of a large picture, and of compiling.
struct Follower<'a> {
    reporter: &'a Reporter,
    tiles: usize,
}

impl Watcher for Follower<'_> {
    async fn report(&mut self, phase: Phase, done: usize, total: usize) -> ugatit::Result<()> {
        match phase {
            Phase::Tile => {
                self.tiles = total;
                self.reporter.tile(done, total);
            }
            Phase::Compile => self.reporter.compiling(done, total),
            Phase::Run => {}
        }
        Ok(())
    }
}

/// Translates every job and reports on each. `stop` ends it after the pictures in work.
pub(super) fn run(
    jobs: &[Job],
    translator: &mut Translator,
    how: &How,
    stop: &AtomicBool,
    reporter: &Reporter,
) {
    let threads = thread::available_parallelism().map_or(1, usize::from).div_ceil(2).min(4).min(jobs.len());
    let config = *translator.config();
    let flight = Flight::new(MOST_PIXELS);
    let next = AtomicUsize::new(0);
    let (computed, to_encode) = sync_channel::<Computed<'_>>(WAITING);
    let to_encode = Mutex::new(to_encode);
    thread::scope(|scope| {
        let (decoded, to_compute) = sync_channel(WAITING);
        for _ in 0..threads {
            let (decoded, next, flight) = (decoded.clone(), &next, &flight);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed)
                    && let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    // What is wrong with a file is found when it is read.
                    let pixels = unless_it_panics(job, || read_picture_size(&job.input)).map_or(0, area);
                    let result = result_pixels(&config, how, pixels);
                    let mut seat = flight.board(pixels.max(result));
                    let work = unless_it_panics(job, || Work::read(job, &config, how));
                    // The picture is at the size of its result now.
                    seat.shrink(result);
                    if decoded.send((job, work, seat)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(decoded);
        let to_encode = &to_encode;
        for _ in 0..threads {
            scope.spawn(move || encode(to_encode, how.force, reporter));
        }
        for (job, work, seat) in to_compute {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let started = Instant::now();
            match work.and_then(|work| pollster::block_on(work.translate(translator, reporter))) {
                Ok(done) => {
                    let took = started.elapsed();
                    if computed.send(Computed { job, done, took, seat }).is_err() {
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
        let Ok(Computed { job, done, took, seat }) = received else { return };
        let written = unless_it_panics(job, || {
            let (done, tiles) = match done {
                Done::Whole(prepared, translation) => (prepared.finish(&translation)?, None),
                Done::InTiles(done, tiles) => (done, Some(tiles)),
            };
            // The result last: where it is, all that was asked for is.
            if let Some(path) = &job.attention {
                write_picture(path, &done.attention, PictureFormat::Png, force)?;
            }
            if let Some(path) = &job.sheet {
                write_picture(path, &done.sheet()?, PictureFormat::Png, force)?;
            }
            write_picture(&job.output, &done.picture, job.format, force)?;
            Ok(Size { width: done.picture.width, height: done.picture.height, tiles })
        });
        drop(seat);
        match written {
            Ok(size) => reporter.translated(job, size, took),
            Err(error) => reporter.failed(&job.input, &problem(job, &error)),
        }
    }
}

fn area((width, height): (usize, usize)) -> u64 {
    (width as u64).saturating_mul(height as u64)
}

/// The pixels of a picture's result.
fn result_pixels(config: &GeneratorConfig, how: &How, pixels: u64) -> u64 {
    match how.options.size {
        PictureSize::Exact { width, height } => area((width, height)),
        PictureSize::Native if config.light => pixels,
        PictureSize::Native => area((config.img_size, config.img_size)),
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
