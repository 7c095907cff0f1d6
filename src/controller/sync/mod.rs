//! Keeps the objects of a cluster in step with the documents of its buckets.
//!
//! Each location has a task of its own that makes one pass per period (`pass`). `survey` lists its
//! keys and compares them with the cluster's objects, `decide` (pure) returns the step for each
//! name, `create` brings documents in, `compare` reads a document that was written anew and checks
//! that its object still belongs to it, `remove` deletes objects after a second look at their keys.
//! `mirrored` has what Backups and Restores share here.

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

/// Time between two looks at which locations exist and which is due. A look only reads memory.
const TICK: Duration = Duration::from_secs(1);
/// Shortest period between two passes: each pass lists the whole location.
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);

/// Makes a pass over each location every period until the server stops. Call only after the caches
/// are filled: an object that a cache does not hold yet would pass for absent.
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

/// Follows one location until it is deleted or the server stops.
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

/// Makes one pass. Returns true if another one should follow at once.
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

/// Waits until a location is deleted: nobody would follow what the pass brings in after that.
async fn gone(context: &Context, location: &BackupStorageLocation) {
    while still_there(context, location).is_some() {
        sleep(TICK).await;
    }
}

/// Returns the location as it is now, or `None` if it is deleted or another one has its name.
fn still_there(context: &Context, location: &BackupStorageLocation) -> Option<Arc<BackupStorageLocation>> {
    let found = context.locations.find(location.metadata.name.as_deref())?;
    (found.metadata.uid == location.metadata.uid).then_some(found)
}

fn is_available(location: &BackupStorageLocation) -> bool {
    let phase = location.status.as_ref().and_then(|status| status.phase);
    phase == Some(LocationPhase::Available) && location.metadata.deletion_timestamp.is_none()
}

/// Returns the time between two passes over a location.
pub fn period(context: &Context, location: &BackupStorageLocation) -> Duration {
    let given = location.spec.sync_period.as_ref().and_then(|period| period.length().ok());
    given.unwrap_or(context.settings.sync_period).max(SHORTEST_PERIOD)
}

#[cfg(test)]
mod tests;
