//! Batches, prepared on threads ahead of their use.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::error::{Error, Result};
use crate::io::Dataset;
use crate::random::Random;
use crate::tensor::Tensor;

use super::augment::{draw_part, push_part};
use super::left_out::LeftOut;
use super::store::Store;
use super::{Preprocess, Sampler};

/// What a [`Loader`] makes of a dataset. The default is the official program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Pictures are made `size` x `size`.
    pub size: usize,
    /// 3, or 1 for grey.
    pub channels: usize,
    /// Pictures of each domain in a batch.
    pub batch: usize,
    /// How pictures become `size` x `size`.
    pub preprocess: Preprocess,
    /// Whether half of the pictures are mirrored.
    pub flip: bool,
    /// What the order and the augmentation depend on.
    pub seed: u64,
    /// Threads that decode and augment.
    pub threads: usize,
    /// Batches that may lie ready: what bounds the memory.
    pub ahead: usize,
    /// Only so many pictures of each domain, the first: for a run that is to learn them by
    /// heart.
    pub limit: Option<usize>,
    /// Bytes of decoded pictures that may be kept for the next epoch.
    pub cache: u64,
    /// Which of the run's batches are drawn here.
    pub share: Share,
}

/// The batches that one of several ranks draws: of every `of` batches, which make an iteration, `count` from `first`
/// on. The default is all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The first of them, from 0.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Batches of an iteration, those of all ranks.
    pub of: u64,
}

impl Default for Share {
    fn default() -> Self {
        Self { first: 0, count: 1, of: 1 }
    }
}

impl Share {
    /// That of a rank where each has so many batches.
    pub fn of_rank(rank: usize, ranks: usize, accumulation: usize) -> Self {
        let count = accumulation as u64;
        Self { first: rank as u64 * count, count, of: ranks as u64 * count }
    }

    /// How many of all batches are behind after `taken` of its own: whole iterations, and its own of one that is
    /// begun.
    fn passed(self, taken: u64) -> u64 {
        taken / self.count * self.of + taken % self.count
    }

    /// The number of the `k`-th of them among all batches.
    fn batch(self, k: u64) -> u64 {
        k / self.count * self.of + self.first + k % self.count
    }
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            size: 256,
            channels: 3,
            batch: 1,
            preprocess: Preprocess::default(),
            flip: true,
            seed: 0,
            threads: thread::available_parallelism().map_or(1, |n| n.get().min(4)),
            ahead: 8,
            limit: None,
            cache: 1 << 30,
            share: Share::default(),
        }
    }
}

impl LoaderOptions {
    /// Bytes that the pictures take: those that are kept for the next epoch, of so many pictures of each domain,
    /// and the batches that lie ready. Where pictures are not resized, which tells nobody their size, as many are
    /// reckoned with as may be kept.
    pub fn memory(&self, pictures: [usize; 2]) -> u64 {
        let used = pictures.map(|count| count.min(self.limit.unwrap_or(usize::MAX)) as u64);
        let flips = if self.flip { 2 } else { 1 };
        let picture =
            self.preprocess.side(self.size).map(|side| (flips * side * side * self.channels) as u64);
        let kept = picture.map_or(self.cache, |bytes| bytes * used.iter().sum::<u64>());
        let batch = 2 * self.batch * self.channels * self.size * self.size * size_of::<f32>();
        kept.min(self.cache) + (batch * (self.ahead + self.threads)) as u64
    }

    /// Checks that batches can be made.
    ///
    /// # Errors
    /// [`Error::Config`] with the field and what it may be.
    pub fn validate(&self) -> Result<()> {
        self.preprocess.validate(self.size)?;
        if !matches!(self.channels, 1 | 3) {
            return Err(Error::Config(format!("channels is {}; it must be 1 or 3", self.channels)));
        }
        let Share { first, count, of } = self.share;
        if count == 0 || first.checked_add(count).is_none_or(|end| end > of) {
            return Err(Error::Config(format!("a share of {count} batches from {first} on is none of {of}")));
        }
        let at_least_one = [("batch", self.batch), ("threads", self.threads), ("ahead", self.ahead)];
        let at_least_one = at_least_one.into_iter().chain(self.limit.map(|limit| ("limit", limit)));
        match at_least_one.into_iter().find(|(_, n)| *n == 0) {
            Some((name, _)) => Err(Error::Config(format!("{name} is 0; it must be 1 or more"))),
            None => Ok(()),
        }
    }
}

/// An endless stream of batches of a dataset, prepared ahead on threads. Which batches come
/// depends on the dataset, on the options but `threads`, `ahead` and `cache`, and on the place in
/// the stream; on nothing else.
///
/// The domains are shuffled independently, and each begins again by itself. A batch may run on
/// into the next epoch, so every batch is full. (The official loader ends an epoch with an
/// incomplete batch; with a batch of 1 there is no difference.)
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    first_sample: u64,
}

/// What the threads know together.
struct Shared {
    options: LoaderOptions,
    first_sample: u64,
    stores: [Store; 2],
    left_out: [LeftOut; 2],
    queue: Mutex<Queue>,
    /// A batch has been made.
    made: Condvar,
    /// A batch has been taken.
    taken: Condvar,
    stop: AtomicBool,
}

/// Batches by number, the first being 0.
#[derive(Default)]
struct Queue {
    /// The next that a thread begins.
    next: u64,
    /// The next that the caller gets.
    wanted: u64,
    ready: BTreeMap<u64, Result<[Tensor; 2]>>,
}

impl Loader {
    /// Starts the threads. `first_sample` is the number of pictures of each domain that the run
    /// has seen already: iterations done times batch.
    ///
    /// # Errors
    /// [`Error::Config`] where the options cannot work or a thread cannot be started.
    pub fn new(dataset: &Dataset, options: LoaderOptions, first_sample: u64) -> Result<Self> {
        options.validate()?;
        let budget = Arc::new(AtomicU64::new(options.cache));
        let stores = [0, 1].map(|domain| {
            let files = &dataset.train[domain].pictures;
            let files = &files[..options.limit.unwrap_or(usize::MAX).min(files.len())];
            let ready = (options.size, options.preprocess, options.flip);
            Store::new(files, options.channels, ready, Arc::clone(&budget))
        });
        if stores.iter().any(|store| store.len() == 0) {
            let problem = "trainA and trainB must both hold pictures".into();
            return Err(Error::Dataset { path: dataset.root.clone(), problem });
        }
        let shared = Arc::new(Shared {
            options,
            first_sample,
            stores,
            left_out: Default::default(),
            queue: Mutex::default(),
            made: Condvar::new(),
            taken: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        // Dropped after an error, it stops the threads that there are.
        let mut loader = Self { shared, workers: vec![], first_sample };
        for i in 0..options.threads {
            let shared = Arc::clone(&loader.shared);
            let worker = thread::Builder::new()
                .name(format!("loader {i}"))
                .spawn(move || shared.work())
                .map_err(|e| Error::Config(format!("no thread can be started ({e}); use fewer threads")))?;
            loader.workers.push(worker);
        }
        Ok(loader)
    }

    /// The next batch of A and of B, each `[batch, channels, size, size]` in -1..1; waits where
    /// it is not ready.
    ///
    /// A picture that cannot be read is left out from then on, and another one stands in for it: see
    /// [`Self::left_out`].
    ///
    /// # Errors
    /// [`Error::Picture`] or [`Error::Io`] where more than one picture in twenty of a domain cannot be read. The
    /// call after that gives the batch after that one.
    pub fn next_batch(&mut self) -> Result<[Tensor; 2]> {
        let shared = &self.shared;
        let mut queue = shared.lock();
        let number = queue.wanted;
        loop {
            if let Some(batch) = queue.ready.remove(&number) {
                queue.wanted += 1;
                self.first_sample = shared.first_sample
                    + shared.options.share.passed(queue.wanted) * shared.options.batch as u64;
                drop(queue);
                shared.taken.notify_one();
                return batch;
            }
            queue = shared.made.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The number of the next batch's first picture: what [`Self::new`] takes to go on from
    /// here.
    pub fn first_sample(&self) -> u64 {
        self.first_sample
    }

    /// The errors of the pictures that were left out since the last call of this, each of them once.
    pub fn left_out(&self) -> Vec<Error> {
        self.shared.left_out.iter().flat_map(LeftOut::news).collect()
    }

    /// How many pictures of A and of B are drawn from.
    pub fn lengths(&self) -> [usize; 2] {
        [self.shared.stores[0].len(), self.shared.stores[1].len()]
    }
}

/// Stops the threads; waits for the pictures they are at, not for the batches.
impl Drop for Loader {
    fn drop(&mut self) {
        let queue = self.shared.lock();
        self.shared.stop.store(true, Ordering::Relaxed);
        drop(queue);
        self.shared.taken.notify_all();
        for worker in self.workers.drain(..) {
            // A thread that panicked has nothing left to stop.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A thread's life: one batch after another, never more ahead than allowed.
    fn work(&self) {
        let [a, b] = &self.stores;
        let mut samplers =
            [("A", a), ("B", b)].map(|(domain, store)| Sampler::new(self.options.seed, domain, store.len()));
        loop {
            let mut queue = self.lock();
            while !self.stopped() && queue.next >= queue.wanted + self.options.ahead as u64 {
                queue = self.taken.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            if self.stopped() {
                return;
            }
            let number = queue.next;
            queue.next += 1;
            drop(queue);
            let Some(batch) = self.batch(number, &mut samplers) else { return };
            self.lock().ready.insert(number, batch);
            self.made.notify_one();
        }
    }

    /// `None` where the loader is being dropped.
    fn batch(&self, number: u64, samplers: &mut [Sampler; 2]) -> Option<Result<[Tensor; 2]>> {
        let LoaderOptions { size, channels, batch, .. } = self.options;
        let first = self.first_sample + self.options.share.batch(number) * batch as u64;
        let mut domain = |domain: usize| {
            let mut values = Vec::with_capacity(batch * channels * size * size);
            for k in first..first + batch as u64 {
                if self.stopped() {
                    return None;
                }
                if let Err(error) = self.sample(domain, &mut samplers[domain], k, &mut values) {
                    return Some(Err(error));
                }
            }
            Some(Tensor::new([batch, channels, size, size], values))
        };
        let (a, b) = (domain(0)?, domain(1)?);
        Some(a.and_then(|a| Ok([a, b?])))
    }

    /// Appends the `k`-th picture of a domain. Where it cannot be read, the next in the dataset's order that can
    /// be stands in for it, so that what comes depends on the files and on nothing else.
    fn sample(&self, domain: usize, sampler: &mut Sampler, k: u64, values: &mut Vec<f32>) -> Result<()> {
        let store = &self.stores[domain];
        let (drawn, mut random) = (sampler.index(k), sampler.random(k));
        // Drawn in any case, so that the parts are the same with and without it.
        let flip = random.coin() && self.options.flip;
        let mut index = drawn;
        loop {
            if !self.left_out[domain].contains(index) {
                match self.append(store, index, flip, random.clone(), values) {
                    Err(error @ (Error::Picture { .. } | Error::Io { .. })) => {
                        self.left_out[domain].add(index, error, store.len())?;
                    }
                    done => return done,
                }
            }
            index = (index + 1) % store.len();
            if index == drawn {
                let problem = "none of the pictures can be read".into();
                return Err(Error::Picture { path: store.path(drawn).clone(), problem });
            }
        }
    }

    /// Appends a part of a picture.
    fn append(
        &self,
        store: &Store,
        index: usize,
        flip: bool,
        mut random: Random,
        values: &mut Vec<f32>,
    ) -> Result<()> {
        let size = self.options.size;
        let refuse = |problem: String| Error::Picture { path: store.path(index).clone(), problem };
        // A decoder's bug on one file must not leave the caller waiting for ever.
        let tensorflow = self.options.preprocess == Preprocess::Tensorflow;
        let mut whole = catch_unwind(AssertUnwindSafe(|| store.whole(index, flip && !tensorflow)))
            .unwrap_or_else(|_| Err(refuse("the decoder crashed on it; remove this file".into())))?;
        if tensorflow && random.coin() {
            whole = Arc::new(Preprocess::enlarged(&whole, size, flip)?);
        }
        let part = draw_part(&whole, size, &mut random).ok_or_else(|| {
            refuse(format!(
                "it has {}x{} pixels, too few for a part of {size}x{size}; remove it, or choose a preprocessing that resizes",
                whole.width, whole.height
            ))
        })?;
        push_part(&whole, size, part, values);
        Ok(())
    }
}
