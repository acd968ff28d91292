//! Errors that arrive outside of any call: kept until the next call can return them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;

/// What went wrong on a device, if anything has. The first fault is kept: later ones follow
/// from it.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultCell(Arc<Mutex<Option<Fault>>>);

#[derive(Clone, Debug)]
enum Fault {
    OutOfMemory(String),
    Lost(String),
    Other(String),
}

impl FaultCell {
    /// Takes in what `device` reports from now on.
    pub(super) fn watch(&self, device: &wgpu::Device) {
        let cell = self.clone();
        device.on_uncaptured_error(Arc::new(move |error| {
            cell.set(match error {
                wgpu::Error::OutOfMemory { source } => Fault::OutOfMemory(source.to_string()),
                wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
                    Fault::Other(description)
                }
            });
        }));
        let cell = self.clone();
        device.set_device_lost_callback(move |reason, message| {
            cell.set(Fault::Lost(format!("{reason:?}: {message}")));
        });
    }

    fn set(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }

    /// The fault as an error of `adapter`. A lost device stays lost; other faults are
    /// forgotten once told.
    pub(super) fn take(&self, adapter: &str) -> Option<Error> {
        let mut cell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = cell.take()?;
        let adapter = adapter.to_string();
        Some(match fault {
            Fault::OutOfMemory(problem) => Error::OutOfMemory { adapter, problem },
            Fault::Lost(problem) => {
                *cell = Some(Fault::Lost(problem.clone()));
                Error::DeviceLost { adapter, problem }
            }
            Fault::Other(problem) => Error::Gpu { adapter, problem },
        })
    }
}
