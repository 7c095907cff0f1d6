//! What the bucket has comes into the cluster, and what it has no longer goes.
//!
//! Each location is followed by a task of its own, pass by pass: `look` lists its keys and compares them with what the
//! cluster has, `decide` (pure) says what to do about each name, `create` brings documents in, `compare` looks whether a document that
//! was written since still belongs to its object, `remove` takes objects away after a second look at their keys. `mirrored` is what Backups and Restores have in common here.

mod compare;
mod create;
mod decide;
mod labels;
mod memory;
mod mirrored;
mod pass;
mod remove;
mod survey;
mod tally;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep};

use super::context::Context;
use crate::api::{BackupStorageLocation, LocationPhase};
use crate::model::causes;
use memory::Memory;

/// How often it is looked which locations there are and which one is due; costs a look into memory.
const TICK: Duration = Duration::from_secs(1);
/// The shortest period that is obeyed; a pass is a listing of the whole location.
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);

/// Makes a pass each period until the server stops. It is begun when it is known what the cluster has: what was not read
/// yet would pass for absent.
pub async fn run(context: Arc<Context>) {
    let mut tasks = JoinSet::new();
    let mut followed: HashMap<Id, Option<String>> = HashMap::new();
    while !context.stop.is_cancelled() {
        for location in context.caches.locations.state() {
            let uid = location.metadata.uid.clone();
            if !followed.values().any(|known| *known == uid) {
                let task = tasks.spawn(follow(Arc::clone(&context), location));
                followed.insert(task.id(), uid);
            }
        }
        tokio::select! {
            () = context.stop.cancelled() => {}
            () = sleep(TICK) => {}
            Some(ended) = tasks.join_next_with_id() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                followed.remove(&id);
            }
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Follows one location until it is gone.
async fn follow(context: Arc<Context>, first: Arc<BackupStorageLocation>) {
    let mut memory = Memory::default();
    let mut begun: Option<Instant> = None;
    loop {
        let Some(location) = still_there(&context, &first) else { return };
        let waited = begun.is_none_or(|begun| begun.elapsed() >= period(&context, &location));
        if waited && is_available(&location) {
            begun = Some(Instant::now());
            if make_pass(&context, &location, &mut memory).await {
                begun = None;
            }
        }
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = sleep(TICK) => {}
        }
    }
}

/// One pass; whether another one should follow at once.
async fn make_pass(
    context: &Arc<Context>,
    location: &Arc<BackupStorageLocation>,
    memory: &mut Memory,
) -> bool {
    let name = location.metadata.name.as_deref().unwrap_or_default();
    let begun = Instant::now();
    let passed = tokio::select! {
        () = context.stop.cancelled() => return false,
        () = gone(context, location) => return false,
        passed = pass::pass(context, location, memory) => passed,
    };
    match passed {
        Ok(goes_on) => {
            context.metrics.sync_pass(name, begun.elapsed().as_secs_f64());
            goes_on
        }
        Err(error) => {
            context.metrics.sync_failed(name);
            tracing::warn!(kind = "BackupStorageLocation", name, "cannot sync: {}", causes(&error));
            false
        }
    }
}

/// Waits until a location is gone: what a pass would bring in after that, nobody follows.
async fn gone(context: &Context, location: &BackupStorageLocation) {
    while still_there(context, location).is_some() {
        sleep(TICK).await;
    }
}

/// The location as it is now; None when it is gone, or another one has its name.
fn still_there(context: &Context, location: &BackupStorageLocation) -> Option<Arc<BackupStorageLocation>> {
    let found = context.locations.find(location.metadata.name.as_deref())?;
    (found.metadata.uid == location.metadata.uid).then_some(found)
}

fn is_available(location: &BackupStorageLocation) -> bool {
    let phase = location.status.as_ref().and_then(|status| status.phase);
    phase == Some(LocationPhase::Available) && location.metadata.deletion_timestamp.is_none()
}

/// Between two passes over a location.
pub fn period(context: &Context, location: &BackupStorageLocation) -> Duration {
    let given = location.spec.sync_period.as_ref().and_then(|period| period.length().ok());
    given.unwrap_or(context.settings.sync_period).max(SHORTEST_PERIOD)
}

#[cfg(test)]
mod tests;
