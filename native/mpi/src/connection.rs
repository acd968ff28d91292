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
use super::world::World;

/// Values as they are sent.
enum Values {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
}

impl Values {
    fn of(wire: Wire, values: Vec<f32>) -> Self {
        match wire {
            Wire::F32 => Self::F32(values),
            Wire::Bf16 => Self::Bf16(values.into_iter().map(bf16::from_f32).collect()),
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

    /// Of `ranks` parts side by side their sum, in the place of what `sums` holds.
    fn sum(&self, ranks: usize, sums: &mut Vec<f32>) {
        fn add(sums: &mut [f32], parts: impl Iterator<Item = f32>) {
            sums.iter_mut().zip(parts).for_each(|(sum, x)| *sum += x);
        }
        match self {
            Self::F32(values) => {
                let (first, others) = values.split_at(values.len() / ranks);
                sums.clear();
                sums.extend_from_slice(first);
                let others = others.chunks(sums.len().max(1));
                others.for_each(|part| add(sums, part.iter().copied()));
            }
            Self::Bf16(values) => {
                let (first, others) = values.split_at(values.len() / ranks);
                sums.clear();
                sums.extend(first.iter().map(|x| x.to_f32()));
                let others = others.chunks(sums.len().max(1));
                others.for_each(|part| add(sums, part.iter().map(|x| x.to_f32())));
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
    sent: Values,
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

    /// What was sent and what was received, after the waiting.
    fn finish(mut self) -> Result<[Values; 2]> {
        self.wait()?;
        Ok([&mut self.sent, &mut self.received].map(|values| std::mem::replace(values, Values::F32(vec![]))))
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
    /// Memory that is used again, since the system clears what it gives anew, which took longer than the sums.
    spare: Vec<Vec<f32>>,
    /// The most buckets that there were at a time: so much memory is kept.
    most: usize,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}, {:?}", self.world.rank, self.world.ranks, self.wire)
    }
}

impl Connection {
    pub(super) fn new(world: Rc<World>, wire: Wire) -> Self {
        Self { world, wire, buckets: VecDeque::new(), spare: vec![], most: 0 }
    }

    /// Memory for so many values, which hold anything.
    fn room(&mut self, count: usize) -> Vec<f32> {
        let fitting = self.spare.iter().position(|spare| spare.capacity() >= count);
        let mut values = fitting.map(|i| self.spare.swap_remove(i)).unwrap_or_default();
        values.resize(count, 0.0);
        values
    }

    fn keep(&mut self, values: Values) {
        if let Values::F32(values) = values
            && self.spare.len() < self.most
        {
            self.spare.push(values);
        }
    }

    /// Begins a collective call in which this rank sends parts of so many values, and gets one from each rank.
    fn exchange(
        &mut self,
        call: Collective,
        among: fn(&World) -> &SimpleCommunicator,
        mut sent: Values,
        part: usize,
    ) -> Result<Exchange> {
        let count = part * self.world.ranks;
        let mut received = match sent {
            Values::F32(_) => Values::F32(self.room(count)),
            Values::Bf16(_) => Values::Bf16(vec![bf16::ZERO; count]),
        };
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
                among(&self.world).as_raw(),
                &mut request,
            )
        })?;
        Ok(Exchange { sent, received, request })
    }

    /// Begins to give each rank its part of `sent`, which holds one for each.
    fn scatter(&mut self, sent: Values, part: usize) -> Result<Exchange> {
        self.exchange(ffi::MPI_Ialltoall, |world| &world.all, sent, part)
    }

    /// Begins to give `sent`, this rank's part, to all.
    fn gather(&mut self, sent: Values, part: usize) -> Result<Exchange> {
        self.exchange(ffi::MPI_Iallgather, |world| &world.again, sent, part)
    }

    /// Adds up the parts of a bucket that are here, and begins to give the sum to all. In the order of the buckets,
    /// so that it is the same on all ranks.
    fn sum(&mut self, i: usize) -> Result<()> {
        let (values, wire) = (self.buckets[i].values, self.buckets[i].wire);
        let part = values.div_ceil(self.world.ranks);
        let mut sums = self.room(part);
        self.buckets[i].exchange.received.sum(self.world.ranks, &mut sums);
        let exchange = self.gather(Values::of(wire, sums), part)?;
        let bucket = &mut self.buckets[i];
        bucket.summed = true;
        for values in std::mem::replace(&mut bucket.exchange, exchange).finish()? {
            self.keep(values);
        }
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
        self.most = self.most.max(self.buckets.len());
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
        while let Some(bucket) = self.buckets.pop_front() {
            let [sent, received] = bucket.exchange.finish()?;
            self.keep(sent);
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
