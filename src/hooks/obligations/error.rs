//! Failures of obligations.

use crate::model::Cause;

/// Whatever kept an obligation from being stored, removed or undone.
#[derive(Debug, thiserror::Error)]
pub enum ObligationError {
    /// The ledger cannot be written.
    #[error("storing what is to be undone later")]
    Store(#[source] Cause),
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
}
