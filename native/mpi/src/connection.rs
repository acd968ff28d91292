//! Sums over all ranks that go on while something else is computed.
//!
//! A bucket is cut into as many parts as there are ranks. Each rank gets its part from all (`MPI_Ialltoall`), adds
//! them up in the order of the ranks, and gives the sum to all (`MPI_Iallgather`). That sends as little as a ring does,
//! and unlike `MPI_Allreduce` it has one order of additions whatever the MPI, the size and the network: sums are the
//! same on all ranks and in every run, and those that one process would come to.
#![expect(
    unsafe_code,
    reason = "the crate's safe calls cannot be kept beyond a scope, and these go on while others compute"
)]

use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::rc::Rc;

use half::bf16;
use mpi::ffi;
use mpi::topology::SimpleCommunicator;
use mpi::traits::AsRaw;
use ugatit::train::{Precision, Reduce};
use ugatit::{Error, Result};

use super::Wire;
use super::ranks::World;

/// Values as they are sent.
enum Values {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
}

impl Values {
    fn new(wire: Wire, count: usize) -> Self {
        match wire {
            Wire::F32 => Self::F32(vec![0.0; count]),
            Wire::Bf16 => Self::Bf16(vec![bf16::ZERO; count]),
        }
    }

    fn of(wire: Wire, values: Vec<f32>) -> Self {
        match wire {
            Wire::F32 => Self::F32(values),
            Wire::Bf16 => Self::Bf16(values.into_iter().map(bf16::from_f32).collect()),
        }
    }

    fn wire(&self) -> Wire {
        match self {
            Self::F32(_) => Wire::F32,
            Self::Bf16(_) => Wire::Bf16,
        }
    }

    fn pointer(&mut self) -> *mut c_void {
        match self {
            Self::F32(values) => values.as_mut_ptr().cast(),
            Self::Bf16(values) => values.as_mut_ptr().cast(),
        }
    }

    fn kind(&self) -> ffi::MPI_Datatype {
        // SAFETY: constants of the C library, which nobody changes.
        let [float, bits] = unsafe { [ffi::RSMPI_FLOAT, ffi::RSMPI_UINT16_T] };
        match self {
            Self::F32(_) => float,
            // Only bits are sent; nobody but this computes with them.
            Self::Bf16(_) => bits,
        }
    }

    /// Of `ranks` parts side by side their sum.
    fn sum(&self, ranks: usize) -> Vec<f32> {
        fn add(sums: &mut [f32], parts: impl Iterator<Item = f32>) {
            sums.iter_mut().zip(parts).for_each(|(sum, x)| *sum += x);
        }
        match self {
            Self::F32(values) => {
                let (first, others) = values.split_at(values.len() / ranks);
                let mut sums = first.to_vec();
                let others = others.chunks(sums.len().max(1));
                others.for_each(|part| add(&mut sums, part.iter().copied()));
                sums
            }
            Self::Bf16(values) => {
                let (first, others) = values.split_at(values.len() / ranks);
                let mut sums: Vec<f32> = first.iter().map(|x| x.to_f32()).collect();
                let others = others.chunks(sums.len().max(1));
                others.for_each(|part| add(&mut sums, part.iter().map(|x| x.to_f32())));
                sums
            }
        }
    }

    fn into_f32(self) -> Vec<f32> {
        match self {
            Self::F32(values) => values,
            Self::Bf16(values) => values.into_iter().map(bf16::to_f32).collect(),
        }
    }
}

/// `MPI_Ialltoall` or `MPI_Iallgather`, which are called alike.
type Collective = unsafe extern "C" fn(
    *const c_void,
    c_int,
    ffi::MPI_Datatype,
    *mut c_void,
    c_int,
    ffi::MPI_Datatype,
    ffi::MPI_Comm,
    *mut ffi::MPI_Request,
) -> c_int;

/// A message to all and from all that is on its way. Its memory stays where it is until it is waited for.
struct Exchange {
    _sent: Values,
    received: Values,
    request: ffi::MPI_Request,
}

impl Exchange {
    /// Whether it is done, after a look at the network.
    fn is_done(&mut self) -> Result<bool> {
        let mut done: c_int = 0;
        // SAFETY: the request is one that was begun, and is null once it is done, which may be tested too.
        check(unsafe { ffi::MPI_Test(&mut self.request, &mut done, ffi::RSMPI_STATUS_IGNORE) })?;
        Ok(done != 0)
    }

    fn wait(&mut self) -> Result<()> {
        // SAFETY: as in `is_done`.
        check(unsafe { ffi::MPI_Wait(&mut self.request, ffi::RSMPI_STATUS_IGNORE) })
    }
}

/// MPI would write to memory that is given back: whoever gives up before all is done waits first.
impl Drop for Exchange {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // There is nobody to tell; the job ends by itself where MPI fails.
            let _ = self.wait();
        }
    }
}

fn check(code: c_int) -> Result<()> {
    match code {
        0 => Ok(()),
        code => Err(Error::Ranks(format!("MPI has failed with error {code}"))),
    }
}

/// A bucket that was begun: its values, what it is sent as, and how far it is.
struct Bucket {
    values: usize,
    wire: Wire,
    exchange: Exchange,
    /// Whether the parts are added up and their sums are on their way.
    summed: bool,
}

/// A rank's connection to the others, for training.
pub(super) struct Connection {
    world: Rc<World>,
    wire: Wire,
    buckets: VecDeque<Bucket>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}, {:?}", self.world.rank, self.world.ranks, self.wire)
    }
}

impl Connection {
    pub(super) fn new(world: Rc<World>, wire: Wire) -> Self {
        Self { world, wire, buckets: VecDeque::new() }
    }

    /// Begins a collective call in which this rank sends parts of so many values, and gets one from each rank.
    fn exchange(
        &self,
        call: Collective,
        among: &SimpleCommunicator,
        mut sent: Values,
        part: usize,
    ) -> Result<Exchange> {
        let mut received = Values::new(sent.wire(), part * self.world.ranks);
        // SAFETY: a constant of the C library.
        let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
        // SAFETY: `received` holds a part of each rank, and `sent` as many as the callers say; both are of that type, and
        // stay until the request is done (`Exchange`).
        check(unsafe {
            call(
                sent.pointer(),
                part as c_int,
                sent.kind(),
                received.pointer(),
                part as c_int,
                received.kind(),
                among.as_raw(),
                &mut request,
            )
        })?;
        Ok(Exchange { _sent: sent, received, request })
    }

    /// Begins to give each rank its part of `sent`, which holds one for each.
    fn scatter(&self, sent: Values, part: usize) -> Result<Exchange> {
        self.exchange(ffi::MPI_Ialltoall, &self.world.all, sent, part)
    }

    /// Begins to give `sent`, this rank's part, to all.
    fn gather(&self, sent: Values, part: usize) -> Result<Exchange> {
        self.exchange(ffi::MPI_Iallgather, &self.world.again, sent, part)
    }

    /// Adds up the parts of a bucket that are here, and begins to give the sum to all. In the order of the buckets,
    /// so that it is the same on all ranks.
    fn sum(&mut self, i: usize) -> Result<()> {
        let (sums, wire) = {
            let bucket = &self.buckets[i];
            (bucket.exchange.received.sum(self.world.ranks), bucket.wire)
        };
        let part = sums.len();
        let exchange = self.gather(Values::of(wire, sums), part)?;
        let bucket = &mut self.buckets[i];
        bucket.exchange = exchange;
        bucket.summed = true;
        Ok(())
    }
}

impl Reduce for Connection {
    fn rank(&self) -> usize {
        self.world.rank
    }

    fn ranks(&self) -> usize {
        self.world.ranks
    }

    fn neighbours(&self) -> usize {
        self.world.local[1]
    }

    fn begin(&mut self, mut bucket: Vec<f32>, precision: Precision) -> Result<()> {
        let wire = if precision == Precision::Gradient { self.wire } else { Wire::F32 };
        let values = bucket.len();
        let part = values.div_ceil(self.world.ranks);
        if c_int::try_from(part).is_err() {
            return Err(Error::Ranks(format!("{values} values are too many for one sum")));
        }
        bucket.resize(part * self.world.ranks, 0.0);
        let exchange = self.scatter(Values::of(wire, bucket), part)?;
        self.buckets.push_back(Bucket { values, wire, exchange, summed: false });
        Ok(())
    }

    fn progress(&mut self) -> Result<()> {
        let first = self.buckets.iter().position(|bucket| !bucket.summed);
        match first {
            // A look at any message moves all.
            None => match self.buckets.back_mut() {
                Some(last) => last.exchange.is_done().map(drop),
                None => Ok(()),
            },
            Some(first) => {
                for i in first..self.buckets.len() {
                    if !self.buckets[i].exchange.is_done()? {
                        break;
                    }
                    self.sum(i)?;
                }
                Ok(())
            }
        }
    }

    fn finish(&mut self) -> Result<Vec<Vec<f32>>> {
        for i in 0..self.buckets.len() {
            if !self.buckets[i].summed {
                self.buckets[i].exchange.wait()?;
                self.sum(i)?;
            }
        }
        let mut sums = Vec::with_capacity(self.buckets.len());
        while let Some(mut bucket) = self.buckets.pop_front() {
            bucket.exchange.wait()?;
            let received = std::mem::replace(&mut bucket.exchange.received, Values::F32(vec![]));
            let mut values = received.into_f32();
            values.truncate(bucket.values);
            sums.push(values);
        }
        Ok(sums)
    }

    fn any(&mut self, bits: u64) -> Result<u64> {
        let mut all = 0_u64;
        // SAFETY: one number each, borrowed for the call, which returns when it is done.
        check(unsafe {
            ffi::MPI_Allreduce(
                (&raw const bits).cast(),
                (&raw mut all).cast(),
                1,
                ffi::RSMPI_UINT64_T,
                ffi::RSMPI_BOR,
                self.world.all.as_raw(),
            )
        })?;
        Ok(all)
    }

    fn broadcast(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.world.broadcast(bytes);
        Ok(())
    }
}
