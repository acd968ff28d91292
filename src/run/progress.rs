//! What is told of a run while it trains.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::Result;
use crate::train::StepReport;

/// What a call of [`Run::advance`](super::Run::advance) has brought.
#[derive(Debug, Default)]
pub struct Progress {
    /// The iteration that has come to its end, where one has: on a GPU it is one late, unless something
    /// was written.
    pub report: Option<StepReport>,
    /// The sheets that were written.
    pub sheets: Vec<PathBuf>,
    /// The checkpoint that was written.
    pub checkpoint: Option<PathBuf>,
    /// What did not go well and did not end the run: pictures that were left out, files that could not be written.
    pub notices: Vec<String>,
}

/// The notices that a run has given; each is given once.
#[derive(Default)]
pub(super) struct Notices(BTreeSet<String>);

impl Notices {
    pub(super) fn add(&mut self, text: String, progress: &mut Progress) {
        if self.0.insert(text.clone()) {
            progress.notices.push(text);
        }
    }

    /// Takes in how it went with something that people only look at.
    pub(super) fn seen(&mut self, result: Result<()>, progress: &mut Progress) {
        if let Err(error) = result {
            let text = format!("the run goes on, but what shows how it goes could not be written: {error}");
            self.add(text, progress);
        }
    }
}
