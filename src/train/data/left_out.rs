//! Pictures of a dataset that cannot be read: a few are no reason to end a run of days.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// One picture in so many may be left out; of a few pictures, one.
const ONE_IN: usize = 20;

/// The pictures of one domain that are left out.
#[derive(Default)]
pub(super) struct LeftOut(Mutex<State>);

#[derive(Default)]
struct State {
    indices: BTreeSet<usize>,
    /// What was wrong with those that nobody has been told of.
    news: Vec<Error>,
}

impl LeftOut {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.lock().indices.contains(&index)
    }

    /// Leaves out picture `index` of `length`.
    ///
    /// # Errors
    /// `error`, where that would be too many.
    pub(super) fn add(&self, index: usize, error: Error, length: usize) -> Result<()> {
        let mut state = self.lock();
        let allowed = (length / ONE_IN).max(1).min(length.saturating_sub(1));
        if state.indices.contains(&index) {
            return Ok(());
        }
        if state.indices.len() == allowed {
            let count = allowed + 1;
            return Err(match error {
                Error::Picture { path, problem } if count > 1 => Error::Picture {
                    path,
                    problem: format!(
                        "{problem}. It is one of {count} of this domain's {length} pictures that cannot be read, which is too many to leave out"
                    ),
                },
                other => other,
            });
        }
        state.indices.insert(index);
        state.news.push(error);
        Ok(())
    }

    /// What was wrong with those that were left out since the last call.
    pub(super) fn news(&self) -> Vec<Error> {
        std::mem::take(&mut self.lock().news)
    }
}
