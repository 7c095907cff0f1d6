//! The process that holds a document of obligations.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Time without a heartbeat after which a holder is dead: three heartbeats.
pub const SILENT: Duration = Duration::from_secs(30);

/// Documents that ledgers of this process keep alive, by their ids.
static HELD_HERE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The process that holds a document of obligations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObligationHolder {
    /// The process as people read it: pod, or host and process id.
    #[serde(rename = "holder")]
    pub name: String,
    /// Drawn by the process when it starts: a restarted pod has the name of its predecessor.
    pub process: String,
}

impl ObligationHolder {
    /// Returns this process, under the name that people know.
    pub fn this_process(name: impl Into<String>) -> Self {
        static PROCESS: OnceLock<String> = OnceLock::new();
        let process = PROCESS.get_or_init(|| Uuid::new_v4().to_string());
        Self { name: name.into(), process: process.clone() }
    }
}

/// Says that a ledger of this process keeps a document alive, until it is dropped.
#[derive(Debug)]
pub(super) struct HeldHere(String);

impl HeldHere {
    pub(super) fn new(id: String) -> Self {
        HELD_HERE.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Self(id)
    }
}

impl Drop for HeldHere {
    fn drop(&mut self) {
        HELD_HERE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Returns whether a ledger of this process keeps the document alive.
pub fn is_held_here(id: &str) -> bool {
    HELD_HERE.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
}
