//! What was looked at of the obligations of locations, and when.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many changes of backups and restores wait in each location to be undone; by the uid of the location.
#[derive(Debug, Default)]
pub struct Obligations(Mutex<HashMap<String, u64>>);

impl Obligations {
    /// How many wait in a location; none before the first look at it.
    pub fn of(&self, uid: &str) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid).copied()
    }

    /// Notes how many wait in a location, and forgets the locations that are not there; returns how many waited before.
    pub fn set(&self, uid: String, open: u64, is_there: impl Fn(&String) -> bool) -> u64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|uid, _| is_there(uid));
        known.insert(uid, open).unwrap_or_default()
    }
}
