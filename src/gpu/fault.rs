//! Errors that arrive outside of any call: kept until the next call can return them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::events::event;

/// What went wrong on a device, if anything has.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultCell(Arc<Mutex<Faults>>);

#[derive(Debug, Default)]
struct Faults {
    /// Why the device is lost. That is told once, so it is kept for good; and it is the answer to
    /// everything, whatever else went wrong before (often memory that ran out) or after.
    lost: Option<String>,
    /// The first of the others: later ones follow from it.
    other: Option<Fault>,
}

#[derive(Clone, Debug)]
pub(super) enum Fault {
    OutOfMemory(String),
    Lost(String),
    Other(String),
}

impl From<wgpu::Error> for Fault {
    fn from(error: wgpu::Error) -> Self {
        match error {
            wgpu::Error::OutOfMemory { source } => Self::OutOfMemory(source.to_string()),
            wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
                Self::Other(description)
            }
        }
    }
}

impl Fault {
    /// The fault as an error of `adapter`.
    pub(super) fn on(self, adapter: &str) -> Error {
        let adapter = adapter.to_string();
        match self {
            Self::OutOfMemory(problem) => Error::OutOfMemory { adapter, problem },
            Self::Lost(problem) => Error::DeviceLost { adapter, problem },
            Self::Other(problem) => Error::Gpu { adapter, problem },
        }
    }
}

impl FaultCell {
    /// Takes in what `device` reports from now on.
    pub(super) fn watch(&self, device: &wgpu::Device) {
        let cell = self.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| cell.set(error.into())));
        let cell = self.clone();
        device.set_device_lost_callback(move |reason, message| {
            cell.set(Fault::Lost(format!("{reason:?}: {message}")));
        });
    }

    pub(super) fn set(&self, fault: Fault) {
        event!(WARN, "the device reports {fault:?}");
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            Fault::Lost(problem) => _ = faults.lost.get_or_insert(problem),
            fault => _ = faults.other.get_or_insert(fault),
        }
    }

    /// The fault that is to be told. A lost device stays lost; other faults are forgotten once told.
    pub(super) fn take(&self) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &faults.lost {
            Some(problem) => Some(Fault::Lost(problem.clone())),
            None => faults.other.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(cell: &FaultCell) -> Option<Error> {
        cell.take().map(|fault| fault.on("a GPU"))
    }

    #[test]
    fn the_first_fault_is_told_once() {
        let cell = FaultCell::default();
        cell.set(Fault::OutOfMemory("first".into()));
        cell.set(Fault::Other("follows from it".into()));
        assert!(matches!(told(&cell), Some(Error::OutOfMemory { problem, .. }) if problem == "first"));
        assert!(told(&cell).is_none());
    }

    #[test]
    fn a_loss_is_stronger_than_what_came_before_it_and_stays() {
        let cell = FaultCell::default();
        cell.set(Fault::OutOfMemory("before".into()));
        cell.set(Fault::Lost("the driver was reset".into()));
        cell.set(Fault::Other("after".into()));
        for _ in 0..3 {
            let error = told(&cell);
            assert!(matches!(&error, Some(Error::DeviceLost { .. })), "{error:?}");
        }
    }
}
