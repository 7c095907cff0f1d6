//! Pending undo operations of each location, as its last look counted them: the run that made the
//! changes may be gone.

use kube::ResourceExt as _;

use crate::api::BackupStorageLocation;
use crate::controller::context::Context;

/// Stores the number of changes that are still to be undone in a location, and logs when it
/// changes.
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
