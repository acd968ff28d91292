//! Errors of a stretch of calls, told to whoever made them and to nobody else.

use wgpu::{Device, ErrorFilter, ErrorScopeGuard};

use super::fault::Fault;

/// Error scopes of every kind. What happens between [`Self::push`] and [`Self::pop`] is theirs,
/// and does not reach the device's [`FaultCell`](super::fault::FaultCell).
///
/// A browser answers calls before its GPU process has tried them: only the answer of a scope says
/// whether they worked.
#[derive(Debug)]
pub(super) struct Scopes([ErrorScopeGuard; 3]);

impl Scopes {
    pub(super) fn push(device: &Device) -> Self {
        let kinds = [ErrorFilter::Internal, ErrorFilter::Validation, ErrorFilter::OutOfMemory];
        Self(kinds.map(|kind| device.push_error_scope(kind)))
    }

    /// Ends the scopes at once, and waits for what was wrong in them. Memory that ran out comes
    /// first: the others follow from it.
    pub(super) fn pop(self) -> impl Future<Output = Option<Fault>> {
        let [internal, validation, memory] = self.0;
        // In the reverse order of the pushes.
        let answers = (memory.pop(), validation.pop(), internal.pop());
        async move {
            let errors = [answers.0.await, answers.1.await, answers.2.await];
            errors.into_iter().flatten().next().map(Fault::from)
        }
    }

    /// [`Self::pop`], where there is nothing to wait for.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn pop_now(self) -> Option<Fault> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(self.pop()).poll(&mut context) {
            std::task::Poll::Ready(fault) => fault,
            // wgpu knows the answer when it is asked; if that ever changes, the cell has it too.
            std::task::Poll::Pending => None,
        }
    }
}
