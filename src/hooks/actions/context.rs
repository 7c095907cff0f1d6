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
    /// The name of the backup.
    pub backup: String,
    /// Whether the server acts, for whoever may create Backups, and not a person.
    pub is_server: bool,
    /// Names the run at databases: `ark BACKUP/TOKEN`, with a token that no other run has.
    pub comment: String,
}
