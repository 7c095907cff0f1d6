//! Backups: admitted, run through the engine, recorded.

use std::sync::Arc;

use super::context::Context;
use super::stores::Feed;
use crate::api::Backup;

/// Reconciles until the server stops.
pub async fn run(context: Arc<Context>, feed: Feed<Backup>) {
    let _ = (context, feed);
}
