//! Locations: whether each can be used, and is still the one it was.

use std::sync::Arc;

use super::context::Context;
use super::stores::Feed;
use crate::api::BackupStorageLocation;

/// Reconciles until the server stops.
pub async fn run(context: Arc<Context>, feed: Feed<BackupStorageLocation>) {
    let _ = (context, feed);
}
