//! The obligations of one run.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio::time::{Instant, sleep};

use super::document::OpenObligation;
use super::error::ObligationError;
use super::file::ObligationFile;
use super::keeper;
use super::notes::ObligationNotes;
use super::state::{HeldObligation, LedgerOwner, LedgerState};
use super::undo::{Undo, Undoer};
use crate::bucket::{AttemptId, Bucket};
use crate::model::{Finding, causes};

/// Time after which a change is undone whatever else happens, unless its maker says otherwise: far
/// longer than hooks and a cut take.
const LONGEST: Duration = Duration::from_secs(3600);

/// Time for which the record of what is undone is tried to be removed: a record that stays would
/// have somebody undo it again.
const SETTLING: Duration = Duration::from_secs(180);

/// Time for which the end of a run tries to write what an earlier write may have left otherwise.
const FINISHING: Duration = Duration::from_secs(30);

/// Pause after the first failed try to remove a record; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is to be undone of one run. Clones share it.
///
/// # Guarantees
/// - What [`ObligationLedger::announce`] has returned for is in the bucket, where another process
///   finds and undoes it once no heartbeat has come for a while.
/// - Whoever undoes it takes the document over first; nothing that is written here late brings it
///   back.
#[derive(Clone, Debug)]
pub struct ObligationLedger {
    pub(super) state: Arc<LedgerState>,
}

impl ObligationLedger {
    /// Creates the ledger of an attempt; nothing is written before the first obligation.
    pub fn new(
        undoer: Arc<dyn Undoer>,
        bucket: Bucket,
        owner: LedgerOwner,
        attempt: u32,
        notes: Option<Arc<dyn ObligationNotes>>,
    ) -> Self {
        let id = format!("{}{}", id_prefix(&owner.run.uid), String::from(AttemptId::draw(attempt)));
        let file = ObligationFile::new(bucket, id.clone());
        Self::of(LedgerState::new(undoer, (id, file), owner, notes, Vec::new()))
    }

    pub(super) fn of(state: LedgerState) -> Self {
        Self { state: Arc::new(state) }
    }

    /// Stores what undoes a change, which may last for an hour. The change is made once this has
    /// returned.
    ///
    /// # Errors
    /// If the record may not outlive the process; the change is not made then.
    pub async fn announce(&self, undo: Undo) -> Result<(), ObligationError> {
        self.announce_for(undo, LONGEST).await
    }

    /// Stores what undoes a change, and undoes it when it has lasted for `longest`. The change is
    /// made once this has returned.
    ///
    /// # Errors
    /// As [`ObligationLedger::announce`].
    pub async fn announce_for(&self, undo: Undo, longest: Duration) -> Result<(), ObligationError> {
        let deadline = Utc::now() + TimeDelta::from_std(longest).unwrap_or(TimeDelta::MAX);
        let obligation = OpenObligation::new(&undo, deadline)?;
        self.state.add(HeldObligation { obligation, until: Instant::now() + longest });
        self.keep();
        // Should this future be dropped, the record stays and is undone in the end.
        let written = self.state.write().await;
        if written.is_err() {
            self.state.remove(&undo);
        }
        written
    }

    /// Removes the record of a change that is undone, or was not made; tries for three minutes.
    ///
    /// # Errors
    /// If the record may still be there.
    pub async fn settle(&self, undo: &Undo) -> Result<(), ObligationError> {
        self.state.remove(undo);
        self.write_for(SETTLING).await
    }

    /// Writes what is open, with tries for so long.
    async fn write_for(&self, patience: Duration) -> Result<(), ObligationError> {
        let (end, mut pause) = (Instant::now() + patience, FIRST_PAUSE);
        loop {
            match self.state.write().await {
                // Whoever has it now finds nothing to undo.
                Ok(()) | Err(ObligationError::Taken) => return Ok(()),
                Err(error) if Instant::now() >= end => return Err(error),
                Err(error) => tracing::warn!(
                    "the record of what is to be undone could not be written; it is tried again: {}",
                    causes(&error)
                ),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Returns what is still to be undone, the oldest first.
    pub fn open(&self) -> Vec<Undo> {
        self.state.open().iter().filter_map(|held| held.obligation.undo()).collect()
    }

    /// Undoes what is still open, the newest first. Returns what the run is to be told: what could
    /// not be undone, and what did not last.
    pub async fn finish(&self) -> Vec<Finding> {
        if self.state.is_taken() {
            self.state.lose().await;
        }
        for obligation in self.state.newest_first() {
            let Some(undo) = obligation.undo() else { continue };
            let undone = match self.state.undoer.undo(&undo).await {
                Ok(_) => self.settle(&undo).await,
                Err(error) => Err(error),
            };
            if let Err(error) = undone {
                self.state.find(format!(
                    "what {undo} failed: {}; a server in this cluster tries it again, or `ark obligation undo`",
                    causes(&error)
                ));
            }
        }
        // A record whose write failed may be there all the same, of a change that was never made.
        if self.state.is_stale()
            && let Err(error) = self.write_for(FINISHING).await
        {
            tracing::warn!("the record of what is to be undone is not up to date: {}", causes(&error));
        }
        self.state.take_findings()
    }

    /// Begins to renew the document, and to look for what is overdue.
    fn keep(&self) {
        if !self.state.is_kept.swap(true, Ordering::AcqRel) {
            tokio::spawn(keeper::renew(Arc::downgrade(&self.state)));
            tokio::spawn(keeper::watch(Arc::downgrade(&self.state)));
        }
    }
}

/// Returns what the ids of a backup's documents begin with.
pub(super) fn id_prefix(uid: &str) -> String {
    format!("backup-{uid}-")
}
