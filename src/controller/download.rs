//! DownloadRequests: an address for one part of a backup or restore.

use std::sync::Arc;

use super::context::Context;
use super::stores::Feed;
use crate::api::DownloadRequest;

/// Reconciles until the server stops.
pub async fn run(context: Arc<Context>, feed: Feed<DownloadRequest>) {
    let _ = (context, feed);
}
