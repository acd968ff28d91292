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
use ugatit::graph::Arithmetic;
use ugatit::io::{
    Model, PictureFormat, RemarkedPicture, read_picture_size, read_picture_with_remarks, write_picture,
};
use ugatit::model::GeneratorConfig;
use ugatit::translate::{
    Arranged, Options, Phase, PictureSize, Precision, Prepared, Translated, Translation, Translator, Watcher,
};

use crate::device::Chosen;
use crate::hint;

use super::flight::{Flight, MOST_PIXELS, Seat};
use super::outputs::Job;
use super::report::{Reporter, Size};

/// How many pictures may wait before and after the computing.
const WAITING: usize = 2;

/// How often in a row a GPU may be lost, without a picture that succeeds, until it is given up.
const LOSSES: u32 = 3;

/// What translates.
pub(super) struct Opened {
    translator: Translator,
    /// The name of what computes.
    pub(super) device: String,
    /// What is to be said of the choice of the device.
    notice: Option<String>,
}

impl Opened {
    pub(super) fn new(
        chosen: Chosen,
        model: Model,
        arithmetic: Arithmetic,
        precision: Precision,
    ) -> anyhow::Result<Self> {
        let Chosen { device, notice } = chosen;
        let name = device.name().to_owned();
        let translator = Translator::with_precision_blocking(device, model, precision)?;
        let translator = translator.with_arithmetic(arithmetic);
        Ok(Self { translator, device: name, notice })
    }
}

/// Opens again what translates, after a GPU was lost.
type Reopen<'a> = dyn Fn() -> anyhow::Result<Opened> + 'a;

/// A picture before it is translated.
struct Work(Arranged);

impl Work {
    /// Reads a picture, with what there is to say of its file.
    fn read(job: &Job, config: &GeneratorConfig, options: &Options) -> ugatit::Result<(Self, Vec<String>)> {
        let RemarkedPicture { picture, remarks } = read_picture_with_remarks(&job.input)?;
        Ok((Self(Arranged::new(config, picture, options)?), remarks))
    }

    async fn translate(self, translator: &mut Translator, reporter: &Reporter) -> ugatit::Result<Done> {
        let mut watcher = Follower { reporter, tiles: 0 };
        Ok(match self.0 {
            Arranged::Whole(prepared) => {
                let translation = translator.run_watched(&prepared.tensor, &mut watcher).await?;
                Done::Whole(prepared, translation)
            }
            Arranged::InTiles(picture, tiles) => {
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

/// The computing: with a GPU that is lost, what is left goes on where there is another, or the same
/// again.
struct Computing<'a> {
    opened: Opened,
    reopen: &'a Reopen<'a>,
    options: &'a Options,
    reporter: &'a Reporter,
    /// In a row.
    losses: u32,
    /// The GPU does not come back, or does not stay: no further picture is tried.
    given_up: &'a AtomicBool,
}

impl Computing<'_> {
    /// Translates a picture. If the GPU is lost over it, it is tried once more.
    fn translate(&mut self, job: &Job, work: Work) -> ugatit::Result<Done> {
        let mut result = self.attempt(work);
        let mut again = true;
        while let Err(Error::DeviceLost { adapter, problem }) = &result {
            self.losses += 1;
            if self.losses > LOSSES {
                self.given_up.store(true, Ordering::Relaxed);
                break;
            }
            self.reporter.note(format_args!("the GPU {adapter} was lost ({problem}); opening it again"));
            match (self.reopen)() {
                Ok(opened) => {
                    if let Some(notice) = &opened.notice {
                        self.reporter.note(notice);
                    }
                    self.reporter.moved(opened.device.clone());
                    self.opened = opened;
                }
                Err(error) => {
                    self.reporter.note(format_args!("it cannot be opened again: {error}"));
                    self.given_up.store(true, Ordering::Relaxed);
                    break;
                }
            }
            // A picture that costs the GPU twice is not asked for a third time.
            if !std::mem::take(&mut again) {
                break;
            }
            let config = *self.opened.translator.config();
            result = Work::read(job, &config, self.options).and_then(|(work, _)| self.attempt(work));
        }
        if result.is_ok() {
            self.losses = 0;
        }
        result
    }

    fn attempt(&mut self, work: Work) -> ugatit::Result<Done> {
        pollster::block_on(work.translate(&mut self.opened.translator, self.reporter))
    }
}

/// Translates every job and reports on each. `stop` ends it after the pictures in work. Where the
/// GPU is lost, `reopen` gives what goes on.
pub(super) fn run(
    jobs: &[Job],
    opened: Opened,
    reopen: &Reopen<'_>,
    options: &Options,
    stop: &AtomicBool,
    reporter: &Reporter,
) {
    let threads = thread::available_parallelism().map_or(1, usize::from).div_ceil(2).min(4).min(jobs.len());
    let config = *opened.translator.config();
    let flight = Flight::new(MOST_PIXELS);
    let next = AtomicUsize::new(0);
    let given_up = AtomicBool::new(false);
    let mut computing = Computing { opened, reopen, options, reporter, losses: 0, given_up: &given_up };
    let (computed, to_encode) = sync_channel::<Computed<'_>>(WAITING);
    let to_encode = Mutex::new(to_encode);
    thread::scope(|scope| {
        let (decoded, to_compute) = sync_channel(WAITING);
        for _ in 0..threads {
            let (decoded, next, flight, given_up) = (decoded.clone(), &next, &flight, &given_up);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed)
                    && let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    // What is not going to be translated need not be read.
                    let read = !given_up.load(Ordering::Relaxed);
                    // What is wrong with a file is found when it is read.
                    let size = || unless_it_panics(job, || read_picture_size(&job.input)).map_or(0, area);
                    let pixels = if read { size() } else { 0 };
                    let result = result_pixels(&config, options, pixels);
                    let mut seat = flight.board(pixels.max(result));
                    let work = read.then(|| unless_it_panics(job, || Work::read(job, &config, options)));
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
            scope.spawn(move || encode(to_encode, reporter));
        }
        for (job, work, seat) in to_compute {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let Some(work) = work.filter(|_| !given_up.load(Ordering::Relaxed)) else {
                reporter.failed(&job.input, "not tried, since the GPU is gone; run the command again");
                continue;
            };
            let started = Instant::now();
            let translated = work.and_then(|(work, remarks)| {
                remarks.iter().for_each(|remark| reporter.remark(&job.input, remark));
                computing.translate(job, work)
            });
            match translated {
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

fn encode(to_encode: &Mutex<Receiver<Computed<'_>>>, reporter: &Reporter) {
    loop {
        let received = to_encode.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Computed { job, done, took, seat }) = received else { return };
        let written = unless_it_panics(job, || {
            let (done, tiles) = match done {
                Done::Whole(prepared, translation) => (prepared.finish(&translation)?, None),
                Done::InTiles(done, tiles) => (done, Some(tiles)),
            };
            // The result last: where it is, all that was asked for is.
            if let (Some(path), Some(attention)) = (&job.attention, &done.attention) {
                write_picture(path, attention, PictureFormat::Png, job.replace)?;
            }
            if let Some(path) = &job.sheet {
                write_picture(path, &done.sheet()?, PictureFormat::Png, job.replace)?;
            }
            write_picture(&job.output, &done.picture, job.format, job.replace)?;
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
fn result_pixels(config: &GeneratorConfig, options: &Options, pixels: u64) -> u64 {
    match options.size {
        PictureSize::Exact { width, height } => area((width, height)),
        PictureSize::Native => config.native_side().map_or(pixels, |side| area((side, side))),
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

/// An error without the picture's name, which is printed in front of it anyway. The name of a result stays.
fn problem(job: &Job, error: &Error) -> String {
    match error {
        Error::Output { .. } | Error::Exists { .. } => hint::told(error),
        Error::Io { path, .. } if *path != job.input => error.to_string(),
        _ => hint::with(error.problem(), error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tempfile::TempDir;
    use ugatit::gpu::{AdapterOptions, Gpu, InjectedFault};
    use ugatit::io::Picture;
    use ugatit::model::Direction;
    use ugatit::translate::{Device, Tiling};

    use super::*;

    fn gpu() -> Gpu {
        pollster::block_on(Gpu::open(&AdapterOptions { name: None, allow_software: true })).unwrap()
    }

    fn opened(gpu: Gpu) -> anyhow::Result<Opened> {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tiny_params_0000005.pt");
        let model = Model::open(model, Some(Direction::A2B))?;
        let chosen = Chosen { device: Device::Gpu(gpu), notice: Some("another one".into()) };
        Opened::new(chosen, model, Arithmetic::Fast, Precision::Auto)
    }

    /// Four pictures, and where their results go.
    fn jobs(place: &TempDir, folder: &str) -> Vec<Job> {
        let job = |i: u8| {
            let input = place.path().join(format!("{i}.png"));
            let pixels = (0..32 * 32 * 3).map(|k: u32| (k % 251) as u8 / (i + 1)).collect();
            let picture = Picture::new(32, 32, 3, pixels).unwrap();
            write_picture(&input, &picture, PictureFormat::Png, true).unwrap();
            let output = place.path().join(folder).join(format!("{i}.png"));
            Job { input, output, format: PictureFormat::Png, attention: None, sheet: None, replace: false }
        };
        (0..4).map(job).collect()
    }

    /// Translated and failed, and how often a device was opened again.
    fn translate(jobs: &[Job], first: Gpu, next: impl Fn() -> anyhow::Result<Gpu>) -> [usize; 3] {
        let options = Options { tiles: Tiling::Never, ..Options::default() };
        let reporter = Reporter::new(jobs.len(), false, "a GPU".into());
        let reopened = AtomicUsize::new(0);
        let reopen = || {
            reopened.fetch_add(1, Ordering::Relaxed);
            opened(next()?)
        };
        run(jobs, opened(first).unwrap(), &reopen, &options, &AtomicBool::new(false), &reporter);
        let (translated, failed) = reporter.counts();
        [translated, failed, reopened.into_inner()]
    }

    #[test]
    fn all_pictures_are_translated_though_the_gpu_is_lost() {
        let place = TempDir::new().unwrap();
        let expected = jobs(&place, "expected");
        assert_eq!(translate(&expected, gpu(), || unreachable!()), [4, 0, 0]);
        for wait in [3, 4, 6, 8] {
            let (first, jobs) = (gpu(), jobs(&place, &format!("lost{wait}")));
            first.inject(InjectedFault::LossInWait, wait);
            assert_eq!(translate(&jobs, first, || Ok(gpu())), [4, 0, 1], "lost in wait {wait}");
            for (job, expected) in jobs.iter().zip(&expected) {
                let [a, b] = [&job.output, &expected.output].map(|path| std::fs::read(path).unwrap());
                assert_eq!(a, b, "{}", job.output.display());
            }
        }
    }

    #[test]
    fn a_gpu_that_does_not_stay_is_given_up() {
        let place = TempDir::new().unwrap();
        // The weights come to the GPU, and no picture from it.
        let failing = || {
            let gpu = gpu();
            gpu.inject(InjectedFault::LossInWait, 3);
            gpu
        };
        assert_eq!(translate(&jobs(&place, "lost"), failing(), || Ok(failing())), [0, 4, 3]);
        let gone = || Err(anyhow::anyhow!("no GPU at all"));
        assert_eq!(translate(&jobs(&place, "gone"), failing(), gone), [0, 4, 1]);
    }
}
