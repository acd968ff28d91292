//! Large pictures in tiles, against the same picture as a whole.
#![cfg(feature = "pictures")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

use std::path::Path;

use ugatit::io::{Model, ModelMetadata, Picture, read_picture};
use ugatit::model::{Direction, GeneratorConfig};
use ugatit::translate::{
    Device, Phase, TileGrid, TileOptions, Tiles, Translated, Translator, Watcher, survey_size, wants_tiles,
};
use ugatit::{Error, Tensor};

mod support;

use support::random::{Noise, weights};

/// A light model with random weights.
fn random(ch: usize, blocks: usize, img_size: usize) -> Model {
    let config = GeneratorConfig {
        ch,
        n_res: blocks,
        n_res_decoder: blocks,
        img_size,
        img_ch: 3,
        light: true,
        ..GeneratorConfig::default()
    };
    let tensors = weights(&config, 7);
    Model::new(config, Direction::A2B, ModelMetadata::default(), tensors).unwrap()
}

/// The model that comes with the project, which draws portraits of one style in another.
fn trained() -> Model {
    Model::open(project("models"), Some(Direction::A2B)).unwrap()
}

/// The model, its survey being that of a picture of such an area.
fn surveying(mut model: Model, img_size: usize) -> Model {
    model.config.img_size = img_size;
    model
}

fn project(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The project's demo pictures side by side, again and again, enlarged.
fn photo(width: usize, height: usize) -> Picture {
    let names = ["landscape.jpg", "cat.webp", "portrait.png", "dog.jpg"];
    let parts: Vec<Picture> = names
        .iter()
        .map(|name| {
            let picture = read_picture(project("docs/pictures/demo").join(name)).unwrap();
            let all = [0.0, 0.0, picture.width as f64, picture.height as f64];
            Picture { alpha: None, ..picture.resized(all, 200, 200).unwrap() }
        })
        .collect();
    let mut whole = Picture::side_by_side(&parts.iter().collect::<Vec<_>>()).unwrap();
    // Two rows, the second in another order.
    whole.pixels.extend(whole.window(400, 0, 800, 200).pixels);
    whole.height = 400;
    whole.resized([0.0, 0.0, 800.0, 400.0], width, height).unwrap()
}

fn large(model: Model, picture: &Picture, options: &TileOptions) -> Translated {
    pollster::block_on(async {
        let translator = Translator::new(Device::Cpu, model).await.unwrap();
        translator.translate_large(picture.clone(), options, &mut ()).await.unwrap()
    })
}

/// The largest and the mean difference, in 255ths.
fn difference(a: &Picture, b: &Picture) -> (u8, f64) {
    assert_eq!((a.width, a.height, a.channels), (b.width, b.height, b.channels));
    let each = || a.pixels.iter().zip(&b.pixels).map(|(a, b)| a.abs_diff(*b));
    (each().max().unwrap(), each().map(f64::from).sum::<f64>() / a.pixels.len() as f64)
}

/// A picture and tiles of 256 pixels that share no more than they must.
fn cut() -> (Picture, TileOptions) {
    let options = TileOptions { side: 256, ..TileOptions::default() };
    (photo(256 + 2 * (256 - options.overlap), 256 + 256 - options.overlap), options)
}

/// The models that pictures are compared with: one that draws, and one whose every layer carries as
/// far as the next, which is the hardest to cut.
fn models() -> [(&'static str, Model); 2] {
    [("trained", trained()), ("random", random(16, 4, 64))]
}

/// What the ordinary network makes of a picture.
fn untiled(model: Model, picture: &Picture) -> Picture {
    pollster::block_on(async {
        let mut translator = Translator::new(Device::Cpu, model).await.unwrap();
        let translation = translator.run(&picture.to_tensor().unwrap()).await.unwrap();
        Picture::from_tensor(&translation.image, 0).unwrap()
    })
}

/// Where the statistics are those of the picture itself, tiles are what the ordinary network makes
/// of the whole.
#[test]
fn with_the_pictures_own_statistics_tiles_are_the_whole() {
    let (picture, options) = cut();
    for (name, model) in models() {
        let model = surveying(model, 1024);
        assert_eq!(
            survey_size(&model.config, picture.width, picture.height),
            (picture.width, picture.height)
        );
        let whole = untiled(model.clone(), &picture);
        let (most, mean) = difference(&large(model, &picture, &options).picture, &whole);
        println!("{name}, own statistics: at most {most} of 255, {mean:.5} on average");
        assert!(most <= 2 && mean < 0.01, "{name}: {most}, {mean}");
    }
}

/// With the statistics of the model's own scale, tiles are what the same network makes of the whole
/// in one tile.
#[test]
fn with_the_statistics_of_the_models_scale_tiles_are_one_tile() {
    let (picture, options) = cut();
    for (name, model) in models() {
        let one = large(model.clone(), &picture, &TileOptions { side: 1024, ..options });
        let many = large(model.clone(), &picture, &options);
        let (most, mean) = difference(&many.picture, &one.picture);
        println!("{name}, the model's scale: at most {most} of 255, {mean:.5} on average");
        assert!(most <= 2 && mean < 0.01, "{name}: {most}, {mean}");
        assert_eq!(many.attention, one.attention);
        assert_eq!(many.source, picture);
    }
}

/// A picture that looks the same everywhere: noise of three fine scales.
fn texture(width: usize, height: usize, seed: u64) -> Picture {
    let mut values = Noise::seeded(seed);
    let mut sum = vec![0_u32; width * height * 3];
    for scale in [1, 3, 5] {
        let (w, h) = (width.div_ceil(scale), height.div_ceil(scale));
        let noise = (0..w * h * 3).map(|_| (127.5 + 127.5 * values.value()).round() as u8).collect();
        let noise = Picture::new(w, h, 3, noise).unwrap();
        let part = [0.0, 0.0, width as f64 / scale as f64, height as f64 / scale as f64];
        let noise = noise.resized(part, width, height).unwrap();
        sum.iter_mut().zip(&noise.pixels).for_each(|(sum, &v)| *sum += u32::from(v));
    }
    Picture::new(width, height, 3, sum.into_iter().map(|v| (v / 3) as u8).collect()).unwrap()
}

/// The mean difference between neighbouring pixels where one tile fades into the next, and
/// elsewhere; the neighbours being side by side, or one above the other.
fn jumps(picture: &Picture, grid: &TileGrid, down: bool) -> [f64; 2] {
    let fades: Vec<usize> = (0..grid.count())
        .map(|i| if down { grid.write(i).y } else { grid.write(i).x })
        .filter(|&start| start > 0)
        .collect();
    assert!(!fades.is_empty());
    let (mut sums, mut counts) = ([0.0; 2], [0.0; 2]);
    let stride = 3 * if down { picture.width } else { 1 };
    for i in stride..picture.pixels.len() {
        let (x, y) = (i / 3 % picture.width, i / 3 / picture.width);
        let place = if down { y } else { x };
        if place == 0 {
            continue;
        }
        let elsewhere = usize::from(!fades.iter().any(|&start| (start..=start + 16).contains(&place)));
        sums[elsewhere] += f64::from(picture.pixels[i].abs_diff(picture.pixels[i - stride]));
        counts[elsewhere] += 1.0;
    }
    [sums[0] / counts[0], sums[1] / counts[1]]
}

/// The mean jump at the borders of tiles is that elsewhere, in pictures that are the same
/// everywhere. In one of them chance does a tenth; eight together leave it a fiftieth.
#[test]
fn there_is_no_seam() {
    let (_, options) = cut();
    let grid = TileGrid::new(736, 736, &options).unwrap();
    for (name, model) in models() {
        let tiled: Vec<Picture> =
            (0..8).map(|seed| large(model.clone(), &texture(736, 736, seed), &options).picture).collect();
        for down in [false, true] {
            let each = tiled.iter().map(|picture| jumps(picture, &grid, down));
            let [seams, elsewhere] = each.fold([0.0; 2], |sum, jump| [sum[0] + jump[0], sum[1] + jump[1]]);
            let [seams, elsewhere] = [seams / 8.0, elsewhere / 8.0];
            println!("{name}: a jump of {seams:.3} of 255 at seams, {elsewhere:.3} elsewhere");
            assert!(seams <= 1.05 * elsewhere, "{name}: {seams}, {elsewhere}");
        }
    }
}

/// Where tiles meet, neighbouring pixels differ from each other as they do there in one tile.
#[test]
fn seams_are_as_in_one_tile() {
    let (photo, options) = cut();
    let one = TileOptions { side: 1024, ..options };
    let pictures = [("photo", photo), ("texture", texture(736, 736, 99))];
    for (name, model) in models() {
        for (kind, picture) in &pictures {
            let grid = TileGrid::new(picture.width, picture.height, &options).unwrap();
            let [tiled, whole] =
                [options, one].map(|options| large(model.clone(), picture, &options).picture);
            for down in [false, true] {
                let [tiled, untiled] = [&tiled, &whole].map(|picture| jumps(picture, &grid, down)[0]);
                println!("{name}, {kind}: {tiled:.4} at seams, {untiled:.4} there in one tile");
                assert!((tiled - untiled).abs() <= 0.01, "{name}, {kind}: {tiled}, {untiled}");
            }
        }
    }
}

/// What differs from the ordinary translation at a picture's own size is the statistics: they are
/// those of the model's scale.
#[test]
fn the_difference_to_the_untiled_translation_is_bounded() {
    let (picture, options) = cut();
    let whole = untiled(trained(), &picture);
    let (most, mean) = difference(&large(trained(), &picture, &options).picture, &whole);
    println!(
        "tiled against untiled, {}x{}: at most {most}, {mean:.2} of 255 on average",
        picture.width, picture.height
    );
    assert!(mean < 32.0, "{mean}");
}

#[test]
fn any_size_keeps_its_size_and_opacity() {
    let options = TileOptions { side: 80, overlap: 16 };
    for (width, height) in [(1, 1), (3, 200), (161, 90), (83, 81), (80, 80), (130, 7)] {
        let mut picture = photo(width, height);
        picture.alpha = Some((0..width * height).map(|i| i as u8).collect());
        let done = large(random(2, 1, 16), &picture, &options);
        for part in [&done.picture, done.attention.as_ref().unwrap(), &done.source] {
            assert_eq!((part.width, part.height), (width, height));
            assert_eq!(part.alpha, picture.alpha);
        }
        // Whatever is needed of the whole is in one tile, padding included.
        let one = large(random(2, 1, 16), &picture, &TileOptions { side: 400, overlap: 96 });
        let many = large(random(2, 1, 16), &picture, &TileOptions { side: 160, overlap: 80 });
        let (most, _) = difference(&one.picture, &many.picture);
        assert!(most <= 1, "{width}x{height}: {most}");
    }
}

#[test]
fn pictures_of_other_channels() {
    let mut model = random(2, 1, 16);
    model.config.img_ch = 1;
    let model = {
        let config = model.config;
        let tensors = Model::expected(&config).unwrap().into_iter();
        let tensors = tensors.map(|(key, shape)| (key, Tensor::zeros(shape))).collect();
        Model::new(config, Direction::A2B, ModelMetadata::default(), tensors).unwrap()
    };
    let options = TileOptions { side: 80, overlap: 16 };
    let done = large(model, &photo(100, 90), &options);
    assert_eq!((done.picture.channels, done.source.channels), (1, 3));
    let grey = photo(100, 90).with_channels(1).unwrap();
    let done = large(random(2, 1, 16), &grey, &options);
    assert_eq!((done.picture.channels, done.source.channels), (3, 1));
}

#[test]
fn what_cannot_be_done_is_refused() {
    let picture = photo(200, 100);
    let options = TileOptions { side: 80, overlap: 16 };
    let config = GeneratorConfig { light: false, ..random(2, 1, 16).config };
    let tensors = Model::expected(&config).unwrap().into_iter();
    let tensors = tensors.map(|(key, shape)| (key, Tensor::zeros(shape))).collect();
    let full = Model::new(config, Direction::A2B, ModelMetadata::default(), tensors).unwrap();
    assert!(!wants_tiles(&config, 50_000, 50_000));
    pollster::block_on(async {
        let translator = Translator::new(Device::Cpu, full).await.unwrap();
        let refused = translator.translate_large(picture.clone(), &options, &mut ()).await.unwrap_err();
        assert!(refused.to_string().contains("use a light model"), "{refused}");

        let translator = Translator::new(Device::Cpu, random(2, 1, 16)).await.unwrap();
        let small = TileOptions { side: 64, overlap: 96 };
        let refused = translator.survey(&picture, 200, 100, &small, &mut ()).await.unwrap_err();
        assert!(refused.to_string().contains("use 192 or more"), "{refused}");
        let mut tiles = translator.survey(&picture, 200, 100, &options, &mut ()).await.unwrap();
        assert_eq!(tiles.count(), 6);
        assert!(matches!(tiles.read(6), Err(Error::Shape(_))));
        assert!(matches!(tiles.run(0, &picture, &mut ()).await, Err(Error::Shape(_))));
    });
}

/// Reports what it is told, and stops at a tile.
struct Until(usize, Vec<(Phase, usize, usize)>);

impl Watcher for Until {
    async fn report(&mut self, phase: Phase, done: usize, total: usize) -> ugatit::Result<()> {
        self.1.push((phase, done, total));
        if (phase, done) == (Phase::Tile, self.0) { Err(Error::Aborted) } else { Ok(()) }
    }
}

#[test]
fn it_can_be_followed_and_stopped() {
    let picture = photo(200, 100);
    let options = TileOptions { side: 80, overlap: 16 };
    pollster::block_on(async {
        let translator = Translator::new(Device::Cpu, random(2, 1, 16)).await.unwrap();
        let mut watcher = Until(2, vec![]);
        let stopped = translator.translate_large(picture.clone(), &options, &mut watcher).await;
        assert!(matches!(stopped, Err(Error::Aborted)));
        let mut watcher = Until(99, vec![]);
        translator.translate_large(picture, &options, &mut watcher).await.unwrap();
        let tiles: Vec<_> = watcher.1.iter().filter(|told| told.0 == Phase::Tile).collect();
        assert_eq!(tiles.iter().map(|told| told.1).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
        assert!(tiles.iter().all(|told| told.2 == 6));
        assert!(watcher.1.iter().any(|told| told.0 == Phase::Run));
    });
}

/// On a GPU too, and what is held there does not grow with the picture.
#[test]
fn memory_is_that_of_a_tile() {
    let gpu = support::engine::gpu().clone();
    let options = TileOptions { side: 160, overlap: 64 };
    let picture = photo(300, 200);
    let on_cpu = large(random(4, 2, 64), &picture, &options);
    pollster::block_on(async {
        let translator = Translator::new(Device::Gpu(gpu), random(4, 2, 64)).await.unwrap();
        let done = translator.translate_large(picture.clone(), &options, &mut ()).await.unwrap();
        let maps = [&done, &on_cpu].map(|done| done.attention.as_ref().unwrap());
        for (a, b) in [(&done.picture, &on_cpu.picture), (maps[0], maps[1])] {
            let (most, mean) = difference(a, b);
            assert!(most <= 2 && mean < 0.05, "{most}, {mean}");
        }
        let mut bytes = vec![];
        for (width, height) in [(300, 200), (6_000, 4_000), (40_000, 40_000)] {
            let tiles: Tiles = translator.survey(&picture, width, height, &options, &mut ()).await.unwrap();
            bytes.push(tiles.gpu_bytes());
        }
        println!("{} bytes", bytes[0]);
        assert!(bytes.iter().all(|&b| b == bytes[0] && b < 4 << 20), "{bytes:?}");
    });
}

/// A tile that is begun while the one before is under way is the same as one that is waited for, bit by bit.
#[test]
fn two_tiles_are_under_way_at_a_time() {
    let gpu = support::engine::gpu().clone();
    let options = TileOptions { side: 160, overlap: 64 };
    let picture = photo(300, 200);
    pollster::block_on(async {
        for device in [Device::Gpu(gpu), Device::Cpu] {
            let translator = Translator::new(device, random(4, 2, 64)).await.unwrap();
            let mut tiles = translator.survey(&picture, 300, 200, &options, &mut ()).await.unwrap();
            let count = tiles.count();
            assert!(count > 2);
            let part = |tiles: &Tiles, i| {
                let at = tiles.read(i).unwrap();
                picture.window(at.x as isize, at.y as isize, at.width, at.height)
            };
            let mut waited = vec![];
            for i in 0..count {
                let part = part(&tiles, i);
                waited.push(tiles.run(i, &part, &mut ()).await.unwrap());
            }
            assert!(matches!(tiles.finish(&mut ()).await, Err(Error::Shape(_))));

            let parts: Vec<Picture> = (0..count).map(|i| part(&tiles, i)).collect();
            tiles.begin(0, &parts[0]).unwrap();
            for (i, wanted) in waited.iter().enumerate() {
                if let Some(next) = parts.get(i + 1) {
                    tiles.begin(i + 1, next).unwrap();
                    assert!(matches!(tiles.begin(i + 1, next), Err(Error::Shape(_))), "a third one");
                    assert!(matches!(tiles.run(i + 1, next, &mut ()).await, Err(Error::Shape(_))));
                }
                assert!(tiles.finish(&mut ()).await.unwrap() == *wanted, "tile {i}");
            }

            // What is stopped is forgotten.
            tiles.begin(0, &parts[0]).unwrap();
            tiles.begin(1, &parts[1]).unwrap();
            assert!(matches!(tiles.finish(&mut Stopping).await, Err(Error::Aborted)));
            assert!(tiles.run(2, &parts[2], &mut ()).await.unwrap() == waited[2]);
        }
    });
}

struct Stopping;

impl Watcher for Stopping {
    async fn report(&mut self, _: Phase, _: usize, _: usize) -> ugatit::Result<()> {
        Err(Error::Aborted)
    }
}

/// 24 megapixels, from the first pixel to the last.
#[test]
fn a_large_photo() {
    let picture = photo(6_000, 4_000);
    let model = random(2, 0, 64);
    assert!(!wants_tiles(&model.config, 2_000, 1_000));
    assert!(wants_tiles(&model.config, picture.width, picture.height));
    let done = large(model, &picture, &TileOptions::default());
    assert_eq!((done.picture.width, done.picture.height), (6_000, 4_000));
    // Nothing was left black.
    let rows = done.picture.pixels.chunks(18_000);
    assert!(rows.into_iter().all(|row| row.iter().any(|&v| v > 0)));
}
