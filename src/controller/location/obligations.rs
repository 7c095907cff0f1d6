//! What waits in each location to be undone, as its last look counted it: whoever changed it may be gone.

use kube::ResourceExt as _;

use crate::api::BackupStorageLocation;
use crate::controller::context::Context;

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
