//! What the clones of a ledger share: what is open, and the document that says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::document::{ObligationDocument, ObligedRun, OpenObligation};
use super::error::ObligationError;
use super::file::ObligationFile;
use super::holder::{HeldHere, ObligationHolder};
use super::notes::ObligationNotes;
use super::undo::{Undo, Undoer};
use crate::api::PendingUndo;
use crate::model::{Category, Finding, causes};

/// Time that a note beside the bucket may take: a lock must not last longer because of it.
const NOTING: Duration = Duration::from_secs(5);

/// Whose obligations a ledger holds.
#[derive(Clone, Debug)]
pub struct LedgerOwner {
    /// The run that makes the changes.
    pub run: ObligedRun,
    /// The uid of the cluster in which they are made.
    pub cluster_uid: String,
    /// The process that holds the ledger.
    pub holder: ObligationHolder,
}

/// What the clones of a ledger share.
pub(super) struct LedgerState {
    pub undoer: Arc<dyn Undoer>,
    id: String,
    owner: LedgerOwner,
    notes: Option<Arc<dyn ObligationNotes>>,
    open: Mutex<Vec<HeldObligation>>,
    file: tokio::sync::Mutex<ObligationFile>,
    findings: Mutex<Vec<Finding>>,
    /// Whether the document does not say yet what is open.
    is_stale: AtomicBool,
    /// Whether the notes do not say yet what the document does.
    is_unnoted: AtomicBool,
    is_taken: AtomicBool,
    /// Whether what followed from that was done.
    is_lost: AtomicBool,
    /// Whether tasks renew it and look for what is overdue.
    pub is_kept: AtomicBool,
    _held: HeldHere,
}

/// An obligation, and when it is undone at the latest, by this process's clock.
#[derive(Clone, Debug)]
pub(super) struct HeldObligation {
    pub obligation: OpenObligation,
    pub until: Instant,
}

impl LedgerState {
    pub fn new(
        undoer: Arc<dyn Undoer>,
        (id, file): (String, ObligationFile),
        owner: LedgerOwner,
        notes: Option<Arc<dyn ObligationNotes>>,
        open: Vec<HeldObligation>,
    ) -> Self {
        Self {
            undoer,
            owner,
            notes,
            open: Mutex::new(open),
            file: tokio::sync::Mutex::new(file),
            findings: Mutex::default(),
            is_stale: AtomicBool::new(false),
            is_unnoted: AtomicBool::new(false),
            is_taken: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            is_kept: AtomicBool::new(false),
            _held: HeldHere::new(id.clone()),
            id,
        }
    }

    pub fn open(&self) -> MutexGuard<'_, Vec<HeldObligation>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is open, the newest first.
    pub fn newest_first(&self) -> Vec<OpenObligation> {
        self.open().iter().rev().map(|held| held.obligation.clone()).collect()
    }

    pub fn add(&self, held: HeldObligation) {
        self.is_stale.store(true, Ordering::Release);
        self.open().push(held);
    }

    /// Removes an obligation, the newest of equal ones.
    pub fn remove(&self, undo: &Undo) {
        self.is_stale.store(true, Ordering::Release);
        let mut open = self.open();
        if let Some(at) = open.iter().rposition(|held| held.obligation.undo().as_ref() == Some(undo)) {
            open.remove(at);
        }
    }

    /// Returns whether the document may not say what is open.
    pub fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Acquire)
    }

    pub fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Acquire)
    }

    pub fn find(&self, message: String) {
        tracing::warn!(document = self.id, "{message}");
        let finding = Finding::error(Category::Other, message);
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
    }

    pub fn take_findings(&self) -> Vec<Finding> {
        std::mem::take(&mut *self.findings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes what is open now, with a heartbeat, or deletes the document if nothing is.
    ///
    /// # Errors
    /// [`ObligationError::Taken`] if another process has the document; else if the store fails.
    pub async fn write(&self) -> Result<(), ObligationError> {
        let mut file = self.file.lock().await;
        if self.is_taken() {
            return Err(ObligationError::Taken);
        }
        let open: Vec<_> = self.open().iter().map(|held| held.obligation.clone()).collect();
        let LedgerOwner { run, cluster_uid, holder } = self.owner.clone();
        let pending: Vec<_> = open.iter().map(OpenObligation::pending).collect();
        let wanted = match open.is_empty() {
            true => None,
            false => Some(ObligationDocument::new(run, cluster_uid, holder, open).encode()?),
        };
        // What is added or removed meanwhile is written by whoever did that.
        let was_stale = self.is_stale.swap(false, Ordering::AcqRel);
        if let Err(error) = file.store(wanted).await {
            self.is_stale.store(true, Ordering::Release);
            self.is_taken.fetch_or(matches!(error, ObligationError::Taken), Ordering::AcqRel);
            return Err(error);
        }
        if was_stale || self.is_unnoted.load(Ordering::Acquire) {
            self.note((!pending.is_empty()).then_some(pending)).await;
        }
        Ok(())
    }

    /// Notes what the document holds. The bucket is what counts: where the API server is away,
    /// nothing can be scaled either.
    async fn note(&self, pending: Option<Vec<PendingUndo>>) {
        let Some(notes) = &self.notes else { return };
        let noted = timeout(NOTING, notes.note(&self.id, pending)).await;
        let why = match noted {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(causes(error.as_ref())),
            Err(_) => Some(format!("no answer within {} s", NOTING.as_secs())),
        };
        self.is_unnoted.store(why.is_some(), Ordering::Release);
        if let Some(why) = why {
            tracing::warn!(
                document = self.id,
                "what is to be undone is in the bucket and not yet in the status of the run: {why}"
            );
        }
    }

    /// Writes a heartbeat if there is anything to say.
    pub async fn beat(&self) {
        let is_due = !self.open().is_empty()
            || self.is_stale.load(Ordering::Acquire)
            || self.is_unnoted.load(Ordering::Acquire);
        let written = if is_due { self.write().await } else { Ok(()) };
        match written {
            Ok(()) => {}
            Err(ObligationError::Taken) => self.lose().await,
            Err(error) => tracing::warn!(
                document = self.id,
                "what is to be undone could not be written anew; it is tried again: {}",
                causes(&error)
            ),
        }
    }

    /// Undoes once what this process may have changed since another one undid its obligations.
    pub async fn lose(&self) {
        if self.is_lost.swap(true, Ordering::AcqRel) {
            return;
        }
        let open = std::mem::take(&mut *self.open());
        for held in open.iter().rev() {
            let Some(undo) = held.obligation.undo().filter(|undo| !undo.is_watched()) else { continue };
            if let Err(error) = self.undoer.undo(&undo).await {
                self.find(format!("what {undo} failed: {}; do it by hand", causes(&error)));
            }
        }
        self.find(
            "nothing could be heard of this run for a while, so that another process undid what it had changed: that did not last until the instant of the backup, or nobody knows whether it did".to_owned(),
        );
    }

    /// Undoes what has lasted for too long.
    pub async fn undo_overdue(&self) {
        let now = Instant::now();
        let overdue: Vec<_> = self.open().iter().rev().filter(|held| held.until <= now).cloned().collect();
        for HeldObligation { obligation, .. } in overdue {
            let Some(undo) = obligation.undo() else { continue };
            match self.undoer.undo(&undo).await {
                Ok(_) => {
                    self.remove(&undo);
                    self.find(format!(
                        "its time was over before the backup was made: what {undo} was done, so that the change did not last"
                    ));
                    self.beat().await;
                }
                Err(error) => tracing::warn!(
                    document = self.id,
                    "its time is over, and what {undo} failed; it is tried again: {}",
                    causes(&error)
                ),
            }
        }
    }

    /// Returns when the next obligation is overdue, or `None` if nothing is open.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.open().iter().map(|held| held.until).min()
    }
}

impl std::fmt::Debug for LedgerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerState")
            .field("id", &self.id)
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}
