//! What a run must undo, kept where another process finds it: in the bucket, and in the status of
//! the run.
//!
//! - `undo` says what undoes a change and does it; `document` is the record in the bucket (pure),
//!   `file` writes it only while it is this process's, `notes` is the status of the run.
//! - [`ObligationLedger`] holds the obligations of one run (`state`); `keeper` renews its document
//!   and undoes what lasts too long.
//! - [`undo_left`] undoes what another process left, [`undo_earlier`] what earlier attempts did;
//!   `holder` tells processes apart.

mod document;
mod earlier;
mod error;
mod file;
mod holder;
mod keeper;
mod ledger;
mod mongo;
mod notes;
mod scale;
mod state;
mod take_over;
mod undo;

pub use document::{ObligationDocument, ObligedRun, OpenObligation};
pub use earlier::undo_earlier;
pub use error::ObligationError;
pub use holder::{ObligationHolder, SILENT, is_held_here};
pub use ledger::ObligationLedger;
pub use notes::ObligationNotes;
pub use scale::{ScaleBack, ScaledWorkload, back as scale_back, read as read_workload};
pub use state::LedgerOwner;
pub use take_over::{UndoneObligations, undo_left};
pub use undo::{Undo, Undoer, undo};

#[cfg(test)]
mod tests;
