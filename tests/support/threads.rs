//! Ranks that are threads of one process.

use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use ugatit::Result;
use ugatit::train::{Precision, Reduce, Team};

#[derive(Debug)]
struct Meeting {
    /// What each rank brings.
    places: Mutex<Vec<Vec<u8>>>,
    barrier: Barrier,
}

/// One rank.
#[derive(Debug)]
pub(crate) struct Thread {
    rank: usize,
    ranks: usize,
    meeting: Arc<Meeting>,
    begun: Vec<Vec<f32>>,
    /// Largest number of values that were begun at a time.
    pub(crate) largest: usize,
}

impl Thread {
    /// What all bring, in the order of the ranks.
    fn exchange(&self, own: Vec<u8>) -> Vec<Vec<u8>> {
        self.meeting.places.lock().unwrap()[self.rank] = own;
        self.meeting.barrier.wait();
        let all = self.meeting.places.lock().unwrap().clone();
        self.meeting.barrier.wait();
        all
    }
}

impl Reduce for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn neighbours(&self) -> usize {
        self.ranks
    }

    fn begin(&mut self, bucket: Vec<f32>, _: Precision) -> Result<()> {
        self.largest = self.largest.max(bucket.len());
        self.begun.push(bucket);
        Ok(())
    }

    fn progress(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<Vec<f32>>> {
        let begun = std::mem::take(&mut self.begun);
        let sum = |bucket: Vec<f32>| {
            let all = self.exchange(bytemuck::cast_slice(&bucket).to_vec());
            let mut all = all.iter().map(|bytes| bytemuck::pod_collect_to_vec::<u8, f32>(bytes));
            let mut sum = all.next().unwrap();
            for other in all {
                assert_eq!(sum.len(), other.len(), "all ranks send the same");
                sum.iter_mut().zip(other).for_each(|(sum, x)| *sum += x);
            }
            sum
        };
        Ok(begun.into_iter().map(sum).collect())
    }

    fn any(&mut self, bits: u64) -> Result<u64> {
        let all = self.exchange(bits.to_le_bytes().to_vec());
        Ok(all.iter().map(|bytes| u64::from_le_bytes(bytes[..].try_into().unwrap())).fold(0, |a, b| a | b))
    }

    fn broadcast(&mut self, bytes: &mut [u8]) -> Result<()> {
        let all = self.exchange(bytes.to_vec());
        bytes.copy_from_slice(&all[0]);
        Ok(())
    }
}

/// Runs `work` as each of so many ranks, and gives their results in order.
pub(crate) fn ranks<R: Send>(count: usize, work: impl Fn(Team) -> R + Sync) -> Vec<R> {
    let meeting = Arc::new(Meeting { places: Mutex::new(vec![vec![]; count]), barrier: Barrier::new(count) });
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|rank| {
                let (meeting, work) = (Arc::clone(&meeting), &work);
                scope.spawn(move || {
                    let thread = Thread { rank, ranks: count, meeting, begun: vec![], largest: 0 };
                    work(Team::new(Box::new(thread)))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
