//! What actions act on.

use crate::cluster::Cluster;
use crate::hooks::obligations::ObligationLedger;

/// What actions act on.
#[derive(Clone)]
pub struct ActionContext<'a> {
    /// The cluster that is backed up.
    pub cluster: &'a Cluster,
    /// Where what is to be undone is kept.
    pub ledger: ObligationLedger,
    /// Names the run at databases: `ark BACKUP/TOKEN`, with a token that no other run has.
    pub comment: String,
}
