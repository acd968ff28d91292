//! Several processes that train one run: what training needs of those who connect them.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Values of one call of [`Reduce::begin`] at most. Small enough that the first sum is on its way early, large enough
/// that a network's latency does not count.
pub(super) const BUCKET: usize = 1 << 20;

/// Bytes that [`Team::average`] has on their way together, and one tensor more: copies of them take memory.
pub(crate) const AVERAGED: usize = 64 << 20;

/// How exactly values are to be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// In `f32`: losses, weights.
    Full,
    /// As the one who connects the processes was told: gradients, which some users send in fewer bits.
    Gradient,
}

/// What connects several processes (*ranks*) that train one run together. All ranks make the same calls in the same
/// order. A sum or an agreement is the same on all of them, to the bit.
pub trait Reduce: Debug {
    /// The number of this process, from 0. Rank 0 keeps the run.
    fn rank(&self) -> usize;

    /// How many processes there are.
    fn ranks(&self) -> usize;

    /// How many of them share this one's computer and its memory, itself included.
    fn neighbours(&self) -> usize;

    /// Begins to add up `bucket` over all ranks, in their order, and does not wait for it.
    ///
    /// # Errors
    /// [`Error::Ranks`] where the others cannot be reached.
    fn begin(&mut self, bucket: Vec<f32>, precision: Precision) -> Result<()>;

    /// Lets what was begun go on, without waiting. Called often while something else is computed.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn progress(&mut self) -> Result<()>;

    /// Waits for everything begun, and gives the sums in the order of the calls of [`Self::begin`].
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn finish(&mut self) -> Result<Vec<Vec<f32>>>;

    /// The bits that are set on any rank. Waits for all.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn any(&mut self, bits: u64) -> Result<u64>;

    /// Gives the bytes of rank 0 to all, which have as many. Waits for them.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn broadcast(&mut self, bytes: &mut [u8]) -> Result<()>;
}

/// The ranks of a run as one of them sees them, with the time that it has waited for the others.
#[derive(Debug)]
pub struct Team {
    ranks: Box<dyn Reduce>,
    waited: Duration,
}

impl Team {
    /// A team that nobody has waited in yet.
    pub fn new(ranks: Box<dyn Reduce>) -> Self {
        Self { ranks, waited: Duration::ZERO }
    }

    /// The number of this rank, from 0.
    pub fn rank(&self) -> usize {
        self.ranks.rank()
    }

    /// How many ranks there are.
    pub fn ranks(&self) -> usize {
        self.ranks.ranks()
    }

    /// How many of them share this one's computer and its memory, itself included.
    pub fn neighbours(&self) -> usize {
        self.ranks.neighbours()
    }

    /// How long this rank has done nothing but wait for the others.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// As [`Reduce::begin`], in buckets of a good size, of which it gives the number.
    pub(super) fn begin(&mut self, values: &[f32], precision: Precision) -> Result<usize> {
        let buckets = values.chunks(BUCKET);
        let count = buckets.len();
        for bucket in buckets {
            self.ranks.begin(bucket.to_vec(), precision)?;
        }
        Ok(count)
    }

    /// As [`Reduce::begin`].
    pub(super) fn begin_bucket(&mut self, bucket: Vec<f32>, precision: Precision) -> Result<()> {
        self.ranks.begin(bucket, precision)
    }

    /// As [`Reduce::progress`].
    pub(super) fn progress(&mut self) -> Result<()> {
        self.ranks.progress()
    }

    /// As [`Reduce::finish`].
    pub(super) fn finish(&mut self) -> Result<Vec<Vec<f32>>> {
        self.waiting(|ranks| ranks.finish())
    }

    /// As [`Reduce::any`].
    ///
    /// # Errors
    /// As [`Reduce::any`].
    pub fn any(&mut self, bits: u64) -> Result<u64> {
        self.waiting(|ranks| ranks.any(bits))
    }

    /// Gives rank 0's values to all.
    ///
    /// # Errors
    /// As [`Reduce::broadcast`].
    pub fn broadcast(&mut self, values: &mut [f32]) -> Result<()> {
        self.waiting(|ranks| ranks.broadcast(bytemuck::cast_slice_mut(values)))
    }

    /// Gives rank 0's text to all.
    ///
    /// # Errors
    /// As [`Reduce::broadcast`].
    pub fn broadcast_text(&mut self, text: &mut String) -> Result<()> {
        let mut length = (text.len() as u64).to_le_bytes();
        self.waiting(|ranks| ranks.broadcast(&mut length))?;
        let mut bytes = std::mem::take(text).into_bytes();
        let length = usize::try_from(u64::from_le_bytes(length));
        bytes.resize(length.map_err(|_| Error::Ranks("rank 0 sent more than this rank can hold".into()))?, 0);
        self.waiting(|ranks| ranks.broadcast(&mut bytes))?;
        *text = String::from_utf8(bytes).map_err(|_| Error::Ranks("rank 0 sent what is no text".into()))?;
        Ok(())
    }

    /// Replaces values by their mean over all ranks, in `f32`.
    ///
    /// # Errors
    /// As [`Reduce::begin`].
    pub fn average<'a>(&mut self, tensors: impl Iterator<Item = &'a mut [f32]>) -> Result<()> {
        let factor = (1.0 / self.ranks() as f64) as f32;
        let mut tensors = tensors.peekable();
        while tensors.peek().is_some() {
            let (mut group, mut bytes) = (vec![], 0);
            while bytes < AVERAGED
                && let Some(tensor) = tensors.next()
            {
                bytes += size_of_val(tensor);
                group.push(tensor);
            }
            // No larger than it has to be: there are copies of it.
            let values = group.iter().map(|tensor| &**tensor).collect::<Vec<&[f32]>>().concat();
            self.begin(&values, Precision::Full)?;
            drop(values);
            let sums = self.finish()?;
            let places = group.into_iter().flatten();
            places.zip(sums.iter().flatten()).for_each(|(value, sum)| *value = sum * factor);
        }
        Ok(())
    }

    /// Refuses ranks that are not alike: `what`, on which they have to agree, has another value on one of them.
    ///
    /// # Errors
    /// [`Error::Ranks`] on all ranks, and as [`Reduce::any`].
    pub fn check_same(&mut self, what: &str, value: u64) -> Result<()> {
        let mut first = value.to_le_bytes();
        self.waiting(|ranks| ranks.broadcast(&mut first))?;
        let differs = u64::from_le_bytes(first) != value;
        // Up to 63 of those that differ by their numbers; the last bit stands for all others.
        let bit = 1_u64 << self.rank().min(63);
        let others = self.any(if differs { bit } else { 0 })?;
        if others == 0 {
            return Ok(());
        }
        let numbers: Vec<String> = (0..64).filter(|i| others >> i & 1 == 1).map(|i| i.to_string()).collect();
        Err(Error::Ranks(format!(
            "{what} must be the same on all ranks, and differs from rank 0's on rank {}",
            numbers.join(", ")
        )))
    }

    fn waiting<T>(&mut self, work: impl FnOnce(&mut dyn Reduce) -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let done = work(&mut *self.ranks);
        self.waited += started.elapsed();
        done
    }
}
