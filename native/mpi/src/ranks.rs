//! The ranks of a job, connected by MPI.
#![expect(
    unsafe_code,
    reason = "MPI is a C library, and the crate's safe calls cover less than is needed here"
)]

use std::ffi::c_int;
use std::fmt;
use std::rc::Rc;

use mpi::environment::Universe;
use mpi::ffi;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{AsRaw, Communicator};
use ugatit::train::Reduce;

use super::connection::Connection;
use super::{Started, Wire};

/// The most bytes of one message: counts are 32 bits wide.
const MESSAGE: usize = 1 << 30;

/// The ranks of a job. MPI ends when the last copy of this is dropped.
#[derive(Clone)]
pub struct Ranks(Rc<World>);

/// All that MPI needs to have until its end.
pub(super) struct World {
    pub(super) rank: usize,
    pub(super) ranks: usize,
    /// The number of this rank among those of its machine, and theirs.
    pub(super) local: [usize; 2],
    pub(super) all: SimpleCommunicator,
    /// The same ranks again, for what may be begun in another order on each.
    pub(super) again: SimpleCommunicator,
    /// Dropped last.
    _universe: Universe,
}

/// A rank that panics would leave the others waiting for it for ever.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.all.abort(1);
        }
    }
}

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

impl World {
    /// Gives rank 0's bytes to all, which have as many.
    pub(super) fn broadcast(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(MESSAGE) {
            // SAFETY: the pointer and the count are those of a slice that is borrowed for the call, which returns
            // when it is done with it. What goes wrong ends the job, as MPI does by default.
            unsafe {
                ffi::MPI_Bcast(
                    part.as_mut_ptr().cast(),
                    part.len() as c_int,
                    ffi::RSMPI_UINT8_T,
                    0,
                    self.all.as_raw(),
                );
            }
        }
    }

    /// To rank 0.
    fn send(&self, bytes: &[u8]) {
        for part in bytes.chunks(MESSAGE) {
            // SAFETY: as in `broadcast`.
            unsafe {
                ffi::MPI_Send(
                    part.as_ptr().cast(),
                    part.len() as c_int,
                    ffi::RSMPI_UINT8_T,
                    0,
                    0,
                    self.all.as_raw(),
                );
            }
        }
    }

    fn receive(&self, rank: usize, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(MESSAGE) {
            // SAFETY: as in `broadcast`.
            unsafe {
                ffi::MPI_Recv(
                    part.as_mut_ptr().cast(),
                    part.len() as c_int,
                    ffi::RSMPI_UINT8_T,
                    rank as c_int,
                    0,
                    self.all.as_raw(),
                    ffi::RSMPI_STATUS_IGNORE,
                );
            }
        }
    }
}
