//! Translating and measuring: the main thread computes, a second one measures and writes.

use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use ugatit::eval::{l1, psnr, ssim};
use ugatit::io::{Picture, read_picture};
use ugatit::model::{Direction, GeneratorConfig};
use ugatit::translate::{PictureOptions, PictureSize, Prepared, Translation, Translator, prepare};
use ugatit::{Error, Tensor};

use crate::ranks::Crew;
use crate::{console, hint};

use super::Args;
use super::data::{Data, Source};
use super::picture_files::Folder;
use super::results::{Failure, Measures, Pair, Side};
use super::sent::{self, Finished};

/// What came out.
pub(super) struct Measurements {
    pub(super) sides: Vec<Measured>,
    pub(super) failures: Vec<Failure>,
    pub(super) seconds: f64,
}

/// One direction's measurements, and its groups of pictures for a sheet.
pub(super) struct Measured {
    pub(super) side: Side,
    pub(super) groups: Vec<Vec<Picture>>,
}

/// One picture with all that the model made of it.
struct Computed<'a> {
    index: usize,
    source: &'a Source,
    prepared: Prepared,
    translation: Option<Translation>,
    cycle: Option<Tensor>,
    identity: Option<Tensor>,
    /// At the same size.
    partner: Option<Picture>,
}

/// The generators there are.
struct Model<'a> {
    translators: &'a mut [Translator],
    config: GeneratorConfig,
    options: PictureOptions,
}

/// Measures the directions that there are pictures for. `shown` is how many groups each direction gives to a sheet.
/// Each rank measures some of the pictures, and the first has what all have measured; the others have nothing.
pub(super) fn run(
    data: &Data,
    translators: &mut [Translator],
    size: usize,
    args: &Args,
    (shown, crew): (usize, &Crew),
) -> anyhow::Result<Option<Measurements>> {
    let started = Instant::now();
    let total = Direction::BOTH.iter().map(|&d| data.sources(d).len()).sum();
    let bar = progress(total, args.json);
    let exact = PictureSize::Exact { width: size, height: size };
    let config = *translators.first().ok_or_else(|| anyhow!("the model holds no generator"))?.config();
    let options = PictureOptions { size: exact, ..PictureOptions::default() };
    let mut model = Model { translators, config, options };
    let folder = args.output.as_ref().map(|folder| Folder { folder: folder.clone(), force: args.force });
    let mut outcome = Measurements { sides: vec![], failures: vec![], seconds: 0.0 };
    let own = |index: usize| index % crew.count() == crew.rank();
    for direction in Direction::BOTH {
        let sources = data.sources(direction);
        if sources.is_empty() {
            continue;
        }
        let shown = choice(sources, shown);
        let mut failures = vec![];
        let finished = thread::scope(|scope| {
            let (computed, to_finish) = sync_channel(2);
            let (folder, shown) = (folder.as_ref(), &shown);
            let finisher = scope.spawn(move || finish_all(to_finish, direction, folder, shown));
            for (index, source) in sources.iter().enumerate().filter(|(index, _)| own(*index)) {
                bar.set_message(format!("{direction} {}", source.name));
                match model.compute(direction, index, source) {
                    Ok(done) => {
                        if computed.send(done).is_err() {
                            break;
                        }
                    }
                    Err(error) if is_of_a_picture(&error) => {
                        failures.push(failure(source, &error, &bar));
                    }
                    Err(error) => return Err(error.into()),
                }
                bar.inc(1);
            }
            drop(computed);
            let finished = finisher.join().map_err(|_| anyhow!("measuring failed, which is a bug"))?;
            Ok::<_, anyhow::Error>(finished?)
        });
        let finished = finished.inspect_err(|_| bar.finish_and_clear())?;
        let sent = sent::of_all(crew, finished, failures)?;
        let (pictures, groups): (Vec<_>, Vec<_>) =
            sent.finished.into_iter().map(|Finished { measures, group, .. }| (measures, group)).unzip();
        outcome.failures.extend(sent.failures);
        let groups = groups.into_iter().flatten().collect();
        outcome.sides.push(Measured { side: Side::new(direction, pictures), groups });
    }
    bar.finish_and_clear();
    outcome.seconds = started.elapsed().as_secs_f64();
    if !crew.is_first() {
        return Ok(None);
    }
    if outcome.sides.iter().all(|s| s.side.pictures.is_empty()) {
        return Err(anyhow!("none of the pictures could be measured"));
    }
    Ok(Some(outcome))
}

impl Model<'_> {
    async fn run(&mut self, direction: Direction, x: &Tensor) -> ugatit::Result<Option<Translation>> {
        match self.translators.iter_mut().find(|t| t.direction() == direction) {
            Some(translator) => translator.run(x).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads a picture and translates it: there, back, and to its own domain.
    fn compute<'a>(
        &mut self,
        direction: Direction,
        index: usize,
        source: &'a Source,
    ) -> ugatit::Result<Computed<'a>> {
        let read = |path: &std::path::Path| prepare(&self.config, &read_picture(path)?, &self.options);
        let prepared = read(&source.path)?;
        let partner = source.partner.as_deref().map(|path| Picture::from_tensor(&read(path)?.tensor, 0));
        let partner = partner.transpose()?;
        let back = match direction {
            Direction::A2B => Direction::B2A,
            Direction::B2A => Direction::A2B,
        };
        pollster::block_on(async {
            let translation = self.run(direction, &prepared.tensor).await?;
            let cycle = match &translation {
                Some(there) => self.run(back, &there.image).await?.map(|t| t.image),
                None => None,
            };
            let identity = self.run(back, &prepared.tensor).await?.map(|t| t.image);
            Ok(Computed { index, source, prepared, translation, cycle, identity, partner })
        })
    }
}

/// Measures everything that arrives, and writes the page's pictures.
fn finish_all(
    to_finish: Receiver<Computed<'_>>,
    direction: Direction,
    folder: Option<&Folder>,
    shown: &[usize],
) -> ugatit::Result<Vec<Finished>> {
    let mut all = vec![];
    for computed in to_finish {
        let Computed { index, source, prepared, translation, cycle, identity, partner } = computed;
        let x = &prepared.tensor;
        let distance = |y: &Option<Tensor>| y.as_ref().map(|y| l1(y, x)).transpose();
        let mut measures = Measures {
            name: source.name.clone(),
            cycle_l1: distance(&cycle)?,
            identity_l1: distance(&identity)?,
            ..Measures::default()
        };
        let untouched = Picture::from_tensor(x, 0)?;
        let cycle = cycle.map(|cycle| Picture::from_tensor(&cycle, 0)).transpose()?;
        let mut attention = None;
        let mut result = None;
        if let Some(translation) = &translation {
            let image = Picture::from_tensor(&translation.image, 0)?;
            if let Some(partner) = &partner {
                measures.pair = Some(Pair {
                    psnr: psnr(&image, partner)?,
                    psnr_untouched: psnr(&untouched, partner)?,
                    ssim: ssim(&image, partner)?,
                    ssim_untouched: ssim(&untouched, partner)?,
                });
            }
            let finished = prepared.finish(translation)?;
            attention = finished.attention.map(|attention| Picture { alpha: None, ..attention });
            result = Some(image);
        }
        if let Some(folder) = folder {
            let pictures = [
                ("source", Some(&untouched)),
                ("attention", attention.as_ref()),
                ("translation", result.as_ref()),
                ("cycle", cycle.as_ref()),
                ("partner", partner.as_ref()),
            ];
            let there: Vec<_> = pictures.into_iter().filter_map(|(what, p)| Some((what, p?))).collect();
            measures.files = folder.write(direction, index, &there)?;
        }
        let group = match result {
            Some(result) if shown.contains(&index) => {
                Some([Some(untouched), Some(result), partner].into_iter().flatten().collect())
            }
            _ => None,
        };
        all.push(Finished { index, measures, group });
    }
    Ok(all)
}

/// `count` pictures spread over all, or over those that have partners.
fn choice(sources: &[Source], count: usize) -> Vec<usize> {
    let paired = sources.iter().filter(|source| source.partner.is_some()).count();
    let total = if paired > 0 { paired } else { sources.len() };
    let count = count.min(total);
    (0..count).map(|i| i * total / count).collect()
}

/// Whether an error spoils one picture only.
fn is_of_a_picture(error: &Error) -> bool {
    matches!(error, Error::Picture { .. } | Error::Io { .. })
}

fn failure(source: &Source, error: &Error, bar: &ProgressBar) -> Failure {
    bar.suspend(|| console::error(hint::told(error)));
    // It may be its partner's.
    let input = match error {
        Error::Picture { path, .. } | Error::Io { path, .. } => path.clone(),
        _ => source.path.clone(),
    };
    Failure { input, error: hint::with(error.problem(), error) }
}

fn progress(total: usize, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total as u64);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
