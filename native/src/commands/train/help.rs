//! The ranks that compute their part of a run which rank 0 keeps.

use std::process::ExitCode;
use std::time::Instant;

use ugatit::io::Dataset;
use ugatit::run::Helper;
use ugatit::train::Team;
use ugatit_mpi::Ranks;

use crate::device::{self, DeviceArgs};
use crate::interrupt::stop_on_interrupt;
use crate::ranks::Crew;

use super::{Args, INTERRUPTED, wishes};

/// Trains with the others until all is done, or one of them wants to stop.
pub(super) fn run(
    crew: &Crew,
    ranks: &Ranks,
    args: &Args,
    device_args: &DeviceArgs,
) -> anyhow::Result<ExitCode> {
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let dataset = Dataset::open(&args.data)?;
    let chosen = device::open(device_args)?;
    let stop = stop_on_interrupt("after this iteration");
    let team = Team::new(ranks.connection(args.reduce.into()));
    let mut helper = Helper::join_blocking(&dataset, &chosen.device, team)?;
    let deadline = args.time.map(|time| Instant::now() + time);
    while !helper.is_done() {
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let wishes = helper.agree(wishes(&stop, late))?;
        if wishes != 0 {
            return Ok(if wishes & INTERRUPTED != 0 { ExitCode::from(130) } else { ExitCode::SUCCESS });
        }
        for notice in helper.advance_blocking()? {
            crew.note(&notice);
        }
    }
    Ok(ExitCode::SUCCESS)
}
