//! Failures of obligations.

use crate::bucket::BucketError;
use crate::model::Cause;

/// Whatever kept an obligation from being stored, removed or undone.
#[derive(Debug, thiserror::Error)]
pub enum ObligationError {
    /// The ledger cannot be written.
    #[error("storing what is to be undone later")]
    Store(#[source] Cause),
    /// Another process has taken the document over, or has undone all of it.
    #[error(
        "another process undoes what this run has changed, since nothing was heard of this one for a while; nothing more is changed"
    )]
    Taken,
    /// The document cannot be read.
    #[error("what is to be undone cannot be read, and is left alone: {0}")]
    Unreadable(String),
    /// A workload cannot be scaled back.
    #[error("scaling {workload} back to {replicas}")]
    Scale {
        /// The kind, namespace and name.
        workload: String,
        /// The number of replicas that it had.
        replicas: i32,
        /// The cause.
        source: Cause,
    },
    /// A database cannot be released.
    #[error("undoing what a backup changed")]
    Undo(#[source] Cause),
}

impl From<BucketError> for ObligationError {
    fn from(error: BucketError) -> Self {
        Self::Store(error.into())
    }
}
