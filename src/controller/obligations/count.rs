//! Number of documents of obligations per location, as last counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Counts the runs of each location that have something to undo, by the uid of the location.
#[derive(Debug, Default)]
pub struct Obligations {
    counts: Mutex<HashMap<String, u64>>,
    found: Notify,
}

impl Obligations {
    /// Returns the number of a location, or `None` before the first count.
    pub fn of(&self, uid: &str) -> Option<u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).get(uid).copied()
    }

    /// Stores the number of a location and drops locations that no longer exist. Returns the
    /// previous number, 0 if there was none.
    pub fn set(&self, uid: String, open: u64, is_there: impl Fn(&String) -> bool) -> u64 {
        let mut known = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|uid, _| is_there(uid));
        known.insert(uid, open).unwrap_or_default()
    }

    /// Says that a validation has found something to undo.
    pub fn wake(&self) {
        self.found.notify_one();
    }

    /// Waits until a validation finds something to undo.
    pub async fn found(&self) {
        self.found.notified().await;
    }
}
