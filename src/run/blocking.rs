//! The calls of a run for callers that are not async: each waits on the thread that calls it.

use std::path::PathBuf;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::io::Dataset;
use crate::train::Team;

use super::config::RunConfig;
use super::driver::{Beginning, Run};
use super::helper::Helper;
use super::progress::Progress;
use super::trained_on::OtherData;

impl Run {
    /// [`Self::open`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_blocking(
        folder: impl Into<PathBuf>,
        dataset: Dataset,
        config: RunConfig,
        device: Device,
    ) -> Result<(Self, Beginning)> {
        pollster::block_on(Self::open(folder, dataset, config, device))
    }

    /// [`Self::open_in`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::open_in`].
    pub fn open_in_blocking(
        team: Option<Team>,
        folder: impl Into<PathBuf>,
        dataset: Dataset,
        config: RunConfig,
        device: Device,
        other: OtherData,
    ) -> Result<(Self, Beginning)> {
        pollster::block_on(Self::open_in(team, folder, dataset, config, device, other))
    }

    /// [`Self::advance`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::advance`].
    pub fn advance_blocking(&mut self) -> Result<Progress> {
        pollster::block_on(self.advance())
    }

    /// [`Self::stop`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::stop`].
    pub fn stop_blocking(self, reason: &str) -> Result<Option<PathBuf>> {
        pollster::block_on(self.stop(reason))
    }

    /// [`Self::fail`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::fail`].
    pub fn fail_blocking(&mut self, error: &Error) -> Result<u64> {
        pollster::block_on(self.fail(error))
    }

    /// [`Self::recover`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::recover`].
    pub fn recover_blocking(self, device: Device, notice: Option<&str>) -> Result<Self> {
        pollster::block_on(self.recover(device, notice))
    }
}

impl Helper {
    /// [`Self::join`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::join`].
    pub fn join_blocking(dataset: &Dataset, device: &Device, team: Team) -> Result<Self> {
        pollster::block_on(Self::join(dataset, device, team))
    }

    /// [`Self::advance`] for callers that are not async.
    ///
    /// # Errors
    /// Those of [`Self::advance`].
    pub fn advance_blocking(&mut self) -> Result<Vec<String>> {
        pollster::block_on(self.advance())
    }
}
