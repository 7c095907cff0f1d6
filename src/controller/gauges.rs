//! What Backups and Restores tell of Schedules: when the last good ones were, which a restart forgets; and nothing of Schedules
//! that are gone, so that no alert waits for their next backup.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;

use super::context::Context;
use super::runs::remember;
use crate::api::{Backup, Restore};

/// Alerts wait for minutes.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Looks until the server stops.
pub async fn run(context: Arc<Context>) {
    let mut known = BTreeSet::new();
    remember::<Backup>(&context);
    remember::<Restore>(&context);
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let schedules = context.stores.schedules.state();
        let present: BTreeSet<_> = schedules.iter().map(|schedule| schedule.name_any()).collect();
        for gone in known.difference(&present) {
            context.metrics.backups.schedule_gone(gone);
            context.metrics.restores.schedule_gone(gone);
        }
        known = present;
    }
}
