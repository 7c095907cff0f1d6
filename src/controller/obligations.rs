//! Number of pending undo operations per location, as last counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Counts the changes of backups and restores that are still to be undone, by the uid of the
/// location.
#[derive(Debug, Default)]
pub struct Obligations(Mutex<HashMap<String, u64>>);

impl Obligations {
    /// Returns the number of pending changes in a location, or `None` before the first count.
    pub fn of(&self, uid: &str) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid).copied()
    }

    /// Stores the number of pending changes of a location and drops locations that no longer exist.
    /// Returns the previous number, 0 if there was none.
    pub fn set(&self, uid: String, open: u64, is_there: impl Fn(&String) -> bool) -> u64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|uid, _| is_there(uid));
        known.insert(uid, open).unwrap_or_default()
    }
}
