//! The ranks of a job, connected by MPI.

use std::ffi::c_int;
use std::fmt;
use std::rc::Rc;

use mpi::traits::Communicator;
use ugatit::train::Reduce;

use super::connection::Connection;
use super::world::World;
use super::{Started, Wire};

/// The ranks of a job. MPI ends when the last copy of this is dropped.
#[derive(Clone)]
pub struct Ranks(Rc<World>);

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.0.rank, self.0.ranks)
    }
}

impl Ranks {
    pub(super) fn join(started: Started) -> Result<Self, String> {
        // Only the main thread calls MPI; others compute and read files.
        let (universe, _) = mpi::initialize_with_threading(mpi::Threading::Funneled)
            .ok_or("MPI has been started before in this process, which is a bug")?;
        let world = universe.world();
        let number = |n: c_int| usize::try_from(n).unwrap_or_default();
        let (rank, ranks) = (number(world.rank()), number(world.size()));
        if ranks != started.ranks {
            return Err(format!(
                "it was started {} times, and MPI knows of {ranks}; it was built for another MPI than the one whose mpirun or srun has started it (with srun, `srun --mpi=list` shows the kinds)",
                started.ranks
            ));
        }
        let local = world.split_shared(world.rank());
        let local = [number(local.rank()), number(local.size())];
        let (all, again) = (world.duplicate(), world.duplicate());
        Ok(Self(Rc::new(World { rank, ranks, local, all, again, _universe: universe })))
    }

    /// The number of this rank, from 0.
    pub fn rank(&self) -> usize {
        self.0.rank
    }

    /// How many there are.
    pub fn ranks(&self) -> usize {
        self.0.ranks
    }

    /// The number of this rank among those of this machine.
    pub fn local_rank(&self) -> usize {
        self.0.local[0]
    }

    /// How many there are on this machine.
    pub fn local_ranks(&self) -> usize {
        self.0.local[1]
    }

    /// What training needs of them.
    pub fn connection(&self, wire: Wire) -> Box<dyn Reduce> {
        Box::new(Connection::new(Rc::clone(&self.0), wire))
    }

    /// Gives rank 0's bytes to all.
    pub fn broadcast(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let mut length = (bytes.len() as u64).to_le_bytes();
        self.0.broadcast(&mut length);
        bytes.resize(usize::try_from(u64::from_le_bytes(length)).unwrap_or_default(), 0);
        self.0.broadcast(&mut bytes);
        bytes
    }

    /// Brings the bytes of all to rank 0, which gets them in order; the others get nothing.
    pub fn gather(&self, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        if self.rank() > 0 {
            self.0.send(&(bytes.len() as u64).to_le_bytes());
            self.0.send(&bytes);
            return vec![];
        }
        let others = (1..self.ranks()).map(|rank| {
            let mut length = [0; 8];
            self.0.receive(rank, &mut length);
            let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(length)).unwrap_or_default()];
            self.0.receive(rank, &mut bytes);
            bytes
        });
        let others: Vec<Vec<u8>> = others.collect();
        std::iter::once(bytes).chain(others).collect()
    }

    /// Ends the whole job with this exit status.
    pub fn abort(&self, status: i32) -> ! {
        self.0.all.abort(status)
    }
}
