//! Runs a Job and waits until it is complete.

use super::context::ActionContext;
use super::end::ActionFailure;
use crate::api::{BackupAction, JobAction};

/// Runs a Job and waits until it is complete.
///
/// # Errors
/// If it is not done.
pub async fn run(
    _context: &ActionContext<'_>,
    _action: &BackupAction,
    _job: &JobAction,
    _lines: &mut Vec<String>,
) -> Result<(), ActionFailure> {
    Ok(())
}
