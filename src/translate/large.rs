//! Large pictures, tile by tile: one look at the whole at the model's scale (the survey), whose
//! statistics then hold for every tile.

use std::collections::VecDeque;

use crate::Tensor;
use crate::error::{Error, Result};
use crate::exec::PixelExecutor;
use crate::io::{Picture, Rounding};
use crate::model::GeneratorConfig;
use crate::plan::layout::Layout;

use super::backend::{Backend, Compiled};
use super::freeze::{fold, frozen, surveyed};
use super::pictures::{SMALLEST, Translated, rounding};
use super::tiles::{Rect, TileGrid, TileOptions};
use super::{Phase, Translation, Translator, Watcher, network};

/// The bytes up to which [`wants_tiles`] lets a tensor grow: what every WebGPU adapter can bind.
const LARGEST_TENSOR: usize = 128 << 20;

/// Whether a picture of this size is better translated in tiles: the network's widest tensor, of
/// the picture as it is padded, would be larger than the 128 MiB that every GPU can bind (about 0.5
/// megapixels with `ch` 64, 2 with 16), and all of them together more than three times that. What cannot be
/// tiled ([`GeneratorConfig::takes_tiles`]) never is.
pub fn wants_tiles(config: &GeneratorConfig, width: usize, height: usize) -> bool {
    // No padding brings a side this long back below the limit.
    let [width, height] = [width, height].map(|side| config.padded_side(side.min(LARGEST_TENSOR)));
    let widest = Layout::Image { n: width, c: config.ch, pixels: height };
    config.takes_tiles() && widest.bytes() > LARGEST_TENSOR as u64
}

/// The size, width first, at which a large picture is surveyed: as many pixels as those that the
/// model was trained on, in the picture's aspect, both sides multiples of 4. A smaller picture
/// keeps its size. Where the short side would be less than the network takes, the long one is the
/// shorter for it.
pub fn survey_size(config: &GeneratorConfig, width: usize, height: usize) -> (usize, usize) {
    let (w, h) = (width.max(1) as f64, height.max(1) as f64);
    let pixels = (config.img_size as f64).powi(2);
    let scale = (pixels / (w * h)).sqrt().min(1.0);
    let (short, long) = (w.min(h) * scale, w.max(h) * scale);
    let side = |n: f64| ((n / 4.0).round() as usize * 4).max(SMALLEST);
    let short = side(short);
    let long = side(if short == SMALLEST { long.min(pixels / short as f64) } else { long });
    if w < h { (short, long) } else { (long, short) }
}

/// What makes a tile of one.
#[derive(Debug)]
enum Maker {
    /// Of a tensor.
    Tensor(Compiled),
    /// Of bytes, on a GPU.
    Pixels(Box<PixelExecutor>),
}

/// A tile that was begun.
#[derive(Debug)]
struct Begun {
    i: usize,
    /// What is still to be sent.
    x: Option<Tensor>,
}

/// A large picture that has been surveyed: made by [`Translator::survey`].
///
/// It holds a second copy of the model's convolutions, with the statistics folded in, and what one
/// tile needs; nothing grows with the picture. The translator is not needed any more.
#[derive(Debug)]
pub struct Tiles {
    grid: TileGrid,
    img_ch: usize,
    rounding: Rounding,
    backend: Backend,
    maker: Maker,
    begun: VecDeque<Begun>,
    survey: Translation,
}

impl Tiles {
    /// How many tiles there are. They are to be laid over each other in their order.
    pub fn count(&self) -> usize {
        self.grid.count()
    }

    /// The part of the picture that tile `i` is made from.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is no such tile.
    pub fn read(&self, i: usize) -> Result<Rect> {
        self.checked(i).map(|i| self.grid.read(i))
    }

    /// The part of the result that tile `i` gives: smaller than what it is made from.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is no such tile.
    pub fn write(&self, i: usize) -> Result<Rect> {
        self.checked(i).map(|i| self.grid.write(i))
    }

    /// What the model makes of the whole picture at its own scale.
    pub fn survey(&self) -> &Translation {
        &self.survey
    }

    /// Errs where the GPU has been lost or has reported an error since the last call.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`] or [`Error::Gpu`].
    pub fn check(&self) -> Result<()> {
        self.backend.check()
    }

    /// Bytes of GPU memory for the weights and one tile, however large the picture is.
    pub fn gpu_bytes(&self) -> u64 {
        self.backend.gpu_bytes()
            + match &self.maker {
                Maker::Tensor(program) => program.gpu_bytes(),
                Maker::Pixels(executor) => executor.memory(),
            }
    }

    /// How many tiles are worth having under way at a time: two on a GPU, which computes one while the one before is
    /// read; one on the processor, which computes a tile only in [`Self::finish`].
    pub fn under_way(&self) -> usize {
        match self.maker {
            Maker::Tensor(_) => 1,
            Maker::Pixels(_) => 2,
        }
    }

    /// Translates tile `i`, given the pixels of [`Self::read`]. The result, of the size of
    /// [`Self::write`], is to be laid there over what the tiles before it gave; its opacity fades
    /// it in.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is no such tile, `picture` has another size, or a tile that was begun is not
    /// finished; what the device reports, and what `watcher` returns.
    pub async fn run(
        &mut self,
        i: usize,
        picture: &Picture,
        watcher: &mut impl Watcher,
    ) -> Result<(Rect, Picture)> {
        if !self.begun.is_empty() {
            return Err(Error::Shape("a tile was begun: finish it first".into()));
        }
        self.begin(i, picture)?;
        self.finish(watcher).await
    }

    /// Begins tile `i`, given the pixels of [`Self::read`], and waits for nothing: a GPU computes it while the
    /// one begun before is read and the next one is prepared. Two may be under way at a time.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is no such tile, `picture` has another size, or two are under way; what the
    /// device reports.
    pub fn begin(&mut self, i: usize, picture: &Picture) -> Result<()> {
        let read = self.read(i)?;
        if (picture.width, picture.height) != (read.width, read.height) {
            return Err(Error::Shape(format!(
                "tile {i} is made from {}x{} pixels, not {}x{}",
                read.width, read.height, picture.width, picture.height
            )));
        }
        if self.begun.len() == 2 {
            return Err(Error::Shape("two tiles are under way: finish one first".into()));
        }
        let [top, left] = self.grid.padding(i).map(|n| n as isize);
        let [height, width] = self.grid.tile();
        let colors = Picture { alpha: None, ..picture.clone() }.with_channels(self.img_ch)?;
        let whole = colors.window(-left, -top, width, height);
        let x = match &mut self.maker {
            Maker::Tensor(_) => Some(whole.to_tensor()?),
            Maker::Pixels(executor) => {
                let rgb = whole.pixels.as_chunks::<3>().0;
                let rgba: Vec<[u8; 4]> = rgb.iter().map(|&[r, g, b]| [r, g, b, 255]).collect();
                executor.begin(rgba.as_flattened())?;
                None
            }
        };
        self.begun.push_back(Begun { i, x });
        Ok(())
    }

    /// The tile that was begun first, as [`Self::run`] gives it. After an error none is under way any more.
    ///
    /// # Errors
    /// [`Error::Shape`] where none is under way; what the device reports, and what `watcher` returns.
    pub async fn finish(&mut self, watcher: &mut impl Watcher) -> Result<(Rect, Picture)> {
        let result = self.finished(watcher).await;
        if result.is_err() {
            self.begun.clear();
            if let Maker::Pixels(executor) = &mut self.maker {
                executor.forget();
            }
        }
        result
    }

    async fn finished(&mut self, watcher: &mut impl Watcher) -> Result<(Rect, Picture)> {
        let Some(Begun { i, x }) = self.begun.pop_front() else {
            return Err(Error::Shape("no tile was begun".into()));
        };
        let whole = match (&mut self.maker, x) {
            (Maker::Tensor(program), Some(x)) => {
                let results = self.backend.run(program, &x, watcher).await?;
                let Translation { image, .. } = Translation::new(results)?;
                Picture::from_tensor_rounded(&image, 0, self.rounding)?
            }
            (Maker::Pixels(executor), _) => {
                watcher.report(Phase::Run, 0, 1).await?;
                let rgba = executor.finish().await?;
                watcher.report(Phase::Run, 1, 1).await?;
                let [height, width] = self.grid.tile();
                let rgb = rgba.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
                Picture::new(width, height, 3, rgb)?
            }
            (Maker::Tensor(_), None) => return Err(Error::Internal("a tile of bytes for tensors".into())),
        };
        let (read, write) = (self.read(i)?, self.write(i)?);
        let [top, left] = self.grid.padding(i).map(|n| n as isize);
        let (x, y) = ((write.x - read.x) as isize, (write.y - read.y) as isize);
        let part = whole.window(left + x, top + y, write.width, write.height);
        Ok((write, Picture { alpha: self.grid.opacity(i), ..part }))
    }

    fn checked(&self, i: usize) -> Result<usize> {
        let count = self.count();
        if i < count { Ok(i) } else { Err(Error::Shape(format!("there is no tile {i}, only {count}"))) }
    }
}

impl Translator {
    /// Looks at a large picture as a whole, at the model's scale, and makes ready for its tiles.
    ///
    /// The whole picture is `width` x `height`; `picture` shows all of it, at [`survey_size`] or
    /// is brought there. Every statistic of the network's normalisations, and gamma and beta with
    /// them, is that of this one pass, for all tiles.
    ///
    /// # Errors
    /// [`Error::Config`] where the model cannot be tiled or the tiles are too small, what the device
    /// reports, and what `watcher` returns.
    pub async fn survey(
        &self,
        picture: &Picture,
        width: usize,
        height: usize,
        options: &TileOptions,
        watcher: &mut impl Watcher,
    ) -> Result<Tiles> {
        let config = &self.config;
        if config.has_one_size() {
            return Err(Error::Config(format!(
                "this full model cannot translate tiles: it takes pictures of {0}x{0} only. Translate at that size, or use a light model",
                config.img_size
            )));
        }
        if !config.takes_tiles() {
            return Err(Error::Config(
                "a model of photo2cartoon cannot translate tiles: its hourglasses look at all of a picture at once. Translate it whole, at a smaller size".into(),
            ));
        }
        let grid = TileGrid::new(width, height, options)?;

        let (across, down) = survey_size(config, width, height);
        let all = [0.0, 0.0, picture.width as f64, picture.height as f64];
        let colors = Picture { alpha: None, ..picture.resized(all, across, down)? };
        let x = colors.with_channels(config.img_ch)?.to_tensor()?;
        let (graph, outputs) = network(config, x.shape())?;
        let wanted = outputs.len();
        let (graph, outputs, keys) = surveyed(&graph, &outputs)?;
        let mut program = self.backend.compile(&graph, &outputs, self.arithmetic, watcher).await?;
        let mut results = self.backend.run(&mut program, &x, watcher).await?;
        drop(program);
        let coefficients = results.split_off(wanted);
        let survey = Translation::new(results)?;

        let [height, width] = grid.tile();
        let (graph, outputs) = network(config, &[1, config.img_ch, height, width].into())?;
        let (graph, outputs) = frozen(&graph, &outputs[..1])?;
        let mut weights = self.backend.weights().await?;
        fold(&mut weights, &keys.into_iter().zip(coefficients).collect())?;
        weights.retain(|key, _| graph.parameters().any(|(_, node)| node.name == *key));
        // Folded weights are rounded a second time where they are of f16, and no normalisation makes up for it.
        let backend =
            Backend::new(self.backend.device(), &graph, weights, self.backend.precision(), false).await?;
        let rounding = rounding(config);
        let pixels = if config.img_ch == 3 {
            let down = rounding == Rounding::Down;
            backend.compile_pixels(&graph, &outputs, self.arithmetic, down, watcher).await?
        } else {
            None
        };
        let maker = match pixels {
            Some(executor) => Maker::Pixels(Box::new(executor)),
            None => Maker::Tensor(backend.compile(&graph, &outputs, self.arithmetic, watcher).await?),
        };
        let begun = VecDeque::new();
        Ok(Tiles { grid, img_ch: config.img_ch, rounding, backend, maker, begun, survey })
    }

    /// Translates a picture of any size at its own size, tile by tile. The attention map is that
    /// of the survey, enlarged. Beside the pictures that go in and come out, memory is that of one
    /// tile.
    ///
    /// # Errors
    /// Those of [`Self::survey`].
    pub async fn translate_large(
        &self,
        picture: Picture,
        options: &TileOptions,
        watcher: &mut impl Watcher,
    ) -> Result<Translated> {
        let (width, height) = (picture.width, picture.height);
        let mut tiles = self.survey(&picture, width, height, options, watcher).await?;
        let channels = self.config.img_ch;
        let mut result = Picture::new(width, height, channels, vec![0; width * height * channels])?;
        let begin = |tiles: &mut Tiles, i: usize| {
            let Rect { x, y, width, height } = tiles.read(i)?;
            tiles.begin(i, &picture.window(x as isize, y as isize, width, height))
        };
        let mut begun = 0;
        for i in 0..tiles.count() {
            watcher.report(Phase::Tile, i, tiles.count()).await?;
            while begun < tiles.count().min(i + tiles.under_way()) {
                begin(&mut tiles, begun)?;
                begun += 1;
            }
            let (at, part) = tiles.finish(watcher).await?;
            result.lay(&part, at.x, at.y)?;
        }
        watcher.report(Phase::Tile, tiles.count(), tiles.count()).await?;
        result.alpha = picture.alpha.clone();
        let attention = match &tiles.survey.heatmap {
            Some(_) => Some(picture.blend(&tiles.survey.colored_heatmap(width, height)?)?),
            None => None,
        };
        Ok(Translated { attention, picture: result, source: picture })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{AdapterClass, ParameterMap, Plan, Target};

    /// The network runs on the padded picture, so that decides.
    #[test]
    fn what_is_not_cut_into_tiles_fits_every_adapter() {
        let config = GeneratorConfig { ch: 16, ..GeneratorConfig::default() };
        let target = Target::browser(AdapterClass::Gpu);
        for (width, height, tiled) in [
            (1024, 2048, false),
            (1025, 2045, true),
            (2045, 1025, true),
            (1021, 2048, false),
            (1, 262_144, false),
            (1, 262_145, true),
            (usize::MAX, usize::MAX, true),
            (1, usize::MAX, true),
        ] {
            assert_eq!(wants_tiles(&config, width, height), tiled, "{width}x{height}");
            if !tiled {
                let shape = [1, 3, config.padded_side(height), config.padded_side(width)].into();
                let (graph, outputs) = network(&config, &shape).unwrap();
                let map = ParameterMap::new(&graph, &target).unwrap();
                Plan::compile(&graph, &outputs, &map, &target).unwrap();
            }
        }
    }

    #[test]
    fn no_picture_is_surveyed_with_more_pixels_than_the_model_was_trained_on() {
        let config = GeneratorConfig::default();
        assert_eq!(survey_size(&config, 6000, 4000), (312, 208));
        assert_eq!(survey_size(&config, 100, 60), (100, 60));
        assert_eq!(survey_size(&config, 1, 100_000_000), (8, 8192));
        assert_eq!(survey_size(&config, 100_000_000, 1), (8192, 8));
        assert_eq!(survey_size(&config, 3, 20_000), (8, 8192));
        for (width, height) in [(40, 90_000), (7, 5_000_000), (1000, 1001), (1, 1), (9, 7282)] {
            let (across, down) = survey_size(&config, width, height);
            // Both sides are rounded.
            assert!(across * down <= 256 * 256 + 4 * across.max(down), "{across}x{down}");
        }
    }
}
