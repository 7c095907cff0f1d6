//! Undoes what a dead process has left, and tells of it.

use std::sync::Arc;

use tokio::time::Instant;

use super::look::LeftObligations;
use super::notes::StatusNotes;
use super::watched::DocumentKey;
use crate::api::Backup;
use crate::controller::context::Context;
use crate::hooks::obligations::{
    ObligationError, ObligationHolder, ObligationNotes, ObligedRun, UndoneObligations, undo_left,
};
use crate::model::causes;

/// Name of what is undone, for the pauses after failures.
const KIND: &str = "Obligation";

/// Undoes what a document holds. Returns the document and, unless all is undone, when it is to be
/// tried again.
pub async fn undo(context: Arc<Context>, left: LeftObligations) -> (DocumentKey, Option<Instant>) {
    let LeftObligations { key, run, location, bucket } = left;
    let holder = ObligationHolder::this_process(&context.settings.holder);
    let undoer = Arc::new(context.cluster.clone());
    let undone = undo_left(undoer, &bucket, &key.1, &holder, notes(&context, &run)).await;
    let became = match undone {
        Ok(became) => became,
        // Somebody else undoes it, or its holder lives: the next look sees what it says then.
        Err(ObligationError::Taken) => return (key, None),
        Err(error) => UndoneObligations {
            failed: vec![(format!("undoes {}", key.1), causes(&error))],
            ..Default::default()
        },
    };
    let UndoneObligations { undone, failed } = became;
    let name = &run.name;
    let backup = backup_of(&context, &run);
    for what in undone {
        context.metrics.obligation_undone();
        let note = format!(
            "Backup `{name}` (uid {}) had died before it undid what it had changed; undone: what {what}",
            run.uid
        );
        tracing::warn!(kind = KIND, document = key.1, "{note}");
        context.events.warned(&*location, "Undone", &note).await;
        if let Some(backup) = &backup {
            context.events.warned(&**backup, "Undone", &note).await;
        }
    }
    if failed.is_empty() {
        return (key, None);
    }
    for (what, why) in failed {
        let note = format!(
            "Backup `{name}` (uid {}) has left a change, and what {what} failed: {why}; it is tried again",
            run.uid
        );
        tracing::warn!(kind = KIND, document = key.1, "{note}");
        context.events.warned(&*location, "UndoFailed", &note).await;
        if let Some(backup) = &backup {
            context.events.warned(&**backup, "UndoFailed", &note).await;
        }
    }
    let again = context.retries.failed(KIND, &key.1, Instant::now());
    (key, Some(Instant::now() + again))
}

/// Returns the notes of a Backup of this server; `None` for a run of a command line, or of another
/// server.
pub fn notes(context: &Context, run: &ObligedRun) -> Option<Arc<dyn ObligationNotes>> {
    let is_here = run.namespace.as_ref() == Some(&context.settings.namespace);
    is_here.then(|| {
        let notes = StatusNotes::new(context, run.name.clone(), run.uid.clone());
        Arc::new(notes) as Arc<dyn ObligationNotes>
    })
}

fn backup_of(context: &Context, run: &ObligedRun) -> Option<Arc<Backup>> {
    context.caches.backups.find(|backup| backup.metadata.uid.as_ref() == Some(&run.uid))
}
