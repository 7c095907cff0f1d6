//! What a run must undo, kept where another process finds it: in the bucket, and in the status of
//! the run.

mod error;
mod ledger;
mod scale;
mod undo;

pub use error::ObligationError;
pub use ledger::ObligationLedger;
pub use scale::{ScaleBack, ScaledWorkload, back as scale_back, read as read_workload};
pub use undo::{Undo, undo};
