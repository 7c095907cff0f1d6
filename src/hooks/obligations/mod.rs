//! What a run must undo, kept where another process finds it: in the bucket, and in the status of
//! the run.

mod error;
mod ledger;
mod mongo;
mod undo;

pub use error::ObligationError;
pub use ledger::ObligationLedger;
pub use undo::{Undo, undo};
