//! The pictures of training: what is found, in which order it comes, and that it is augmented
//! as the official program does it.
#![cfg(feature = "pictures")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

mod files;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use ugatit::io::{Dataset, Picture, PictureFormat, write_picture};
use ugatit::train::{Draw, Loader, LoaderOptions, Preprocess, Sampler, Share, augment};
use ugatit::{Error, Tensor};

/// A picture that tells where it is from: `red` in the whole of it.
fn picture(path: &Path, width: usize, height: usize, red: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixel = |i: usize| [red, (i % width * 3) as u8, (i / width * 5) as u8];
    let picture = Picture::new(width, height, 3, (0..width * height).flat_map(pixel).collect()).unwrap();
    write_picture(path, &picture, PictureFormat::Png, true).unwrap();
}

/// `a` and `b` pictures; the red of each is 10 times its place.
fn dataset(a: u8, b: u8) -> (TempDir, Dataset) {
    let folder = tempfile::tempdir().unwrap();
    for (domain, n) in [("trainA", a), ("trainB", b)] {
        for i in 0..n {
            picture(&folder.path().join(domain).join(format!("{i:03}.png")), 24, 20, i * 10);
        }
    }
    let dataset = Dataset::open(folder.path()).unwrap();
    (folder, dataset)
}

fn options() -> LoaderOptions {
    LoaderOptions { size: 8, batch: 1, threads: 2, ahead: 3, seed: 7, ..LoaderOptions::default() }
}

fn batches(dataset: &Dataset, options: LoaderOptions, first: u64, n: usize) -> Vec<[Tensor; 2]> {
    let mut loader = Loader::new(dataset, options, first).unwrap();
    let batches = (0..n).map(|_| loader.next_batch().unwrap()).collect();
    assert_eq!(loader.first_sample(), first + (n * options.batch) as u64);
    batches
}

/// The places in the dataset of the pictures of a batch, read from their red.
fn places(batch: &Tensor) -> Vec<usize> {
    let one = batch.data().len() / batch.shape().dims()[0];
    let red = |x: f32| ((x * 0.5 + 0.5) * 25.5).round() as usize;
    batch.data().chunks(one).map(|picture| red(picture[0])).collect()
}

#[test]
fn files_are_found_in_the_official_order() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.png", "a.PNG", "x/c.png", "x-y/d.png", "x/y/e.png", "B.png", ".hidden.png", ".h/f.png"] {
        picture(&folder.path().join("trainA").join(name), 2, 2, 0);
    }
    picture(&folder.path().join("trainB/a.png"), 2, 2, 0);
    fs::write(folder.path().join("trainA/notes.txt"), "").unwrap();
    fs::write(folder.path().join("trainA/x/scan.tif"), "").unwrap();
    let dataset = Dataset::open(folder.path()).unwrap();
    let names = |paths: &[std::path::PathBuf]| -> Vec<String> {
        let root = folder.path().join("trainA");
        paths.iter().map(|p| p.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/")).collect()
    };
    // As `sorted(os.walk(...))` gives it: by the folders' whole paths, "-" before "/".
    let expected = ["B.png", "a.PNG", "b.png", "x/c.png", "x-y/d.png", "x/y/e.png"];
    let [b, a, lower, c, d, e] = expected;
    assert_eq!(names(&dataset.train[0].pictures), [b, a, lower, c, d, e]);
    assert_eq!(names(&dataset.train[0].others), ["notes.txt", "x/scan.tif"]);
    assert!(dataset.test.iter().all(|folder| folder.pictures.is_empty()));
    let all: Vec<_> = dataset.folders().map(|(name, f)| (name, f.pictures.len())).collect();
    assert_eq!(all, [("trainA", 6), ("trainB", 1), ("testA", 0), ("testB", 0)]);
}

#[cfg(unix)]
#[test]
fn linked_folders_are_followed_once_and_never_in_a_circle() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let train = folder.path().join("trainA");
    picture(&train.join("real/1.png"), 8, 8, 1);
    picture(&folder.path().join("trainB/2.png"), 8, 8, 2);
    picture(&elsewhere.path().join("deep/3.png"), 8, 8, 3);
    picture(&elsewhere.path().join("4.png"), 8, 8, 4);
    // To a folder elsewhere, and from there to its own beginning; to the same folder again.
    symlink(elsewhere.path(), train.join("linked")).unwrap();
    symlink(elsewhere.path(), elsewhere.path().join("deep/back")).unwrap();
    symlink(elsewhere.path().join("deep"), train.join("twice")).unwrap();
    // To what is listed under its own name, to the folders around the link, to nothing.
    symlink(train.join("real"), train.join("again")).unwrap();
    symlink(&train, train.join("real/round")).unwrap();
    symlink(folder.path(), train.join("above")).unwrap();
    symlink(folder.path().join("nothing"), train.join("broken")).unwrap();

    let found = Dataset::open(folder.path()).unwrap();
    let pictures = &found.train[0].pictures;
    let names: Vec<_> = pictures.iter().map(|path| path.strip_prefix(&train).unwrap()).collect();
    assert_eq!(names, ["linked/4.png", "linked/deep/3.png", "real/1.png"].map(Path::new));
    assert_eq!(found.train[1].pictures.len(), 1);
}

#[test]
fn a_wrong_folder_is_refused_with_the_way_out() {
    let problem = |root: &Path| match Dataset::open(root) {
        Err(error @ Error::Dataset { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert!(problem(&root.join("nowhere")).contains("no such folder"));
    assert!(problem(root).contains("testA and testB"));
    picture(&root.join("cats/trainA/a.png"), 2, 2, 0);
    assert!(problem(&root.join("cats")).contains("no folder trainB"));
    fs::create_dir_all(root.join("cats/trainB")).unwrap();
    fs::write(root.join("cats/trainB/a.tif"), "").unwrap();
    let text = problem(&root.join("cats"));
    assert!(text.contains("trainB") && text.contains("a file of another kind"), "{text}");
    // One folder too high, and one too low.
    let usable = root.join("cats").display().to_string();
    for wrong in [root.to_path_buf(), root.join("cats/trainA")] {
        assert!(problem(&wrong).contains(&usable), "{}", problem(&wrong));
    }
}

#[test]
fn augmentation_is_the_official_one() {
    let fixtures = files::fixtures("image_pipeline.safetensors");
    for case in 0..3 {
        let (shape, source) = &fixtures[&format!("aug{case}/src_hwc_u8")];
        let picture = Picture::new(shape[1], shape[0], 3, source.clone()).unwrap();
        let (_, numbers) = &fixtures[&format!("aug{case}/flip_top_left")];
        let numbers: Vec<usize> =
            numbers.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b) as usize).collect();
        let draw = Draw { flip: numbers[0] != 0, top: numbers[1], left: numbers[2], enlarged: false };
        let (shape, expected) = &fixtures[&format!("aug{case}/x")];
        let size = shape[1];
        let x = augment(&picture, size, Preprocess::default(), draw).unwrap();
        assert_eq!(x.shape().dims(), [1, 3, size, size]);
        let expected = expected.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b));
        for (a, b) in x.data().iter().zip(expected) {
            assert!((a - b).abs() <= 1e-6, "{case}: {a} {b}");
        }
    }
}

#[test]
fn every_preprocessing_does_what_it_says() {
    let picture = Picture::new(4, 3, 1, (0..12).map(|v| v * 20).collect()).unwrap();
    let bytes = |x: &Tensor| -> Vec<u8> { x.data().iter().map(|&x| ugatit::io::quantize(x)).collect() };
    let draw = Draw { top: 1, left: 2, ..Draw::default() };
    let crop = augment(&picture, 2, Preprocess::Crop, draw).unwrap();
    assert_eq!(bytes(&crop), [120, 140, 200, 220]);
    let mirrored = augment(&picture, 2, Preprocess::Crop, Draw { flip: true, ..draw }).unwrap();
    assert_eq!(bytes(&mirrored), [100, 80, 180, 160]);
    let resized = augment(&picture, 2, Preprocess::Resize, Draw::default()).unwrap();
    let whole = picture.resized([0.0, 0.0, 4.0, 3.0], 2, 2).unwrap();
    assert_eq!(bytes(&resized), whole.pixels);
    let load = augment(
        &picture,
        2,
        Preprocess::ScaleCrop { load: Some(3) },
        Draw { left: 1, top: 0, ..Draw::default() },
    );
    let whole = picture.resized([0.0, 0.0, 4.0, 3.0], 3, 3).unwrap().pixels;
    assert_eq!(bytes(&load.unwrap()), [whole[1], whole[2], whole[4], whole[5]]);

    // The authors' program takes a picture of the training size as it is, or a part of one that is 15 pixels larger.
    let still = augment(&picture, 2, Preprocess::Tensorflow, draw).unwrap();
    assert_eq!(bytes(&still), [0, 40, 120, 160]);
    let draw = Draw { flip: true, enlarged: true, top: 0, left: 15 };
    let part = augment(&picture, 2, Preprocess::Tensorflow, draw).unwrap();
    // Two pixels across 17: the last two places are on the second.
    assert_eq!(bytes(&part)[..2], [0, 0]);
    let draw = Draw { flip: false, enlarged: true, top: 15, left: 0 };
    let part = augment(&picture, 2, Preprocess::Tensorflow, draw).unwrap();
    assert_eq!(bytes(&part), [120, 125, 120, 125]);

    let draw = Draw { top: 1, left: 2, ..Draw::default() };
    assert!(augment(&picture, 2, Preprocess::Resize, draw).is_err());
    assert!(augment(&picture, 2, Preprocess::ScaleCrop { load: Some(1) }, draw).is_err());
    assert!(augment(&picture, 0, Preprocess::Crop, draw).is_err());
}

#[test]
fn every_epoch_is_a_permutation() {
    for n in [1, 2, 17, 100] {
        let mut sampler = Sampler::new(3, "A", n);
        let mut other = Sampler::new(3, "B", n);
        let mut orders = vec![];
        for epoch in 0..4_u64 {
            let range = epoch * n as u64..(epoch + 1) * n as u64;
            let order: Vec<usize> = range.clone().map(|k| sampler.index(k)).collect();
            assert!(n < 17 || order != range.map(|k| other.index(k)).collect::<Vec<_>>());
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            orders.push(order);
        }
        assert!(n < 17 || (orders[0] != orders[1] && orders[1] != orders[2]));
        // Any place in the stream, in any order of asking.
        let last = 4 * n as u64 - 1;
        assert_eq!(Sampler::new(3, "A", n).index(last), orders[3][n - 1]);
        assert_eq!(sampler.index(0), orders[0][0]);
    }
    // Every picture is equally likely in every place: 6000 draws of 6, deviation 29.
    let mut counts = [0; 6];
    (0..6000).for_each(|seed| counts[Sampler::new(seed, "A", 6).index(0)] += 1);
    assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
}

/// The order is part of what a checkpoint means: it must never change.
#[test]
fn the_order_stays_what_it_is() {
    let mut sampler = Sampler::new(1, "A", 10);
    let order: Vec<usize> = (0..20).map(|k| sampler.index(k)).collect();
    // From a second implementation, in Python.
    assert_eq!(order, [9, 6, 0, 3, 5, 7, 2, 4, 8, 1, 8, 3, 5, 2, 1, 9, 0, 4, 6, 7]);
}

#[test]
fn batches_do_not_depend_on_threads_or_memory() {
    let (_folder, dataset) = dataset(5, 7);
    for preprocess in [Preprocess::default(), Preprocess::Resize, Preprocess::Crop, Preprocess::Tensorflow] {
        let base = LoaderOptions { batch: 2, preprocess, ..options() };
        let expected = batches(&dataset, base, 0, 12);
        for (threads, ahead, cache) in [(1, 1, 0), (1, 4, 1 << 30), (4, 1, 3000), (8, 16, 1 << 30)] {
            let other = LoaderOptions { threads, ahead, cache, ..base };
            assert!(batches(&dataset, other, 0, 12) == expected, "{preprocess:?} {threads} {ahead} {cache}");
        }
        let other = LoaderOptions { seed: 8, ..base };
        assert!(batches(&dataset, other, 0, 12) != expected);
    }
}

#[test]
fn a_run_goes_on_where_it_was() {
    let (_folder, dataset) = dataset(5, 7);
    let expected = batches(&dataset, options(), 0, 16);
    for k in 0..12 {
        assert!(batches(&dataset, options(), k as u64, 4) == expected[k..k + 4], "{k}");
    }
}

#[test]
fn batches_are_full_and_run_through_all_pictures() {
    let (_folder, dataset) = dataset(5, 7);
    let all = batches(&dataset, LoaderOptions { batch: 3, ..options() }, 0, 35);
    for (domain, n) in [(0, 5), (1, 7)] {
        assert!(all.iter().all(|batch| batch[domain].shape().dims() == [3, 3, 8, 8]));
        let drawn: Vec<usize> = all.iter().flat_map(|batch| places(&batch[domain])).collect();
        for epoch in drawn.chunks_exact(n) {
            let mut epoch = epoch.to_vec();
            epoch.sort_unstable();
            assert_eq!(epoch, (0..n).collect::<Vec<_>>());
        }
        let mut sampler = Sampler::new(7, ["A", "B"][domain], n);
        assert_eq!(drawn, (0..105).map(|k| sampler.index(k)).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_loaded_is_what_augment_gives() {
    let (_folder, dataset) = dataset(1, 1);
    let source = ugatit::io::read_picture(&dataset.train[0].pictures[0]).unwrap();
    let mut seen = [false; 2];
    // From the file, and from memory.
    for (i, batch) in batches(&dataset, options(), 0, 40).iter().enumerate() {
        let all = (0..2 * 31 * 31).map(|i| Draw {
            flip: i % 2 == 1,
            top: i / 2 % 31,
            left: i / 62,
            enlarged: false,
        });
        let mut matching =
            all.filter(|&draw| augment(&source, 8, Preprocess::default(), draw).unwrap() == batch[0]);
        let draw = matching.next().unwrap_or_else(|| panic!("batch {i}"));
        seen[usize::from(draw.flip)] = true;
    }
    assert_eq!(seen, [true; 2]);
    let flat = LoaderOptions { flip: false, preprocess: Preprocess::Resize, ..options() };
    let whole = augment(&source, 8, Preprocess::Resize, Draw::default()).unwrap();
    assert!(batches(&dataset, flat, 0, 9).iter().all(|batch| batch[0] == whole));
}

#[test]
fn a_limit_takes_the_first() {
    let (_folder, dataset) = dataset(5, 7);
    let few = LoaderOptions { limit: Some(2), ..options() };
    let loader = Loader::new(&dataset, few, 0).unwrap();
    assert_eq!(loader.lengths(), [2, 2]);
    drop(loader);
    for batch in batches(&dataset, few, 0, 20) {
        assert!(batch.iter().flat_map(places).all(|place| place < 2));
    }
    let more = LoaderOptions { limit: Some(6), ..options() };
    assert_eq!(Loader::new(&dataset, more, 0).unwrap().lengths(), [5, 6]);
}

#[test]
fn grey_and_colour_become_what_the_model_takes() {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("trainA/a.png"), 9, 9, 50);
    fs::create_dir_all(folder.path().join("trainB")).unwrap();
    let mut grey = Picture::new(2, 1, 1, vec![0, 255]).unwrap();
    // Opacity is ignored, as the official program does.
    grey.alpha = Some(vec![0, 9]);
    write_picture(folder.path().join("trainB/b.png"), &grey, PictureFormat::Png, false).unwrap();
    let dataset = Dataset::open(folder.path()).unwrap();
    for channels in [1, 3] {
        let [a, b] = &batches(&dataset, LoaderOptions { channels, ..options() }, 0, 1)[0];
        assert_eq!(a.shape().dims(), [1, channels, 8, 8]);
        let plane = &b.data()[..64];
        assert!(b.data().chunks(64).all(|other| other == plane));
    }
}

#[test]
fn a_broken_picture_is_left_out_and_named_once() {
    let (folder, dataset) = dataset(3, 1);
    let broken = folder.path().join("trainA/001.png");
    let bytes = fs::read(&broken).unwrap();
    fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();
    let mut loader = Loader::new(&dataset, options(), 0).unwrap();
    let seen: Vec<usize> = (0..12).map(|_| places(&loader.next_batch().unwrap()[0])[0]).collect();
    // The one behind it stands in: twice as often as the other.
    let times = |place| seen.iter().filter(|&&p| p == place).count();
    assert_eq!([times(0), times(1), times(2)], [4, 0, 8]);
    match &loader.left_out()[..] {
        [Error::Picture { path, problem }] => {
            assert_eq!(path, &broken);
            assert!(problem.contains("cut off") && problem.contains("look for others"), "{problem}");
        }
        other => panic!("{other:?}"),
    }
    assert!(loader.left_out().is_empty());
    // What comes depends on the files alone: from any place, on any number of threads.
    let threads = LoaderOptions { threads: 1, ..options() };
    let later: Vec<usize> = batches(&dataset, threads, 5, 7).iter().map(|[a, _]| places(a)[0]).collect();
    assert_eq!(later, seen[5..]);

    // A second one is too many of three, and the only one is too many.
    fs::write(folder.path().join("trainA/002.png"), "no picture").unwrap();
    let mut loader = Loader::new(&dataset, options(), 0).unwrap();
    let errors: Vec<String> =
        (0..6).filter_map(|_| loader.next_batch().err()).map(|error| error.to_string()).collect();
    assert!(!errors.is_empty() && errors.iter().all(|text| text.contains("one of 2 of this domain's 3")));
    fs::write(&broken, bytes).unwrap();
    let crop = LoaderOptions { size: 22, preprocess: Preprocess::Crop, ..options() };
    match Loader::new(&dataset, crop, 0).unwrap().next_batch() {
        Err(Error::Picture { problem, .. }) => assert!(problem.contains("24x20"), "{problem}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_that_cannot_work_are_refused() {
    let (_folder, dataset) = dataset(1, 1);
    let small = Preprocess::ScaleCrop { load: Some(7) };
    for (options, word) in [
        (LoaderOptions { batch: 0, ..options() }, "batch"),
        (LoaderOptions { threads: 0, ..options() }, "threads"),
        (LoaderOptions { ahead: 0, ..options() }, "ahead"),
        (LoaderOptions { limit: Some(0), ..options() }, "limit"),
        (LoaderOptions { channels: 4, ..options() }, "channels"),
        (LoaderOptions { size: 0, ..options() }, "size"),
        (LoaderOptions { preprocess: small, ..options() }, "7x7"),
    ] {
        match Loader::new(&dataset, options, 0).map(|_| ()) {
            Err(Error::Config(text)) => assert!(text.contains(word), "{text}"),
            other => panic!("{word}: {other:?}"),
        }
    }
}

#[test]
fn dropping_a_loader_stops_it() {
    let (_folder, dataset) = dataset(5, 7);
    let started = Instant::now();
    for ahead in [1, 10_000_000] {
        let options = LoaderOptions { ahead, threads: 4, batch: 100, ..options() };
        let mut loader = Loader::new(&dataset, options, 0).unwrap();
        loader.next_batch().unwrap();
        drop(loader);
        drop(Loader::new(&dataset, options, 0).unwrap());
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Not a test: what a picture costs. `UGATIT_DATASET` names a dataset, `UGATIT_SIZE` the size.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_picture() {
    let Some(root) = std::env::var_os("UGATIT_DATASET") else { return };
    let size = std::env::var("UGATIT_SIZE").ok().and_then(|s| s.parse().ok()).unwrap_or(64);
    let dataset = Dataset::open(root).unwrap();
    let options = LoaderOptions { size, threads: 1, ..LoaderOptions::default() };
    let mut loader = Loader::new(&dataset, options, 0).unwrap();
    let n = loader.lengths()[0].min(loader.lengths()[1]);
    for epoch in 0..3 {
        let started = Instant::now();
        (0..n).for_each(|_| drop(loader.next_batch().unwrap()));
        let each = started.elapsed().as_secs_f64() * 1e3 / (2 * n) as f64;
        println!("epoch {epoch}: {each:.3} ms a picture on one thread ({n} of each domain)");
    }
}

/// What the ranks draw of each iteration, one after the other, is what one draws alone.
#[test]
fn ranks_share_out_the_batches_of_one() {
    let (_folder, dataset) = dataset(5, 7);
    let base = LoaderOptions { batch: 2, ..options() };
    for (ranks, accumulation) in [(2, 1), (3, 1), (2, 2)] {
        let iterations = 4;
        let alone = batches(&dataset, base, 6, iterations * ranks * accumulation);
        for rank in 0..ranks {
            let share = Share::of_rank(rank, ranks, accumulation);
            let mut loader = Loader::new(&dataset, LoaderOptions { share, ..base }, 6).unwrap();
            for iteration in 0..iterations {
                for batch in 0..accumulation {
                    let number = (iteration * ranks + rank) * accumulation + batch;
                    assert_eq!(loader.next_batch().unwrap(), alone[number], "rank {rank} of {ranks}");
                }
                let drawn = (iteration + 1) * ranks * accumulation * base.batch;
                assert_eq!(loader.first_sample(), 6 + drawn as u64);
            }
        }
    }
    let share = Share { first: 1, count: 2, of: 2 };
    let refused = LoaderOptions { share, ..base }.validate().unwrap_err().to_string();
    assert!(refused.contains("none of 2"), "{refused}");
}
