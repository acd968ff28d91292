//! The processes that work as one, where `mpirun` or `srun` has started several.

use std::process::ExitCode;

use ugatit::Error;
use ugatit::gpu::adapters;
use ugatit::train::Team;
use ugatit_mpi::{Ranks, Started, Wire, join};

use crate::console::{self, Usage};
use crate::device::{Choice, DeviceArgs};

/// What this process is: all of it, or one of several.
pub(crate) struct Crew(Option<Ranks>);

impl Crew {
    /// Joins the others, where there are any.
    ///
    /// # Errors
    /// [`Usage`] where this program was built without MPI and started several times.
    pub(crate) fn join() -> anyhow::Result<Self> {
        Ok(Self(join().map_err(Usage)?))
    }

    /// The ranks, where there are several.
    pub(crate) fn ranks(&self) -> Option<&Ranks> {
        self.0.as_ref()
    }

    /// Whether this is the process that tells people.
    pub(crate) fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// The number of this process, from 0.
    pub(crate) fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, Ranks::rank)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.as_ref().map_or(1, Ranks::ranks)
    }

    /// How many of them share this machine, this one included.
    pub(crate) fn neighbours(&self) -> usize {
        self.0.as_ref().map_or(1, Ranks::local_ranks)
    }

    /// Does what all ranks do. What goes wrong on one of them would leave the others waiting for it, so it ends the job
    /// with a message. What goes wrong on all of them alike, only the first tells.
    pub(crate) fn run(
        self,
        work: impl FnOnce(&Self) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        let done = work(&self);
        let (Some(ranks), Err(error)) = (&self.0, &done) else { return done };
        let of_all = |error: &(dyn std::error::Error + 'static)| {
            let known = error.downcast_ref::<Error>();
            known.is_some_and(|error| matches!(error, Error::NonFinite { .. } | Error::Ranks(_)))
        };
        let status = if error.is::<Usage>() { 2 } else { 1 };
        if !self.is_first() && (error.is::<Usage>() || error.chain().any(of_all)) {
            // MPI ends when the first has said it.
            return Ok(ExitCode::from(status));
        }
        console::error(format_args!(
            "error on rank {} of {}, which ends the job: {}",
            ranks.rank(),
            ranks.ranks(),
            crate::chain(error)
        ));
        ranks.abort(status.into())
    }

    /// Waits for all.
    ///
    /// # Errors
    /// [`Error::Ranks`] where the others cannot be reached.
    pub(crate) fn meet(&self) -> anyhow::Result<()> {
        if let Some(ranks) = &self.0 {
            Team::new(ranks.connection(Wire::F32)).any(0)?;
        }
        Ok(())
    }

    /// Waits for all, and refuses ranks on which `what` has another value.
    ///
    /// # Errors
    /// [`Error::Ranks`] on all of them.
    pub(crate) fn check_same(&self, what: &str, value: u64) -> anyhow::Result<()> {
        if let Some(ranks) = &self.0 {
            Team::new(ranks.connection(Wire::F32)).check_same(what, value)?;
        }
        Ok(())
    }

    /// The sums of numbers over all ranks; nothing on the others than the first.
    pub(crate) fn sum<const N: usize>(&self, numbers: [usize; N]) -> Option<[usize; N]> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|&n| (n as u64).to_le_bytes()).collect();
        let all = self.gather(bytes)?;
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes) as usize;
        Some(std::array::from_fn(|i| {
            all.iter().filter_map(|bytes| bytes.get(8 * i..8 * i + 8)).map(number).sum()
        }))
    }

    /// The bytes of all ranks in their order; nothing on the others than the first.
    pub(crate) fn gather(&self, bytes: Vec<u8>) -> Option<Vec<Vec<u8>>> {
        match &self.0 {
            None => Some(vec![bytes]),
            Some(ranks) => Some(ranks.gather(bytes)).filter(|_| self.is_first()),
        }
    }

    /// A line about this rank.
    pub(crate) fn note(&self, text: &str) {
        match &self.0 {
            None => console::error(text),
            Some(ranks) => console::error(format_args!("rank {}: {text}", ranks.rank())),
        }
    }

    /// The options of this rank: of a list of GPUs its own; without a list each of a machine's ranks gets another GPU,
    /// as far as there are as many. Ranks on one machine share its cores.
    pub(crate) fn device(&self, args: &DeviceArgs) -> DeviceArgs {
        let Some(ranks) = &self.0 else { return args.clone() };
        self.share_cores(ranks);
        let adapter = match &args.adapter {
            Some(list) => {
                let names: Vec<&str> = list.split(',').map(str::trim).collect();
                Some(names[ranks.local_rank() % names.len()].to_owned())
            }
            None if args.device == Choice::Cpu => None,
            None => {
                let all = pollster::block_on(adapters());
                let gpus: Vec<usize> = (0..all.len()).filter(|&i| all[i].kind != "software").collect();
                (gpus.len() > 1).then(|| gpus[ranks.local_rank() % gpus.len()].to_string())
            }
        };
        DeviceArgs { adapter, ..args.clone() }
    }

    /// As many threads as this rank may have cores, where nobody has said how many.
    fn share_cores(&self, ranks: &Ranks) {
        if std::env::var_os("RAYON_NUM_THREADS").is_some() {
            return;
        }
        // `mpirun` binds each rank to cores of its own, or to a socket that it shares.
        let allowed = std::thread::available_parallelism().map_or(1, usize::from);
        let share = cores().unwrap_or(allowed).div_ceil(ranks.local_ranks());
        // Somebody who has computed already has threads.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(allowed.min(share).max(1)).build_global();
    }
}

/// The processor cores of the machine, whichever of them this process may use.
fn cores() -> Option<usize> {
    #[cfg(unix)]
    {
        #[expect(unsafe_code, reason = "the standard library tells only the cores that this process may use")]
        // SAFETY: it takes a number and returns one.
        let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
        usize::try_from(count).ok().filter(|&count| count > 0)
    }
    #[cfg(not(unix))]
    None
}

/// Whether a wrong command line is to be told by this process: of several that have the same, by the first.
pub(crate) fn tells() -> bool {
    Started::now().is_none_or(|started| started.rank == 0)
}
