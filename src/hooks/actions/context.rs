//! What actions act on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// The workloads that actions left at zero.
    pub zeros: ZeroWorkloads,
}

/// The uids of the workloads that actions left at zero. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ZeroWorkloads(Arc<Mutex<HashSet<String>>>);

impl ZeroWorkloads {
    /// Notes that a workload is at zero.
    pub fn add(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned());
    }

    /// Returns whether a workload was at zero.
    pub fn contains(&self, uid: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(uid)
    }
}
