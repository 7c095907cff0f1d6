//! Undoes what earlier attempts at a run have left, before the next one changes anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::document::{ObligationDocument, OpenObligation};
use super::error::ObligationError;
use super::holder::is_held_here;
use super::ledger::id_prefix;
use super::notes::ObligationNotes;
use super::state::LedgerOwner;
use super::take_over::undo_left;
use super::undo::Undoer;
use crate::bucket::Bucket;
use crate::model::causes;

/// Time for which an attempt waits for what this process, or another one, is already undoing.
const WAITING: Duration = Duration::from_secs(60);

/// Pause between two looks whether it is done.
const LOOK: Duration = Duration::from_secs(1);

/// Undoes what earlier attempts of the run have left, whose name the caller has claimed. Returns
/// what could not be undone, in words, with the reason.
///
/// # Errors
/// If the bucket cannot be listed.
pub async fn undo_earlier(
    undoer: &Arc<dyn Undoer>,
    bucket: &Bucket,
    owner: &LedgerOwner,
    notes: Option<&Arc<dyn ObligationNotes>>,
) -> Result<Vec<(String, String)>, ObligationError> {
    let prefix = id_prefix(&owner.run.uid);
    let mut failed = Vec::new();
    for listed in bucket.list_obligations().await?.into_iter().filter(|each| each.id.starts_with(&prefix)) {
        let end = Instant::now() + WAITING;
        while is_held_here(&listed.id) && Instant::now() < end {
            sleep(LOOK).await;
        }
        let undoer = Arc::clone(undoer);
        let left = match undo_left(undoer, bucket, &listed.id, &owner.holder, notes.cloned()).await {
            Err(ObligationError::Taken) => left_by_another(bucket, &listed.id).await,
            undone => undone.map(|became| became.failed),
        };
        match left {
            Ok(left) => failed.extend(left),
            Err(error) => failed.push((format!("undoes {}", listed.id), causes(&error))),
        }
    }
    Ok(failed)
}

/// Waits until another process has undone what a document holds. Returns what it has not in the
/// end, in words, with the reason.
async fn left_by_another(bucket: &Bucket, id: &str) -> Result<Vec<(String, String)>, ObligationError> {
    let end = Instant::now() + WAITING;
    loop {
        let read = bucket.read_obligations(id).await;
        if matches!(read, Ok(None)) {
            return Ok(Vec::new());
        }
        if Instant::now() >= end {
            let Some(stored) = read? else { return Ok(Vec::new()) };
            let document = ObligationDocument::parse(&stored.bytes).map_err(ObligationError::Unreadable)?;
            let why = format!("another process has not done it within {} s", WAITING.as_secs());
            let left = document.open.iter().map(OpenObligation::describe);
            return Ok(left.map(|what| (what, why.clone())).collect());
        }
        sleep(LOOK).await;
    }
}
