//! ServerStatusRequests: who the server is.

use std::sync::Arc;

use super::context::Context;
use super::stores::Feed;
use crate::api::ServerStatusRequest;

/// Reconciles until the server stops.
pub async fn run(context: Arc<Context>, feed: Feed<ServerStatusRequest>) {
    let _ = (context, feed);
}
