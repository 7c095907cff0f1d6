//! Undoes what earlier attempts at a run have left, before the next one changes anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::ObligationError;
use super::holder::is_held_here;
use super::ledger::id_prefix;
use super::notes::ObligationNotes;
use super::state::LedgerOwner;
use super::take_over::undo_left;
use super::undo::Undoer;
use crate::bucket::Bucket;

/// Time for which an attempt waits for what this process is already undoing.
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
        match undo_left(undoer, bucket, &listed.id, &owner.holder, notes.cloned()).await {
            Ok(became) => failed.extend(became.failed),
            Err(error) => failed.push((format!("undoes {}", listed.id), crate::model::causes(&error))),
        }
    }
    Ok(failed)
}
