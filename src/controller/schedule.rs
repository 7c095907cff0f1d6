//! Schedules: when to make a backup, and which to remove.

use std::sync::Arc;

use super::context::Context;
use super::stores::Feed;
use crate::api::Schedule;

/// Reconciles until the server stops.
pub async fn run(context: Arc<Context>, feed: Feed<Schedule>) {
    let _ = (context, feed);
}
