//! Goes by the statuses of Backups where their documents in the bucket cannot be read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kube::ResourceExt as _;
use tokio::time::Instant;

use super::notes::StatusNotes;
use crate::api::{Backup, PendingUndo, SYNCED_FROM};
use crate::controller::context::Context;
use crate::hooks::obligations::{ObligationNotes as _, OpenObligation, SILENT, is_held_here, undo};
use crate::model::causes;

/// What statuses say is to be undone, and since when the bucket cannot be asked, by document.
#[derive(Default)]
pub struct StatusObligations(HashMap<String, Instant>);

impl StatusObligations {
    /// Returns whether a status says that something is to be undone.
    pub fn is_open(&self) -> bool {
        !self.0.is_empty()
    }

    /// Undoes what statuses hold whose documents cannot be read for [`SILENT`], and forgets what is
    /// not in the bucket any more. `readable` says of each listed document
    /// whether it can be read, by location.
    pub async fn undo_unreadable(
        &mut self,
        context: &Context,
        readable: &BTreeMap<String, BTreeMap<String, bool>>,
    ) {
        let now = Instant::now();
        let mut known = HashMap::new();
        for backup in context.caches.backups.state() {
            for (document, pending) in of_this_cluster(&backup) {
                let location = context.locations.find(backup.spec.storage_location.as_deref());
                let listed = location.and_then(|location| readable.get(&location.name_any()));
                let is_readable = listed.and_then(|listed| listed.get(document));
                if is_held_here(document) || is_readable == Some(&true) {
                    continue;
                }
                let is_settled = listed.is_some() && is_readable.is_none();
                let since = *self.0.get(document).unwrap_or(&now);
                known.insert(document.clone(), since);
                if now - since >= SILENT {
                    undo_noted(context, &backup, document, pending, is_settled).await;
                }
            }
        }
        self.0 = known;
    }
}

/// Returns what a Backup says is to be undone; a copy of what came out of a bucket says nothing.
fn of_this_cluster(backup: &Arc<Backup>) -> impl Iterator<Item = (&String, &Vec<PendingUndo>)> {
    let is_own = !backup.annotations().contains_key(SYNCED_FROM);
    backup.status.iter().filter(move |_| is_own).flat_map(|status| &status.obligations)
}

/// Undoes what a status holds, the newest first, and removes what is undone. What is not in a
/// bucket that was listed (`is_settled`) is undone already.
async fn undo_noted(
    context: &Context,
    backup: &Backup,
    document: &str,
    pending: &[PendingUndo],
    is_settled: bool,
) {
    let mut left = Vec::new();
    for pending in pending.iter().rev().filter(|_| !is_settled) {
        let why = match OpenObligation::from(pending).undo() {
            None => "this version of Ark does not know such a change".to_owned(),
            Some(change) => match undo(&context.cluster, &change).await {
                Ok(_) => {
                    context.metrics.obligation_undone();
                    let note = format!(
                        "its document `{document}` cannot be read; undone as its status says: what {change}"
                    );
                    tracing::warn!(kind = "Backup", name = backup.name_any(), "{note}");
                    context.events.warned(backup, "Undone", &note).await;
                    continue;
                }
                Err(error) => causes(&error),
            },
        };
        tracing::warn!(kind = "Backup", name = backup.name_any(), "what {} failed: {why}", pending.what);
        left.insert(0, pending.clone());
    }
    let noted = StatusNotes::of(context, backup).note(document, (!left.is_empty()).then_some(left)).await;
    if let Err(error) = noted {
        tracing::warn!(kind = "Backup", name = backup.name_any(), "{}", causes(error.as_ref()));
    }
}
