//! The obligations of one run.

use super::error::ObligationError;
use super::undo::Undo;

/// What is to be undone of one run. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ObligationLedger {}

impl ObligationLedger {
    /// Stores what undoes a change. The change is made once this has returned.
    ///
    /// # Errors
    /// If the record may not outlive the process; the change is not made then.
    pub async fn announce(&self, _undo: Undo) -> Result<(), ObligationError> {
        Ok(())
    }

    /// Removes the record of a change that is undone, or was not made.
    ///
    /// # Errors
    /// If the record may still be there.
    pub async fn settle(&self, _undo: &Undo) -> Result<(), ObligationError> {
        Ok(())
    }

    /// Returns what is still to be undone, the oldest first.
    pub fn open(&self) -> Vec<Undo> {
        Vec::new()
    }
}
