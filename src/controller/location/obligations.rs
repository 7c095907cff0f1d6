//! What waits in each location to be undone, as its last look counted it: whoever changed it may be gone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kube::ResourceExt as _;

use crate::api::BackupStorageLocation;
use crate::controller::context::Context;

/// How many changes of backups and restores wait in each location to be undone; by the uid of the location.
#[derive(Debug, Default)]
pub struct Obligations(Mutex<HashMap<String, u64>>);

impl Obligations {
    /// How many wait in a location; none before the first look at it.
    pub fn of(&self, uid: &str) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid).copied()
    }

    /// Notes how many wait in a location, and forgets the locations that are not there; returns how many waited before.
    fn set(&self, uid: String, open: u64, is_there: impl Fn(&String) -> bool) -> u64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|uid, _| is_there(uid));
        known.insert(uid, open).unwrap_or_default()
    }
}

/// Notes what waits in a location to be undone, and says so when that number changes.
pub fn note_obligations(context: &Context, location: &BackupStorageLocation, open: u64) {
    let (kind, name) = ("BackupStorageLocation", location.name_any());
    let is_there = |uid: &String| {
        context.caches.locations.find(|known| known.metadata.uid.as_ref() == Some(uid)).is_some()
    };
    let before = context.obligations.set(location.uid().unwrap_or_default(), open, is_there);
    if open == before {
        return;
    }
    if open == 0 {
        tracing::info!(kind, name, "every change that a backup or restore had to undo is undone");
    } else {
        tracing::warn!(
            kind,
            name,
            open,
            "changes that a backup or restore made wait to be undone; each is an object below `obligations/` in its bucket"
        );
    }
}
