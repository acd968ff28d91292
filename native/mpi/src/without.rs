//! What stands for the ranks where this is built without MPI: there is no value of it.

use ugatit::train::Reduce;

use super::{Started, Wire};

/// The ranks of a job; none without MPI.
#[derive(Clone, Debug)]
pub enum Ranks {}

impl Ranks {
    pub(super) fn join(started: Started) -> Result<Self, String> {
        Err(format!(
            "it was started {} times to work as one, which needs MPI, and was built without it; build it with `cargo install --locked --path native --features mpi`, or start it once",
            started.ranks
        ))
    }

    /// The number of this rank, from 0.
    pub fn rank(&self) -> usize {
        match *self {}
    }

    /// How many there are.
    pub fn ranks(&self) -> usize {
        match *self {}
    }

    /// The number of this rank among those of this machine.
    pub fn local_rank(&self) -> usize {
        match *self {}
    }

    /// How many there are on this machine.
    pub fn local_ranks(&self) -> usize {
        match *self {}
    }

    /// What training needs of them.
    pub fn connection(&self, _: Wire) -> Box<dyn Reduce> {
        match *self {}
    }

    /// Gives rank 0's bytes to all.
    pub fn broadcast(&self, _: Vec<u8>) -> Vec<u8> {
        match *self {}
    }

    /// Brings the bytes of all to rank 0, which gets them in order; the others get nothing.
    pub fn gather(&self, _: Vec<u8>) -> Vec<Vec<u8>> {
        match *self {}
    }

    /// Ends the whole job with this exit status.
    pub fn abort(&self, _: i32) -> ! {
        match *self {}
    }
}
