//! What MPI needs, and the messages that are waited for.
#![expect(
    unsafe_code,
    reason = "MPI is a C library, and the crate's safe calls cover less than is needed here"
)]

use std::ffi::c_int;

use mpi::environment::Universe;
use mpi::ffi;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{AsRaw, Communicator};

/// The most bytes of one message: counts are 32 bits wide.
const MESSAGE: usize = 1 << 30;

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
    pub(super) _universe: Universe,
}

/// A rank that panics would leave the others waiting for it for ever.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.all.abort(1);
        }
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
    pub(super) fn send(&self, bytes: &[u8]) {
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

    pub(super) fn receive(&self, rank: usize, bytes: &mut [u8]) {
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
