//! `cargo xtask portrait-eval`: how good a model of the portraits is, in figures.

mod classifier;
mod colors;
mod features;
mod report;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ugatit::Tensor;
use ugatit::device::Device;
use ugatit::eval::{KidOptions, SheetLayout, contact_sheet, kid, l1};
use ugatit::io::{Model, Picture, PictureFormat, read_picture, write_picture};
use ugatit::model::Direction;
use ugatit::translate::{PictureOptions, PictureSize, Translator, prepare};

use self::classifier::Classifier;
pub(super) use self::colors::Labels;
use self::colors::kept;
use self::features::{Features, Scale};
pub(super) use self::report::Report;
use self::report::{Content, Side, Style};
use xtask::process::say;

/// Pictures of each domain that the classifier learns from.
const LEARNED: usize = 1000;
/// Pictures that are compared with each other, and shown on the sheet.
const SHOWN: usize = 24;
/// Pictures that are shown with what the network attended to.
const ATTENDED: usize = 4;
/// Pictures show the same face where they differ by less than this, of 255.
const SAME: f64 = 4.0;

#[derive(Args)]
pub(crate) struct Options {
    /// The model: a folder of both directions, a run's folder, or a file
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The folder that `cargo xtask portrait-data` has made
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Test pictures of each direction; there may be fewer
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    count: u32,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Also write the first 24 test pictures of each direction with their translations, as a PNG
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let models = Model::open_all(&options.model)?;
    let labels = Labels::read(&options.data)?;
    let judged = pollster::block_on(judge(models, &options.data, &labels, options.count as usize))?;
    if let Some(path) = &options.sheet {
        write_picture(path, &judged.sheet, PictureFormat::Png, true)?;
    }
    let report = &judged.report;
    say(&if options.json { serde_json::to_string_pretty(report)? } else { report.table() });
    Ok(())
}

/// Real pictures of a folder, at the model's size.
struct Real {
    /// Their names in the data set, such as `testA/testA-00000.png`.
    names: Vec<String>,
    pictures: Vec<Picture>,
    tensors: Vec<Tensor>,
}

impl Real {
    /// The first `count` of a folder, in the order of their names.
    fn read(data: &Path, folder: &str, count: usize, model: &Model) -> Result<Self> {
        let path = data.join(folder);
        let entries = fs::read_dir(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mut names = vec![];
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_str().with_context(|| format!("{} is no name of ours", name.display()))?;
            names.push(format!("{folder}/{name}"));
        }
        names.sort();
        names.truncate(count);
        if names.len() < 2 {
            bail!("{} holds less than two pictures", path.display());
        }
        let side = model.config.img_size;
        let size = PictureSize::Exact { width: side, height: side };
        let options = PictureOptions { size, ..PictureOptions::default() };
        let mut real = Self { names, pictures: vec![], tensors: vec![] };
        for name in &real.names {
            let tensor = prepare(&model.config, &read_picture(data.join(name))?, &options)?.tensor;
            real.pictures.push(Picture::from_tensor(&tensor, 0)?);
            real.tensors.push(tensor);
        }
        Ok(real)
    }
}

/// What a model does, in figures and to look at.
pub(super) struct Judged {
    pub(super) report: Report,
    /// The first [`SHOWN`] test pictures of each direction with their translations.
    pub(super) sheet: Picture,
    /// The first [`ATTENDED`] with what the network attended to in between.
    pub(super) attended: Picture,
}

/// Measures the generators of a model on the first `count` test pictures.
pub(super) async fn judge(models: Vec<Model>, data: &Path, labels: &Labels, count: usize) -> Result<Judged> {
    let first = models.first().context("the model holds no generator")?;
    let size = first.config.img_size;
    if models.iter().any(|m| m.config.img_size != size || m.config.img_ch != 3) {
        bail!("the generators must be of one size and take pictures of three channels");
    }
    let test = [Real::read(data, "testA", count, first)?, Real::read(data, "testB", count, first)?];
    let eyes = Eyes::new(size, data, first)?;
    let mut translators = vec![];
    for model in models {
        translators.push(Translator::new(Device::Cpu, model).await?);
    }

    let total = translators.len() * count;
    let bar = ProgressBar::new(total as u64)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}")?);
    let mut sides = vec![];
    let (mut groups, mut attended) = (vec![], vec![]);
    for direction in Direction::BOTH {
        let Some(forth) = translators.iter().position(|t| t.direction() == direction) else { continue };
        let back = translators.iter().position(|t| t.direction() != direction);
        let source = &test[usize::from(direction == Direction::B2A)];
        let target = &test[usize::from(direction == Direction::A2B)];
        let (mut translations, mut triples) = (vec![], vec![]);
        let (mut cycle, mut identity) = (vec![], vec![]);
        for (picture, tensor) in source.pictures.iter().zip(&source.tensors) {
            let translated = translators[forth].run(tensor).await?;
            if let Some(back) = back {
                cycle.push(l1(&translators[back].run(&translated.image).await?.image, tensor)?);
            }
            let result = Picture::from_tensor(&translated.image, 0)?;
            if triples.len() < ATTENDED {
                let map = picture.blend(&translated.colored_heatmap(size, size)?)?;
                triples.push(vec![picture.clone(), map, result.clone()]);
            }
            translations.push(result);
            bar.inc(1);
        }
        attended.push(triples);
        for tensor in &target.tensors {
            identity.push(l1(&translators[forth].run(tensor).await?.image, tensor)?);
        }
        let pairs = source.pictures.iter().zip(&translations).take(SHOWN);
        groups.push(pairs.map(|(a, b)| vec![a.clone(), b.clone()]).collect::<Vec<_>>());
        sides.push(Side {
            direction: direction.to_string(),
            pictures: translations.len(),
            style: eyes.style(&translations, source, target)?,
            content: content(labels, source, &translations)?,
            shape: eyes.percent(&translations, usize::from(direction == Direction::A2B))?,
            cycle: bytes(&cycle),
            identity: bytes(&identity),
        });
    }
    bar.finish_and_clear();
    let held_out = [0, 1].map(|domain| eyes.percent(&test[domain].pictures, domain));
    let [a, b] = held_out;
    let sheet = contact_sheet(&groups, &SheetLayout { columns: 8, scale: 1, gap: 8 })?;
    // As large for every model.
    let scale = (128 / size).max(1);
    let attended = contact_sheet(&attended, &SheetLayout { columns: 2, scale, gap: 16 })?;
    Ok(Judged { report: Report { size, classifier_of_real: [a?, b?], sides }, sheet, attended })
}

/// The mean of distances in -1..1, of 255.
fn bytes(distances: &[f64]) -> Option<f64> {
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    (!distances.is_empty()).then_some(mean * ugatit::eval::L1_TO_BYTES)
}

/// Hair and skin, and how many faces there are.
fn content(labels: &Labels, source: &Real, translations: &[Picture]) -> Result<Content> {
    let asked = source.names.iter().map(|name| labels.of(name)).collect::<Result<Vec<_>>>()?;
    let found = |pictures: &[Picture]| {
        let looks = pictures.iter().map(|picture| labels.palette().find(picture));
        kept(&asked.iter().copied().zip(looks).collect::<Vec<_>>())
    };
    let (ours, of_sources) = (found(translations), found(&source.pictures));
    let (faces, nearest) = first_faces(translations);
    let (faces_of_sources, nearest_of_sources) = first_faces(&source.pictures);
    Ok(Content {
        hair: ours.hair,
        skin: ours.skin,
        hair_of_sources: of_sources.hair,
        skin_of_sources: of_sources.skin,
        faces,
        faces_of: SHOWN.min(translations.len()),
        faces_of_sources,
        nearest,
        nearest_of_sources,
    })
}

/// [`faces`] of the first that are compared.
fn first_faces(pictures: &[Picture]) -> (usize, f64) {
    faces(&pictures[..SHOWN.min(pictures.len())])
}

/// How many different faces there are, and how far the two nearest are apart, of 255: pictures that differ
/// by less than [`SAME`] from one before them are no new face.
fn faces(pictures: &[Picture]) -> (usize, f64) {
    let mut different = 0;
    let mut nearest = f64::INFINITY;
    for (i, picture) in pictures.iter().enumerate() {
        let distances = pictures[..i].iter().map(|other| {
            let sum: u64 =
                picture.pixels.iter().zip(&other.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            sum as f64 / picture.pixels.len() as f64
        });
        let closest = distances.fold(f64::INFINITY, f64::min);
        different += usize::from(closest >= SAME);
        nearest = nearest.min(closest);
    }
    (different, nearest)
}

/// What sees style and shape: the features in the scale of real training pictures of both domains, and the
/// classifier, which sees grey pictures only, so that no colour of a dress gives a domain away.
struct Eyes {
    features: Features,
    scale: Scale,
    grey_scale: Scale,
    classifier: Classifier,
}

impl Eyes {
    fn new(size: usize, data: &Path, model: &Model) -> Result<Self> {
        let features = Features::new(size)?;
        let [a, b] = ["trainA", "trainB"].map(|folder| Real::read(data, folder, LEARNED, model));
        let [a, b] = [a?.pictures, b?.pictures];
        let rows = |pictures: &[Picture]| -> Result<Vec<Vec<f64>>> {
            pictures.iter().map(|picture| features.of(picture)).collect()
        };
        let greys = |pictures: &[Picture]| -> Result<Vec<Vec<f64>>> {
            pictures.iter().map(|picture| features.of(&grey(picture)?)).collect()
        };
        let scale = Scale::of(&[rows(&a)?, rows(&b)?].concat())?;
        let [a, b] = [greys(&a)?, greys(&b)?];
        let grey_scale = Scale::of(&[a.clone(), b.clone()].concat())?;
        let scaled = |rows: Vec<Vec<f64>>| rows.iter().map(|row| grey_scale.apply(row)).collect::<Vec<_>>();
        let [a, b] = [scaled(a), scaled(b)];
        let classifier = Classifier::train([&a, &b]);
        Ok(Self { features, scale, grey_scale, classifier })
    }

    /// How many of 100 pictures look like domain A (0) or B (1).
    fn percent(&self, pictures: &[Picture], domain: usize) -> Result<f64> {
        let row = |picture: &Picture| Ok(self.grey_scale.apply(&self.features.of(&grey(picture)?)?));
        let rows = pictures.iter().map(row).collect::<Result<Vec<_>>>()?;
        Ok(self.classifier.percent(&rows, domain))
    }

    /// The distances to the target's pictures.
    fn style(&self, translations: &[Picture], source: &Real, target: &Real) -> Result<Style> {
        let of = |pictures: &[Picture]| -> Result<Tensor<f64>> {
            let mut data = vec![];
            for picture in pictures {
                data.extend(self.scale.apply(&self.features.of(picture)?));
            }
            Ok(Tensor::new([pictures.len(), data.len() / pictures.len()], data)?)
        };
        let distance = |x: &[Picture], y: &[Picture]| -> Result<f64> {
            Ok(kid(&of(x)?, &of(y)?, &KidOptions::default())?.mean)
        };
        let [even, odd] = [0, 1].map(|first| -> Vec<Picture> {
            target.pictures.iter().skip(first).step_by(2).cloned().collect()
        });
        Ok(Style {
            translated: distance(translations, &target.pictures)?,
            untouched: distance(&source.pictures, &target.pictures)?,
            halves: distance(&even, &odd)?,
        })
    }
}

/// Without its colours.
fn grey(picture: &Picture) -> Result<Picture> {
    Ok(picture.clone().with_channels(1)?.with_channels(3)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ugatit::Tensor;
    use ugatit::io::{Model, ModelMetadata, Picture, PictureFormat, write_picture};
    use ugatit::model::{Direction, GeneratorConfig};

    use super::{Judged, Labels, faces, judge};
    use crate::portraits::data::{BACKGROUND, LABELS};

    /// Hair above skin on the background, at the left (A) or at the right (B), and `shade` somewhere.
    fn portrait(hair: [u8; 3], right: bool, shade: u8) -> Picture {
        let pixel = |i: usize| match (i % 32, i / 32) {
            (0, 31) => [shade; 3],
            (x, y) if (x >= 16) == right && y < 16 => hair,
            (x, y) if (x >= 16) == right && y < 28 => [0xf9, 0xd0, 0xb4],
            _ => BACKGROUND,
        };
        Picture::new(32, 32, 3, (0..32 * 32).flat_map(pixel).collect()).unwrap()
    }

    #[test]
    fn faces_that_hardly_differ_are_one() {
        let [a, b] = [portrait([0; 3], false, 0), portrait([0; 3], false, 255)];
        let c = portrait([0xc9, 0x33, 0x05], false, 0);
        let (count, nearest) = faces(&[a.clone(), c.clone(), b]);
        assert!(count == 2 && nearest < 1.0, "{count} {nearest}");
        let (count, nearest) = faces(&[a, c]);
        assert!(count == 2 && nearest > 4.0, "{count} {nearest}");
        assert_eq!(faces(&[]).0, 0);
    }

    /// A model that gives grey whatever it sees, on portraits that are easily told apart.
    #[test]
    fn a_model_without_weights_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let colors = [("2c1b18", [0x2c, 0x1b, 0x18]), ("c93305", [0xc9, 0x33, 0x05])];
        let mut labels = "picture,hair_color,skin_color,hair,glasses,beard\n".to_owned();
        for (set, count) in [("trainA", 6), ("trainB", 6), ("testA", 4), ("testB", 4)] {
            fs::create_dir(folder.path().join(set)).unwrap();
            for i in 0..count {
                // Both halves of a set have both colours.
                let (name, hair) = colors[i / 2 % 2];
                let picture = portrait(hair, set.ends_with('B'), 20 * i as u8);
                let path = format!("{set}/{i}.png");
                write_picture(folder.path().join(&path), &picture, PictureFormat::Png, false).unwrap();
                labels += &format!("{path},{name},f9d0b4,bun,,\n");
            }
        }
        fs::write(folder.path().join(LABELS), labels).unwrap();
        let labels = Labels::read(folder.path()).unwrap();
        let config = GeneratorConfig {
            ch: 4,
            n_res: 1,
            n_res_decoder: 1,
            img_size: 32,
            img_ch: 3,
            light: true,
            ..GeneratorConfig::default()
        };
        let models = Direction::BOTH.map(|direction| {
            let tensors = Model::expected(&config).unwrap();
            let zeros = tensors.into_iter().map(|(name, shape)| (name, Tensor::zeros(shape))).collect();
            Model::new(config, direction, ModelMetadata::default(), zeros).unwrap()
        });

        let judged = pollster::block_on(judge(models.into(), folder.path(), &labels, 4));
        let Judged { report, sheet, attended } = judged.unwrap();
        assert_eq!((report.size, report.classifier_of_real), (32, [100.0; 2]));
        assert_eq!(report.sides.len(), 2);
        for side in &report.sides {
            let content = &side.content;
            assert_eq!((side.pictures, content.faces, content.faces_of), (4, 1, 4));
            assert_eq!(content.faces_of_sources, 2, "two colours of hair");
            assert_eq!([content.hair_of_sources.exact, content.skin_of_sources.exact], [100.0; 2]);
            assert_eq!([content.hair.exact, content.skin.exact], [0.0; 2]);
            let style = &side.style;
            assert!(style.translated > style.halves && style.untouched > style.halves, "{style:?}");
            assert!(side.cycle.is_some_and(|x| x > 20.0) && side.identity.is_some_and(|x| x > 20.0));
        }
        assert!(sheet.width > 4 * 64 && sheet.height > 2 * 32);
        assert!(attended.width > 6 * 128 && attended.height > 4 * 128);
        assert!(Labels::read(&folder.path().join("testA")).is_err());
    }
}
