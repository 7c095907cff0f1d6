//! DeleteBackupRequests: what the bucket and the clusters have of a backup goes.

use std::sync::Arc;

use super::context::Context;
use super::stores::Feed;
use crate::api::DeleteBackupRequest;

/// Reconciles until the server stops.
pub async fn run(context: Arc<Context>, feed: Feed<DeleteBackupRequest>) {
    let _ = (context, feed);
}
