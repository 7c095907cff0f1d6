//! Undoes what another process has left: takes its document over, undoes the newest change first,
//! and removes what is undone.

use std::sync::Arc;

use tokio::time::Instant;

use super::document::{ObligationDocument, OpenObligation};
use super::error::ObligationError;
use super::file::ObligationFile;
use super::holder::ObligationHolder;
use super::keeper;
use super::ledger::ObligationLedger;
use super::notes::ObligationNotes;
use super::state::{HeldObligation, LedgerOwner, LedgerState};
use super::undo::Undoer;
use crate::bucket::Bucket;
use crate::model::causes;

/// What became of a document that another process had left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoneObligations {
    /// What was undone, in words; also what there was nothing to undo of.
    pub undone: Vec<String>,
    /// What could not be undone, in words, and why.
    pub failed: Vec<(String, String)>,
}

/// Undoes what a document of another process holds. The caller knows that the process is dead, or
/// that a person wants it. A document that is gone holds nothing.
///
/// # Errors
/// If the document cannot be read, cannot be taken over, or somebody else has just written it.
pub async fn undo_left(
    undoer: Arc<dyn Undoer>,
    bucket: &Bucket,
    id: &str,
    holder: &ObligationHolder,
    notes: Option<Arc<dyn ObligationNotes>>,
) -> Result<UndoneObligations, ObligationError> {
    let Some(stored) = bucket.read_obligations(id).await? else { return Ok(UndoneObligations::default()) };
    let document = ObligationDocument::parse(&stored.bytes).map_err(ObligationError::Unreadable)?;
    let ObligationDocument { run, cluster_uid, open, .. } = document;
    let owner = LedgerOwner { run, cluster_uid, holder: holder.clone() };
    let file = ObligationFile::of_another(bucket.clone(), id.to_owned(), stored.bytes);
    let held = |obligation| HeldObligation { obligation, until: Instant::now() };
    let open = open.into_iter().map(held).collect();
    let state = LedgerState::new(undoer, (id.to_owned(), file), owner, notes, open);
    let ledger = ObligationLedger::of(state);
    // From here on its former holder can write nothing more.
    ledger.state.write().await?;
    tokio::spawn(keeper::renew(Arc::downgrade(&ledger.state)));
    let mut became = UndoneObligations::default();
    for obligation in ledger.state.newest_first() {
        let what = obligation.describe();
        match undo_one(&ledger, &obligation).await {
            Ok(()) => became.undone.push(what),
            Err(why) => became.failed.push((what, why)),
        }
    }
    Ok(became)
}

async fn undo_one(ledger: &ObligationLedger, obligation: &OpenObligation) -> Result<(), String> {
    let Some(undo) = obligation.undo() else {
        return Err("this version of Ark does not know such a change; use a newer one".to_owned());
    };
    ledger.state.undoer.undo(&undo).await.map_err(|error| causes(&error))?;
    ledger.settle(&undo).await.map_err(|error| causes(&error))
}
