//! Failures of obligations.

use crate::model::Cause;

/// Whatever kept an obligation from being stored, removed or undone.
#[derive(Debug, thiserror::Error)]
pub enum ObligationError {
    /// The ledger cannot be written.
    #[error("storing what is to be undone later")]
    Store(#[source] Cause),
    /// A change cannot be undone.
    #[error("undoing what a backup changed")]
    Undo(#[source] Cause),
}
