//! Buffers that the processor reads or writes.

use std::ops::RangeBounds;

use futures_channel::oneshot;

use crate::error::Result;

use super::Gpu;

/// A buffer that is being mapped. It is unmapped when this is dropped, whether it came so far or
/// not.
#[derive(Debug)]
pub(crate) struct Mapping {
    mapped: Mapped,
    answer: oneshot::Receiver<std::result::Result<(), wgpu::BufferAsyncError>>,
}

/// A buffer that is mapped. It is unmapped when this is dropped: on every way out of a function,
/// since a buffer that stays mapped cannot be used any more, by nobody.
#[derive(Debug)]
pub(crate) struct Mapped {
    gpu: Gpu,
    buffer: wgpu::Buffer,
}

impl Mapped {
    /// The buffer, which was made mapped or has just become so.
    pub(super) fn new(gpu: &Gpu, buffer: &wgpu::Buffer) -> Self {
        Self { gpu: gpu.clone(), buffer: buffer.clone() }
    }

    /// The bytes of a range.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] where it is not in the buffer or is not mapped.
    pub(crate) fn read(&self, range: impl RangeBounds<u64>) -> Result<wgpu::BufferView> {
        self.buffer.get_mapped_range(range).map_err(|e| self.gpu.error(&e))
    }

    /// The bytes of a range, to be written.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn write(&self, range: impl RangeBounds<u64>) -> Result<wgpu::BufferViewMut> {
        self.buffer.get_mapped_range_mut(range).map_err(|e| self.gpu.error(&e))
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // To unmap what did not get mapped is an error to wgpu natively, and is none here.
        #[cfg(not(target_arch = "wasm32"))]
        let _scope = self.gpu.device().push_error_scope(wgpu::ErrorFilter::Validation);
        self.buffer.unmap();
    }
}

impl Gpu {
    /// Waits for all work submitted so far and until `buffer` is mapped.
    ///
    /// # Errors
    /// What the device reported, [`crate::Error::DeviceLost`] if it does not answer.
    pub(crate) async fn map(&self, buffer: &wgpu::Buffer, mode: wgpu::MapMode) -> Result<Mapped> {
        self.mapped(self.begin_map(buffer, mode), None).await
    }

    /// Has `buffer` mapped as soon as the work submitted so far no longer needs it.
    pub(crate) fn begin_map(&self, buffer: &wgpu::Buffer, mode: wgpu::MapMode) -> Mapping {
        let (sender, answer) = oneshot::channel();
        // Nobody waits any more where the receiver is gone.
        buffer.map_async(mode, .., move |result| drop(sender.send(result)));
        Mapping { mapped: Mapped::new(self, buffer), answer }
    }

    /// Waits until a mapping that was begun is there, and for no submission after `submission`.
    ///
    /// # Errors
    /// What the device reported, [`crate::Error::DeviceLost`] if it does not answer.
    pub(crate) async fn mapped(
        &self,
        mapping: Mapping,
        submission: Option<wgpu::SubmissionIndex>,
    ) -> Result<Mapped> {
        let Mapping { mapped, answer } = mapping;
        #[cfg(not(target_arch = "wasm32"))]
        self.wait_for(submission)?;
        #[cfg(not(target_arch = "wasm32"))]
        let answer = answer.await;
        // A browser goes on by itself, and knows no single submission.
        #[cfg(target_arch = "wasm32")]
        let _ = submission;
        #[cfg(target_arch = "wasm32")]
        let answer = super::browser::nudged(self.device(), self.queue(), answer).await;
        self.check()?;
        match answer {
            Ok(result) => result.map_err(|e| self.error(&e))?,
            Err(oneshot::Canceled) => return Err(self.error(&"a mapping was never answered")),
        }
        Ok(mapped)
    }
}
