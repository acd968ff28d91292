//! The sample sheets of a run: always the same pictures, so that one sees what changes.

use std::path::PathBuf;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::io::{Dataset, Model, ModelMetadata, Picture, PictureFormat, encode_picture, read_picture};
use crate::model::{Direction, GeneratorConfig};
use crate::tensor::Tensor;
use crate::train::TrainState;
use crate::translate::Translator;

use super::sheet::{compose, official_rows, translated_rows, write_sheet};

/// How many pictures of the training set and of the test set are shown (official: 5 and 5).
pub(super) const SHOWN: usize = 5;

/// The pictures of the sheets, and the generators' architecture.
#[derive(Debug)]
pub(super) struct Samples {
    config: GeneratorConfig,
    /// Of domain A and of domain B, `[1, C, S, S]` each.
    pictures: [Vec<Tensor>; 2],
    /// What the columns are, for the page.
    pub(super) columns: String,
}

/// A sheet that was written.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    /// Which way it translates.
    pub(super) direction: Direction,
    /// The file.
    pub(super) path: PathBuf,
    /// What it shows.
    pub(super) picture: Picture,
    /// The same, encoded.
    pub(super) png: Vec<u8>,
    /// The names of its rows.
    pub(super) rows: Vec<String>,
}

impl Samples {
    /// Reads the pictures, spread evenly over the lists. (The official program draws new ones for
    /// each sheet.) `limit`: only the first so many of the training set. A few that cannot be read are passed
    /// over: what people look at does not end a run.
    ///
    /// # Errors
    /// [`Error::Picture`] or [`Error::Io`] where none of a domain can be read.
    pub(super) fn read(dataset: &Dataset, config: &GeneratorConfig, limit: Option<usize>) -> Result<Self> {
        let mut pictures = [vec![], vec![]];
        let mut counts = [[0; 2]; 2];
        for (domain, pictures) in pictures.iter_mut().enumerate() {
            let mut unreadable = None;
            let train = &dataset.train[domain].pictures;
            let train = &train[..limit.unwrap_or(usize::MAX).min(train.len())];
            for (k, list) in [train, &dataset.test[domain].pictures].into_iter().enumerate() {
                let count = SHOWN.min(list.len());
                let before = pictures.len();
                for i in 0..count {
                    match readable(list, i * list.len() / count, config) {
                        Ok(picture) => pictures.push(picture),
                        Err(error) => unreadable = Some(error),
                    }
                }
                counts[domain][k] = pictures.len() - before;
            }
            if let (true, Some(error)) = (pictures.is_empty(), unreadable) {
                return Err(error);
            }
        }
        let [train, test] = counts[0];
        let columns = format!("{train} pictures of the training set, then {test} of the test set");
        Ok(Self { config: *config, pictures, columns })
    }

    /// Makes and writes both sheets of a state.
    pub(super) async fn write(
        &self,
        run: &std::path::Path,
        device: &Device,
        state: &TrainState<f32>,
    ) -> Result<[Sheet; 2]> {
        let [mut a2b, mut b2a] = self.translators(device, state, false).await?;
        let mut averages =
            if state.ema.is_empty() { None } else { Some(self.translators(device, state, true).await?) };
        let mut sheets = vec![];
        for (i, direction) in Direction::BOTH.into_iter().enumerate() {
            let pictures = &self.pictures[i];
            let (there, back) = if i == 0 { (&mut a2b, &mut b2a) } else { (&mut b2a, &mut a2b) };
            let mut rows = official_rows(there, back, pictures).await?;
            if let Some(averages) = &mut averages {
                rows.extend(translated_rows(&mut averages[i], "EMA", pictures).await?);
            }
            let picture = compose(&rows)?;
            let png = encode_picture(run, &picture, PictureFormat::Png)?;
            let path = write_sheet(run, direction, state.step, &png)?;
            let rows = rows.into_iter().map(|row| row.name).collect();
            sheets.push(Sheet { direction, path, picture, png, rows });
        }
        <[Sheet; 2]>::try_from(sheets).map_err(|_| Error::Shape("a sheet is missing".into()))
    }

    async fn translators(
        &self,
        device: &Device,
        state: &TrainState<f32>,
        average: bool,
    ) -> Result<[Translator; 2]> {
        let [a2b, b2a] = models(&self.config, state, average, &ModelMetadata::default())?;
        Ok([Translator::new(device.clone(), a2b).await?, Translator::new(device.clone(), b2a).await?])
    }
}

/// The generators of a state as models, or their moving average.
///
/// # Errors
/// As [`Model::new`].
pub(super) fn models(
    config: &GeneratorConfig,
    state: &TrainState<f32>,
    average: bool,
    metadata: &ModelMetadata,
) -> Result<[Model; 2]> {
    let source = if average { &state.ema } else { &state.tensors };
    let [a2b, b2a] = Direction::BOTH.map(|direction| {
        let prefix = format!("{}.", direction.network());
        let own =
            source.iter().filter_map(|(name, t)| Some((name.strip_prefix(&prefix)?.to_owned(), t.clone())));
        Model::new(*config, direction, metadata.clone(), own.collect())
    });
    Ok([a2b?, b2a?])
}

/// Of `list` the picture at `first`, or the nearest behind it that can be read.
///
/// # Errors
/// That of the first one, where the next few cannot be read either.
fn readable(list: &[PathBuf], first: usize, config: &GeneratorConfig) -> Result<Tensor> {
    const MORE: usize = 3;
    test_picture(&list[first], config).or_else(|error| {
        let others = list.iter().skip(first + 1).take(MORE);
        others.map(|path| test_picture(path, config)).find_map(Result::ok).ok_or(error)
    })
}

/// A picture as the official program tests with it: scaled to the training size.
fn test_picture(path: &std::path::Path, config: &GeneratorConfig) -> Result<Tensor> {
    let picture = read_picture(path)?.with_channels(config.img_ch)?;
    let all = [0.0, 0.0, picture.width as f64, picture.height as f64];
    picture.resized(all, config.img_size, config.img_size)?.to_tensor()
}
