//! Connects the processes (*ranks*) that `mpirun` or `srun` has started, by MPI where this is built with the feature
//! `mpi`. Without it there is only one process, and [`join`] refuses to be one of several.

#[cfg(feature = "mpi")]
mod connection;
#[cfg(feature = "mpi")]
mod ranks;
#[cfg(not(feature = "mpi"))]
mod without;
#[cfg(feature = "mpi")]
mod world;

#[cfg(feature = "mpi")]
pub use ranks::Ranks;
#[cfg(not(feature = "mpi"))]
pub use without::Ranks;

/// What gradients are sent as. Their sums are made in `f32` in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    /// 32 bits.
    #[default]
    F32,
    /// The upper 16 bits of an `f32`, rounded: half the bytes, and three digits less.
    Bf16,
}

/// What a launcher says of the processes that it has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The number of this one, from 0.
    pub rank: usize,
    /// How many there are.
    pub ranks: usize,
}

impl Started {
    /// What Open MPI's or MPICH's `mpirun`, or SLURM's `srun`, says in the environment; none where this process is
    /// alone.
    pub fn now() -> Option<Self> {
        Self::of(&|name| std::env::var(name).ok())
    }

    fn of(variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        /// Rank and size, of the launchers from the most to the least particular.
        const NAMES: [[&str; 2]; 3] = [
            ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"],
            ["PMI_RANK", "PMI_SIZE"],
            ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS"],
        ];
        let number = |name: &str| variable(name)?.parse::<usize>().ok();
        let found =
            NAMES.iter().find_map(|[rank, ranks]| Some(Self { rank: number(rank)?, ranks: number(ranks)? }));
        found.filter(|started| started.ranks > 1)
    }
}

/// Joins the ranks that this process was started with; none where it is alone.
///
/// # Errors
/// In words, where there are several and this was built without MPI, or MPI cannot be started.
pub fn join() -> Result<Option<Ranks>, String> {
    match Started::now() {
        None => Ok(None),
        Some(started) => Ranks::join(started).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::Started;

    #[test]
    fn launchers_say_who_is_who() {
        let of = |pairs: &[(&str, &str)]| {
            let find =
                |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            Started::of(&find)
        };
        let open_mpi = [("OMPI_COMM_WORLD_RANK", "2"), ("OMPI_COMM_WORLD_SIZE", "4")];
        assert_eq!(of(&open_mpi), Some(Started { rank: 2, ranks: 4 }));
        assert_eq!(of(&[("PMI_RANK", "0"), ("PMI_SIZE", "2")]), Some(Started { rank: 0, ranks: 2 }));
        // A batch script, which `sbatch` runs once whatever it has asked for.
        assert_eq!(of(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "8")]), None);
        let alone = [("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "1")];
        assert_eq!(of(&alone), None);
        assert_eq!(of(&[]), None);
    }
}
