//! What the bucket has comes into the cluster, and what it has no longer goes.

use std::sync::Arc;

use super::context::Context;

/// Makes a pass each period until the server stops.
pub async fn run(context: Arc<Context>) {
    let _ = context;
}
